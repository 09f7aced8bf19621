//! One clock, one queue of events, agents, an engine, and the truth about a target.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use agent::clock::Now;
use agent::machine::{self, Machine, RunId, Work};
use agent::policy::{Pins, Policy};
use agent::probe::Finding;
use model::config::{Contact, DownWhen, Opaque, Probe, Severity, Step, Watch};
use model::engine::{self, Engine};
use model::incident::{Event, Incident};
use model::name::{AgentName, ContactName, PolicyName, ProbeName, Region};
use model::result::{Outcome, ProbeResult, Reason};
use model::time::{Millis, Timestamp};
use model::wire::{AssignedProbe, BATCH_RESULTS_MAX, Order, Receipt};

/// Every message takes so long, each way.
const DELAY: Millis = Millis::from_ms(50);
/// What a target that answers takes.
const ANSWER: Millis = Millis::from_ms(40);
/// The first instant of the simulation.
const BEGIN: Timestamp = Timestamp::from_ms(1_790_000_000_000);

/// How a target fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection is refused at once.
    Refused,
    /// Nothing answers until the timeout.
    BlackHole,
}

enum What {
    /// An agent's deadline.
    Tick,
    /// An input reaches an agent.
    Agent(Box<machine::Input>),
    /// A batch reaches the collector; sent then, with results up to this seq.
    Batch { sent: Now, results: Vec<ProbeResult> },
}

struct Event_ {
    at: Timestamp,
    order: u64,
    agent: usize,
    what: What,
}

struct AgentBox {
    name: AgentName,
    region: Region,
    machine: Machine,
    spool: VecDeque<ProbeResult>,
    next_seq: u64,
    ended: BTreeSet<RunId>,
}

/// Everything.
pub struct World {
    now: Timestamp,
    order: u64,
    queue: BTreeMap<(Timestamp, u64), Event_>,
    agents: Vec<AgentBox>,
    engine: Engine,
    probe: ProbeName,
    down: Option<(Timestamp, Failure)>,
    timeout: Millis,
    /// When a notice that announces an incident came out, with the incident.
    pub told: Vec<(Timestamp, Incident)>,
}

impl World {
    /// `regions` agents that run one probe every `every`, settled for three intervals.
    pub fn new(probe: &str, regions: &[&str], every: Millis, timeout: Millis) -> Self {
        let probe = ProbeName::new(probe).unwrap();
        let regions: Vec<Region> = regions.iter().map(|name| Region::new(name).unwrap()).collect();
        let mut world = Self {
            now: BEGIN,
            order: 0,
            queue: BTreeMap::new(),
            agents: Vec::new(),
            engine: Engine::default(),
            down: None,
            timeout,
            told: Vec::new(),
            probe,
        };
        let watch = Box::new(world.watch(&regions, every));
        world.engine.handle(BEGIN, engine::Input::Reconfigure { watch });
        for (place, region) in regions.iter().enumerate() {
            let policy = Policy::first_use(Pins::default(), Vec::new());
            let machine = Machine::new(world.reading(), region.clone(), policy, place as u64);
            let name = AgentName::new(&format!("{region}-1")).unwrap();
            let region = region.clone();
            let (spool, ended) = (VecDeque::new(), BTreeSet::new());
            world.agents.push(AgentBox { name, region, machine, spool, next_seq: 1, ended });
            let work = AssignedProbe {
                name: world.probe.clone(),
                kind: opaque(),
                every,
                timeout,
                rank: u32::try_from(place).unwrap(),
                of: u32::try_from(regions.len()).unwrap(),
            };
            let assigned = machine::Input::Assigned {
                tag: "1".into(),
                agent: world.agents[place].name.clone(),
                anchors: Vec::new(),
                work: vec![Work { probe: work, uses: Ok(Vec::new()) }],
                fetched: true,
            };
            world.give(place, assigned);
        }
        world.run(every.times(3));
        world
    }

    fn watch(&self, regions: &[Region], every: Millis) -> Watch {
        let ops = ContactName::new("ops").unwrap();
        Watch {
            regions: regions.to_vec(),
            probes: vec![Probe {
                name: self.probe.clone(),
                kind: opaque(),
                every,
                timeout: self.timeout,
                regions: regions.to_vec(),
                down_when: DownWhen::Majority,
                policy: None,
                labels: BTreeMap::new(),
                severity: Severity::Critical,
                paused: false,
                depends_on: Vec::new(),
                runbook: None,
            }],
            contacts: vec![Contact { name: ops.clone(), notifier: opaque() }],
            policies: vec![model::config::Policy {
                name: PolicyName::new("ops").unwrap(),
                steps: vec![Step { after: Millis::ZERO, notify: vec![ops] }],
                repeat: 0,
                repeat_every: Millis::from_secs(1800),
            }],
            ..Watch::default()
        }
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// From now on the target fails everywhere; none: it is well.
    pub fn fail(&mut self, failure: Option<Failure>) {
        self.down = failure.map(|failure| (self.now, failure));
    }

    fn reading(&self) -> Now {
        Now { wall: self.now, mono: self.now - BEGIN }
    }

    fn post(&mut self, at: Timestamp, agent: usize, what: What) {
        self.order += 1;
        let order = self.order;
        self.queue.insert((at, order), Event_ { at, order, agent, what });
    }

    /// Lets so much time pass.
    pub fn run(&mut self, length: Millis) {
        let end = self.now + length;
        loop {
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let engine = self.engine.next_deadline();
            let next = [event, engine].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if event == Some(next) {
                let (_, event) = self.queue.pop_first().unwrap();
                self.happen(event);
            } else {
                let effects = self.engine.handle(self.now, engine::Input::Tick);
                self.act(effects);
            }
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event_) {
        debug_assert!(event.at <= self.now && event.order <= self.order);
        match event.what {
            What::Tick => self.give(event.agent, machine::Input::Tick),
            What::Agent(input) => self.give(event.agent, *input),
            What::Batch { sent, results } => {
                let agent = &self.agents[event.agent];
                let input = engine::Input::Batch {
                    agent: agent.name.clone(),
                    region: agent.region.clone(),
                    results: results.clone(),
                    alarms: Vec::new(),
                };
                let receipt = Receipt {
                    highest_seq: results.last().map_or(0, |result| result.seq),
                    now_ms: self.now.ms(),
                    assignment: "1".into(),
                    rejected: Vec::new(),
                };
                self.now_told(input);
                let waiting = self.agents[event.agent].spool.len() as u64 - results.len() as u64;
                self.agents[event.agent].spool.drain(..results.len());
                let input = machine::Input::Received {
                    sent,
                    results: results.len(),
                    progressed: !results.is_empty(),
                    waiting,
                    receipt,
                };
                self.post(self.now + DELAY, event.agent, What::Agent(Box::new(input)));
            }
        }
    }

    fn now_told(&mut self, input: engine::Input) {
        let effects = self.engine.handle(self.now, input);
        self.act(effects);
    }

    /// The collector's effects reach the world.
    fn act(&mut self, effects: Vec<engine::Effect>) {
        for effect in effects {
            match effect {
                engine::Effect::Notify(notice) if notice.event == Event::Triggered => {
                    self.told.push((self.now, notice.incident));
                }
                engine::Effect::Order { region, order } => self.order(&region, &order),
                _ => {}
            }
        }
    }

    fn order(&mut self, region: &Region, order: &Order) {
        for place in 0..self.agents.len() {
            if self.agents[place].region == *region {
                let input = Box::new(machine::Input::Order(order.clone()));
                self.post(self.now + DELAY, place, What::Agent(input));
            }
        }
    }

    /// An agent takes an input; its effects reach the world.
    fn give(&mut self, place: usize, input: machine::Input) {
        let now = self.reading();
        let effects = self.agents[place].machine.handle(now, input);
        for effect in effects {
            self.perform(place, effect);
        }
        if let Some(due) = self.agents[place].machine.next_deadline(now) {
            self.post((BEGIN + due).max(self.now + Millis::from_ms(1)), place, What::Tick);
        }
    }

    fn perform(&mut self, place: usize, effect: machine::Effect) {
        use machine::Effect;
        match effect {
            Effect::Attempt { run, timeout, .. } => self.attempt(place, run, timeout),
            Effect::End { run } => {
                self.agents[place].ended.insert(run);
            }
            Effect::Spool(mut result) => {
                let agent = &mut self.agents[place];
                result.seq = agent.next_seq;
                agent.next_seq += 1;
                let urgent = matches!(result.outcome, Outcome::Failed(_));
                agent.spool.push_back(*result);
                let waiting = agent.spool.len() as u64;
                let input = machine::Input::Spooled { waiting, urgent };
                self.post(self.now, place, What::Agent(Box::new(input)));
            }
            Effect::Send { results_max, .. } => {
                let most = results_max.min(BATCH_RESULTS_MAX);
                let results = self.agents[place].spool.iter().take(most).cloned().collect();
                let sent = self.reading();
                self.post(self.now + DELAY, place, What::Batch { sent, results });
            }
            Effect::OpenOrders => {
                let input = Box::new(machine::Input::OrdersOpened);
                self.post(self.now + DELAY, place, What::Agent(input));
            }
            Effect::TryAnchors { .. }
            | Effect::DropOldest
            | Effect::Fetch { .. }
            | Effect::CloseOrders
            | Effect::SavePins(_) => {}
        }
    }

    /// The truth decides what an attempt finds, at the moment at which it ends.
    fn attempt(&mut self, place: usize, run: RunId, timeout: Millis) {
        let (length, outcome) = match self.down {
            None => (ANSWER, Outcome::Passed),
            Some((_, Failure::Refused)) => (ANSWER, Outcome::Failed(Reason::Connect)),
            Some((_, Failure::BlackHole)) => (timeout, Outcome::Failed(Reason::Timeout)),
        };
        let finding = Finding {
            outcome,
            detail: outcome.reason().unwrap_or_default().into(),
            phases: Vec::new(),
            values: BTreeMap::new(),
            evidence: None,
        };
        let input = machine::Input::Attempted {
            run,
            finding,
            duration_us: length.ms().unsigned_abs() * 1000,
            lag: Millis::ZERO,
        };
        self.post(self.now + length, place, What::Agent(Box::new(input)));
    }
}

fn opaque() -> Opaque {
    Opaque { word: "http".into(), parameters: serde_json::json!({}) }
}
