//! The protobuf form. Tags never change their meaning; new fields get new tags.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

use super::{
    Alarm, BATCH_ALARMS_MAX, BATCH_GAPS_MAX, BATCH_RESULTS_MAX, BATCH_UNPACKED_BYTES_MAX, Batch,
    Gap, RESULT_BYTES_MAX, check,
};
use crate::name::{AgentName, ProbeName, Region};
use crate::result::{Clock, Evidence, Phase, ProbeResult};
use crate::time::{Millis, Timestamp};

/// Room for fields of the head that we do not know yet.
const HEAD_FIELDS_MAX: usize = 100;

#[derive(Clone, PartialEq, Message)]
struct BatchV1 {
    #[prost(string, tag = "1")]
    agent: String,
    #[prost(string, tag = "2")]
    region: String,
    #[prost(uint64, tag = "3")]
    incarnation: u64,
    #[prost(string, tag = "4")]
    version: String,
    #[prost(int64, tag = "5")]
    sent_ms: i64,
    #[prost(uint64, tag = "6")]
    waiting: u64,
    #[prost(message, repeated, tag = "7")]
    gaps: Vec<GapV1>,
    #[prost(message, repeated, tag = "8")]
    alarms: Vec<AlarmV1>,
    /// Each a [`ResultV1`], kept as bytes so that one that is broken does not cost the others.
    #[prost(bytes = "vec", repeated, tag = "9")]
    results: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct GapV1 {
    #[prost(uint64, tag = "1")]
    from_seq: u64,
    #[prost(uint64, tag = "2")]
    to_seq: u64,
    #[prost(string, tag = "3")]
    why: String,
}

#[derive(Clone, PartialEq, Message)]
struct AlarmV1 {
    #[prost(int32, tag = "1")]
    alarm: i32,
    #[prost(string, tag = "2")]
    probe: String,
    #[prost(string, tag = "3")]
    secret: String,
    #[prost(string, tag = "4")]
    detail: String,
}

const SECRET_REFUSED: i32 = 1;
const SECRET_CLEARED: i32 = 2;

#[derive(Clone, PartialEq, Message)]
struct ResultV1 {
    #[prost(string, tag = "1")]
    probe: String,
    /// Left out where it is the batch's.
    #[prost(string, optional, tag = "2")]
    region: Option<String>,
    #[prost(uint64, tag = "3")]
    seq: u64,
    #[prost(int64, tag = "4")]
    slot_ms: i64,
    #[prost(int64, tag = "5")]
    started_ms: i64,
    #[prost(int64, tag = "6")]
    interval_ms: i64,
    #[prost(int32, tag = "7")]
    outcome: i32,
    #[prost(int32, tag = "8")]
    reason: i32,
    #[prost(string, tag = "9")]
    detail: String,
    #[prost(uint32, tag = "10")]
    attempts: u32,
    #[prost(uint64, tag = "11")]
    duration_us: u64,
    #[prost(message, repeated, tag = "12")]
    phases: Vec<PhaseV1>,
    #[prost(btree_map = "string, int64", tag = "13")]
    values: BTreeMap<String, i64>,
    #[prost(message, optional, tag = "14")]
    clock: Option<ClockV1>,
    #[prost(message, optional, tag = "15")]
    evidence: Option<EvidenceV1>,
}

#[derive(Clone, PartialEq, Message)]
struct PhaseV1 {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint64, tag = "2")]
    us: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ClockV1 {
    #[prost(sint64, tag = "1")]
    offset_ms: i64,
    #[prost(sint64, tag = "2")]
    error_ms: i64,
}

#[derive(Clone, PartialEq, Message)]
struct EvidenceV1 {
    #[prost(string, repeated, tag = "1")]
    addresses: Vec<String>,
    #[prost(string, optional, tag = "2")]
    status_line: Option<String>,
    #[prost(message, repeated, tag = "3")]
    headers: Vec<HeaderV1>,
    #[prost(string, optional, tag = "4")]
    body: Option<String>,
    #[prost(string, optional, tag = "5")]
    certificate: Option<String>,
    #[prost(string, repeated, tag = "6")]
    redirects: Vec<String>,
    #[prost(string, repeated, tag = "7")]
    errors: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderV1 {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// The batch as bytes.
pub(super) fn write(batch: &Batch) -> Vec<u8> {
    let gap =
        |gap: &Gap| GapV1 { from_seq: gap.from_seq, to_seq: gap.to_seq, why: gap.why.clone() };
    BatchV1 {
        agent: batch.agent.as_str().into(),
        region: batch.region.as_str().into(),
        incarnation: batch.incarnation,
        version: batch.version.clone(),
        sent_ms: batch.sent.ms(),
        waiting: batch.waiting,
        gaps: batch.gaps.iter().map(gap).collect(),
        alarms: batch.alarms.iter().map(alarm_to_wire).collect(),
        results: batch
            .results
            .iter()
            .map(|result| to_wire(result, Some(&batch.region)).encode_to_vec())
            .collect(),
    }
    .encode_to_vec()
}

/// One result as bytes, with its region.
pub(super) fn write_result(result: &ProbeResult) -> Vec<u8> {
    to_wire(result, None).encode_to_vec()
}

/// Refuses a body with more fields than a batch can have, before anything is allocated for them.
fn count_fields(bytes: &[u8]) -> Result<(), String> {
    let most = BATCH_RESULTS_MAX + BATCH_GAPS_MAX + BATCH_ALARMS_MAX + HEAD_FIELDS_MAX;
    let broken = |error: prost::DecodeError| format!("this is not a batch in protobuf: {error}");
    let mut rest = bytes;
    let mut fields = 0usize;
    while !rest.is_empty() {
        let (tag, wire_type) = decode_key(&mut rest).map_err(broken)?;
        skip_field(wire_type, tag, &mut rest, DecodeContext::default()).map_err(broken)?;
        fields += 1;
        if fields > most {
            return Err(format!(
                "a batch has at most {BATCH_RESULTS_MAX} results, this has more than {most} fields"
            ));
        }
    }
    Ok(())
}

/// The batch from bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Batch, String> {
    if bytes.len() > BATCH_UNPACKED_BYTES_MAX {
        return Err(format!("a batch has at most {BATCH_UNPACKED_BYTES_MAX} bytes unpacked"));
    }
    count_fields(bytes)?;
    let wire = BatchV1::decode(bytes)
        .map_err(|error| format!("this is not a batch in protobuf: {error}"))?;
    check::at_most("results", wire.results.len(), BATCH_RESULTS_MAX)?;
    check::at_most("gaps", wire.gaps.len(), BATCH_GAPS_MAX)?;
    check::at_most("alarms", wire.alarms.len(), BATCH_ALARMS_MAX)?;
    let region = Region::new(&wire.region).map_err(|fault| format!("region: {fault}"))?;
    let mut results = Vec::with_capacity(wire.results.len());
    let mut unreadable = BTreeMap::new();
    for (place, bytes) in wire.results.iter().enumerate() {
        match read_result(bytes, Some(&region)) {
            Ok(result) => results.push(result),
            Err(why) => {
                unreadable.insert(place, why);
            }
        }
    }
    let gap = |gap: GapV1| Gap {
        from_seq: gap.from_seq,
        to_seq: gap.to_seq,
        why: check::head_text(gap.why),
    };
    Ok(Batch {
        agent: AgentName::new(&wire.agent).map_err(|fault| format!("agent: {fault}"))?,
        region,
        incarnation: check::number("incarnation", wire.incarnation)?,
        version: check::head_text(wire.version),
        sent: check::instant("sent_ms", wire.sent_ms)?,
        waiting: wire.waiting,
        gaps: wire.gaps.into_iter().map(gap).collect(),
        alarms: wire.alarms.into_iter().filter_map(alarm_from_wire).collect(),
        results,
        unreadable,
    })
}

fn alarm_to_wire(alarm: &Alarm) -> AlarmV1 {
    match alarm {
        Alarm::SecretRefused { probe, secret, detail } => AlarmV1 {
            alarm: SECRET_REFUSED,
            probe: probe.to_string(),
            secret: secret.clone(),
            detail: detail.clone(),
        },
        Alarm::SecretCleared { probe, secret } => AlarmV1 {
            alarm: SECRET_CLEARED,
            probe: probe.to_string(),
            secret: secret.clone(),
            detail: String::new(),
        },
    }
}

/// None for an alarm of a newer version, or one that names no probe.
fn alarm_from_wire(wire: AlarmV1) -> Option<Alarm> {
    let probe = ProbeName::new(&wire.probe).ok()?;
    let secret = check::head_text(wire.secret);
    match wire.alarm {
        SECRET_REFUSED => {
            Some(Alarm::SecretRefused { probe, secret, detail: check::head_text(wire.detail) })
        }
        SECRET_CLEARED => Some(Alarm::SecretCleared { probe, secret }),
        _ => None,
    }
}

fn to_wire(result: &ProbeResult, batch: Option<&Region>) -> ResultV1 {
    let (outcome, reason) = check::numbers(result.outcome);
    let named = batch != Some(&result.region);
    let phase = |phase: &Phase| PhaseV1 { name: phase.name.clone(), us: phase.us };
    ResultV1 {
        probe: result.probe.as_str().into(),
        region: named.then(|| result.region.as_str().into()),
        seq: result.seq,
        slot_ms: result.slot.ms(),
        started_ms: result.started.ms(),
        interval_ms: result.interval.ms(),
        outcome,
        reason,
        detail: result.detail.clone(),
        attempts: result.attempts,
        duration_us: result.duration_us,
        phases: result.phases.iter().map(phase).collect(),
        values: result.values.clone(),
        clock: result
            .clock
            .map(|clock| ClockV1 { offset_ms: clock.offset_ms, error_ms: clock.error_ms }),
        evidence: result.evidence.as_ref().map(evidence_to_wire),
    }
}

fn evidence_to_wire(evidence: &Evidence) -> EvidenceV1 {
    let header =
        |(name, value): &(String, String)| HeaderV1 { name: name.clone(), value: value.clone() };
    EvidenceV1 {
        addresses: evidence.addresses.clone(),
        status_line: evidence.status_line.clone(),
        headers: evidence.headers.iter().map(header).collect(),
        body: evidence.body.clone(),
        certificate: evidence.certificate.clone(),
        redirects: evidence.redirects.clone(),
        errors: evidence.errors.clone(),
    }
}

/// One result from bytes; where it names no region it is `batch`'s.
pub(super) fn read_result(bytes: &[u8], batch: Option<&Region>) -> Result<ProbeResult, String> {
    if bytes.len() > RESULT_BYTES_MAX {
        return Err(format!(
            "a result has at most {RESULT_BYTES_MAX} bytes, this has {}",
            bytes.len()
        ));
    }
    let wire = ResultV1::decode(bytes).map_err(|error| format!("not a result: {error}"))?;
    let region = match (&wire.region, batch) {
        (Some(name), _) => Region::new(name).map_err(|fault| format!("region: {fault}"))?,
        (None, Some(region)) => region.clone(),
        (None, None) => return Err("the region is missing".into()),
    };
    let phase = |phase: PhaseV1| Phase { name: phase.name, us: phase.us };
    check::result(ProbeResult {
        probe: ProbeName::new(&wire.probe).map_err(|fault| format!("probe: {fault}"))?,
        region,
        seq: wire.seq,
        slot: Timestamp::from_ms(wire.slot_ms),
        started: Timestamp::from_ms(wire.started_ms),
        interval: Millis::from_ms(wire.interval_ms),
        outcome: check::outcome_of_numbers(wire.outcome, wire.reason)?,
        detail: wire.detail,
        attempts: wire.attempts,
        duration_us: wire.duration_us,
        phases: wire.phases.into_iter().map(phase).collect(),
        values: wire.values,
        clock: wire
            .clock
            .map(|clock| Clock { offset_ms: clock.offset_ms, error_ms: clock.error_ms }),
        evidence: wire.evidence.map(evidence_from_wire),
    })
}

fn evidence_from_wire(wire: EvidenceV1) -> Evidence {
    Evidence {
        addresses: wire.addresses,
        status_line: wire.status_line,
        headers: wire.headers.into_iter().map(|header| (header.name, header.value)).collect(),
        body: wire.body,
        certificate: wire.certificate,
        redirects: wire.redirects,
        errors: wire.errors,
    }
}
