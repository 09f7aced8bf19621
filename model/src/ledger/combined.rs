//! The verdicts of a service's probes to its own, and what is too short to count.

use alloc::vec;
use alloc::vec::Vec;
use core::iter::Peekable;

use super::Step;
use crate::config::Needs;
use crate::quorum::{self, Verdict};
use crate::time::{Millis, Timestamp};

/// The steps of a service's verdict from those of its probes. Before the first step it is unknown.
#[derive(Clone, Debug)]
pub struct Combined<I: Iterator<Item = Step>> {
    needs: Needs,
    probes: Vec<Peekable<I>>,
    verdicts: Vec<Verdict>,
    last: Verdict,
}

impl<I: Iterator<Item = Step>> Combined<I> {
    /// A service that needs `needs` of `probes`.
    pub fn new(needs: Needs, probes: impl IntoIterator<Item = I>) -> Self {
        let probes: Vec<_> = probes.into_iter().map(Iterator::peekable).collect();
        let verdicts = vec![Verdict::Unknown; probes.len()];
        Self { needs, probes, verdicts, last: Verdict::Unknown }
    }
}

impl<I: Iterator<Item = Step>> Iterator for Combined<I> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            let heads = self.probes.iter_mut().filter_map(Peekable::peek);
            let from = heads.map(|step| step.from).min()?;
            for (probe, verdict) in self.probes.iter_mut().zip(&mut self.verdicts) {
                if let Some(step) = probe.next_if(|step| step.from == from) {
                    *verdict = step.verdict;
                }
            }
            let verdict = quorum::combine(self.needs, self.verdicts.iter().copied());
            if verdict != self.last {
                self.last = verdict;
                return Some(Step { from, verdict });
            }
        }
    }
}

/// The same steps with every down run shorter than a limit turned into up and partial. Runs are
/// measured whole, before anything is cut off at the ends of a period.
#[derive(Clone, Debug)]
pub struct Lasting<I: Iterator<Item = Step>> {
    steps: Peekable<I>,
    shortest: Millis,
    last: Verdict,
}

impl<I: Iterator<Item = Step>> Lasting<I> {
    /// Keeps the down runs of at least `shortest`.
    pub fn new(shortest: Millis, steps: I) -> Self {
        Self { steps: steps.peekable(), shortest, last: Verdict::Unknown }
    }
}

impl<I: Iterator<Item = Step>> Iterator for Lasting<I> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            let mut step = self.steps.next()?;
            let end = self.steps.peek().map_or(Timestamp::MAX, |next| next.from);
            if step.verdict == Verdict::Down && end - step.from < self.shortest {
                step.verdict = Verdict::Up { partial: true };
            }
            if step.verdict != self.last {
                self.last = step.verdict;
                return Some(step);
            }
        }
    }
}
