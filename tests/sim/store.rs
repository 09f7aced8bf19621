//! What a simulated collector is asked, what comes out of it, and what is on its disk.

use std::collections::{BTreeMap, BTreeSet};

use collector::handle::Attempted;
use model::config::Watch;
use model::engine::{Flip, Input};
use model::incident::{Notice, NoticeKey};
use model::name::{AgentName, Region};
use model::result::ProbeResult;
use model::time::Timestamp;
use model::wire::{Batch, Order, Receipt};

/// Where the collector dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Nothing is written yet.
    BeforeJournal,
    /// Facts and input are durable, nobody was answered.
    AfterJournal,
    /// The sender was answered, the engine knows nothing.
    AfterAnswer,
    /// The engine decided, nothing of it is durable.
    AfterApply,
    /// All is durable, no order was given.
    AfterCommit,
}

/// Every point, in order.
pub const POINTS: [Point; 5] = [
    Point::BeforeJournal,
    Point::AfterJournal,
    Point::AfterAnswer,
    Point::AfterApply,
    Point::AfterCommit,
];

/// What the collector is asked to write.
pub enum Write {
    /// A batch, to be answered under this number.
    Batch(u64, Box<Batch>),
    /// What a person does.
    Act(Input),
    /// A configuration.
    Reload(Box<Watch>),
    /// What became of a notice.
    Attempted(NoticeKey, Attempted),
}

/// What comes out.
pub enum Act {
    /// The answer to a batch; none: it cannot write and asks to come again.
    Answer(u64, Option<Receipt>),
    /// An order to a region.
    Order(Region, Order),
}

/// A notice at rest.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is sent.
    pub notice: Notice,
    /// It is to be sent.
    pub waits: bool,
    /// When.
    pub due: Timestamp,
    /// Attempts made.
    pub attempts: u32,
}

/// The engine as JSON, at a position of the journal.
pub struct Snapshot {
    /// Inputs applied.
    pub position: usize,
    /// Effects it has had.
    pub effect: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The engine.
    pub engine: Vec<u8>,
}

/// What is on the collector's disk.
#[derive(Default)]
pub struct Kept {
    /// Inputs with their times.
    pub journal: Vec<(Timestamp, Input)>,
    /// Oldest first.
    pub snapshots: Vec<Snapshot>,
    /// The number of the last effect that is committed.
    pub effect: u64,
    /// The time that was reached.
    pub now: Timestamp,
    /// The highest seq of each agent and incarnation.
    pub cursors: BTreeMap<(AgentName, u64), u64>,
    /// Results at rest, by agent, incarnation and seq.
    pub results: BTreeMap<(AgentName, u64, u64), ProbeResult>,
    /// Seq that are known to be missing or were refused for good.
    pub excused: BTreeSet<(AgentName, u64, u64)>,
    /// The outbox.
    pub notices: BTreeMap<NoticeKey, Row>,
    /// Changes of verdicts, by number.
    pub flips: Vec<(u64, Flip)>,
    /// It takes no more writes.
    pub full: bool,
}
