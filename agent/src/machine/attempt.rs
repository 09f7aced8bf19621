//! From the attempts of one run to its outcome.

use model::result::{Clock, Outcome, ProbeResult, VoidReason};
use model::time::{Millis, Timestamp};

use super::{Effect, Machine, RunId};
use crate::clock::{MEASURED_WITHIN, Now};
use crate::probe::Finding;
use crate::schedule::{Due, hash};
use crate::secret::Reference;

/// The pause before the second attempt; a quarter of the interval if that is shorter.
pub const RETRY_AFTER: Millis = Millis::from_secs(2);
/// How many anchors are tried beside a second attempt.
pub const ANCHORS_TRIED: usize = 3;
/// The limit of trying an anchor, and of the probe's own timeout whichever is shorter.
pub const ANCHOR_TIMEOUT: Millis = Millis::from_secs(5);
/// An agent that stood still for longer during an attempt cannot judge it.
pub const STALL_MAX: Millis = Millis::from_ms(500);

/// What one attempt gave.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) finding: Finding,
    pub(super) duration_us: u64,
    pub(super) lag: Millis,
}

/// When a run began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) at: Timestamp,
    pub(super) clock: Option<Clock>,
}

/// A run in progress.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) due: Due,
    begun: Begun,
    timeout: Millis,
    secrets: Vec<Reference>,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    First,
    /// The second attempt begins then.
    Pause(Millis),
    Second {
        seen: Option<Box<Seen>>,
        anchors: Anchors,
    },
}

#[derive(Clone, Copy, Debug)]
enum Anchors {
    /// None are configured.
    None,
    Asked,
    Tried {
        answered: usize,
        tried: usize,
    },
}

/// How many of `tried` anchors must answer for the agent to trust its own network.
const fn needed(tried: usize) -> usize {
    if tried >= ANCHORS_TRIED { 2 } else { 1 }
}

impl Run {
    pub(super) const fn new(
        due: Due,
        begun: Begun,
        timeout: Millis,
        secrets: Vec<Reference>,
    ) -> Self {
        Self { due, begun, timeout, secrets, stage: Stage::First }
    }

    /// When the second attempt begins, while the run waits for it.
    pub(super) const fn deadline(&self) -> Option<Millis> {
        match self.stage {
            Stage::Pause(until) => Some(until),
            Stage::First | Stage::Second { .. } => None,
        }
    }

    pub(super) const fn anchors_tried(&mut self, answered: usize, tried: usize) {
        if let Stage::Second { anchors, .. } = &mut self.stage {
            *anchors = Anchors::Tried { answered, tried };
        }
    }

    /// What the second attempt and the anchors say together; none while one of them is awaited.
    fn verdict(&self) -> Option<Seen> {
        let Stage::Second { seen: Some(seen), anchors } = &self.stage else { return None };
        let mut seen = Seen::clone(seen);
        if !matches!(seen.finding.outcome, Outcome::Failed(_)) || seen.lag > STALL_MAX {
            return Some(seen);
        }
        match *anchors {
            Anchors::Asked => return None,
            Anchors::Tried { answered, tried } if answered < needed(tried) => {
                seen.finding.outcome = Outcome::Void(VoidReason::Isolated);
                seen.finding.detail = format!(
                    "only {answered} of {tried} anchors answered while it failed: {}",
                    seen.finding.detail
                );
            }
            Anchors::None | Anchors::Tried { .. } => {}
        }
        Some(seen)
    }
}

impl Machine {
    /// An attempt is over: the run ends, pauses for its second attempt, or waits for the anchors.
    pub(super) fn attempted(&mut self, now: Now, id: RunId, seen: Seen, effects: &mut Vec<Effect>) {
        let stopping = self.stopping;
        let Some(run) = self.runs.get_mut(&id) else { return };
        match &mut run.stage {
            Stage::First => {
                let failed = matches!(seen.finding.outcome, Outcome::Failed(_));
                if !failed || seen.lag > STALL_MAX {
                    self.finish(now, id, 1, seen, effects);
                } else if stopping {
                    // One failed attempt is no verdict, and there will be no second one.
                    self.forget(id);
                } else {
                    let pause = RETRY_AFTER.min(Millis::from_ms(run.due.interval.ms() / 4));
                    run.stage = Stage::Pause(now.mono + pause);
                }
            }
            Stage::Second { seen: slot, .. } => {
                *slot = Some(Box::new(seen));
                self.conclude(now, id, effects);
            }
            Stage::Pause(_) => {}
        }
    }

    /// Begins the second attempt, and tries the anchors beside it.
    pub(super) fn second_attempt(&mut self, id: RunId, effects: &mut Vec<Effect>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let anchors = if self.anchors.is_empty() { Anchors::None } else { Anchors::Asked };
        run.stage = Stage::Second { seen: None, anchors };
        effects.push(Effect::Attempt {
            run: id,
            probe: run.due.probe.clone(),
            timeout: run.timeout,
            secrets: run.secrets.clone(),
        });
        if !self.anchors.is_empty() {
            // Each probe begins elsewhere in the list, so that no anchor bears them all.
            let count = self.anchors.len();
            let first = usize::try_from(hash(&run.due.probe) % count as u64).unwrap_or(0);
            let anchors = self.anchors.iter().cycle().skip(first).take(count.min(ANCHORS_TRIED));
            effects.push(Effect::TryAnchors {
                run: id,
                anchors: anchors.cloned().collect(),
                timeout: run.timeout.min(ANCHOR_TIMEOUT),
            });
        }
    }

    /// Ends the run if its second attempt has a verdict.
    pub(super) fn conclude(&mut self, now: Now, id: RunId, effects: &mut Vec<Effect>) {
        if let Some(seen) = self.runs.get(&id).and_then(Run::verdict) {
            self.finish(now, id, 2, seen, effects);
        }
    }

    fn finish(
        &mut self,
        now: Now,
        id: RunId,
        attempts: u32,
        seen: Seen,
        effects: &mut Vec<Effect>,
    ) {
        let Some(run) = self.forget(id) else { return };
        let Seen { mut finding, duration_us, lag } = seen;
        if lag > STALL_MAX {
            finding.detail = format!("this agent stood still for {lag} during the run");
            finding.outcome = Outcome::Void(VoidReason::Stalled);
        }
        if finding.outcome == Outcome::Passed {
            finding.detail.clear();
            finding.evidence = None;
            self.counts.second_attempts += u64::from(attempts > 1);
        }
        self.report(now, &run.due, run.begun, attempts, finding, duration_us, effects);
    }

    /// A run that never began.
    pub(super) fn void(
        &mut self,
        now: Now,
        due: Due,
        reason: VoidReason,
        detail: String,
        effects: &mut Vec<Effect>,
    ) {
        let finding = Finding {
            outcome: Outcome::Void(reason),
            detail,
            phases: Vec::new(),
            values: std::collections::BTreeMap::new(),
            evidence: None,
        };
        let begun = Begun { at: now.wall, clock: self.clock.offset(now) };
        self.report(now, &due, begun, 1, finding, 0, effects);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one result, used twice")]
    fn report(
        &mut self,
        now: Now,
        due: &Due,
        begun: Begun,
        attempts: u32,
        mut finding: Finding,
        duration_us: u64,
        effects: &mut Vec<Effect>,
    ) {
        if !self.clock.trusted(now) {
            finding.detail = format!(
                "the clock of this agent was not measured against the collector's for {MEASURED_WITHIN}; \
                 the run itself: {} {}",
                finding.outcome.word(),
                finding.detail
            );
            finding.outcome = Outcome::Void(VoidReason::Clock);
        }
        self.count(finding.outcome);
        let mut result = ProbeResult {
            probe: due.probe.clone(),
            region: self.region.clone(),
            seq: 0,
            slot: due.slot,
            started: begun.at,
            interval: due.interval,
            outcome: finding.outcome,
            detail: finding.detail,
            attempts,
            duration_us,
            phases: finding.phases,
            values: finding.values,
            clock: begun.clock,
            evidence: finding.evidence,
        };
        model::wire::bound(&mut result);
        effects.push(Effect::Spool(Box::new(result)));
    }
}
