//! Agents that are heard, agents that are not, and what they say of themselves.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::incidents::{Trouble, list};
use super::timers::Subject;
use super::{AGENT_SILENT_AFTER, Effect, Engine};
use crate::config::Severity;
use crate::incident::RegionSays;
use crate::name::{AgentName, Region};
use crate::result::{Clock, ProbeResult};
use crate::time::{Millis, Timestamp};
use crate::vote::{CLOCK_TOLERANCE, Vote};
use crate::wire::Alarm;

/// The key of the one incident about agents that are not heard.
const SILENCE: &str = "agents:all:silent";
/// Agents that fall silent within this belong to the same story; a later one makes it worse.
const SILENCE_TOGETHER: Millis = Millis::from_secs(120);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AgentState {
    pub region: Region,
    pub heard: Timestamp,
    pub silent: bool,
    /// The clock it last reported is off by more than is tolerated.
    clock_wrong: bool,
}

impl Engine {
    /// Whether no agent of the region is heard now.
    pub(super) fn region_silent(&self, region: &Region) -> bool {
        !self.agents.values().any(|agent| agent.region == *region && !agent.silent)
    }

    /// An agent was heard.
    pub(super) fn hear(
        &mut self,
        name: &AgentName,
        region: &Region,
        results: &[ProbeResult],
        out: &mut Vec<Effect>,
    ) {
        if !self.watch.regions.contains(region) {
            // It has no work and is not missed when it goes.
            return;
        }
        let was_silent = self.region_silent(region);
        let agent = self.agents.entry(name.clone()).or_insert_with(|| AgentState {
            region: region.clone(),
            heard: self.now,
            silent: false,
            clock_wrong: false,
        });
        agent.region = region.clone();
        agent.heard = self.now;
        let returned = core::mem::replace(&mut agent.silent, false);
        if returned {
            self.tell_silence(false, out);
        }
        if was_silent {
            self.judge_region(region, out);
        }
        self.plan_agents();
        if let Some(clock) = results.iter().rev().find_map(|result| result.clock) {
            self.compare_clock(name, clock, out);
        }
    }

    /// Plans when the next agent becomes silent.
    pub(super) fn plan_agents(&mut self) {
        let heard = self.agents.values().filter(|agent| !agent.silent);
        let next = heard.map(|agent| self.silent_from(agent)).min();
        self.timers.set(Subject::Agents, next);
    }

    fn silent_from(&self, agent: &AgentState) -> Timestamp {
        agent.heard.max(self.listening) + AGENT_SILENT_AFTER
    }

    /// Marks agents that are silent at `self.now`.
    pub(super) fn hear_silence(&mut self, out: &mut Vec<Effect>) {
        let due = |agent: &AgentState| !agent.silent && self.silent_from(agent) <= self.now;
        let names: Vec<AgentName> =
            self.agents.iter().filter(|(_, a)| due(a)).map(|(name, _)| name.clone()).collect();
        let mut regions = BTreeSet::new();
        for name in names {
            if let Some(agent) = self.agents.get_mut(&name) {
                agent.silent = true;
                regions.insert(agent.region.clone());
            }
        }
        for region in &regions {
            self.judge_region(region, out);
        }
        if !regions.is_empty() {
            self.tell_silence(true, out);
        }
        self.plan_agents();
    }

    /// Brings the incident about silent agents up to date; `more`: there is a new one.
    pub(super) fn tell_silence(&mut self, more: bool, out: &mut Vec<Effect>) {
        let silent: Vec<(&AgentName, &AgentState)> =
            self.agents.iter().filter(|(_, agent)| agent.silent).collect();
        let Some(started) = silent.iter().map(|(_, agent)| agent.heard).min() else {
            self.resolve_key(SILENCE, "every agent is heard again", out);
            return;
        };
        let names: Vec<String> = silent
            .iter()
            .map(|(name, agent)| {
                format!("{name} in {} (heard last at {})", agent.region, agent.heard)
            })
            .collect();
        let all = silent.len() == self.agents.len();
        let regions: BTreeMap<Region, RegionSays> = silent
            .iter()
            .filter(|(_, agent)| self.region_silent(&agent.region))
            .map(|(_, agent)| {
                let reason = Some(format!("silent: heard last at {}", agent.heard));
                (agent.region.clone(), RegionSays { vote: Vote::Unknown, reason })
            })
            .collect();
        let trouble = Trouble {
            key: SILENCE.into(),
            severity: if all { Severity::Critical } else { Severity::Error },
            started,
            summary: format!("{}: {}", silent_agents(names.len(), all), list(&names)),
            regions,
            ..Trouble::default()
        };
        self.trouble(trouble, more.then_some(SILENCE_TOGETHER), out);
    }

    fn compare_clock(&mut self, name: &AgentName, clock: Clock, out: &mut Vec<Effect>) {
        let wrong = clock.offset_ms.saturating_abs() > CLOCK_TOLERANCE.ms();
        let Some(agent) = self.agents.get_mut(name) else { return };
        if core::mem::replace(&mut agent.clock_wrong, wrong) == wrong {
            return;
        }
        let key = format!("clock:{name}:wrong");
        if !wrong {
            self.resolve_key(&key, "the clock is right again", out);
            return;
        }
        let side = if clock.offset_ms > 0 { "behind" } else { "ahead" };
        let trouble = Trouble {
            key,
            severity: Severity::Warning,
            started: self.now,
            summary: format!(
                "the clock of agent {name} is {} {side}: its results do not count in statements",
                Millis::from_ms(clock.offset_ms.saturating_abs())
            ),
            ..Trouble::default()
        };
        self.trouble(trouble, None, out);
    }

    /// What an agent wants ops to know.
    pub(super) fn raise(&mut self, agent: &AgentName, alarms: Vec<Alarm>, out: &mut Vec<Effect>) {
        for alarm in alarms {
            match alarm {
                Alarm::SecretRefused { probe, secret, detail } => {
                    let trouble = Trouble {
                        key: format!("secret:{agent}/{probe}:{secret}"),
                        severity: Severity::Error,
                        probe: Some(probe.clone()),
                        started: self.now,
                        summary: format!(
                            "agent {agent} refused {secret} to probe {probe}: {detail}"
                        ),
                        ..Trouble::default()
                    };
                    self.trouble(trouble, None, out);
                }
                Alarm::SecretCleared { probe, secret } => {
                    let key = format!("secret:{agent}/{probe}:{secret}");
                    self.resolve_key(&key, "it is approved, or no longer asked for", out);
                }
            }
        }
    }

    /// Drops silent agents: a person has said that they are not missed.
    pub(super) fn forget_silent(&mut self, key: &str, out: &mut Vec<Effect>) {
        if key == SILENCE {
            self.forget(|agent| agent.silent, out);
        }
    }

    /// Drops agents, and ends what only they could clear.
    pub(super) fn forget(&mut self, gone: impl Fn(&AgentState) -> bool, out: &mut Vec<Effect>) {
        let of = |(name, agent): (&AgentName, &AgentState)| gone(agent).then(|| name.clone());
        let names: Vec<AgentName> = self.agents.iter().filter_map(of).collect();
        for name in names {
            self.agents.remove(&name);
            for prefix in [format!("clock:{name}:"), format!("secret:{name}/")] {
                for id in self.incidents.open_with_prefix(&prefix) {
                    self.end(id, self.now, None, "the agent is gone", out);
                }
            }
        }
    }
}

fn silent_agents(number: usize, all: bool) -> String {
    match (number, all) {
        (1, true) => "the only agent is silent".into(),
        (2, true) => "both agents are silent".into(),
        (_, true) => format!("all {number} agents are silent"),
        (1, false) => "1 agent is silent".into(),
        (_, false) => format!("{number} agents are silent"),
    }
}
