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
/// The most claimed notices to one contact: one that hangs must not hold up the others.
pub(crate) const CONTACT_CLAIMS_MAX: usize = 8;
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
    /// Up to `most` notices that are due, were not delivered or given up, and belong to nobody. One
    /// that waits holds back the later ones to the same contact about the same incident, so that "up
    /// again" never overtakes "down", not even when the collector starts anew between them.
    pub(crate) fn claim(
        &mut self,
        db: &Connection,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<Claimed>, Error> {
        self.until.retain(|_, until| *until > now);
        let waiting = waiting(db)?;
        let mut heads = BTreeMap::new();
        for (key, _) in &waiting {
            let head = heads.entry(key.lane()).or_insert(key);
            if key.place() < head.place() {
                *head = key;
            }
        }
        let mut busy: BTreeMap<String, usize> = BTreeMap::new();
        for key in self.until.keys() {
            *busy.entry(key.lane().1.into()).or_default() += 1;
        }
        let mut claimed = Vec::new();
        for (key, _) in waiting.iter().filter(|(_, due)| *due <= now) {
            if claimed.len() >= most.min(CLAIM_MAX) {
                break;
            }
            let of_contact = busy.entry(key.lane().1.into()).or_default();
            if heads.get(&key.lane()) != Some(&key)
                || self.until.contains_key(key)
                || *of_contact >= CONTACT_CLAIMS_MAX
            {
                continue;
            }
            *of_contact += 1;
            self.until.insert(key.clone(), now + CLAIM_LASTS);
            match read(db, key) {
                Ok(one) => claimed.push(one),
                // It is tried again when this claim is over; the others do not wait for it.
                Err(fault) => tracing::error!(key = key.0, %fault, "a notice cannot be sent"),
            }
        }
        Ok(claimed)
    }

    /// Gives a claim back.
    pub(crate) fn release(&mut self, key: &NoticeKey) {
        self.until.remove(key);
    }
}

/// What is to be sent, by the time it is due.
fn waiting(db: &Connection) -> Result<Vec<(NoticeKey, Timestamp)>, Error> {
    const READ: &str = "read due notices";
    let mut find = db
        .prepare_cached("SELECT key, due_ms FROM notice WHERE state = 0 ORDER BY due_ms, key")
        .doing(READ)?;
    let row =
        |row: &rusqlite::Row<'_>| Ok((NoticeKey(row.get(0)?), Timestamp::from_ms(row.get(1)?)));
    let rows = find.query_map([], row).doing(READ)?;
    rows.collect::<Result<_, _>>().doing(READ)
}

fn read(db: &Connection, key: &NoticeKey) -> Result<Claimed, Error> {
    let (attempts, body): (u32, String) = db
        .prepare_cached("SELECT attempts, body FROM notice WHERE key = ?1")
        .and_then(|mut find| find.query_row([&key.0], |row| Ok((row.get(0)?, row.get(1)?))))
        .doing("read a notice")?;
    let notice: Notice = serde_json::from_str(&body).map_err(|fault| {
        Error::Other(format!("the stored notice {} cannot be read: {fault}", key.0))
    })?;
    Ok(Claimed { notice, attempts })
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
        Attempted::Unwanted => ("unwanted", None, 3, None),
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
