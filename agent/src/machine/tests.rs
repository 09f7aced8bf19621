//! Timelines of the machine in virtual time.

mod collector;
mod runs;
mod secrets;

use std::collections::BTreeMap;

use model::config::Opaque;
use model::name::{AgentName, ProbeName, Region};
use model::result::{Outcome, ProbeResult, Reason};
use model::time::{Millis, Timestamp};
use model::wire::{AssignedProbe, Receipt};

use super::*;
use crate::probe::Finding;

/// A world with one machine and a clock that only moves when told.
struct World {
    machine: Machine,
    now: Now,
    /// What the machine wanted, and when, since the last look.
    log: Vec<(i64, Effect)>,
}

/// Wall time at the start; a multiple of every interval used here.
const START: i64 = 1_800_000_000_000;

fn name(text: &str) -> ProbeName {
    ProbeName::new(text).unwrap()
}

fn probe(text: &str, every: i64) -> AssignedProbe {
    AssignedProbe {
        name: name(text),
        kind: Opaque { word: "tcp".into(), parameters: serde_json::json!({}) },
        every: Millis::from_ms(every),
        timeout: Millis::from_secs(10),
        rank: 0,
        of: 1,
    }
}

fn work(text: &str, every: i64) -> Work {
    Work { probe: probe(text, every), uses: Ok(vec![]) }
}

fn finding(outcome: Outcome) -> Finding {
    let detail = if outcome == Outcome::Passed { "" } else { "it said no" };
    Finding {
        outcome,
        detail: detail.into(),
        phases: vec![],
        values: BTreeMap::new(),
        evidence: None,
    }
}

const FAILED: Outcome = Outcome::Failed(Reason::Connect);

impl World {
    fn new(policy: Policy) -> Self {
        let now = Now { wall: Timestamp::from_ms(START), mono: Millis::from_ms(7000) };
        let machine = Machine::new(now, Region::new("eu").unwrap(), policy, 1);
        Self { machine, now, log: vec![] }
    }

    /// With this work, trusting itself.
    fn with(anchors: &[&str], work: Vec<Work>) -> Self {
        let mut world = Self::new(Policy::itself());
        world.assign(anchors, work);
        world
    }

    fn assign(&mut self, anchors: &[&str], work: Vec<Work>) {
        self.give(Input::Assigned {
            tag: "t1".into(),
            agent: AgentName::new("a1").unwrap(),
            anchors: anchors.iter().map(|anchor| (*anchor).to_owned()).collect(),
            work,
            fetched: true,
        });
    }

    fn at(&self) -> i64 {
        self.now.wall.ms() - START
    }

    fn give(&mut self, input: Input) {
        let at = self.at();
        let effects = self.machine.handle(self.now, input);
        self.log.extend(effects.into_iter().map(|effect| (at, effect)));
    }

    fn jump(&mut self, ms: i64) {
        self.now.wall = self.now.wall + Millis::from_ms(ms);
        self.now.mono = self.now.mono + Millis::from_ms(ms);
    }

    /// Goes on to `ms` after the start, ticking when it is owed.
    fn go(&mut self, ms: i64) {
        self.go_with(ms, |_, _| {});
    }

    /// The same, and lets `react` answer the effects of each tick.
    fn go_with(&mut self, ms: i64, mut react: impl FnMut(&mut Self, &Effect)) {
        for _ in 0..100_000 {
            let far = self.now.mono + Millis::from_ms(ms - self.at());
            let owed = self.machine.next_deadline(self.now).unwrap_or(far);
            self.jump((owed - self.now.mono).ms().clamp(0, ms - self.at()));
            let seen = self.log.len();
            self.give(Input::Tick);
            let mut place = seen;
            while let Some((_, effect)) = self.log.get(place).cloned() {
                react(self, &effect);
                place += 1;
            }
            let still = self.machine.next_deadline(self.now).is_none_or(|at| at > self.now.mono);
            if self.at() == ms && still {
                return;
            }
        }
        panic!("the machine owes a tick for ever at {}", self.at());
    }

    fn attempted(&mut self, run: RunId, outcome: Outcome) {
        self.give(Input::Attempted {
            run,
            finding: finding(outcome),
            duration_us: 5,
            lag: Millis::ZERO,
        });
    }

    fn receipt(&mut self, results: usize, progressed: bool, waiting: u64) {
        let receipt = Receipt {
            highest_seq: 1,
            now_ms: self.now.wall.ms(),
            assignment: "t1".into(),
            rejected: vec![],
        };
        self.give(Input::Received { sent: self.now, results, progressed, waiting, receipt });
    }

    /// When attempts began, with their run.
    fn attempts(&self) -> Vec<(i64, RunId)> {
        let begun = |(at, effect): &(i64, Effect)| match effect {
            Effect::Attempt { run, .. } => Some((*at, *run)),
            _ => None,
        };
        self.log.iter().filter_map(begun).collect()
    }

    fn results(&self) -> Vec<ProbeResult> {
        let spooled = |(_, effect): &(i64, Effect)| match effect {
            Effect::Spool(result) => Some((**result).clone()),
            _ => None,
        };
        self.log.iter().filter_map(spooled).collect()
    }

    /// When batches were sent and of how many results at most.
    fn sends(&self) -> Vec<(i64, usize)> {
        let sent = |(at, effect): &(i64, Effect)| match effect {
            Effect::Send { results_max, .. } => Some((*at, *results_max)),
            _ => None,
        };
        self.log.iter().filter_map(sent).collect()
    }

    fn last_run(&self) -> RunId {
        self.attempts().last().unwrap().1
    }
}
