//! Results at rest: written once, read by probe and slot, removed by whole days.
//!
//! A row is one result. Its key says which, its body is the result as it travels on the wire.
//! Nothing outside this file knows how results are kept.

use model::name::{AgentName, ProbeName, Region};
use model::result::ProbeResult;
use model::time::{Millis, Timestamp};
use rusqlite::{Connection, Transaction};

use crate::handle::{ResultPage, ResultQuery, StoredResult};
use crate::store::names::{self, Names};
use crate::store::{Doing, Error, signed, unsigned};

/// The most results in one page.
pub(crate) const PAGE_MAX: u32 = 10_000;
/// Results of one slot and probe that a page looks through; more than that cannot be of use.
const SLOT_RESULTS_MAX: usize = 10_000;
/// How far the newest results of a probe are looked for at the start, in rows a region.
const LATEST_ROWS: usize = 64;
/// How much time of one probe is removed at once.
const RETIRE_SPAN: Millis = Millis::from_secs(3600);
const DAY: i64 = 86_400_000;
const READ: &str = "read results";

/// Writes a result; false if it was there.
pub(crate) fn put(
    step: &Transaction<'_>,
    names: &mut Names,
    agent: &AgentName,
    incarnation: u64,
    result: &ProbeResult,
) -> Result<bool, Error> {
    let probe = names.number(step, result.probe.as_str())?;
    let region = names.number(step, result.region.as_str())?;
    let agent = names.number(step, agent.as_str())?;
    let body = model::wire::result_to_protobuf(result);
    let written = step
        .prepare_cached("INSERT OR IGNORE INTO result VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
        .and_then(|mut put| {
            let (incarnation, seq) = (signed(incarnation), signed(result.seq));
            put.execute((probe, result.slot.ms(), region, agent, incarnation, seq, body))
        })
        .doing("write a result")?;
    Ok(written > 0)
}

fn stored(agent: &str, incarnation: i64, body: &[u8]) -> Result<StoredResult, Error> {
    let broken = |fault: String| Error::Other(format!("a stored result cannot be read: {fault}"));
    Ok(StoredResult {
        agent: AgentName::new(agent).map_err(broken)?,
        incarnation: unsigned(incarnation),
        result: model::wire::result_from_protobuf(body).map_err(broken)?,
    })
}

/// Gives the results of a probe with `from` <= slot < `to` to `each`, by slot, until it says stop.
fn walk(
    db: &Connection,
    probe: &ProbeName,
    (from, to): (Timestamp, Timestamp),
    newest_first: bool,
    each: &mut dyn FnMut(StoredResult) -> bool,
) -> Result<(), Error> {
    let Some(probe) = names::find(db, probe.as_str())? else { return Ok(()) };
    let text = if newest_first {
        "SELECT name.text, incarnation, body FROM result JOIN name ON name.id = agent \
         WHERE probe = ?1 AND slot_ms >= ?2 AND slot_ms < ?3 ORDER BY slot_ms DESC"
    } else {
        "SELECT name.text, incarnation, body FROM result JOIN name ON name.id = agent \
         WHERE probe = ?1 AND slot_ms >= ?2 AND slot_ms < ?3 ORDER BY slot_ms"
    };
    let mut find = db.prepare_cached(text).doing(READ)?;
    let mut rows = find.query((probe, from.ms(), to.ms())).doing(READ)?;
    while let Some(row) = rows.next().doing(READ)? {
        let agent = row.get_ref(0).doing(READ)?.as_str().map_err(rusqlite::Error::from);
        let body = row.get_ref(2).doing(READ)?.as_blob().map_err(rusqlite::Error::from);
        let result = stored(agent.doing(READ)?, row.get(1).doing(READ)?, body.doing(READ)?)?;
        if !each(result) {
            break;
        }
    }
    Ok(())
}

/// Gives every result of a probe with `from` <= slot < `to` to `each`, in order of slot.
pub(crate) fn scan(
    db: &Connection,
    probe: &ProbeName,
    from: Timestamp,
    to: Timestamp,
    each: &mut dyn FnMut(StoredResult) -> bool,
) -> Result<(), Error> {
    walk(db, probe, (from, to), false, each)
}

/// What results are ordered by.
type Place = (Timestamp, Region, AgentName, u64, u64);

fn place(stored: &StoredResult) -> Place {
    let result = &stored.result;
    let (region, agent) = (result.region.clone(), stored.agent.clone());
    (result.slot, region, agent, stored.incarnation, result.seq)
}

/// A place as text: `slot/region/agent/incarnation/seq`.
fn written((slot, region, agent, incarnation, seq): &Place) -> String {
    format!("{}/{region}/{agent}/{incarnation}/{seq}", slot.ms())
}

/// Reads what [`written`] wrote.
fn place_from(text: &str) -> Option<Place> {
    let mut parts = text.split('/');
    let slot = Timestamp::from_ms(parts.next()?.parse().ok()?);
    let region = Region::new(parts.next()?).ok()?;
    let agent = AgentName::new(parts.next()?).ok()?;
    let place = (slot, region, agent, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(place)
}

/// One page of results. The error of the inner result says what is wrong with the question.
pub(crate) fn page(
    db: &Connection,
    query: &ResultQuery,
) -> Result<Result<ResultPage, String>, Error> {
    let after = match query.after.as_deref().map(|text| (text, place_from(text))) {
        None => None,
        Some((_, Some(place))) => Some(place),
        Some((text, None)) => {
            return Ok(Err(format!(
                "`after={text}` is not a place: use what the page before gave, unchanged"
            )));
        }
    };
    let limit = usize::try_from(query.limit.clamp(1, PAGE_MAX)).unwrap_or(1);
    let from = after.as_ref().map_or(query.from, |after| after.0.max(query.from));
    let mut page: Vec<StoredResult> = Vec::new();
    // Rows of one slot come in the order of their numbers; they are sorted by name when the slot is whole.
    let mut slot: Vec<StoredResult> = Vec::new();
    let close = |slot: &mut Vec<StoredResult>, page: &mut Vec<StoredResult>| {
        slot.sort_by_cached_key(place);
        page.append(slot);
    };
    scan(db, &query.probe, from, query.to, &mut |stored| {
        if after.as_ref().is_some_and(|after| place(&stored) <= *after) {
            return true;
        }
        if slot.last().is_some_and(|last| last.result.slot != stored.result.slot) {
            close(&mut slot, &mut page);
        }
        if slot.len() < SLOT_RESULTS_MAX {
            slot.push(stored);
        }
        page.len() <= limit
    })?;
    close(&mut slot, &mut page);
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more).map(|last| written(&place(last)));
    Ok(Ok(ResultPage { results: page, next }))
}

/// The newest results of a probe, at most one a region.
pub(crate) fn latest(
    db: &Connection,
    probe: &ProbeName,
    regions: &[Region],
) -> Result<Vec<StoredResult>, Error> {
    let mut found: Vec<StoredResult> = Vec::new();
    let mut rows = LATEST_ROWS.saturating_mul(regions.len());
    walk(db, probe, (Timestamp::MIN, Timestamp::MAX), true, &mut |stored| {
        let region = &stored.result.region;
        if regions.contains(region) && found.iter().all(|other| other.result.region != *region) {
            found.push(stored);
        }
        rows = rows.saturating_sub(1);
        rows > 0 && found.len() < regions.len()
    })?;
    Ok(found)
}

/// The first instant that is kept: the beginning of the day, in UTC, that `retention` reaches back to.
pub(crate) fn kept_from(now: Timestamp, retention: Millis) -> Timestamp {
    Timestamp::from_ms((now - retention).ms().div_euclid(DAY).saturating_mul(DAY))
}

/// Removes old results, a slice at a time.
#[derive(Default)]
pub(crate) struct Retirement {
    /// Everything before this is gone.
    done: Option<Timestamp>,
    /// The last name looked at on the way there.
    at: i64,
}

impl Retirement {
    /// Whether everything before `before` is gone.
    pub(crate) fn is_done(&self, before: Timestamp) -> bool {
        self.done == Some(before)
    }

    /// Removes one slice of what is older than `before`; false when nothing is left to do.
    pub(crate) fn slice(
        &mut self,
        step: &Transaction<'_>,
        before: Timestamp,
    ) -> Result<bool, Error> {
        use rusqlite::OptionalExtension as _;
        // The first result of each probe is one step into the index.
        let oldest: Option<(i64, Option<i64>)> = step
            .prepare_cached(
                "SELECT name.id, (SELECT min(slot_ms) FROM result WHERE probe = name.id) AS oldest \
                 FROM name WHERE name.id >= ?1 AND oldest < ?2 ORDER BY name.id LIMIT 1",
            )
            .and_then(|mut find| {
                find.query_row((self.at, before.ms()), |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()
            })
            .doing("find old results")?;
        let Some((probe, Some(oldest))) = oldest else {
            (self.done, self.at) = (Some(before), 0);
            return Ok(false);
        };
        self.at = probe;
        let end = (Timestamp::from_ms(oldest) + RETIRE_SPAN).min(before);
        step.prepare_cached("DELETE FROM result WHERE probe = ?1 AND slot_ms < ?2")
            .and_then(|mut remove| remove.execute((probe, end.ms())))
            .doing("remove old results")?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
