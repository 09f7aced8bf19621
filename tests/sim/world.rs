//! One clock and one queue of events; agents, a collector, contacts, people and the truth around them.

use std::collections::{BTreeMap, BTreeSet};

use agent::machine;
use agent::uplink::Fault;
use collector::handle::Claimed;
use collector::notify;
use collector::outbox::attempt::Sent;
use model::config::Watch;
use model::engine::Input;
use model::incident::Notice;
use model::name::{ContactName, ProbeName, Region};
use model::time::{Millis, Timestamp};
use model::wire::{Batch, Order, Receipt};

use crate::collector::Collector;
use crate::faults::Trouble;
use crate::mutants::Mutant;
use crate::random::Stream;
use crate::station::{Clocks, Station};
use crate::store::{Act, Write};
use crate::truth::{Health, Truth, Uplink};
use crate::witness::Witness;

/// The first instant of every simulation.
pub const BEGIN: Timestamp = Timestamp::from_ms(1_790_000_000_000);
/// How often an agent's stream of orders is kept alive.
const ALIVE_EVERY: Millis = Millis::from_secs(15);
/// How often the verdicts are compared with what was said.
const LOOK_EVERY: Millis = Millis::from_secs(30);

/// How a contact takes notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// At once.
    #[default]
    Takes,
    /// It refuses for now.
    Fails,
    /// It does not answer.
    Hangs,
    /// It takes the notice, and the answer is lost.
    LosesAnswer,
}

/// How an attempt to send ended.
pub type Ended = Result<Sent, notify::Fault>;

/// An exchange that agents begin, each with its number.
pub enum Asked {
    Batch(Box<Batch>),
    Fetch(Option<String>),
    Open,
}

/// What comes back.
pub enum Answered {
    Receipt(Box<Receipt>),
    Assignment(String, Box<model::wire::Assignment>),
    Unchanged,
    Opened,
    Failed(Fault),
}

/// What reaches an agent.
pub enum ToAgent {
    Wake(u64),
    Told(Box<machine::Input>),
    Attempted { run: machine::RunId, probe: ProbeName, begun: Timestamp, health: Health },
    Sync,
    Answer(u64, Answered),
    Order(u64, Order),
    Ended(u64),
}

/// What happens.
pub enum What {
    /// To an agent in one of its lives.
    Agent(usize, u64, ToAgent),
    /// An agent's message reaches the collector.
    Asked { agent: usize, life: u64, exchange: u64, asked: Asked },
    /// The streams of orders are kept alive.
    Alive,
    /// The collector has something due.
    Decide,
    /// Somebody compares verdicts.
    Look,
    /// The outbox looks for due notices.
    Outbox,
    /// An attempt of a collector in one of its lives to send a notice ended.
    Sent(u64, Box<Claimed>, Ended),
    /// A notice reaches its contact.
    Reached(Box<Notice>),
    /// A person does something.
    Person(Input),
    /// Trouble begins or ends.
    Trouble(Trouble),
}

/// Everything.
pub struct World {
    /// The time.
    pub now: Timestamp,
    order: u64,
    queue: BTreeMap<(Timestamp, u64), What>,
    /// The agents.
    pub stations: Vec<Station>,
    /// The collector.
    pub collector: Collector,
    /// Counts its starts.
    pub collector_life: u64,
    /// The configuration that it is started with.
    pub watch: Watch,
    /// What is true.
    pub truth: Truth,
    /// Who watches.
    pub witness: Witness,
    /// How contacts take notices.
    pub contacts: BTreeMap<ContactName, Manner>,
    /// How likely somebody acts on a notice, of a hundred.
    pub people_act: u64,
    /// Exchanges without an answer yet.
    pub unanswered: BTreeSet<u64>,
    /// The stream of orders of each agent: its life and number.
    pub streams: BTreeMap<usize, (u64, u64)>,
    pub(crate) last_exchange: u64,
    /// Whose batch the collector has in hand.
    pub(crate) asking: Option<(usize, u64)>,
    /// How many effects were read for the timeline.
    pub(crate) read: (usize, BTreeMap<u64, usize>),
    decide_at: Option<Timestamp>,
    outbox_at: Option<Timestamp>,
    /// Draws of people and contacts.
    pub random: Stream,
    /// Outages that had to be told, and were.
    pub told_due: u64,
    /// Events so far.
    pub events: u64,
    /// A hash over all of them.
    pub trace: u64,
    /// What was done to it, by sort.
    pub faults: BTreeMap<&'static str, u64>,
    /// What people could read of it, if it is written down.
    pub timeline: Option<Vec<String>>,
}

impl World {
    /// Agents in all regions of a configuration with a collector that watches.
    pub fn new(seed: u64, watch: Watch, clocks: impl Fn(usize) -> Clocks) -> Self {
        let station = |(place, region): (usize, &Region)| Station::new(seed, region, clocks(place));
        let stations = watch.regions.iter().enumerate().map(station).collect();
        let mut world = Self {
            now: BEGIN,
            order: 0,
            queue: BTreeMap::new(),
            stations,
            collector: Collector::default(),
            collector_life: 0,
            watch,
            truth: Truth::default(),
            witness: Witness::default(),
            contacts: BTreeMap::new(),
            people_act: 0,
            unanswered: BTreeSet::new(),
            streams: BTreeMap::new(),
            last_exchange: 0,
            asking: None,
            read: (0, BTreeMap::new()),
            decide_at: None,
            outbox_at: None,
            random: Stream::fork(seed, "people"),
            told_due: 0,
            events: 0,
            trace: seed,
            faults: BTreeMap::new(),
            timeline: None,
        };
        world.post(BEGIN + ALIVE_EVERY, What::Alive);
        world.post(BEGIN + LOOK_EVERY, What::Look);
        world
    }

    /// Breaks it before anything has started.
    pub fn break_it(&mut self, mutant: Option<Mutant>) {
        self.collector.wrapper.mutant = mutant;
        for station in &mut self.stations {
            match mutant {
                Some(Mutant::DiskLies) => station.disk.lie(),
                Some(Mutant::SpoolUnbounded) => station.limits.bytes *= 1000,
                _ => {}
            }
        }
    }

    /// Whether it is broken this way.
    pub fn broken(&self, mutant: Mutant) -> bool {
        self.collector.wrapper.mutant == Some(mutant)
    }

    /// Starts everything.
    pub fn begin(&mut self) {
        self.witness.now = self.now;
        self.start_collector();
        for agent in 0..self.stations.len() {
            self.start_agent(agent);
        }
    }

    /// Something will happen.
    pub fn post(&mut self, at: Timestamp, what: What) {
        self.order += 1;
        self.queue.insert((at.max(self.now), self.order), what);
    }

    /// Writes a line for people.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.timeline {
            let seconds = (self.now - BEGIN).ms() / 1000;
            let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            lines.push(format!("{h}:{m:02}:{s:02} {}", line()));
        }
    }

    /// Lets time pass until `end`, or until a promise is broken.
    pub fn run_until(&mut self, end: Timestamp) {
        while self.witness.broken.is_none() {
            let Some(((at, order), _)) = self.queue.first_key_value() else { break };
            let (at, order) = (*at, *order);
            if at > end {
                break;
            }
            let (_, what) = self.queue.pop_first().unwrap();
            self.now = at;
            self.witness.now = at;
            self.events += 1;
            let mixed = self.trace ^ at.ms().unsigned_abs() ^ order.rotate_left(32) ^ tag(&what);
            self.trace = mixed.wrapping_mul(0x0100_0000_01b3).rotate_left(7);
            self.happen(what);
        }
        if self.witness.broken.is_none() {
            self.now = end;
            self.witness.now = end;
        }
    }

    /// Lets so much time pass.
    pub fn run(&mut self, length: Millis) {
        self.run_until(self.now + length);
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Agent(agent, life, event) => self.reach_agent(agent, life, event),
            What::Asked { agent, life, exchange, asked } => {
                self.reach_collector(agent, life, exchange, asked);
            }
            What::Alive => {
                for agent in 0..self.stations.len() {
                    self.order_agent(agent, Order::Alive);
                }
                self.post(self.now + ALIVE_EVERY, What::Alive);
            }
            What::Decide => {
                self.decide_at = None;
                let acts = self.collector.tick(self.now, &mut self.witness);
                self.act(acts);
            }
            What::Look => self.look(),
            What::Outbox => {
                self.outbox_at = None;
                self.send_notices();
            }
            What::Sent(life, claimed, ended) => self.sent(life, &claimed, ended),
            What::Reached(notice) => self.reached(&notice),
            What::Person(input) => self.write(Write::Act(input)),
            What::Trouble(trouble) => self.trouble(trouble),
        }
    }

    fn look(&mut self) {
        let acts = self.collector.tick(self.now, &mut self.witness);
        self.act(acts);
        let full = self.collector.kept.full;
        if let Some(live) = self.collector.live.as_ref().filter(|live| !live.deaf && !full) {
            self.witness.verdicts(&live.engine.probes());
        }
        for station in &self.stations {
            let bound = station.limits.bytes.min(crate::station::SPOOL.bytes);
            let most = usize::try_from(bound + 2 * crate::station::SPOOL.segment).unwrap();
            self.witness.bounded(station.disk.used(), most);
        }
        self.post(self.now + LOOK_EVERY, What::Look);
    }

    /// Writes to the collector's store; what comes out reaches the world.
    pub fn write(&mut self, write: Write) {
        let acts = self.collector.group(self.now, write, &mut self.witness);
        self.act(acts);
    }

    /// Starts the collector from what is on its disk.
    pub fn start_collector(&mut self) {
        if self.collector.live.is_none() {
            self.collector_life += 1;
            self.witness.kept(&self.collector.kept.cursors);
            self.witness.watches(&self.watch);
            let acts = self.collector.start(self.now, &self.watch, &mut self.witness);
            self.act(acts);
        }
    }

    fn act(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Answer(exchange, receipt) => self.answer_batch(exchange, receipt),
                Act::Order(region, order) => {
                    let of = |station: &Station| station.region == region;
                    if let Some(agent) = self.stations.iter().position(of) {
                        self.order_agent(agent, order);
                    }
                }
            }
        }
        if self.collector.live.is_none() {
            self.end_streams();
        }
        if let Some(due) = self.collector.next_deadline()
            && self.decide_at.is_none_or(|at| due < at)
        {
            self.decide_at = Some(due);
            self.post(due, What::Decide);
        }
        if std::mem::take(&mut self.collector.stirred) {
            self.plan_outbox(self.now);
        }
        self.read_decisions();
    }

    /// The outbox looks again at `at`, or earlier if it was to anyway.
    pub fn plan_outbox(&mut self, at: Timestamp) {
        if self.outbox_at.is_none_or(|planned| at < planned) {
            self.outbox_at = Some(at);
            self.post(at, What::Outbox);
        }
    }

    /// The configuration changes while everything runs.
    pub fn reload(&mut self, watch: Watch) {
        self.watch = watch.clone();
        self.write(Write::Reload(Box::new(watch)));
        for agent in 0..self.stations.len() {
            self.order_agent(agent, Order::Reload);
        }
    }

    /// A target is so from now on.
    pub fn target(&mut self, probe: &ProbeName, health: Health) {
        self.truth.target(self.now, probe, health);
        self.tell(|| format!("truth: {probe} {health:?}"));
    }

    /// A region's network is so from now on.
    pub fn uplink(&mut self, agent: usize, uplink: Uplink) {
        let region = self.stations[agent].region.clone();
        self.truth.uplink(self.now, &region, uplink);
        self.tell(|| format!("truth: the network of {region} {uplink:?}"));
    }
}

/// A number for what happens, for the hash.
fn tag(what: &What) -> u64 {
    match what {
        What::Agent(agent, life, event) => {
            let sort = match event {
                ToAgent::Wake(_) => 1,
                ToAgent::Told(_) => 2,
                ToAgent::Attempted { .. } => 3,
                ToAgent::Sync => 4,
                ToAgent::Answer(..) => 5,
                ToAgent::Order(..) => 6,
                ToAgent::Ended(_) => 7,
            };
            sort + 16 * (*agent as u64) + 1024 * life
        }
        What::Asked { agent, exchange, .. } => 8 + 16 * (*agent as u64) + 1024 * exchange,
        What::Alive => 9,
        What::Decide => 10,
        What::Look => 11,
        What::Outbox => 12,
        What::Sent(life, claimed, _) => 13 + 1024 * life + claimed.notice.key.0.len() as u64,
        What::Reached(notice) => 14 + 1024 * notice.incident.id.0,
        What::Person(_) => 15,
        What::Trouble(_) => 16,
    }
}
