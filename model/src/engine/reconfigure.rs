//! A new configuration: what stays keeps its memory, what goes ends its incidents.

use alloc::vec::Vec;

use super::probes::ProbeState;
use super::timers::Subject;
use super::{Effect, Engine};
use crate::config::BoxedWatch;
use crate::name::ProbeName;

impl Engine {
    pub(super) fn reconfigure(&mut self, watch: BoxedWatch, out: &mut Vec<Effect>) {
        let mut before = core::mem::replace(&mut self.watch, watch);
        let mut states = core::mem::take(&mut self.probes);
        let mut ended = Vec::new();
        for (place, probe) in self.watch.probes.iter().enumerate() {
            let mut state =
                states.remove(&probe.name).unwrap_or_else(|| ProbeState::new(place, self.now));
            let word = before.probes.get(state.place).map(|old| old.kind.word.as_str());
            if word.is_some_and(|word| word != probe.kind.word) {
                // Another kind is another question: what was answered before says nothing about it.
                ended.extend(state.incident.map(|id| (id, "the probe asks something else now")));
                state = ProbeState::new(place, self.now);
            }
            state.place = place;
            state.standings.retain(|region, _| probe.regions.contains(region));
            if probe.paused {
                ended.extend(state.incident.take().map(|id| (id, "the probe is paused")));
            }
            self.probes.insert(probe.name.clone(), state);
        }
        for (name, state) in states {
            self.timers.set(Subject::Probe(name), None);
            ended.extend(state.incident.map(|id| (id, "the probe was removed")));
        }
        before.probes.clear();
        for (id, why) in ended {
            self.end(id, self.now, None, why, out);
        }
        self.end_secrets(out);
        self.forget_regions(out);
        let names: Vec<ProbeName> = self.probes.keys().cloned().collect();
        for name in names {
            self.evaluate(&name, out);
        }
        self.replan(out);
    }

    /// A refused secret of a probe that is gone is no trouble any more.
    fn end_secrets(&mut self, out: &mut Vec<Effect>) {
        for id in self.incidents.open_with_prefix("secret:") {
            let probe = self.incidents.get(id).and_then(|incident| incident.probe.clone());
            if probe.is_some_and(|name| !self.probes.contains_key(&name)) {
                self.end(id, self.now, None, "the probe was removed", out);
            }
        }
    }

    /// Agents of regions that are gone are not missed.
    fn forget_regions(&mut self, out: &mut Vec<Effect>) {
        let regions = &self.watch.regions;
        let before = self.agents.len();
        self.agents.retain(|_, agent| regions.contains(&agent.region));
        if self.agents.len() != before {
            self.plan_agents();
            self.tell_silence(false, out);
        }
    }
}
