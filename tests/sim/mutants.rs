//! The glue around the machines, broken on purpose: each way of breaking it must be caught.

use std::collections::BTreeMap;

use model::engine::{Effect, Engine, Input};
use model::incident::{Event, Notice, NoticeKey};
use model::name::{AgentName, ProbeName, Region};
use model::result::{Outcome, ProbeResult, Reason};
use model::time::{Millis, Timestamp};

macro_rules! mutants {
    ($(#[doc = $doc:literal] $name:ident = $promise:literal at $seed:literal),* $(,)?) => {
        /// A way to break it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant { $(#[doc = $doc] $name),* }

        /// All of them, with the promise that catches each and the first seed in which it does.
        pub const MUTANTS: &[(Mutant, &str, u64)] = &[$((Mutant::$name, $promise, $seed)),*];
    };
}

mutants! {
    /// Nobody is told of the end.
    ResolvesDropped = "L3" at 0,
    /// The first notice of an incident is lost.
    TriggersDropped = "L2" at 0,
    /// Whatever a region said last counts as if it had just said it.
    StaleVotesRefreshed = "S2" at 0,
    /// Regions that are silent are taken out of the quorum.
    QuorumShrinks = "S1" at 1,
    /// A void result counts as passed.
    UnknownAsUp = "S2" at 13,
    /// A void result counts as failed.
    UnknownAsDown = "S2" at 13,
    /// An agent that is not heard counts as heard.
    SilenceIgnored = "S2" at 7,
    /// Live decisions go by when a result arrived.
    ArrivalAsResultTime = "S2" at 10,
    /// The accounts go by when a result arrived.
    ArrivalInHistory = "S9" at 5,
    /// The accounts take a wrong clock for right.
    ClockTrustedInHistory = "S9" at 11,
    /// What comes later than ten minutes is acknowledged and not stored.
    LateResultsDropped = "L1" at 3,
    /// A failure seen by one region counts for its neighbour too.
    OneRegionCountsTwice = "S1" at 0,
    /// Somebody takes an incident and the engine is not told.
    AcknowledgeLost = "S6" at 20,
    /// An old notice is repeated after the end.
    EscalationAfterEnd = "S6" at 0,
    /// Notices leave before they are committed.
    ActBeforeCommit = "S12" at 0,
    /// The agent is answered before anything is durable.
    ReceiptBeforeCommit = "S11" at 34,
    /// Results that are known are taken again.
    DuplicatesCount = "S3" at 0,
    /// A restart forgets how far each agent had come.
    CursorsLost = "S3" at 33,
    /// A restart forgets what is due.
    TimersLost = "S7" at 10,
    /// The collector's absence counts as the agents' silence.
    OwnAbsenceCounts = "S2" at 3,
    /// A restart commits again what was committed.
    CommittedEffectsAgain = "S7" at 3,
    /// Notices that were delivered are sent again.
    OldNoticesAgain = "S5" at 0,
    /// That a notice was delivered is not written down.
    DeliveriesForgotten = "S5" at 0,
    /// Each attempt has a key of its own.
    NewKeyEachAttempt = "S12" at 0,
    /// A notice goes to another contact.
    WrongContact = "S5" at 0,
    /// Notices of one incident overtake each other.
    EndOvertakes = "S5" at 31,
    /// What the spool dropped is not told.
    GapsForgotten = "L1" at 16,
    /// A batch that did not arrive is forgotten.
    UnsentForgotten = "L1" at 0,
    /// Results are stamped anew when they are sent.
    ResultsRestamped = "S3" at 0,
    /// The agent's disk says that it synced and did not.
    DiskLies = "S3" at 3,
    /// The spool does not keep its bound.
    SpoolUnbounded = "S8" at 57,
    /// Each timer makes another.
    TimersBreed = "S10" at 0,
    /// The last span of a statement is lost.
    SpanLost = "S4" at 0,
}

/// Stands between the machines and the world; changes nothing unless it is to break something.
#[derive(Default)]
pub struct Wrapper {
    /// What is broken.
    pub mutant: Option<Mutant>,
    last: BTreeMap<(ProbeName, Region), ProbeResult>,
    agents: BTreeMap<AgentName, Region>,
    told: Option<Notice>,
}

impl Wrapper {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The snapshot from which a restart begins.
    pub fn snapshot(&self, engine: Vec<u8>, again: bool) -> Vec<u8> {
        if !self.is(Mutant::TimersLost) || !again {
            return engine;
        }
        let mut value: serde_json::Value = serde_json::from_slice(&engine).unwrap();
        value["timers"] = serde_json::json!([]);
        serde_json::to_vec(&value).unwrap()
    }

    /// Results on their way to the engine.
    pub fn taken(&self, now: Timestamp, mut results: Vec<ProbeResult>) -> Vec<ProbeResult> {
        for result in &mut results {
            let void = matches!(result.outcome, Outcome::Void(_));
            match self.mutant {
                Some(Mutant::UnknownAsUp) if void => result.outcome = Outcome::Passed,
                Some(Mutant::UnknownAsDown) if void => {
                    result.outcome = Outcome::Failed(Reason::Connect);
                }
                Some(Mutant::ArrivalAsResultTime) => {
                    (result.started, result.clock) = (now, None);
                }
                _ => {}
            }
        }
        results
    }

    /// A result on its way to the store.
    pub fn stored(&self, now: Timestamp, result: &ProbeResult) -> Option<ProbeResult> {
        let mut result = result.clone();
        match self.mutant {
            Some(Mutant::ArrivalInHistory) => (result.started, result.clock) = (now, None),
            Some(Mutant::ClockTrustedInHistory) => result.clock = None,
            Some(Mutant::LateResultsDropped) if now - result.started > Millis::from_secs(600) => {
                return None;
            }
            _ => {}
        }
        Some(result)
    }

    /// Inputs on their way to the journal.
    pub fn inputs(&mut self, now: Timestamp, engine: &Engine, input: Input) -> Vec<Input> {
        let mut inputs = Vec::new();
        match (self.mutant, &input) {
            (Some(Mutant::AcknowledgeLost), Input::Acknowledge { .. }) => return inputs,
            (Some(Mutant::QuorumShrinks), Input::Batch { .. }) => {
                let silent: Vec<Region> =
                    engine.agents().into_iter().filter(|a| a.silent).map(|a| a.region).collect();
                let mut watch = Box::new(engine.watch().clone());
                for probe in &mut watch.probes {
                    probe.regions.retain(|region| !silent.contains(region));
                    if probe.regions.is_empty() {
                        probe.regions.clone_from(&watch.regions);
                    }
                }
                if *watch != *engine.watch() {
                    inputs.push(Input::Reconfigure { watch });
                }
            }
            (Some(Mutant::OneRegionCountsTwice), Input::Batch { results, .. }) => {
                inputs.extend(self.twice(results));
            }
            (_, Input::Batch { agent, region, results, .. }) => {
                self.agents.insert(agent.clone(), region.clone());
                for result in results {
                    let key = (result.probe.clone(), result.region.clone());
                    self.last.insert(key, result.clone());
                }
                inputs.extend(self.revive(now, agent));
            }
            _ => {}
        }
        if let (true, Input::Batch { agent, region, .. }) =
            (self.is(Mutant::OneRegionCountsTwice), &input)
        {
            self.agents.insert(agent.clone(), region.clone());
        }
        inputs.push(input);
        inputs
    }

    fn twice(&self, results: &[ProbeResult]) -> Option<Input> {
        let failed = results.iter().find(|r| matches!(r.outcome, Outcome::Failed(_)))?;
        let (agent, region) = self.agents.iter().find(|(_, region)| **region != failed.region)?;
        let (agent, region) = (agent.clone(), region.clone());
        let results = vec![ProbeResult { region: region.clone(), ..failed.clone() }];
        Some(Input::Batch { agent, region, results, alarms: Vec::new() })
    }

    /// Batches that were never sent, from everybody but `heard`.
    fn revive(&self, now: Timestamp, heard: &AgentName) -> Vec<Input> {
        let stale = self.is(Mutant::StaleVotesRefreshed);
        if !stale && !self.is(Mutant::SilenceIgnored) {
            return Vec::new();
        }
        let others = self.agents.iter().filter(|(agent, _)| *agent != heard);
        others
            .map(|(agent, region)| {
                let said = self.last.values().filter(|r| stale && r.region == *region);
                let fresh =
                    |r: &ProbeResult| ProbeResult { started: now, clock: None, ..r.clone() };
                let (agent, region) = (agent.clone(), region.clone());
                Input::Batch { agent, region, results: said.map(fresh).collect(), alarms: vec![] }
            })
            .collect()
    }

    /// Effects on their way to be committed.
    pub fn effects(&mut self, mut effects: Vec<Effect>) -> Vec<Effect> {
        let event = |effect: &Effect| match effect {
            Effect::Notify(notice) => Some(notice.event),
            _ => None,
        };
        match self.mutant {
            Some(Mutant::ResolvesDropped) => {
                effects.retain(|effect| event(effect) != Some(Event::Resolved));
            }
            Some(Mutant::TriggersDropped) => {
                let down = |effect: &Effect| {
                    matches!(effect, Effect::Notify(n)
                    if n.event == Event::Triggered && n.incident.key.ends_with(":down"))
                };
                effects.retain(|effect| !down(effect));
            }
            Some(Mutant::EscalationAfterEnd) => {
                let ended = effects.iter().any(|effect| event(effect) == Some(Event::Resolved));
                if let Some(told) = self.told.take_if(|_| ended) {
                    let key = NoticeKey(format!("{}/again", told.key.0));
                    let due = told.due + Millis::from_secs(1);
                    effects.push(Effect::Notify(Notice { key, due, ..told }));
                }
                for effect in &effects {
                    if let Effect::Notify(notice) = effect
                        && matches!(notice.event, Event::Triggered | Event::Escalated)
                    {
                        self.told = Some(notice.clone());
                    }
                }
            }
            _ => {}
        }
        effects
    }
}
