//! Observations by their own time to spans of a verdict: what was true, in any order of arrival.
//!
//! The facts travel: observations, each counted once ([`Gathered`]) -> samples in order of time -> a
//! region's vote holds for twice its interval and a grace -> quorum ([`Sweep`]) -> the service's
//! verdict ([`Combined`]) -> short outages dropped ([`Lasting`]) -> spans of the period with what is
//! excluded laid over them ([`account`]). Every stage after the sort is an iterator that holds a
//! constant number of things per region and probe, so that sorted files can feed it in bounded
//! memory. No stage knows when anything arrived.

mod account;
mod combined;
mod gathered;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod properties;
mod sweep;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

use crate::config::DownWhen;
use crate::name::Region;
use crate::time::{Millis, Timestamp};

pub use account::{Class, Outage, Span, Totals, account, outages, unite};
pub use combined::{Combined, Lasting};
pub use gathered::{Gathered, count_once};
pub use sweep::{Sample, Step, Sweep};

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

impl Say {
    /// The word for it in an observation.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

impl Observation {
    /// The first instant at which it no longer holds: twice its interval and `grace` after it was
    /// made, so that one lost run is bridged and two are not.
    pub fn until(&self, grace: Millis) -> Timestamp {
        self.at + self.interval.times(2) + grace
    }
}
