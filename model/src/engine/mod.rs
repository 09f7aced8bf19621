//! The live half of all decisions: inputs in, effects out. No clock, no I/O.
//!
//! The engine is its own memory: it is written down whole as a snapshot, and the journal's inputs at
//! their times bring any snapshot to the same later state.

mod agents;
mod incidents;
mod probes;
mod reconfigure;
mod story;
mod timers;

#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use self::agents::AgentState;
use self::incidents::Incidents;
use self::probes::ProbeState;
use self::timers::{Subject, Timers};
use crate::config::{BoxedWatch, Watch};
use crate::incident::{Incident, IncidentId, Notice, NoticeKey};
use crate::name::{AgentName, ProbeName, Region};
use crate::quorum::Verdict;
use crate::result::ProbeResult;
use crate::time::Timestamp;
use crate::vote::Vote;
use crate::wire::{Alarm, Order};

/// What the engine is told. Every input is in the journal before it is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "snake_case")]
pub enum Input {
    /// The configuration is this from now on.
    Reconfigure {
        /// All of it.
        watch: BoxedWatch,
    },
    /// An agent was heard: a batch, possibly without results.
    Batch {
        /// Who.
        agent: AgentName,
        /// From where.
        region: Region,
        /// New results in order of seq: duplicates are gone, refused ones too.
        results: Vec<ProbeResult>,
        /// What it says about itself.
        alarms: Vec<Alarm>,
    },
    /// The collector listens again after it did not: nobody could be heard meanwhile, so nobody's
    /// silence counts from before now, and of the steps that were missed only the next is made up for.
    Resume {
        /// How far it had come before that: deadlines up to then had fired.
        #[serde(default)]
        since: Timestamp,
    },
    /// Somebody takes an incident.
    Acknowledge {
        /// Which.
        incident: IncidentId,
        /// Who.
        who: String,
    },
    /// Somebody closes an incident by hand.
    Resolve {
        /// Which.
        incident: IncidentId,
        /// Who.
        who: String,
    },
    /// Somebody writes something down.
    Note {
        /// Which.
        incident: IncidentId,
        /// Who.
        who: String,
        /// What.
        text: String,
    },
    /// A notice reached its contact.
    Delivered {
        /// Which.
        notice: NoticeKey,
    },
    /// A notice was given up.
    Undeliverable {
        /// Which.
        notice: NoticeKey,
        /// Why.
        why: String,
    },
    /// Time has passed. Not journaled: deadlines fire by themselves before the next input.
    Tick,
}

/// What the engine wants done, after it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// A verdict changed.
    Flip(Flip),
    /// An incident is new or changed; the whole of it.
    Incident(Incident),
    /// A notice is due.
    Notify(Notice),
    /// Tell the agents of a region.
    Order {
        /// Whom.
        region: Region,
        /// What.
        order: Order,
    },
}

/// A change of a probe's verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flip {
    /// Which.
    pub probe: ProbeName,
    /// When it was decided.
    pub at: Timestamp,
    /// Before.
    pub from: Verdict,
    /// After.
    pub to: Verdict,
}

/// A probe as it stands now, for people and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeView {
    /// Its name.
    pub name: ProbeName,
    /// Its kind's word.
    pub kind: String,
    /// What the quorum says.
    pub verdict: Verdict,
    /// When the verdict's word was last decided to change; when it was configured, before the first
    /// change. Partial comes and goes without a new `since`.
    pub since: Timestamp,
    /// Each assigned region.
    pub regions: BTreeMap<Region, RegionView>,
    /// Open incident about it.
    pub incident: Option<IncidentId>,
    /// Not run.
    pub paused: bool,
}

/// What one region says about a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegionView {
    /// Its vote now.
    pub vote: Vote,
    /// Why it is down, or void: reason's word, then detail.
    pub reason: Option<String>,
    /// Start of its newest result.
    pub last: Option<Timestamp>,
}

/// An agent as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentView {
    /// Its name.
    pub name: AgentName,
    /// Where it runs.
    pub region: Region,
    /// When it was last heard.
    pub heard: Timestamp,
    /// Not heard for [`AGENT_SILENT_AFTER`].
    pub silent: bool,
}

/// How long an agent may be silent before its region's votes are unknown.
pub const AGENT_SILENT_AFTER: crate::time::Millis = crate::time::Millis::from_secs(45);

/// The live half of all decisions. Built from the journal alone: the same inputs at the same times
/// give the same engine, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// The latest time that was ever seen.
    now: Timestamp,
    watch: BoxedWatch,
    probes: BTreeMap<ProbeName, ProbeState>,
    agents: BTreeMap<AgentName, AgentState>,
    /// Silence from before this does not count: the collector itself did not listen.
    listening: Timestamp,
    incidents: Incidents,
    timers: Timers,
}

impl Engine {
    /// Fires every deadline up to and including `now`, each at its own time and in order, then applies
    /// the input. `now` never falls below what it was before; an earlier one counts as that.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        let now = now.max(self.now);
        if let Input::Resume { since } = input {
            self.fire(since.min(now), &mut effects);
            self.listening = now;
            self.plan_agents();
            self.put_off(now);
        }
        self.fire(now, &mut effects);
        self.now = now;
        match input {
            Input::Reconfigure { watch } => self.reconfigure(watch, &mut effects),
            Input::Batch { agent, region, results, alarms } => {
                self.hear(&agent, &region, &results, &mut effects);
                self.raise(&agent, alarms, &mut effects);
                self.judge(&results, &mut effects);
            }
            Input::Acknowledge { incident, who } => self.acknowledge(incident, who, &mut effects),
            Input::Resolve { incident, who } => self.resolve_by_hand(incident, who, &mut effects),
            Input::Note { incident, who, text } => self.note(incident, who, text, &mut effects),
            Input::Delivered { notice } => self.delivered(&notice, &mut effects),
            Input::Undeliverable { notice, why } => self.undeliverable(&notice, &why, &mut effects),
            Input::Resume { .. } | Input::Tick => {}
        }
        effects
    }

    /// Fires every deadline up to and including `until`, each at its own time and in order.
    fn fire(&mut self, until: Timestamp, out: &mut Vec<Effect>) {
        while let Some((at, subject)) = self.timers.pop(until) {
            self.now = at;
            match subject {
                Subject::Probe(name) => self.evaluate(&name, out),
                Subject::Agents => self.hear_silence(out),
                Subject::Incident(id) => self.walk(id, out),
            }
        }
    }

    /// The latest time that was ever seen.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When [`Input::Tick`] is owed next.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.first()
    }

    /// The configuration in force; empty before the first [`Input::Reconfigure`].
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Every probe in the order of the configuration.
    pub fn probes(&self) -> Vec<ProbeView> {
        self.watch.probes.iter().filter_map(|probe| self.probe_view(probe)).collect()
    }

    /// Every agent that was ever heard and is not forgotten, by name.
    pub fn agents(&self) -> Vec<AgentView> {
        let view = |(name, agent): (&AgentName, &AgentState)| AgentView {
            name: name.clone(),
            region: agent.region.clone(),
            heard: agent.heard,
            silent: agent.silent,
        };
        self.agents.iter().map(view).collect()
    }

    /// Open incidents by number.
    pub fn open(&self) -> Vec<&Incident> {
        self.incidents.open().collect()
    }

    /// An open incident, or one of the last that were resolved.
    pub fn incident(&self, id: IncidentId) -> Option<&Incident> {
        self.incidents.get(id)
    }
}
