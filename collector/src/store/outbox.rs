//! Notices at rest: those to be sent, those that were, and every attempt.

use std::collections::BTreeMap;

use model::incident::{Notice, NoticeKey};
use model::time::{Millis, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::{Doing, Error};
use crate::handle::{Attempted, Claimed};

/// How long a claimed notice belongs to its claimant.
pub(crate) const CLAIM_LASTS: Millis = Millis::from_secs(60);
/// The most notices in one claim.
pub(crate) const CLAIM_MAX: usize = 256;
/// The longest stored reason of an attempt, bytes.
const WHY_BYTES_MAX: usize = 1000;
/// Old notices that go at once.
const RETIRE_AT_ONCE: u32 = 500;

/// Who was given what. In memory alone: after a crash every claim is over, which costs at most one
/// more attempt under the same key.
#[derive(Default)]
pub(crate) struct Claims {
    until: BTreeMap<NoticeKey, Timestamp>,
}

impl Claims {
    /// Up to `most` notices that are due, were not delivered or given up, and belong to nobody.
    pub(crate) fn claim(
        &mut self,
        db: &Connection,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<Claimed>, Error> {
        self.until.retain(|_, until| *until > now);
        let mut find = db
            .prepare_cached(
                "SELECT key, attempts, body FROM notice WHERE state = 0 AND due_ms <= ?1 \
                 ORDER BY due_ms, key",
            )
            .doing("read due notices")?;
        let mut rows = find.query([now.ms()]).doing("read due notices")?;
        let mut claimed = Vec::new();
        while claimed.len() < most.min(CLAIM_MAX) {
            let Some(row) = rows.next().doing("read due notices")? else { break };
            let key = NoticeKey(row.get(0).doing("read due notices")?);
            if self.until.contains_key(&key) {
                continue;
            }
            let body: String = row.get(2).doing("read due notices")?;
            let notice: Notice = serde_json::from_str(&body).map_err(|fault| {
                Error::Other(format!("the stored notice {} cannot be read: {fault}", key.0))
            })?;
            let attempts = row.get(1).doing("read due notices")?;
            self.until.insert(key, now + CLAIM_LASTS);
            claimed.push(Claimed { notice, attempts });
        }
        Ok(claimed)
    }

    /// Gives a claim back.
    pub(crate) fn release(&mut self, key: &NoticeKey) {
        self.until.remove(key);
    }
}

/// Writes a notice that is to be sent; writing it again changes nothing.
pub(crate) fn put(step: &Transaction<'_>, notice: &Notice) -> Result<(), Error> {
    let body = serde_json::to_string(notice)
        .map_err(|fault| Error::Other(format!("cannot write notice {}: {fault}", notice.key.0)))?;
    step.prepare_cached("INSERT OR IGNORE INTO notice(key, due_ms, body) VALUES (?1, ?2, ?3)")
        .and_then(|mut put| put.execute((&notice.key.0, notice.due.ms(), body)))
        .doing("write a notice")?;
    Ok(())
}

/// Whether a notice is still to be sent; none if there is no such notice.
pub(crate) fn waits(db: &Connection, key: &NoticeKey) -> Result<Option<bool>, Error> {
    db.prepare_cached("SELECT state = 0 FROM notice WHERE key = ?1")
        .and_then(|mut find| find.query_row([&key.0], |row| row.get(0)).optional())
        .doing("read a notice")
}

/// Writes an attempt and what it means for the notice.
pub(crate) fn attempted(
    step: &Transaction<'_>,
    now: Timestamp,
    key: &NoticeKey,
    attempted: &Attempted,
) -> Result<(), Error> {
    let (outcome, why, state, due) = match attempted {
        Attempted::Delivered => ("delivered", None, 1, None),
        Attempted::Retry { at, why } => ("retry", Some(why), 0, Some(at.ms())),
        Attempted::Undeliverable { why } => ("undeliverable", Some(why), 2, None),
    };
    let why = why.map(|why| {
        let mut why = why.clone();
        model::result::cut(&mut why, WHY_BYTES_MAX);
        why
    });
    step.prepare_cached(
        "INSERT INTO notice_attempt(key, at_ms, outcome, why) VALUES (?1, ?2, ?3, ?4)",
    )
    .and_then(|mut put| put.execute((&key.0, now.ms(), outcome, why)))
    .doing("write an attempt")?;
    step.prepare_cached(
        "UPDATE notice SET state = ?2, attempts = attempts + 1, due_ms = coalesce(?3, due_ms) \
         WHERE key = ?1",
    )
    .and_then(|mut put| put.execute((&key.0, state, due)))
    .doing("write an attempt")?;
    Ok(())
}

/// How many notices wait, due or not.
pub(crate) fn depth(db: &Connection) -> Result<u64, Error> {
    db.prepare_cached("SELECT count(*) FROM notice WHERE state = 0")
        .and_then(|mut find| find.query_row([], |row| row.get::<_, i64>(0)))
        .map(super::unsigned)
        .doing("count waiting notices")
}

/// Removes some notices that were done before `before`, with their attempts.
pub(crate) fn retire(step: &Transaction<'_>, before: Timestamp) -> Result<usize, Error> {
    const OLD: &str = "SELECT key FROM notice WHERE state > 0 AND due_ms < ?1 LIMIT ?2";
    step.execute(
        &format!("DELETE FROM notice_attempt WHERE key IN ({OLD})"),
        (before.ms(), RETIRE_AT_ONCE),
    )
    .and_then(|_| {
        step.execute(
            &format!("DELETE FROM notice WHERE key IN ({OLD})"),
            (before.ms(), RETIRE_AT_ONCE),
        )
    })
    .doing("remove old notices")
}
