//! The JSON form: the same facts under the names of `GET /api/v1/results`.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{
    Alarm, BATCH_ALARMS_MAX, BATCH_GAPS_MAX, BATCH_RESULTS_MAX, BATCH_UNPACKED_BYTES_MAX, Batch,
    Gap, RESULT_BYTES_MAX, check,
};
use crate::name::{AgentName, ProbeName, Region};
use crate::result::{Clock, Evidence, Phase, ProbeResult};
use crate::time::{Millis, Timestamp};

#[derive(Serialize)]
struct Written<'a> {
    agent: &'a AgentName,
    region: &'a Region,
    incarnation: u64,
    version: &'a str,
    sent_ms: i64,
    waiting: u64,
    #[serde(skip_serializing_if = "<[Gap]>::is_empty")]
    gaps: &'a [Gap],
    #[serde(skip_serializing_if = "<[Alarm]>::is_empty")]
    alarms: &'a [Alarm],
    results: Vec<ResultJson<'a>>,
}

#[derive(Deserialize)]
struct Read<'a> {
    agent: AgentName,
    region: Region,
    incarnation: u64,
    #[serde(default)]
    version: String,
    sent_ms: i64,
    #[serde(default)]
    waiting: u64,
    #[serde(default, borrow)]
    gaps: Capped<'a, BATCH_GAPS_MAX>,
    #[serde(default, borrow)]
    alarms: Capped<'a, BATCH_ALARMS_MAX>,
    #[serde(default, borrow)]
    results: Capped<'a, BATCH_RESULTS_MAX>,
}

/// A list of at most `MAX` pieces that are not yet looked into.
#[derive(Default)]
struct Capped<'a, const MAX: usize>(Vec<&'a RawValue>);

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Capped<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pieces<const MAX: usize>;
        impl<'de, const MAX: usize> Visitor<'de> for Pieces<MAX> {
            type Value = Vec<&'de RawValue>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "a list of at most {MAX} entries")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut pieces = Vec::new();
                while pieces.len() < MAX {
                    match list.next_element()? {
                        Some(piece) => pieces.push(piece),
                        None => return Ok(pieces),
                    }
                }
                match list.next_element::<IgnoredAny>()? {
                    None => Ok(pieces),
                    Some(_) => Err(serde::de::Error::invalid_length(MAX + 1, &self)),
                }
            }
        }
        from.deserialize_seq(Pieces::<MAX>).map(Self)
    }
}

#[derive(Serialize, Deserialize)]
struct ResultJson<'a> {
    probe: ProbeName,
    /// Left out where it is the batch's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
    seq: u64,
    slot_ms: i64,
    started_ms: i64,
    interval_ms: i64,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    #[serde(default, borrow)]
    reason: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(default = "one")]
    attempts: u32,
    #[serde(default)]
    duration_us: u64,
    #[serde(default)]
    phases_us: Phases,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    values: BTreeMap<String, i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<Clock>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
}

const fn one() -> u32 {
    1
}

/// An object whose order is kept.
#[derive(Default)]
struct Phases(Vec<Phase>);

impl Serialize for Phases {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for phase in &self.0 {
            map.serialize_entry(&phase.name, &phase.us)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Phases {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Phases;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object from the names of phases to microseconds")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Phases, A::Error> {
                let mut phases = Vec::new();
                while let Some((name, us)) = map.next_entry()? {
                    phases.push(Phase { name, us });
                }
                Ok(Phases(phases))
            }
        }
        from.deserialize_map(InOrder)
    }
}

/// The batch as bytes.
pub(super) fn write(batch: &Batch) -> Vec<u8> {
    let written = Written {
        agent: &batch.agent,
        region: &batch.region,
        incarnation: batch.incarnation,
        version: &batch.version,
        sent_ms: batch.sent.ms(),
        waiting: batch.waiting,
        gaps: &batch.gaps,
        alarms: &batch.alarms,
        results: batch.results.iter().map(|result| result_to_json(result, batch)).collect(),
    };
    // Keys are strings and no type here refuses to be written, so there is no error to lose.
    serde_json::to_vec(&written).unwrap_or_default()
}

fn result_to_json<'a>(result: &'a ProbeResult, batch: &Batch) -> ResultJson<'a> {
    ResultJson {
        probe: result.probe.clone(),
        region: (result.region != batch.region).then(|| result.region.clone()),
        seq: result.seq,
        slot_ms: result.slot.ms(),
        started_ms: result.started.ms(),
        interval_ms: result.interval.ms(),
        outcome: result.outcome.word().into(),
        reason: result.outcome.reason().map(Into::into),
        detail: result.detail.clone(),
        attempts: result.attempts,
        duration_us: result.duration_us,
        phases_us: Phases(result.phases.clone()),
        values: result.values.clone(),
        clock: result.clock,
        evidence: result.evidence.clone(),
    }
}

/// The batch from bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Batch, String> {
    if bytes.len() > BATCH_UNPACKED_BYTES_MAX {
        return Err(format!("a batch has at most {BATCH_UNPACKED_BYTES_MAX} bytes"));
    }
    let read: Read<'_> = serde_json::from_slice(bytes)
        .map_err(|error| format!("this is not a batch in JSON: {error}"))?;
    let mut results = Vec::with_capacity(read.results.0.len());
    let mut unreadable = BTreeMap::new();
    for (place, piece) in read.results.0.iter().enumerate() {
        match read_result(piece.get(), &read.region) {
            Ok(result) => results.push(result),
            Err(why) => {
                unreadable.insert(place, why);
            }
        }
    }
    let mut gaps = Vec::with_capacity(read.gaps.0.len());
    for piece in &read.gaps.0 {
        let gap: Gap =
            serde_json::from_str(piece.get()).map_err(|error| format!("gaps: {error}"))?;
        gaps.push(Gap { why: check::head_text(gap.why), ..gap });
    }
    Ok(Batch {
        agent: read.agent,
        region: read.region,
        incarnation: check::number("incarnation", read.incarnation)?,
        version: check::head_text(read.version),
        sent: check::instant("sent_ms", read.sent_ms)?,
        waiting: read.waiting,
        gaps,
        alarms: read.alarms.0.iter().filter_map(|piece| read_alarm(piece.get())).collect(),
        results,
        unreadable,
    })
}

/// None for an alarm of a newer version.
fn read_alarm(text: &str) -> Option<Alarm> {
    Some(match serde_json::from_str(text).ok()? {
        Alarm::SecretRefused { probe, secret, detail } => Alarm::SecretRefused {
            probe,
            secret: check::head_text(secret),
            detail: check::head_text(detail),
        },
        Alarm::SecretCleared { probe, secret } => {
            Alarm::SecretCleared { probe, secret: check::head_text(secret) }
        }
    })
}

fn read_result(text: &str, batch: &Region) -> Result<ProbeResult, String> {
    if text.len() > RESULT_BYTES_MAX {
        return Err(format!(
            "a result has at most {RESULT_BYTES_MAX} bytes, this has {}",
            text.len()
        ));
    }
    let read: ResultJson<'_> = serde_json::from_str(text).map_err(|error| format!("{error}"))?;
    check::result(ProbeResult {
        probe: read.probe,
        region: read.region.unwrap_or_else(|| batch.clone()),
        seq: read.seq,
        slot: Timestamp::from_ms(read.slot_ms),
        started: Timestamp::from_ms(read.started_ms),
        interval: Millis::from_ms(read.interval_ms),
        outcome: check::outcome_of_words(&read.outcome, read.reason.as_deref())?,
        detail: read.detail,
        attempts: read.attempts,
        duration_us: read.duration_us,
        phases: read.phases_us.0,
        values: read.values,
        clock: read.clock,
        evidence: read.evidence,
    })
}
