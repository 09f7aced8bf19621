//! Observations by their own time to spans of a verdict: what was true, in any order of arrival.

use alloc::string::String;
use alloc::vec::Vec;

use crate::config::DownWhen;
use crate::name::Region;
use crate::time::{Millis, Timestamp};

/// What an observation says, in the order in which it wins a tie of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Say {
    /// Nothing about the target.
    Void,
    /// It did not answer as wanted.
    Down,
    /// It did.
    Up,
}

/// One run of a probe, as the ledger sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Unique: `agent/incarnation/seq`, or what the file says.
    pub id: String,
    /// Where.
    pub region: Region,
    /// Start of the first attempt.
    pub at: Timestamp,
    /// What it says.
    pub say: Say,
    /// The interval in force; the observation holds for twice this and the grace.
    pub interval: Millis,
}

/// All that was observed of one probe, and how it is judged.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The assigned regions: N of the quorum.
    pub regions: Vec<Region>,
    /// When votes make it down.
    pub down_when: DownWhen,
    /// In any order, duplicates allowed; those of other regions are ignored.
    pub observations: Vec<Observation>,
}
