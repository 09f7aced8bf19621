//! From a region's votes to a probe's verdict: suspicion, confirmation, recovery.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::timers::Subject;
use super::{Effect, Engine, Flip, ProbeView, RegionView};
use crate::config::{DownWhen, Opaque, Probe, Watch};
use crate::incident::{IncidentId, RegionSays};
use crate::name::{ProbeName, Region};
use crate::quorum::{self, Verdict};
use crate::result::ProbeResult;
use crate::time::{Millis, Timestamp};
use crate::vote::{Standing, Streak, Vote};

/// While a probe is down it runs at least this often.
pub const DOWN_PACE: Millis = Millis::from_secs(20);
/// For how long.
pub const DOWN_PACE_FOR: Millis = Millis::from_secs(600);
/// A region that decides alone must have failed for so long. Runs are due 20 s apart; half a second
/// is left for the start of each.
pub const ALONE_FOR: Millis = Millis::from_ms(19_500);
/// When a region that decides alone is asked again.
const ALONE_ASK_AFTER: Millis = Millis::from_secs(20);
/// A region that decides alone must have failed in so many attempts.
pub const ALONE_ATTEMPTS: u32 = 3;
/// Successive passes that each region voting up must have before a probe is up again.
pub const RECOVERY_PASSES: u32 = 2;
/// What a forced run may take beyond its two attempts and the wait between them: the way of the
/// order to the agent and of the result back.
const CONFIRMATION_SLACK: Millis = Millis::from_secs(5);

/// A probe as it is judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProbeState {
    /// Its place in the configuration.
    pub place: usize,
    pub verdict: Verdict,
    pub since: Timestamp,
    pub standings: BTreeMap<Region, Standing>,
    /// Until when a confirmation is awaited: up votes from before it was asked for do not count.
    suspected_until: Option<Timestamp>,
    /// A region that decides alone was asked again.
    asked_again: bool,
    pub incident: Option<IncidentId>,
}

impl ProbeState {
    pub const fn new(place: usize, now: Timestamp) -> Self {
        Self {
            place,
            verdict: Verdict::Unknown,
            since: now,
            standings: BTreeMap::new(),
            suspected_until: None,
            asked_again: false,
            incident: None,
        }
    }
}

/// Votes counted at one instant.
struct Count {
    votes: BTreeMap<Region, Vote>,
    assigned: u32,
    rule: DownWhen,
}

impl Count {
    fn of(&self, vote: Vote) -> u32 {
        count(self.votes.values().filter(|cast| **cast == vote).count())
    }

    fn verdict(&self) -> Verdict {
        quorum::decide(self.assigned, self.of(Vote::Up), self.of(Vote::Down), self.rule)
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Whether one region may make the probe down: there is no other, or the rule says so.
const fn one_decides(probe: &Probe<Opaque>) -> bool {
    probe.regions.len() == 1 || matches!(probe.down_when, DownWhen::Any | DownWhen::AtLeast(1))
}

/// How long agents wait between two attempts.
pub fn retry_delay(every: Millis) -> Millis {
    Millis::from_secs(2).min(Millis::from_ms(every.ms() / 4))
}

impl Engine {
    /// Takes results in, then judges each probe that they touched once.
    pub(super) fn judge(&mut self, results: &[ProbeResult], out: &mut Vec<Effect>) {
        let mut touched = BTreeSet::new();
        for result in results {
            let Some(state) = self.probes.get_mut(&result.probe) else { continue };
            let Some(probe) = self.watch.probes.get(state.place) else { continue };
            if probe.regions.contains(&result.region) {
                let standing = state.standings.entry(result.region.clone()).or_default();
                standing.take(result, self.now);
                touched.insert(&result.probe);
            }
        }
        for name in touched {
            self.evaluate(name, out);
        }
    }

    /// Judges every probe that has a vote from `region`.
    pub(super) fn judge_region(&mut self, region: &Region, out: &mut Vec<Effect>) {
        let voted = |(name, state): (&ProbeName, &ProbeState)| {
            state.standings.contains_key(region).then(|| name.clone())
        };
        let names: Vec<ProbeName> = self.probes.iter().filter_map(voted).collect();
        for name in names {
            self.evaluate(&name, out);
        }
    }

    /// Judges one probe at `self.now` and plans when to judge it again.
    pub(super) fn evaluate(&mut self, name: &ProbeName, out: &mut Vec<Effect>) {
        let Some(mut state) = self.probes.remove(name) else { return };
        let watch = core::mem::take(&mut self.watch);
        if let Some(probe) = watch.probes.get(state.place) {
            let count = self.count(probe, &state);
            if !probe.paused {
                self.suspect(probe, &mut state, &count, out);
            }
            let verdict = self.conclude(probe, &state, &count);
            let says = says(&state, &count);
            self.flip((&watch, probe), &mut state, verdict, &says, out);
            if let Some(id) = state.incident {
                self.see(id, &probe.name, says, out);
            }
            let again = self.again(probe, &state);
            self.timers.set(Subject::Probe(name.clone()), again);
        }
        self.watch = watch;
        self.probes.insert(name.clone(), state);
    }

    fn count(&self, probe: &Probe<Opaque>, state: &ProbeState) -> Count {
        let vote = |region: &Region| {
            let standing = state.standings.get(region).filter(|_| !self.region_silent(region));
            let vote = standing.map_or(Vote::Unknown, |standing| standing.vote(self.now));
            (region.clone(), if probe.paused { Vote::Unknown } else { vote })
        };
        Count {
            votes: probe.regions.iter().map(vote).collect(),
            assigned: count(probe.regions.len()),
            rule: probe.down_when,
        }
    }

    /// A region that begins to fail a probe that is not down makes it suspect: every other region is
    /// asked at once. A region that decides alone is asked again itself.
    fn suspect(
        &mut self,
        probe: &Probe<Opaque>,
        state: &mut ProbeState,
        count: &Count,
        out: &mut Vec<Effect>,
    ) {
        if state.suspected_until.is_some_and(|until| until <= self.now) {
            state.suspected_until = None;
        }
        if state.verdict == Verdict::Down || count.of(Vote::Down) == 0 {
            state.suspected_until = None;
            return;
        }
        let down = |region: &&Region| count.votes.get(*region) == Some(&Vote::Down);
        let failing = |region: &Region| state.standings.get(region).and_then(|s| s.failing);
        let fresh = |region: &&Region| failing(region).is_some_and(|streak| streak.results == 1);
        let new = probe.regions.iter().filter(down).any(|region| fresh(&region));
        if state.suspected_until.is_none() && new {
            let attempts = probe.timeout.times(2) + retry_delay(probe.every) + CONFIRMATION_SLACK;
            let alone = if one_decides(probe) { ALONE_ASK_AFTER } else { Millis::ZERO };
            state.suspected_until = Some(self.now + attempts + alone);
            state.asked_again = false;
            for region in probe.regions.iter().filter(|region| !down(region)) {
                out.push(probe_now(region, probe));
            }
        }
        if one_decides(probe) && state.suspected_until.is_some() && !state.asked_again {
            let long = |streak: Streak| streak.since + ALONE_ASK_AFTER <= self.now;
            for region in probe.regions.iter().filter(down) {
                if failing(region).is_some_and(long) {
                    state.asked_again = true;
                    out.push(probe_now(region, probe));
                }
            }
        }
    }

    /// The verdict that follows from the votes, given the one that stands.
    fn conclude(&self, probe: &Probe<Opaque>, state: &ProbeState, count: &Count) -> Verdict {
        let plain = count.verdict();
        let stands = state.verdict;
        let troubled = stands == Verdict::Down || state.incident.is_some();
        if plain == Verdict::Down && troubled {
            return Verdict::Down;
        }
        let enough = count.of(Vote::Down) >= 2 || self.one_is_enough(probe, state, count);
        if enough && (plain == Verdict::Down || self.recount(probe, state, count) == Verdict::Down)
        {
            return Verdict::Down;
        }
        match plain {
            // Not confirmed: what stood stands, but not from everywhere.
            Verdict::Down => match stands {
                Verdict::Up { .. } => Verdict::Up { partial: true },
                other => other,
            },
            Verdict::Up { .. } if troubled && !recovered(state, count) => stands,
            verdict => verdict,
        }
    }

    /// A region that decides alone has failed often and long enough.
    fn one_is_enough(&self, probe: &Probe<Opaque>, state: &ProbeState, count: &Count) -> bool {
        let enough = |streak: Streak| {
            streak.attempts >= ALONE_ATTEMPTS && streak.until - streak.since >= ALONE_FOR
        };
        let failing = |region: &Region| state.standings.get(region).and_then(|s| s.failing);
        let down = count.votes.iter().filter(|(_, vote)| **vote == Vote::Down);
        one_decides(probe) && down.filter_map(|(region, _)| failing(region)).any(enough)
    }

    /// The verdict while a confirmation is awaited: an up vote from before the last interval and
    /// timeout is too old to deny what other regions see now.
    fn recount(&self, probe: &Probe<Opaque>, state: &ProbeState, count: &Count) -> Verdict {
        if state.suspected_until.is_none() {
            return count.verdict();
        }
        let old = |region: &Region| {
            let last = state.standings.get(region).and_then(Standing::last);
            last.is_none_or(|last| last + probe.every + probe.timeout < self.now)
        };
        let up = count.votes.iter().filter(|(region, vote)| **vote == Vote::Up && !old(region));
        quorum::decide(count.assigned, self::count(up.count()), count.of(Vote::Down), count.rule)
    }

    /// When the votes could say something else without a new result.
    fn again(&self, probe: &Probe<Opaque>, state: &ProbeState) -> Option<Timestamp> {
        let mut times = Vec::new();
        for region in &probe.regions {
            let Some(standing) = state.standings.get(region) else { continue };
            times.extend(standing.expires(self.now));
            if state.suspected_until.is_some() {
                let old = |last| last + probe.every + probe.timeout + Millis::from_ms(1);
                times.extend(standing.last().map(old));
                if one_decides(probe) && !state.asked_again {
                    times.extend(standing.failing.map(|streak| streak.since + ALONE_ASK_AFTER));
                }
            }
        }
        times.extend(state.suspected_until);
        times.into_iter().filter(|at| *at > self.now).min()
    }

    fn flip(
        &mut self,
        (watch, probe): (&Watch, &Probe<Opaque>),
        state: &mut ProbeState,
        to: Verdict,
        says: &BTreeMap<Region, RegionSays>,
        out: &mut Vec<Effect>,
    ) {
        let from = core::mem::replace(&mut state.verdict, to);
        if from == to {
            return;
        }
        if from.word() != to.word() {
            state.since = self.now;
        }
        out.push(Effect::Flip(Flip { probe: probe.name.clone(), at: self.now, from, to }));
        match to {
            Verdict::Down => {
                state.suspected_until = None;
                if state.incident.is_none() {
                    let started = began(probe, state, self.now);
                    state.incident =
                        Some(self.trigger_down(watch, probe, started, says.clone(), out));
                }
                self.pace(probe, self.now + DOWN_PACE_FOR, out);
            }
            Verdict::Up { .. } => {
                if let Some(id) = state.incident.take() {
                    let ended = ended(probe, state, self.now);
                    self.end(id, ended, None, "up again", out);
                    self.pace(probe, self.now, out);
                }
            }
            Verdict::Unknown => {}
        }
    }

    /// A probe that is down runs more often for a while, so that its end is seen soon.
    fn pace(&self, probe: &Probe<Opaque>, until: Timestamp, out: &mut Vec<Effect>) {
        if probe.every > DOWN_PACE {
            for region in &probe.regions {
                let order =
                    crate::wire::Order::Pace { probe: probe.name.clone(), every: DOWN_PACE, until };
                out.push(Effect::Order { region: region.clone(), order });
            }
        }
    }

    pub(super) fn probe_view(&self, probe: &Probe<Opaque>) -> Option<ProbeView> {
        let state = self.probes.get(&probe.name)?;
        let count = self.count(probe, state);
        let view = |(region, vote): (Region, Vote)| {
            let standing = state.standings.get(&region);
            let reason = standing.and_then(Standing::reason);
            let last = standing.and_then(Standing::last);
            (region, RegionView { vote, reason, last })
        };
        Some(ProbeView {
            name: probe.name.clone(),
            kind: probe.kind.word.to_string(),
            verdict: state.verdict,
            since: state.since,
            regions: count.votes.into_iter().map(view).collect(),
            incident: state.incident,
            paused: probe.paused,
        })
    }
}

/// What each region says: its vote, and why when it is down.
fn says(state: &ProbeState, count: &Count) -> BTreeMap<Region, RegionSays> {
    let says = |(region, vote): (&Region, &Vote)| {
        let standing = state.standings.get(region).filter(|_| *vote == Vote::Down);
        (region.clone(), RegionSays { vote: *vote, reason: standing.and_then(Standing::reason) })
    };
    count.votes.iter().map(says).collect()
}

fn probe_now(region: &Region, probe: &Probe<Opaque>) -> Effect {
    let order = crate::wire::Order::ProbeNow { probe: probe.name.clone() };
    Effect::Order { region: region.clone(), order }
}

/// Every region that votes up has passed often enough in a row.
fn recovered(state: &ProbeState, count: &Count) -> bool {
    let passes = |region: &Region| {
        let streak = state.standings.get(region).and_then(|standing| standing.passing);
        streak.map_or(0, |streak| streak.results)
    };
    let mut up = count.votes.iter().filter(|(_, vote)| **vote == Vote::Up);
    up.all(|(region, _)| passes(region) >= RECOVERY_PASSES)
}

/// When the quorum began to be down by the results' own times: enough regions had begun to fail.
fn began(probe: &Probe<Opaque>, state: &ProbeState, now: Timestamp) -> Timestamp {
    let since = |standing: &Standing| {
        (standing.vote(now) == Vote::Down).then_some(standing.failing).flatten().map(|s| s.since)
    };
    turning(probe, state, now, since, |turned, others| (others, turned), true)
}

/// When it ended: enough regions had begun to pass.
fn ended(probe: &Probe<Opaque>, state: &ProbeState, now: Timestamp) -> Timestamp {
    let since = |standing: &Standing| {
        (standing.vote(now) == Vote::Up).then_some(standing.passing).flatten().map(|s| s.since)
    };
    turning(probe, state, now, since, |turned, others| (turned, others), false)
}

/// The first of the turning times at which the quorum is (`down`) or is no longer down, taking the
/// known regions that had not turned by then for what they were before.
fn turning(
    probe: &Probe<Opaque>,
    state: &ProbeState,
    now: Timestamp,
    since: impl Fn(&Standing) -> Option<Timestamp>,
    up_and_down: impl Fn(u32, u32) -> (u32, u32),
    down: bool,
) -> Timestamp {
    let standings = || probe.regions.iter().filter_map(|region| state.standings.get(region));
    let known = standings().filter(|standing| standing.vote(now) != Vote::Unknown).count();
    let mut turns: Vec<Timestamp> = standings().filter_map(since).collect();
    turns.sort_unstable();
    for (place, at) in turns.iter().enumerate() {
        let turned = count(place + 1);
        let (up, down_votes) = up_and_down(turned, count(known).saturating_sub(turned));
        let verdict = quorum::decide(count(probe.regions.len()), up, down_votes, probe.down_when);
        if (verdict == Verdict::Down) == down {
            return *at;
        }
    }
    turns.last().copied().unwrap_or(now)
}
