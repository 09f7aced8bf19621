//! Which results of a batch are taken: a pure function of the batch, the cursor and the configuration.

use std::collections::BTreeMap;

use model::config::Watch;
use model::name::{ProbeName, Region};
use model::result::ProbeResult;
use model::time::{Millis, Timestamp};
use model::wire::{Batch, Rejected};

use crate::handle::{Caller, Refusal};
use crate::history;

/// How far a result may lie in the collector's future.
pub const FUTURE_MAX: Millis = Millis::from_secs(300);
/// The first incarnation and seq that are too large: JSON readers lose digits from here on.
const NUMBER_END: u64 = 1 << 53;

/// Who runs what, in a form that is quick to ask.
#[derive(Debug, Default)]
pub struct Assigned {
    regions: BTreeMap<ProbeName, Vec<Region>>,
    retention: Millis,
}

impl From<&Watch> for Assigned {
    fn from(watch: &Watch) -> Self {
        let of = |probe: &model::config::Probe<_>| (probe.name.clone(), probe.regions.clone());
        Self { regions: watch.probes.iter().map(of).collect(), retention: watch.retention }
    }
}

/// What becomes of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// New and good, in order of seq.
    pub results: Vec<ProbeResult>,
    /// Refused for good.
    pub rejected: Vec<Rejected>,
    /// How many were known already.
    pub duplicates: u64,
    /// The cursor from now on.
    pub highest_seq: u64,
}

/// Whether this caller may send this batch.
pub fn permit(caller: &Caller, batch: &Batch) -> Result<(), Refusal> {
    let Caller::Agent { agent, region } = caller else {
        return Err(Refusal::NotYours("results are taken from an agent's token only".into()));
    };
    if *agent != batch.agent || *region != batch.region {
        return Err(Refusal::NotYours(format!(
            "this token is for agent {agent} in region {region}, the batch is from agent {} in region {}",
            batch.agent, batch.region
        )));
    }
    if batch.incarnation >= NUMBER_END {
        return Err(Refusal::Invalid("incarnation: must be below 2^53".into()));
    }
    Ok(())
}

/// Parts a batch into what is new and good, what is known, and what is refused for good.
pub fn accept(batch: Batch, cursor: u64, assigned: &Assigned, now: Timestamp) -> Accepted {
    let mut accepted = Accepted { highest_seq: cursor, ..Accepted::default() };
    let unreadable = unreadable(&batch, cursor);
    let mut results = batch.results;
    results.sort_by_key(|result| result.seq);
    for result in results {
        if result.seq >= NUMBER_END {
            let detail = "seq: must be below 2^53".into();
            let code = "unreadable".into();
            accepted.rejected.push(Rejected { seq: result.seq, code, detail });
            continue;
        }
        if result.seq <= accepted.highest_seq {
            accepted.duplicates += 1;
            continue;
        }
        accepted.highest_seq = result.seq;
        match fault(&result, &batch.region, assigned, now) {
            None => accepted.results.push(result),
            Some((code, detail)) => {
                accepted.rejected.push(Rejected { seq: result.seq, code: code.into(), detail });
            }
        }
    }
    for rejected in unreadable {
        if rejected.seq <= cursor {
            accepted.duplicates += 1;
        } else {
            accepted.highest_seq = accepted.highest_seq.max(rejected.seq);
            accepted.rejected.push(rejected);
        }
    }
    accepted
}

/// The results that the decoder could not read. Seq rises by one within a batch, so the seq of each
/// follows from its neighbours; where none was read, the batch follows the cursor.
fn unreadable(batch: &Batch, cursor: u64) -> Vec<Rejected> {
    let mut readable = batch.results.iter();
    let first_place = (0..).find(|place| !batch.unreadable.contains_key(place)).unwrap_or(0);
    let mut seq = match batch.results.first() {
        Some(first) => first.seq.saturating_sub(first_place as u64 + 1),
        None => cursor,
    };
    let mut rejected = Vec::new();
    for place in 0..batch.results.len() + batch.unreadable.len() {
        match batch.unreadable.get(&place) {
            None => seq = readable.next().map_or(seq, |result| result.seq),
            Some(detail) => {
                seq = seq.saturating_add(1);
                let (code, detail) = ("unreadable".into(), detail.clone());
                rejected.push(Rejected { seq, code, detail });
            }
        }
    }
    rejected.retain(|one| one.seq < NUMBER_END);
    rejected
}

/// Why a result is refused for good, if it is.
fn fault(
    result: &ProbeResult,
    sender: &Region,
    assigned: &Assigned,
    now: Timestamp,
) -> Option<(&'static str, String)> {
    let Some(regions) = assigned.regions.get(&result.probe) else {
        return Some(("unknown_probe", format!("there is no probe {}", result.probe)));
    };
    if result.region != *sender || !regions.contains(sender) {
        return Some((
            "wrong_region",
            format!(
                "probe {} is not assigned to region {} of agent in {sender}",
                result.probe, result.region
            ),
        ));
    }
    let offset = result.clock.map_or(Millis::ZERO, |clock| Millis::from_ms(clock.offset_ms));
    let (slot, started) = (result.slot + offset, result.started + offset);
    if slot.max(started) > now + FUTURE_MAX {
        return Some(("future", format!("{started} is more than {FUTURE_MAX} ahead of {now}")));
    }
    let kept_from = history::kept_from(now, assigned.retention);
    if result.slot.min(slot).min(started) < kept_from {
        return Some(("too_old", format!("{started} is before {kept_from}, which is kept")));
    }
    None
}

#[cfg(test)]
mod tests;
