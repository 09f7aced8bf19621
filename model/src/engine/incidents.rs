//! The incidents that an engine remembers, and how one begins.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;

use serde::{Deserialize, Serialize};

use super::{Effect, Engine};
use crate::config::{Opaque, Policy, Probe, Severity, Watch};
use crate::escalation::Ladder;
use crate::incident::{Entry, Incident, IncidentId, RegionSays, State};
use crate::maintenance;
use crate::name::{PolicyName, ProbeName, Region, ServiceName};
use crate::time::{Millis, Timestamp};
use crate::vote::Vote;

/// Trouble that returns within this after its end continues its incident.
pub const REOPEN_WITHIN: Millis = Millis::from_secs(15 * 60);
/// How many resolved incidents are remembered for notes and reopening, newest first.
pub const RESOLVED_KEPT: usize = 200;
/// The most entries of a timeline; beyond it the oldest after the first [`ENTRIES_FIRST`] go.
pub const ENTRIES_MAX: usize = 300;
/// The entries at the beginning of a timeline that are never dropped.
pub const ENTRIES_FIRST: usize = 20;

/// An incident with how far its escalation has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Story {
    pub incident: Incident,
    pub ladder: Ladder,
    /// How often it was acknowledged.
    pub acknowledged: u32,
    /// The most regions that were down at once since it was triggered: the summary tells of those.
    down_most: usize,
}

impl Story {
    pub fn write(&mut self, at: Timestamp, what: &str, who: Option<String>, text: String) {
        let timeline = &mut self.incident.timeline;
        if timeline.len() >= ENTRIES_MAX {
            timeline.remove(ENTRIES_FIRST);
        }
        timeline.push(Entry { at, what: what.into(), who, text });
    }

    /// When something is owed to this incident by itself.
    pub fn due(&self) -> Option<Timestamp> {
        match self.incident.state {
            State::Triggered => self.ladder.due,
            State::Acknowledged => self.incident.owned_until,
            State::Resolved => None,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Incidents {
    /// Open ones, and the last [`RESOLVED_KEPT`] that were resolved.
    stories: BTreeMap<IncidentId, Story>,
    /// The newest incident of each key among them.
    keys: BTreeMap<String, IncidentId>,
    /// Resolved ones, oldest first.
    resolved: Vec<IncidentId>,
    last: u64,
}

impl Incidents {
    pub fn get(&self, id: IncidentId) -> Option<&Incident> {
        self.stories.get(&id).map(|story| &story.incident)
    }

    pub fn story(&mut self, id: IncidentId) -> Option<&mut Story> {
        self.stories.get_mut(&id)
    }

    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        let incidents = self.stories.values().map(|story| &story.incident);
        incidents.filter(|incident| incident.state != State::Resolved)
    }

    /// The newest incident of this key.
    pub fn newest(&self, key: &str) -> Option<&Incident> {
        self.keys.get(key).and_then(|id| self.get(*id))
    }

    /// Open incidents whose key begins with `prefix`.
    pub fn open_with_prefix(&self, prefix: &str) -> Vec<IncidentId> {
        let from = self.keys.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(|(key, _)| key.starts_with(prefix))
            .filter_map(|(_, id)| self.get(*id))
            .filter(|incident| incident.state != State::Resolved)
            .map(|incident| incident.id)
            .collect()
    }

    /// Moves what was due before `now` to `now`; says of which.
    pub fn put_off(&mut self, now: Timestamp) -> Vec<(IncidentId, Timestamp)> {
        let mut moved = Vec::new();
        for (id, story) in &mut self.stories {
            if story.due().is_some_and(|due| due < now) {
                let due = match story.incident.state {
                    State::Acknowledged => &mut story.incident.owned_until,
                    State::Triggered | State::Resolved => &mut story.ladder.due,
                };
                *due = Some(now);
                moved.push((*id, now));
            }
        }
        moved
    }

    fn insert(&mut self, story: Story) {
        self.keys.insert(story.incident.key.clone(), story.incident.id);
        self.stories.insert(story.incident.id, story);
    }

    fn next_id(&mut self) -> IncidentId {
        self.last += 1;
        IncidentId(self.last)
    }

    /// The incident is over: it is remembered for a while.
    pub fn retire(&mut self, id: IncidentId) {
        self.resolved.push(id);
        if self.resolved.len() > RESOLVED_KEPT {
            let oldest = self.resolved.remove(0);
            if let Some(story) = self.stories.remove(&oldest)
                && self.keys.get(&story.incident.key) == Some(&oldest)
            {
                self.keys.remove(&story.incident.key);
            }
        }
    }

    fn revive(&mut self, id: IncidentId) {
        self.resolved.retain(|resolved| *resolved != id);
    }
}

/// What an incident is about, before it is one.
#[derive(Default)]
pub(super) struct Trouble {
    pub key: String,
    pub severity: Severity,
    pub probe: Option<ProbeName>,
    pub service: Option<ServiceName>,
    pub policy: Option<PolicyName>,
    pub started: Timestamp,
    pub summary: String,
    pub regions: BTreeMap<Region, RegionSays>,
    pub runbook: Option<String>,
    /// Nobody is told before this: maintenance.
    pub held_until: Option<Timestamp>,
}

/// The policy of this name, or the first one.
pub(super) fn policy<'a>(watch: &'a Watch, name: Option<&PolicyName>) -> Option<&'a Policy> {
    let named = name.and_then(|name| watch.policies.iter().find(|policy| policy.name == *name));
    named.or_else(|| watch.policies.first())
}

/// The last of the planned windows that runs at `now` for every service of the probe: its end.
pub(super) fn held(watch: &Watch, probe: &ProbeName, now: Timestamp) -> Option<Timestamp> {
    let services = || watch.services.iter().filter(|service| service.probes.contains(probe));
    services().next()?;
    let instant = now + Millis::from_ms(1);
    let end = |service: &ServiceName| {
        let planned = watch.maintenance.iter().filter(|m| m.services.contains(service));
        let windows = planned.flat_map(|planned| maintenance::windows(planned, now, instant));
        windows.filter(|window| !window.cancelled).map(|window| window.to).max()
    };
    // Every service must be in maintenance; the first to leave it wants its people told.
    services().map(|service| end(&service.name)).min().flatten()
}

impl Engine {
    /// A probe is down by quorum since `started`.
    pub(super) fn trigger_down(
        &mut self,
        watch: &Watch,
        probe: &Probe<Opaque>,
        started: Timestamp,
        regions: BTreeMap<Region, RegionSays>,
        out: &mut Vec<Effect>,
    ) -> IncidentId {
        let of_probe = |s: &&crate::config::Service| s.probes.contains(&probe.name);
        let trouble = Trouble {
            key: format!("{}:{}:down", probe.kind.word, probe.name),
            severity: probe.severity,
            probe: Some(probe.name.clone()),
            service: watch.services.iter().find(of_probe).map(|service| service.name.clone()),
            policy: probe.policy.clone(),
            started,
            summary: summary(&probe.name, &regions),
            regions,
            runbook: probe.runbook.clone(),
            held_until: held(watch, &probe.name, self.now),
        };
        self.begin(watch, trouble, out)
    }

    /// Trouble that is not a probe's verdict begins or changes. `worse`: what was told longer ago
    /// than this does not cover it; it is escalated from the first step again.
    pub(super) fn trouble(
        &mut self,
        trouble: Trouble,
        worse: Option<Millis>,
        out: &mut Vec<Effect>,
    ) {
        let watch = core::mem::take(&mut self.watch);
        let open = self.incidents.newest(&trouble.key);
        match open.filter(|incident| incident.state != State::Resolved).map(|i| i.id) {
            None => {
                self.begin(&watch, trouble, out);
            }
            Some(id) => self.change(&watch, id, trouble, worse, out),
        }
        self.watch = watch;
    }

    fn begin(&mut self, watch: &Watch, trouble: Trouble, out: &mut Vec<Effect>) -> IncidentId {
        let now = self.now;
        let tellers = policy(watch, trouble.policy.as_ref());
        let from = trouble.held_until.unwrap_or(now);
        let lately = self.incidents.newest(&trouble.key).filter(|incident| {
            incident.resolved.is_some_and(|resolved| now < resolved + REOPEN_WITHIN)
        });
        let down_most = down(&trouble.regions);
        let id = match lately.map(|incident| incident.id) {
            Some(id) => {
                self.incidents.revive(id);
                id
            }
            None => self.incidents.next_id(),
        };
        if let Some(story) = self.incidents.story(id) {
            let incident = &mut story.incident;
            incident.state = State::Triggered;
            incident.resolved = None;
            incident.owner = None;
            incident.owned_until = None;
            incident.triggered = now;
            incident.severity = trouble.severity;
            incident.service = trouble.service;
            incident.policy = tellers.map(|policy| policy.name.clone());
            incident.runbook = trouble.runbook;
            incident.summary = trouble.summary;
            incident.regions = trouble.regions;
            let text = format!("again since {}", trouble.started);
            story.down_most = down_most;
            story.write(now, "reopened", None, text);
            story.ladder.restart(tellers, from, true);
        } else {
            let incident = Incident {
                id,
                key: trouble.key,
                state: State::Triggered,
                severity: trouble.severity,
                probe: trouble.probe,
                service: trouble.service,
                policy: tellers.map(|policy| policy.name.clone()),
                started: trouble.started,
                triggered: now,
                resolved: None,
                summary: trouble.summary,
                regions: trouble.regions,
                owner: None,
                owned_until: None,
                runbook: trouble.runbook,
                timeline: Vec::new(),
            };
            let mut story =
                Story { incident, ladder: Ladder::new(tellers, from), acknowledged: 0, down_most };
            let text = format!("since {}", trouble.started);
            story.write(now, "triggered", None, text);
            self.incidents.insert(story);
        }
        if let (Some(until), Some(story)) = (trouble.held_until, self.incidents.story(id)) {
            let text = format!("maintenance runs: nobody is told before {until}");
            story.write(now, "held", None, text);
        }
        // A first step that is due at once is told in the same breath.
        self.walk_in(watch, id, out);
        id
    }

    fn change(
        &mut self,
        watch: &Watch,
        id: IncidentId,
        trouble: Trouble,
        worse: Option<Millis>,
        out: &mut Vec<Effect>,
    ) {
        let now = self.now;
        let Some(story) = self.incidents.story(id) else { return };
        let incident = &mut story.incident;
        if incident.summary == trouble.summary && incident.severity == trouble.severity {
            return;
        }
        incident.severity = trouble.severity;
        incident.summary = trouble.summary;
        incident.regions = trouble.regions;
        let text = incident.summary.clone();
        if worse.is_some_and(|within| now >= incident.triggered + within) {
            incident.state = State::Triggered;
            incident.owner = None;
            incident.owned_until = None;
            let tellers = policy(watch, incident.policy.as_ref());
            story.ladder.restart(tellers, now, false);
        }
        story.write(now, "votes", None, text);
        self.walk_in(watch, id, out);
    }

    /// Writes what each region says of a probe that has an incident; a change of a vote or of a
    /// reason's word is worth a new summary, a change of detail alone is not. A vote that came late
    /// may show that the quorum was down since earlier: `started`.
    pub(super) fn see(
        &mut self,
        id: IncidentId,
        probe: &ProbeName,
        says: BTreeMap<Region, RegionSays>,
        started: Option<Timestamp>,
        out: &mut Vec<Effect>,
    ) {
        let now = self.now;
        let Some(story) = self.incidents.story(id) else { return };
        let word = |says: &RegionSays| {
            let reason = says.reason.as_deref();
            (says.vote, reason.and_then(|r| r.split(':').next()).map(String::from))
        };
        let words = |says: &BTreeMap<Region, RegionSays>| -> Vec<(Region, (Vote, Option<String>))> {
            says.iter().map(|(region, says)| (region.clone(), word(says))).collect()
        };
        if words(&story.incident.regions) == words(&says) {
            return;
        }
        story.incident.regions = says;
        story.incident.started =
            started.map_or(story.incident.started, |s| s.min(story.incident.started));
        if down(&story.incident.regions) > story.down_most {
            story.down_most = down(&story.incident.regions);
            story.incident.summary = summary(probe, &story.incident.regions);
        }
        let text = votes(&story.incident.regions);
        story.write(now, "votes", None, text);
        self.show(id, out);
    }

    /// The incident as it is now, for whoever keeps it; and when it is due next.
    pub(super) fn show(&mut self, id: IncidentId, out: &mut Vec<Effect>) {
        let Some(story) = self.incidents.story(id) else { return };
        out.push(Effect::Incident(story.incident.clone()));
        let due = story.due();
        self.timers.set(super::Subject::Incident(id), due);
    }
}

fn down(regions: &BTreeMap<Region, RegionSays>) -> usize {
    regions.values().filter(|says| says.vote == Vote::Down).count()
}

/// `shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused`.
fn summary(probe: &ProbeName, regions: &BTreeMap<Region, RegionSays>) -> String {
    let down: Vec<(&Region, &RegionSays)> =
        regions.iter().filter(|(_, says)| says.vote == Vote::Down).collect();
    let names: Vec<String> = down.iter().map(|(region, _)| format!("{region}")).collect();
    let reason = down.iter().find_map(|(_, says)| says.reason.as_deref());
    format!(
        "{probe} is down in {} of {} region{} ({}): {}",
        down.len(),
        regions.len(),
        if regions.len() == 1 { "" } else { "s" },
        names.join(", "),
        reason.unwrap_or("no reason given")
    )
}

/// `ap: up; eu: down, connect: connection refused`.
fn votes(regions: &BTreeMap<Region, RegionSays>) -> String {
    let one = |(region, says): (&Region, &RegionSays)| match &says.reason {
        Some(reason) => format!("{region}: {}, {reason}", says.vote.word()),
        None => format!("{region}: {}", says.vote.word()),
    };
    regions.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
