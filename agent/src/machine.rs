//! The agent's decisions: what runs when, what a run found, what is sent when. No clock, no I/O:
//! inputs in, effects out, the same for the same inputs.

mod attempt;
mod collector;
mod secrets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use model::config::Opaque;
use model::name::{AgentName, ProbeName, Region};
use model::result::{Outcome, ProbeResult, VoidReason};
use model::time::Millis;
use model::wire::{Alarm, AssignedProbe, Order, Receipt};

use crate::clock::{Measured, Now};
use crate::policy::{Pins, Policy};
use crate::probe::Finding;
use crate::random::Random;
use crate::schedule::{Due, Plan};
use crate::secret::{Reference, Use};
use crate::uplink::{Fault, Uplink};
use attempt::Run;

/// The most runs at once; a run that is due beyond them is void.
pub const RUNS_MAX: usize = 500;

/// Names a run within one life of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// An assigned probe as the driver understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// What the collector wrote.
    pub probe: AssignedProbe,
    /// Where it would send secrets; or, a sentence, why this agent cannot run it.
    pub uses: Result<Vec<Use>, String>,
}

/// What the machine is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// An assignment, from the collector or, at the start, from disk.
    Assigned {
        /// Its tag.
        tag: String,
        /// The name of this agent.
        agent: AgentName,
        /// What to try when a probe fails.
        anchors: Vec<String>,
        /// What to run.
        work: Vec<Work>,
        /// It is the answer to [`Effect::Fetch`].
        fetched: bool,
    },
    /// The collector says that the assignment has not changed.
    Unchanged,
    /// The assignment could not be fetched.
    FetchFailed(Fault),
    /// The stream of orders stands.
    OrdersOpened,
    /// An order came.
    Order(Order),
    /// The stream of orders ended or could not be opened.
    OrdersEnded,
    /// An attempt is over.
    Attempted {
        /// Of which run.
        run: RunId,
        /// What it found.
        finding: Finding,
        /// How long it took, microseconds.
        duration_us: u64,
        /// The longest time that this agent itself stood still meanwhile.
        lag: Millis,
    },
    /// The anchors were tried.
    AnchorsTried {
        /// For which run.
        run: RunId,
        /// How many answered.
        answered: usize,
        /// How many were tried.
        tried: usize,
    },
    /// The spool's state changed.
    Spooled {
        /// Durable results that wait.
        waiting: u64,
        /// A failure was added.
        urgent: bool,
    },
    /// A batch arrived. The spool has taken the receipt already.
    Received {
        /// When the batch was sent.
        sent: Now,
        /// How many results it had.
        results: usize,
        /// The receipt covers something that waited.
        progressed: bool,
        /// What waits now.
        waiting: u64,
        /// The answer.
        receipt: Receipt,
    },
    /// A batch did not arrive.
    SendFailed {
        /// How many results it had.
        results: usize,
        /// Why.
        fault: Fault,
    },
    /// The pins on disk changed: somebody approved something.
    Approved(Pins),
    /// Begin no more runs.
    Stop,
}

/// What the machine wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Run a probe once; answer with [`Input::Attempted`].
    Attempt {
        /// For this run.
        run: RunId,
        /// Which probe.
        probe: ProbeName,
        /// Limit.
        timeout: Millis,
        /// The secrets that are released for it.
        secrets: Vec<Reference>,
    },
    /// Try these at once; answer with [`Input::AnchorsTried`].
    TryAnchors {
        /// For this run.
        run: RunId,
        /// What to try.
        anchors: Vec<String>,
        /// Limit.
        timeout: Millis,
    },
    /// End what runs for this run; it is forgotten.
    End {
        /// Which.
        run: RunId,
    },
    /// Give the result its seq and make it durable; answer with [`Input::Spooled`].
    Spool(Box<ProbeResult>),
    /// Send the oldest results of the spool; answer with [`Input::Received`] or [`Input::SendFailed`].
    Send {
        /// Who sends.
        agent: AgentName,
        /// At most so many results; 0 for a heartbeat.
        results_max: usize,
        /// What else to say.
        alarms: Vec<Alarm>,
    },
    /// Drop the oldest result of the spool as a gap; answer with [`Input::Spooled`].
    DropOldest,
    /// Fetch the assignment unless it still has this tag.
    Fetch {
        /// What is known.
        tag: Option<String>,
    },
    /// Open the stream of orders; answer with [`Input::OrdersOpened`] or [`Input::OrdersEnded`].
    OpenOrders,
    /// The stream of orders is dead: close it.
    CloseOrders,
    /// Write the pins before anything after this.
    SavePins(Pins),
}

/// What happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Results by outcome: `passed`, `failed`.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Void results by reason.
    pub voids: BTreeMap<&'static str, u64>,
    /// Runs that passed at their second attempt.
    pub second_attempts: u64,
    /// Orders to run at once that came too soon after another, or during a run.
    pub forced_refused: u64,
    /// Batches that arrived.
    pub batches: u64,
    /// Batches that did not.
    pub batches_failed: u64,
    /// Results that the collector refused for good, by its word.
    pub rejected: BTreeMap<String, u64>,
}

/// The agent without the world.
#[derive(Clone, Debug)]
pub struct Machine {
    region: Region,
    policy: Policy,
    random: Random,
    agent: Option<AgentName>,
    anchors: Vec<String>,
    work: BTreeMap<ProbeName, Work>,
    plan: Plan,
    runs: BTreeMap<RunId, Run>,
    running: BTreeSet<ProbeName>,
    next_run: u64,
    clock: Measured,
    uplink: Uplink,
    link: collector::Link,
    alarms: secrets::Alarms,
    /// The pins as they were last given to be written.
    saved: Option<Pins>,
    stopping: bool,
    counts: Counts,
}

impl Machine {
    /// An agent that knows nothing yet. `seed` spreads its retries.
    pub fn new(now: Now, region: Region, policy: Policy, seed: u64) -> Self {
        Self {
            region,
            alarms: secrets::Alarms::new(&policy),
            saved: policy.pins().cloned(),
            policy,
            random: Random::new(seed),
            agent: None,
            anchors: Vec::new(),
            work: BTreeMap::new(),
            plan: Plan::default(),
            runs: BTreeMap::new(),
            running: BTreeSet::new(),
            next_run: 1,
            clock: Measured::new(now),
            uplink: Uplink::default(),
            link: collector::Link::default(),
            stopping: false,
            counts: Counts::default(),
        }
    }

    /// Takes an input and does what is due at `now`.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.plan.follow(now);
        self.apply(now, input, &mut effects);
        self.run_due(now, &mut effects);
        self.talk(now, &mut effects);
        effects
    }

    /// When [`Input::Tick`] is owed, on the monotonic clock; may be past.
    pub fn next_deadline(&self, now: Now) -> Option<Millis> {
        let runs = self.runs.values().filter_map(Run::deadline).min();
        let plan = self.plan.next_deadline().filter(|_| !self.stopping);
        let send = self.agent.as_ref().and_then(|_| self.uplink.next_deadline(now.mono));
        let link = self.link.next_deadline().filter(|_| !self.stopping);
        [runs, plan, send, link].into_iter().flatten().min()
    }

    fn apply(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Tick => {}
            Input::Assigned { tag, agent, anchors, work, fetched } => {
                self.agent = Some(agent);
                self.anchors = anchors;
                if fetched {
                    self.link.fetched();
                }
                self.link.tag = Some(tag);
                self.assign(now, work, effects);
            }
            Input::Unchanged => self.link.fetched(),
            Input::FetchFailed(fault) => self.link.fetch_failed(now, &fault, &mut self.random),
            Input::OrdersOpened => self.link.opened(now),
            Input::Order(order) => self.order(now, order, effects),
            Input::OrdersEnded => self.link.ended(now, &mut self.random),
            Input::Attempted { run, finding, duration_us, lag } => {
                self.attempted(now, run, attempt::Seen { finding, duration_us, lag }, effects);
            }
            Input::AnchorsTried { run, answered, tried } => {
                if let Some(known) = self.runs.get_mut(&run) {
                    known.anchors_tried(answered, tried);
                }
                self.conclude(now, run, effects);
            }
            Input::Spooled { waiting, urgent } => self.uplink.spooled(now.mono, waiting, urgent),
            Input::Received { sent, results, progressed, waiting, receipt } => {
                self.clock.measure(sent, now, model::time::Timestamp::from_ms(receipt.now_ms));
                self.received(now, results, progressed, waiting, receipt, effects);
            }
            Input::SendFailed { results, fault } => {
                self.counts.batches_failed += 1;
                self.alarms.failed();
                self.uplink.failed(now.mono, results, &fault, &mut self.random);
            }
            Input::Approved(pins) => {
                if self.policy.adopt(pins) {
                    self.review(now, effects);
                }
            }
            Input::Stop => self.stop(effects),
        }
    }

    fn assign(&mut self, now: Now, work: Vec<Work>, effects: &mut Vec<Effect>) {
        self.plan.assign(now, work.iter().map(|work| work.probe.clone()));
        self.work = work.into_iter().map(|work| (work.probe.name.clone(), work)).collect();
        let gone: Vec<RunId> = self
            .runs
            .iter()
            .filter(|(_, run)| !self.work.contains_key(&run.due.probe))
            .map(|(id, _)| *id)
            .collect();
        for run in gone {
            self.forget(run);
            effects.push(Effect::End { run });
        }
        let uses = self.work.values().filter_map(|work| work.uses.as_ref().ok()).flatten();
        self.policy.learn(uses);
        self.review(now, effects);
    }

    fn order(&mut self, now: Now, order: Order, effects: &mut Vec<Effect>) {
        self.link.heard(now);
        match order {
            Order::Alive => {}
            Order::Reload => self.link.reload(),
            Order::Pace { probe, every, until } => {
                let until = self.clock.to_wall(now, until);
                self.plan.pace(now, &probe, every, until);
            }
            Order::ProbeNow { probe } => {
                let busy = self.stopping || self.running.contains(&probe);
                match self.plan.force(now, &probe).filter(|_| !busy) {
                    Some(due) => self.begin(now, due, effects),
                    None => self.counts.forced_refused += 1,
                }
            }
        }
    }

    /// Ends what will not come to a verdict: runs between two attempts.
    fn stop(&mut self, effects: &mut Vec<Effect>) {
        self.stopping = true;
        let paused: Vec<RunId> = self
            .runs
            .iter()
            .filter(|(_, run)| run.deadline().is_some())
            .map(|(id, _)| *id)
            .collect();
        for run in paused {
            self.forget(run);
            effects.push(Effect::End { run });
        }
    }

    fn run_due(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.stopping {
            return;
        }
        let ready: Vec<RunId> = self
            .runs
            .iter()
            .filter(|(_, run)| run.deadline().is_some_and(|deadline| deadline <= now.mono))
            .map(|(id, _)| *id)
            .collect();
        for run in ready {
            self.second_attempt(run, effects);
        }
        let running = &self.running;
        for due in self.plan.take_due(now, |probe| running.contains(probe)) {
            self.begin(now, due, effects);
        }
    }

    /// Begins a run, or says at once why it cannot be.
    fn begin(&mut self, now: Now, due: Due, effects: &mut Vec<Effect>) {
        let Some(work) = self.work.get(&due.probe) else { return };
        let Opaque { word, .. } = &work.probe.kind;
        let uses = match &work.uses {
            Err(why) => return self.void(now, due, VoidReason::Unsupported, why.clone(), effects),
            Ok(_) if !self.policy.allows_kind(word) => {
                let why = format!("the policy of this agent does not allow the kind `{word}`");
                return self.void(now, due, VoidReason::Unsupported, why, effects);
            }
            Ok(uses) => uses,
        };
        if let Some(why) = uses.iter().find_map(|asked| self.policy.judge(asked).err()) {
            return self.void(now, due, VoidReason::Secret, why, effects);
        }
        if self.runs.len() >= RUNS_MAX {
            let why = format!("{RUNS_MAX} runs are in progress already");
            return self.void(now, due, VoidReason::Overloaded, why, effects);
        }
        let mut secrets: Vec<Reference> =
            uses.iter().map(|asked| asked.reference.clone()).collect();
        secrets.sort_unstable();
        secrets.dedup();
        let timeout = work.probe.timeout;
        let run = RunId(self.next_run);
        self.next_run += 1;
        self.running.insert(due.probe.clone());
        effects.push(Effect::Attempt {
            run,
            probe: due.probe.clone(),
            timeout,
            secrets: secrets.clone(),
        });
        let begun = attempt::Begun { at: now.wall, clock: self.clock.offset(now) };
        self.runs.insert(run, Run::new(due, begun, timeout, secrets));
    }

    fn forget(&mut self, run: RunId) -> Option<Run> {
        let run = self.runs.remove(&run)?;
        self.running.remove(&run.due.probe);
        Some(run)
    }

    fn count(&mut self, outcome: Outcome) {
        let word = outcome.word();
        match outcome {
            Outcome::Void(reason) => *self.counts.voids.entry(reason.word()).or_default() += 1,
            Outcome::Passed | Outcome::Failed(_) => {
                *self.counts.outcomes.entry(word).or_default() += 1;
            }
        }
    }

    /// What happened since the start.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The schedule.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How far this agent's clock is from the collector's.
    pub const fn clock(&self) -> &Measured {
        &self.clock
    }

    /// Who this agent is; none before its first assignment.
    pub const fn agent(&self) -> Option<&AgentName> {
        self.agent.as_ref()
    }

    /// How many runs are in progress.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// How many batches in a row did not arrive.
    pub fn failures(&self) -> u32 {
        self.uplink.failures()
    }
}
