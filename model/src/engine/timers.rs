//! What is due when: at most one time a subject, in order of time, then subject.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::incident::IncidentId;
use crate::name::ProbeName;
use crate::time::Timestamp;

/// What a deadline is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Subject {
    /// A vote ends, or a confirmation does.
    Probe(ProbeName),
    /// The agent heard longest ago becomes silent.
    Agents,
    /// A step is due, or an acknowledgement ends.
    Incident(IncidentId),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(Timestamp, Subject)>", into = "Vec<(Timestamp, Subject)>")]
pub(super) struct Timers {
    order: BTreeSet<(Timestamp, Subject)>,
    times: BTreeMap<Subject, Timestamp>,
}

impl Timers {
    /// The subject is due at `at` and at no other time; never, if none.
    pub fn set(&mut self, subject: Subject, at: Option<Timestamp>) {
        if let Some(before) = self.times.remove(&subject) {
            self.order.remove(&(before, subject.clone()));
        }
        if let Some(at) = at {
            self.order.insert((at, subject.clone()));
            self.times.insert(subject, at);
        }
    }

    /// Takes the first that is due by `now`.
    pub fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, Subject)> {
        if self.first()? > now {
            return None;
        }
        let (at, subject) = self.order.pop_first()?;
        self.times.remove(&subject);
        Some((at, subject))
    }

    pub fn first(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }
}

impl From<Vec<(Timestamp, Subject)>> for Timers {
    fn from(rows: Vec<(Timestamp, Subject)>) -> Self {
        let mut timers = Self::default();
        for (at, subject) in rows {
            timers.set(subject, Some(at));
        }
        timers
    }
}

impl From<Timers> for Vec<(Timestamp, Subject)> {
    fn from(timers: Timers) -> Self {
        timers.order.into_iter().collect()
    }
}
