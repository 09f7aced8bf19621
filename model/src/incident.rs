//! What people handle: incidents and the notices about them.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::Severity;
use crate::name::{ContactName, PolicyName, ProbeName, Region, ServiceName};
use crate::time::Timestamp;
use crate::vote::Vote;

/// Number of an incident, from 1, in order of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Open, nobody has it.
    Triggered,
    /// Open, somebody has it.
    Acknowledged,
    /// Over.
    Resolved,
}

impl State {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Triggered => "triggered",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// What one region says about the incident's subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionSays {
    /// Its vote.
    pub vote: Vote,
    /// The reason's word and detail of a failure.
    pub reason: Option<String>,
}

/// An incident as it stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// `kind:scope:subject`, such as `http:shop:down`; at most one open incident a key.
    pub key: String,
    /// Where it stands.
    pub state: State,
    /// How bad.
    pub severity: Severity,
    /// The probe it is about, if one.
    pub probe: Option<ProbeName>,
    /// The first service that the probe belongs to, if any.
    pub service: Option<ServiceName>,
    /// Who is told.
    pub policy: Option<PolicyName>,
    /// Start of the trouble: back-dated to the quorum interval's start.
    pub started: Timestamp,
    /// When it was decided.
    pub triggered: Timestamp,
    /// End of the trouble, when resolved.
    pub resolved: Option<Timestamp>,
    /// One sentence: what, where from, why.
    pub summary: String,
    /// What each region says.
    pub regions: BTreeMap<Region, RegionSays>,
    /// Who has it.
    pub owner: Option<String>,
    /// When the acknowledgement ends.
    pub owned_until: Option<Timestamp>,
    /// What to do.
    pub runbook: Option<String>,
    /// What happened, oldest first.
    pub timeline: Vec<Entry>,
}

/// One thing that happened to an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// `triggered`, `notified`, `delivered`, `undeliverable`, `acknowledged`, `expired`, `resolved`,
    /// `reopened`, `note`, `votes`.
    pub what: String,
    /// Who did it, for what people do.
    pub who: Option<String>,
    /// A sentence.
    pub text: String,
}

/// Why a notice is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The first step of the first round.
    Triggered,
    /// Somebody has it.
    Acknowledged,
    /// A later step or round.
    Escalated,
    /// It is over.
    Resolved,
}

impl Event {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Triggered => "triggered",
            Self::Acknowledged => "acknowledged",
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
        }
    }
}

/// Names a notice for ever: `incident/epoch/round/step/event/contact`. Stable over retries and
/// replays; sent as the idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoticeKey(pub String);

impl NoticeKey {
    /// The incident and the contact: what they have in common reaches the contact in order.
    pub fn lane(&self) -> (&str, &str) {
        let incident = self.0.split('/').next().unwrap_or_default();
        (incident, self.0.rsplit('/').next().unwrap_or_default())
    }

    /// Where it stands in its lane; the numbers are of no use beyond that.
    pub fn place(&self) -> [u32; 4] {
        let mut parts = self.0.split('/').skip(1);
        let mut number = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
        let (epoch, round, step) = (number(), number(), number());
        // Within an epoch people are told, then somebody takes it, then it ends.
        let event = match parts.next() {
            Some("acknowledged") => 1,
            Some("resolved") => 2,
            _ => 0,
        };
        [epoch, event, round, step]
    }
}

/// One message to one contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its name.
    pub key: NoticeKey,
    /// Why it is sent.
    pub event: Event,
    /// To whom.
    pub contact: ContactName,
    /// Step of the policy, from 1; 0 where no step stands behind it.
    pub step: u32,
    /// Since when it is due.
    pub due: Timestamp,
    /// The incident at that time.
    pub incident: Incident,
    /// Who is told next and when, for the reader.
    pub next: Option<(Timestamp, Vec<ContactName>)>,
}
