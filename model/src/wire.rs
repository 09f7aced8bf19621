//! What travels between agent and collector: batch and receipt (protobuf with zstd, or the same as
//! JSON), the assignment and the orders (JSON). Version 1; fields are only ever added.

mod check;
mod json;
mod proto;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::Opaque;
use crate::name::{AgentName, ProbeName, Region};
use crate::time::{Millis, Timestamp};

pub use check::bound;

/// The most results in one batch.
pub const BATCH_RESULTS_MAX: usize = 1000;
/// The largest packed body of a batch, bytes.
pub const BATCH_PACKED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The largest unpacked body of a batch, bytes.
pub const BATCH_UNPACKED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Content type of the packed form: protobuf compressed by zstd.
pub const CONTENT_TYPE_PACKED: &str = "application/x-protobuf+zstd";

/// The largest single result of a batch, bytes; a larger one is unreadable.
pub const RESULT_BYTES_MAX: usize = 256 * 1024;
/// The most gaps in one batch.
pub const BATCH_GAPS_MAX: usize = 1000;
/// The most alarms in one batch.
pub const BATCH_ALARMS_MAX: usize = 1000;
/// The first incarnation and the first seq that are too large: 2^53, so that JSON numbers are exact.
pub const NUMBER_BOUND: u64 = 1 << 53;

/// What an agent works on: the answer of `GET /v1/assignment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Who it is for.
    pub agent: AgentName,
    /// Where that agent runs.
    pub region: Region,
    /// What to run.
    pub probes: Vec<AssignedProbe>,
    /// What to try when a probe fails; may be empty.
    pub anchors: Vec<String>,
}

/// One probe of an assignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignedProbe {
    /// Its name.
    pub name: ProbeName,
    /// Kind and parameters, secrets unresolved.
    pub kind: Opaque,
    /// Interval.
    pub every: Millis,
    /// Limit of one attempt.
    pub timeout: Millis,
    /// Place of the agent's region in the sorted list of the probe's regions, from 0.
    pub rank: u32,
    /// How many regions run it.
    pub of: u32,
}

/// One line of the stream of orders (`GET /v1/orders`): JSON, one object a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Run this probe now.
    ProbeNow {
        /// Which.
        probe: ProbeName,
    },
    /// Run this probe at another interval until then.
    Pace {
        /// Which.
        probe: ProbeName,
        /// At this interval.
        every: Millis,
        /// On the collector's clock.
        until: Timestamp,
    },
    /// Fetch the assignment.
    Reload,
    /// Nothing; sent every 15 s so that a dead stream is noticed.
    Alive,
}

/// What an agent tells about itself besides results; becomes an incident for ops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "alarm", rename_all = "snake_case")]
pub enum Alarm {
    /// A secret was asked for by a target or field that it is not bound to. Nothing was sent.
    SecretRefused {
        /// The probe that asked.
        probe: ProbeName,
        /// The secret's reference, such as `env:NAME`; never its value.
        secret: String,
        /// What it is bound to and what asked.
        detail: String,
    },
    /// What was refused is approved or gone.
    SecretCleared {
        /// The probe.
        probe: ProbeName,
        /// The reference.
        secret: String,
    },
}

/// A stretch of results that the spool had to drop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// First seq dropped.
    pub from_seq: u64,
    /// Last seq dropped.
    pub to_seq: u64,
    /// Why, such as `spool full`.
    pub why: String,
}

/// What an agent sends at once, as the program sees it. Its methods know the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Who sends.
    pub agent: AgentName,
    /// From where.
    pub region: Region,
    /// Drawn when the spool was made, below 2^53; with the agent it names a series of seq.
    pub incarnation: u64,
    /// The agent's version.
    pub version: String,
    /// The agent's clock when it sent.
    pub sent: Timestamp,
    /// Results that wait in the spool after these.
    pub waiting: u64,
    /// What was dropped since the last receipt.
    pub gaps: Vec<Gap>,
    /// What ops must know.
    pub alarms: Vec<Alarm>,
    /// Rising seq; may be empty: then the batch is a heartbeat.
    pub results: Vec<crate::result::ProbeResult>,
    /// Why a result could not be read, by its place in the sent batch; the others are kept.
    pub unreadable: BTreeMap<usize, String>,
}

/// The answer to a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The highest seq that is durable or was refused for good; the agent may forget up to here.
    pub highest_seq: u64,
    /// The collector's clock at the answer, for the offset.
    pub now_ms: i64,
    /// Tag of the agent's current assignment.
    pub assignment: String,
    /// Results that will never be taken, each with its reason.
    #[serde(default)]
    pub rejected: Vec<Rejected>,
}

/// A result that was refused for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Which.
    pub seq: u64,
    /// A word for the counter: `unknown_probe`, `future`, `too_old`, `unreadable`, `wrong_region`.
    pub code: String,
    /// A sentence.
    pub detail: String,
}

/// Why bytes are not a batch: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl Batch {
    /// The batch as protobuf, not yet compressed.
    pub fn to_protobuf(&self) -> Vec<u8> {
        proto::write(self)
    }

    /// Reads what [`Batch::to_protobuf`] wrote. Unknown fields are skipped; a result that cannot be
    /// read goes to [`Batch::unreadable`] and the others are kept.
    ///
    /// # Errors
    /// The bytes are not a batch, its head is wrong, or it is larger than the bounds above.
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self, Malformed> {
        proto::read(bytes).map_err(Malformed)
    }

    /// The same as JSON, with `slot_ms`, `started_ms`, … as in `GET /api/v1/results`.
    pub fn to_json(&self) -> Vec<u8> {
        json::write(self)
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// As [`Batch::from_protobuf`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, Malformed> {
        json::read(bytes).map_err(Malformed)
    }

    /// The highest seq that was sent, unreadable results included: results of one batch follow each
    /// other without holes, so the seq of an unreadable one follows from its neighbours. None for a
    /// heartbeat, and where not one result could be read.
    pub fn highest_seq(&self) -> Option<u64> {
        let last = self.results.last()?;
        let sent = self.results.len() + self.unreadable.len();
        let after = (0..sent).rev().take_while(|place| self.unreadable.contains_key(place)).count();
        Some(last.seq.saturating_add(u64::try_from(after).unwrap_or(0)))
    }
}

impl core::fmt::Display for Malformed {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(&self.0)
    }
}

/// One result as protobuf: what a batch carries and what an agent's spool keeps. Names its region.
pub fn result_to_protobuf(result: &crate::result::ProbeResult) -> Vec<u8> {
    proto::write_result(result)
}

/// Reads what [`result_to_protobuf`] wrote.
///
/// # Errors
/// A sentence that says which part is wrong.
pub fn result_from_protobuf(bytes: &[u8]) -> Result<crate::result::ProbeResult, String> {
    proto::read_result(bytes, None)
}
