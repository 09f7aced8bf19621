//! The small facts of a spool: which series it is, how far the receipts reach, what was dropped.

use std::io;

use model::wire::{BATCH_GAPS_MAX, Gap};
use serde::{Deserialize, Serialize};

use crate::disk::Files;

/// Where they stand.
const FILE: &str = "state";
/// The most gaps that are kept apart; the oldest two become one beyond it.
pub const GAPS_MAX: usize = BATCH_GAPS_MAX;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Names the series of seq; 0 while there is none.
    pub(super) incarnation: u64,
    /// Everything up to here is the collector's, or dropped.
    pub(super) acknowledged: u64,
    /// No seq up to here is ever given again.
    pub(super) told: u64,
    /// What was dropped and is not yet told, in order.
    pub(super) gaps: Vec<Gap>,
}

impl State {
    /// None if there is no state, or what is there is not one: then the segments tell what they can.
    pub(super) fn load(files: &mut dyn Files) -> io::Result<Option<Self>> {
        match files.read(FILE) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn save(&self, files: &mut dyn Files) -> io::Result<()> {
        let bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
        files.replace(FILE, &bytes)
    }

    /// Notes that these were dropped; returns how many were not noted before.
    pub(super) fn gap(&mut self, from_seq: u64, to_seq: u64, why: &str) -> u64 {
        let known = self.gaps.iter().any(|gap| gap.from_seq <= from_seq && to_seq <= gap.to_seq);
        if known || from_seq > to_seq {
            return 0;
        }
        self.told = self.told.max(to_seq);
        match self.gaps.last_mut() {
            Some(last) if last.to_seq.saturating_add(1) == from_seq && last.why == why => {
                last.to_seq = to_seq;
            }
            _ => self.gaps.push(Gap { from_seq, to_seq, why: why.into() }),
        }
        if self.gaps.len() > GAPS_MAX {
            let oldest = self.gaps.remove(0);
            if let Some(next) = self.gaps.first_mut() {
                next.from_seq = oldest.from_seq.min(next.from_seq);
            }
        }
        to_seq - from_seq + 1
    }

    /// The collector knows these; one that grew meanwhile keeps what was added.
    pub(super) fn tell(&mut self, told: &[Gap]) {
        for known in told {
            let Some(gap) = self.gaps.iter_mut().find(|gap| gap.from_seq == known.from_seq) else {
                continue;
            };
            gap.from_seq = known.to_seq.saturating_add(1);
        }
        self.gaps.retain(|gap| gap.from_seq <= gap.to_seq);
    }
}
