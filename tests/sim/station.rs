//! An agent: the real machine and the real spool over a disk in memory, with clocks of its own.

use std::collections::BTreeMap;

use agent::clock::Now;
use agent::machine;
use agent::machine::{Machine, RunId, Work};
use agent::policy::{Pins, Policy};
use agent::spool::{Limits, Spool};
use model::name::{AgentName, Region};
use model::result::{Outcome, ProbeResult};
use model::time::{Millis, Timestamp};
use model::wire::{Assignment, Gap};

use crate::disk::Disk;
use crate::network::Way;
use crate::random::Stream;
use crate::world::BEGIN;

/// What the spool may hold: small, so that it fills within an hour of being cut off.
pub const SPOOL: Limits =
    Limits { bytes: 6 * 1024, age: Millis::from_secs(7 * 24 * 3600), segment: 1024 };

/// The clocks of one host.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// What the wall clock is ahead of the truth, ms, at `since`.
    offset: i64,
    since: Timestamp,
    /// What it gains, in millionths.
    drift: i64,
    /// For how long the host was suspended in all: the monotonic clock stood still.
    asleep: Millis,
}

impl Clocks {
    /// Clocks that are right but for `offset` ms and gain `drift` millionths.
    pub const fn new(offset: i64, drift: i64) -> Self {
        Self { offset, since: BEGIN, drift, asleep: Millis::ZERO }
    }

    fn offset_at(&self, now: Timestamp) -> i64 {
        self.offset + (now - self.since).ms() * self.drift / 1_000_000
    }

    /// What they show.
    pub fn read(&self, now: Timestamp) -> Now {
        let wall = now + Millis::from_ms(self.offset_at(now));
        Now { wall, mono: now - BEGIN - self.asleep }
    }

    /// The true instant of a reading of the monotonic clock.
    pub fn instant(&self, mono: Millis) -> Timestamp {
        BEGIN + self.asleep + mono
    }

    /// The wall clock is put `offset` ms ahead of the truth.
    pub const fn step(&mut self, now: Timestamp, offset: i64) {
        (self.offset, self.since, self.drift) = (offset, now, 0);
    }
}

/// A batch in flight.
pub struct Flight {
    /// Its number.
    pub exchange: u64,
    /// When it left.
    pub sent: Now,
    /// How many results it has.
    pub results: usize,
    /// The gaps that it tells of.
    pub gaps: Vec<Gap>,
}

/// A program that runs.
pub struct Program {
    /// The real machine.
    pub machine: Machine,
    /// The real spool.
    pub spool: Spool,
    /// When and under which number it wakes next.
    pub wake: Option<(Timestamp, u64)>,
    /// When each run really began.
    pub runs: BTreeMap<RunId, Timestamp>,
    /// What is on its way to the collector.
    pub flight: Option<Flight>,
    /// The number of the stream of orders.
    pub stream: u64,
    /// Failures that were added and are not yet durable.
    pub urgent: bool,
    /// When it stood still last.
    pub stood: Option<(Timestamp, Timestamp)>,
}

/// A host with an agent.
pub struct Station {
    /// The agent's name.
    pub name: AgentName,
    /// Where it is.
    pub region: Region,
    /// Its disk.
    pub disk: Disk,
    /// Its clocks.
    pub clocks: Clocks,
    /// The way to the collector.
    pub out: Way,
    /// The way back.
    pub back: Way,
    /// What a sync takes.
    pub sync_takes: Millis,
    /// Until when the host is suspended.
    pub asleep_until: Timestamp,
    /// The program, while it runs.
    pub program: Option<Program>,
    /// Counts the starts of the program.
    pub life: u64,
    /// The assignment on disk, with its tag.
    pub assignment: Option<(String, Assignment)>,
    /// How the spool is bounded.
    pub limits: Limits,
    random: Stream,
}

impl Station {
    /// A host on which nothing runs yet.
    pub fn new(seed: u64, region: &Region, clocks: Clocks) -> Self {
        Self {
            name: AgentName::new(&format!("{region}-1")).unwrap(),
            region: region.clone(),
            disk: Disk::default(),
            clocks,
            out: Way::new(seed, &format!("{region} out")),
            back: Way::new(seed, &format!("{region} back")),
            sync_takes: Millis::from_ms(2),
            asleep_until: Timestamp::MIN,
            program: None,
            life: 0,
            assignment: None,
            limits: SPOOL,
            random: Stream::fork(seed, region.as_str()),
        }
    }

    /// Starts the program. Gives what it is told first; nothing if its disk does not let it start.
    pub fn start(&mut self, now: Timestamp) -> Vec<machine::Input> {
        self.life += 1;
        let reading = self.clocks.read(now);
        let draw = self.random.next() >> 12;
        let disk = Box::new(self.disk.clone());
        let Ok(spool) = Spool::open(disk, self.limits, || draw) else { return Vec::new() };
        let policy = Policy::first_use(Pins::default(), Vec::new());
        let machine = Machine::new(reading, self.region.clone(), policy, self.random.next());
        let waiting = spool.waiting();
        self.program = Some(Program {
            machine,
            spool,
            wake: None,
            runs: BTreeMap::new(),
            flight: None,
            stream: 0,
            urgent: false,
            stood: None,
        });
        let mut inputs = vec![machine::Input::Spooled { waiting, urgent: false }];
        if let Some((tag, assignment)) = self.assignment.clone() {
            inputs.push(assigned(tag, assignment, false));
        }
        inputs
    }

    /// The program ends without warning.
    pub fn crash(&mut self) {
        self.program = None;
        self.life += 1;
        self.disk.crash(&mut self.random);
    }

    /// The host is suspended until then; its monotonic clock stands still or goes on.
    pub fn suspend(&mut self, now: Timestamp, until: Timestamp) {
        self.asleep_until = until;
        if self.random.chance(50) {
            self.clocks.asleep = self.clocks.asleep + (until - now);
        }
        if let Some(program) = &mut self.program {
            program.stood = Some((now, until));
        }
    }

    /// Spools a result; durable only after the next sync.
    pub fn spool(&mut self, now: Timestamp, result: &mut ProbeResult) -> Option<u64> {
        let wall = self.clocks.read(now).wall;
        let program = self.program.as_mut()?;
        program.spool.add(wall, result);
        program.urgent |= matches!(result.outcome, Outcome::Failed(_));
        Some(program.spool.incarnation())
    }

    /// Syncs what was spooled. Gives the news for the machine.
    pub fn sync(&mut self, now: Timestamp) -> Option<machine::Input> {
        let wall = self.clocks.read(now).wall;
        let program = self.program.as_mut()?;
        program.spool.sync(wall);
        let durable = program.spool.unwritten() == 0;
        let urgent = durable && std::mem::take(&mut program.urgent);
        Some(machine::Input::Spooled { waiting: program.spool.waiting(), urgent })
    }

    /// How long the program stood still between `begun` and now.
    pub fn lag(&self, begun: Timestamp) -> Millis {
        let stood = self.program.as_ref().and_then(|program| program.stood);
        stood.filter(|(_, to)| *to > begun).map_or(Millis::ZERO, |(from, to)| to - from.max(begun))
    }
}

/// An assignment as the machine is told of it.
pub fn assigned(tag: String, assignment: Assignment, fetched: bool) -> machine::Input {
    let work = |probe| Work { probe, uses: Ok(Vec::new()) };
    machine::Input::Assigned {
        tag,
        agent: assignment.agent,
        anchors: assignment.anchors,
        work: assignment.probes.into_iter().map(work).collect(),
        fetched,
    }
}
