//! Samples in order of time to the steps of one probe's verdict.

use alloc::vec;
use alloc::vec::Vec;
use core::iter::Peekable;

use super::Say;
use crate::config::DownWhen;
use crate::quorum::{self, Verdict};
use crate::time::Timestamp;

/// One observation as the sweep needs it. They are ordered as they are applied: by time, then void
/// before down before up, then by id; the last one at or before an instant is the region's vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// Start of the first attempt.
    pub at: Timestamp,
    /// What it says.
    pub say: Say,
    /// The place of its id among all ids.
    pub order: u32,
    /// The place of its region among the assigned ones.
    pub region: u32,
    /// The first instant at which it no longer holds.
    pub until: Timestamp,
}

/// From `from` on, until the next step, the verdict is `verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// First instant.
    pub from: Timestamp,
    /// What holds.
    pub verdict: Verdict,
}

/// A region's vote while it holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    down: bool,
    until: Timestamp,
}

/// The steps of one probe's verdict, rising in time, no two alike in a row. Before the first step
/// the verdict is unknown.
///
/// Holds one vote per region, however many samples pass through it.
#[derive(Clone, Debug)]
pub struct Sweep<I: Iterator<Item = Sample>> {
    samples: Peekable<I>,
    votes: Vec<Option<Held>>,
    up: u32,
    down: u32,
    rule: DownWhen,
    /// No vote ends before this.
    expiry: Timestamp,
    last: Verdict,
}

impl<I: Iterator<Item = Sample>> Sweep<I> {
    /// Votes of `assigned` regions judged by `rule`; `samples` rise, and name regions below
    /// `assigned`; others are ignored.
    pub fn new(assigned: u32, rule: DownWhen, samples: I) -> Self {
        let votes = vec![None; usize::try_from(assigned).unwrap_or(0)];
        let last = Verdict::Unknown;
        let samples = samples.peekable();
        Self { samples, votes, up: 0, down: 0, rule, expiry: Timestamp::MAX, last }
    }

    fn verdict(&self) -> Verdict {
        let assigned = u32::try_from(self.votes.len()).unwrap_or(u32::MAX);
        quorum::decide(assigned, self.up, self.down, self.rule)
    }

    /// Puts `vote` in the place of the region's last one.
    fn replace(&mut self, region: u32, vote: Option<Held>) {
        let place = usize::try_from(region).ok().and_then(|region| self.votes.get_mut(region));
        let Some(place) = place else { return };
        let before = core::mem::replace(place, vote);
        for (vote, gained) in [(before, false), (vote, true)] {
            let count = match vote {
                Some(Held { down: true, .. }) => &mut self.down,
                Some(Held { down: false, .. }) => &mut self.up,
                None => continue,
            };
            *count = if gained { *count + 1 } else { *count - 1 };
        }
        if let Some(vote) = vote {
            self.expiry = self.expiry.min(vote.until);
        }
    }

    /// Drops the votes that no longer hold at `now`, and finds when the next one ends. Runs about
    /// once in the time that a vote lives.
    fn expire(&mut self, now: Timestamp) {
        self.expiry = Timestamp::MAX;
        for region in 0..u32::try_from(self.votes.len()).unwrap_or(u32::MAX) {
            let index = usize::try_from(region).unwrap_or(usize::MAX);
            let Some(Some(vote)) = self.votes.get(index).copied() else { continue };
            if vote.until <= now {
                self.replace(region, None);
            } else {
                self.expiry = self.expiry.min(vote.until);
            }
        }
    }
}

impl<I: Iterator<Item = Sample>> Iterator for Sweep<I> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            let sample = self.samples.peek().map(|sample| sample.at);
            let waiting = self.up + self.down > 0;
            let now = match (sample, waiting) {
                (Some(at), true) => at.min(self.expiry),
                (Some(at), false) => at,
                (None, true) => self.expiry,
                (None, false) => return None,
            };
            if self.expiry <= now {
                self.expire(now);
            }
            while let Some(sample) = self.samples.next_if(|sample| sample.at <= now) {
                let holds = sample.say != Say::Void && now < sample.until;
                let vote = Held { down: sample.say == Say::Down, until: sample.until };
                self.replace(sample.region, holds.then_some(vote));
            }
            let verdict = self.verdict();
            if verdict != self.last {
                self.last = verdict;
                return Some(Step { from: now, verdict });
            }
        }
    }
}
