//! Trouble: what can happen to the world, and a plan of it drawn from a seed.

use std::collections::BTreeMap;

use model::config::{Contact, DownWhen, Opaque, Policy, Probe, Severity, Step, Watch};
use model::name::{ContactName, PolicyName, ProbeName, Region};
use model::time::{Millis, Timestamp};

use crate::random::Stream;
use crate::station::Clocks;
use crate::store::{POINTS, Point};
use crate::truth::{Health, Uplink};
use crate::world::{BEGIN, Manner, What, World};

/// Something that is done to the world.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// A target changes.
    Target(ProbeName, Health),
    /// A region's network changes.
    Uplink(usize, Uplink),
    /// The way to the collector (`out`), or back, is cut or whole.
    Cut { agent: usize, out: bool, cut: bool },
    /// Messages are lost, doubled and late on both ways of an agent.
    Rough { agent: usize, loss: u64, twice: u64, spread: Millis },
    /// Nothing gets through until then, and then all of it.
    Clog(usize, Timestamp),
    /// An agent's program dies.
    CrashAgent(usize),
    /// An agent's power goes within its next operations on disk.
    CutPower(usize, usize),
    /// It is started again, unless it has been since that life.
    StartAgent(usize, u64),
    /// An agent's host is suspended until then.
    Suspend(usize, Timestamp),
    /// An agent's wall clock is put so far ahead, ms.
    Step(usize, i64),
    /// An agent's disk has no more room than this.
    AgentRoom(usize, Option<usize>),
    /// An agent's disk takes so long to sync.
    SlowSync(usize, Millis),
    /// The collector dies at this point of its next write.
    CrashCollector(Point),
    /// It dies now.
    KillCollector,
    /// It is started again.
    StartCollector,
    /// The collector's disk is full, or has room again.
    CollectorFull(bool),
    /// A contact behaves so.
    Contact(ContactName, Manner),
    /// The configuration is this.
    Reload(Box<Watch>),
}

impl Trouble {
    /// The word under which it is counted.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Target(..) => "target",
            Self::Uplink(_, Uplink::Lies) => "lie",
            Self::Uplink(..) => "isolation",
            Self::Cut { .. } => "cut",
            Self::Rough { .. } => "rough network",
            Self::Clog(..) => "clog",
            Self::CrashAgent(_) => "agent crash",
            Self::CutPower(..) => "agent power",
            Self::StartAgent(..) | Self::StartCollector => "start",
            Self::Suspend(..) => "suspension",
            Self::Step(..) => "clock step",
            Self::AgentRoom(..) => "agent disk full",
            Self::SlowSync(..) => "slow sync",
            Self::CrashCollector(_) | Self::KillCollector => "collector crash",
            Self::CollectorFull(_) => "collector disk full",
            Self::Contact(..) => "contact",
            Self::Reload(_) => "reload",
        }
    }

    /// Whether it may keep the collector from seeing an outage in time.
    pub const fn disturbs(&self) -> bool {
        !matches!(self, Self::Target(..) | Self::Contact(..))
    }
}

impl World {
    /// It happens.
    pub fn trouble(&mut self, trouble: Trouble) {
        *self.faults.entry(trouble.word()).or_default() += 1;
        if !matches!(trouble, Trouble::Target(..) | Trouble::Uplink(..) | Trouble::Reload(_)) {
            self.tell(|| format!("trouble: {trouble:?}"));
        }
        match trouble {
            Trouble::Target(probe, health) => self.target(&probe, health),
            Trouble::Uplink(agent, uplink) => self.uplink(agent, uplink),
            Trouble::Cut { agent, out, cut } => {
                let station = &mut self.stations[agent];
                if out { station.out.cut = cut } else { station.back.cut = cut }
            }
            Trouble::Rough { agent, loss, twice, spread } => {
                let station = &mut self.stations[agent];
                for way in [&mut station.out, &mut station.back] {
                    (way.loss, way.twice, way.spread) = (loss, twice, spread);
                }
            }
            Trouble::Clog(agent, until) => self.stations[agent].out.clogged_until = until,
            Trouble::CrashAgent(agent) => self.stations[agent].crash(),
            Trouble::CutPower(agent, operations) => {
                self.stations[agent].disk.cut_power_after(operations);
            }
            Trouble::StartAgent(agent, life) => {
                if life == 0 || self.stations[agent].life == life {
                    self.start_agent(agent);
                }
            }
            Trouble::Suspend(agent, until) => self.stations[agent].suspend(self.now, until),
            Trouble::Step(agent, offset) => self.stations[agent].clocks.step(self.now, offset),
            Trouble::AgentRoom(agent, room) => self.stations[agent].disk.limit(room),
            Trouble::SlowSync(agent, takes) => self.stations[agent].sync_takes = takes,
            Trouble::CrashCollector(point) => self.collector.dies = Some(point),
            Trouble::KillCollector => {
                self.collector.die();
                self.end_streams();
            }
            Trouble::StartCollector => {
                self.collector.dies = None;
                self.start_collector();
            }
            Trouble::CollectorFull(full) => {
                self.collector.kept.full = full;
                self.reload_again();
            }
            Trouble::Contact(contact, manner) => {
                self.contacts.insert(contact, manner);
            }
            Trouble::Reload(watch) => self.reload(*watch),
        }
    }

    /// A configuration that could not be taken is given again.
    fn reload_again(&mut self) {
        let live = self.collector.live.as_ref();
        let differs = live.is_some_and(|live| *live.engine.watch() != self.watch);
        if differs && !self.collector.kept.full && self.collector.wrapper.mutant.is_none() {
            self.reload(self.watch.clone());
        }
    }

    /// Everything works again, and every target is well.
    pub fn heal(&mut self) {
        for agent in 0..self.stations.len() {
            let station = &mut self.stations[agent];
            station.out.heal();
            station.back.heal();
            station.clocks.step(self.now, 0);
            station.disk.limit(None);
            station.sync_takes = Millis::from_ms(2);
            self.start_agent(agent);
            self.uplink(agent, Uplink::Works);
        }
        let probes: Vec<ProbeName> = self.watch.probes.iter().map(|p| p.name.clone()).collect();
        for probe in probes {
            self.target(&probe, Health::Well);
        }
        self.contacts.clear();
        self.people_act = 0;
        self.collector.dies = None;
        self.collector.kept.full = false;
        self.start_collector();
        self.reload_again();
    }
}

fn opaque() -> Opaque {
    Opaque { word: "http".into(), parameters: serde_json::json!({}) }
}

/// A probe as simulations have it.
pub fn probe(name: &str, regions: &[Region], every: Millis, timeout: Millis) -> Probe<Opaque> {
    Probe {
        name: ProbeName::new(name).unwrap(),
        kind: opaque(),
        every,
        timeout,
        regions: regions.to_vec(),
        down_when: DownWhen::Majority,
        policy: None,
        labels: BTreeMap::new(),
        severity: Severity::Critical,
        paused: false,
        depends_on: Vec::new(),
        runbook: None,
    }
}

/// A configuration: these probes from these regions, told to `ops`, after five minutes to `boss`.
pub fn watch(regions: &[&str], probes: &[&str], every: Millis, timeout: Millis) -> Watch {
    let regions: Vec<Region> = regions.iter().map(|name| Region::new(name).unwrap()).collect();
    let contact = |name: &str| ContactName::new(name).unwrap();
    let step = |seconds: i64, name: &str| Step {
        after: Millis::from_secs(seconds),
        notify: vec![contact(name)],
    };
    Watch {
        probes: probes.iter().map(|name| probe(name, &regions, every, timeout)).collect(),
        regions,
        contacts: ["boss", "ops"]
            .map(|name| Contact { name: contact(name), notifier: opaque() })
            .to_vec(),
        policies: vec![Policy {
            name: PolicyName::new("ops").unwrap(),
            steps: vec![step(0, "ops"), step(300, "boss")],
            repeat: 1,
            repeat_every: Millis::from_secs(1800),
        }],
        anchors: vec!["tcp://192.0.2.1:443".into()],
        ..Watch::default()
    }
}

/// A plan of trouble: when it disturbs, and for how long all of it lasts.
pub struct Plan {
    random: Stream,
    length: Millis,
    /// Stretches in which something other than a target is in trouble.
    pub disturbed: Vec<(Timestamp, Timestamp)>,
}

const REGIONS: [&str; 5] = ["ap", "eu", "sa", "uk", "us"];
const PROBES: [&str; 3] = ["api", "blog", "shop"];
/// Sorts of trouble, each on or off in a seed.
const SORTS: u64 = 13;

/// The world of a seed and its plan; `length` is that of the trouble.
pub fn drawn(seed: u64, length: Millis) -> (World, Plan) {
    let mut random = Stream::fork(seed, "plan");
    let regions = 3 + random.place(3);
    let probes = 1 + random.place(PROBES.len());
    let mut watch =
        watch(&REGIONS[..regions], &PROBES[..probes], Millis::from_secs(60), Millis::from_secs(10));
    if random.chance(30) {
        watch.anchors.clear();
    }
    let offsets: Vec<(i64, i64)> =
        (0..regions).map(|_| (random.ms(-1500, 1500).ms(), random.ms(-50, 50).ms())).collect();
    let clocks = |place: usize| Clocks::new(offsets[place].0, offsets[place].1);
    let mut world = World::new(seed, watch, clocks);
    world.people_act = 30;
    let mut plan = Plan { random, length, disturbed: Vec::new() };
    plan.draw(&mut world);
    (world, plan)
}

impl Plan {
    fn draw(&mut self, world: &mut World) {
        let on = self.random.next();
        let probes: Vec<ProbeName> = world.watch.probes.iter().map(|p| p.name.clone()).collect();
        for probe in &probes {
            self.outages(world, probe);
        }
        for sort in (0..SORTS).filter(|sort| on >> sort & 3 == 0) {
            for _ in 0..1 + self.random.below(4) {
                let from = BEGIN + self.random.ms(240_000, self.length.ms() - 60_000);
                let long = [60_000, 200_000, 900_000, 2_400_000][self.random.place(4)];
                let to = (from + self.random.ms(2_000, long)).min(BEGIN + self.length);
                self.one(world, sort, from, to);
            }
        }
    }

    /// Outages of a target, some of them too short to be seen.
    fn outages(&mut self, world: &mut World, probe: &ProbeName) {
        let mut at = BEGIN + self.random.ms(200_000, 2_000_000);
        while at < BEGIN + self.length {
            let health = if self.random.chance(50) { Health::Refuses } else { Health::Silent };
            world.post(at, What::Trouble(Trouble::Target(probe.clone(), health)));
            let long = [40_000, 150_000, 1_500_000][self.random.place(3)];
            at = at + self.random.ms(3_000, long);
            world.post(at, What::Trouble(Trouble::Target(probe.clone(), Health::Well)));
            at = at + self.random.ms(30_000, 4_000_000);
        }
    }

    fn one(&mut self, world: &mut World, sort: u64, from: Timestamp, to: Timestamp) {
        let agent = self.random.place(world.stations.len());
        let mut pair = |begins: Trouble, ends: Option<Trouble>| {
            if begins.disturbs() {
                self.disturbed.push((from, to));
            }
            world.post(from, What::Trouble(begins));
            if let Some(ends) = ends {
                world.post(to, What::Trouble(ends));
            }
        };
        let rough = |loss, twice, spread| Trouble::Rough { agent, loss, twice, spread };
        let long = Millis::from_ms;
        let random = &mut self.random;
        match sort {
            0 => {
                let out = random.chance(50);
                let cut = |cut| Trouble::Cut { agent, out, cut };
                pair(cut(true), Some(cut(false)));
            }
            1 => pair(
                rough(random.below(60), random.below(40), random.ms(50, 8000)),
                Some(rough(0, 0, long(40))),
            ),
            2 => pair(Trouble::Clog(agent, to), None),
            3 => pair(Trouble::CrashAgent(agent), Some(Trouble::StartAgent(agent, 0))),
            4 => {
                pair(Trouble::CutPower(agent, random.place(9)), Some(Trouble::StartAgent(agent, 0)))
            }
            5 => pair(Trouble::Suspend(agent, to), None),
            6 => {
                let offset = [-300_000, 300_000, 4000, -4000, 86_400_000][random.place(5)];
                pair(Trouble::Step(agent, offset), Some(Trouble::Step(agent, 0)));
            }
            7 => pair(
                Trouble::AgentRoom(agent, Some(random.place(6000))),
                Some(Trouble::AgentRoom(agent, None)),
            ),
            8 => pair(
                Trouble::SlowSync(agent, random.ms(100, 5000)),
                Some(Trouble::SlowSync(agent, long(2))),
            ),
            9 => {
                let begins = match random.place(POINTS.len() + 2) {
                    place if place < POINTS.len() => Trouble::CrashCollector(POINTS[place]),
                    _ => Trouble::KillCollector,
                };
                pair(begins, Some(Trouble::StartCollector));
            }
            10 => pair(Trouble::CollectorFull(true), Some(Trouble::CollectorFull(false))),
            11 => {
                let contact = ContactName::new(["ops", "boss"][random.place(2)]).unwrap();
                let manner = [Manner::Fails, Manner::Hangs, Manner::LosesAnswer][random.place(3)];
                pair(
                    Trouble::Contact(contact.clone(), manner),
                    Some(Trouble::Contact(contact, Manner::Takes)),
                );
            }
            _ => self.uplinks(world, agent, from, to),
        }
    }

    /// A region lies, or one or all of them are isolated; the configuration may change meanwhile.
    fn uplinks(&mut self, world: &mut World, agent: usize, from: Timestamp, to: Timestamp) {
        // Without anchors an agent cannot know that it is isolated.
        let blind = world.watch.anchors.is_empty();
        let sort = match blind || self.random.chance(50) {
            true => Uplink::Lies,
            false => Uplink::Isolated,
        };
        let all = sort == Uplink::Isolated && self.random.chance(50);
        self.disturbed.push((from, to));
        for other in (0..world.stations.len()).filter(|other| all || *other == agent) {
            world.post(from, What::Trouble(Trouble::Uplink(other, sort)));
            world.post(to, What::Trouble(Trouble::Uplink(other, Uplink::Works)));
        }
        if self.random.chance(50) {
            self.reloads(world, from, to);
        }
    }

    /// The configuration changes and changes back.
    fn reloads(&mut self, world: &mut World, from: Timestamp, to: Timestamp) {
        let before = world.watch.clone();
        let mut after = before.clone();
        match self.random.below(4) {
            0 => after.probes[0].paused = true,
            1 => after.probes[0].every = Millis::from_secs(30),
            2 => after.policies[0].steps[1].after = Millis::from_secs(60),
            _ if after.probes.len() > 1 => drop(after.probes.pop()),
            _ => after.probes[0].timeout = Millis::from_secs(5),
        }
        self.disturbed.push((from, to));
        world.post(from, What::Trouble(Trouble::Reload(Box::new(after))));
        world.post(to, What::Trouble(Trouble::Reload(Box::new(before))));
    }
}
