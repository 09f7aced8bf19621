//! Observations of any number to the spans of a period, in bounded memory.
//!
//! A file whose lines rise in time is swept as it is read ([`rising`]). Any other is parted by id
//! into files, each small enough to be counted once and sorted in memory, and these are merged by
//! time ([`parted`]). A few observations are sorted where they are. All three feed the model's
//! sweep and give the same spans.

mod parted;
mod record;
mod rising;
#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use model::config::DownWhen;
use model::ledger::{Observed, Sample, Span, Sweep};
use model::name::Region;
use model::report::Terms;
use model::time::Timestamp;

use super::observations::{Lines, Source};

/// Up to this many bytes of text are read into memory whole.
const TEXT_IN_MEMORY: u64 = 16 * 1024 * 1024;

/// What is asked of the observations.
pub struct Question<'a> {
    /// Who votes.
    pub regions: &'a [Region],
    /// What the time is judged by.
    pub terms: &'a Terms,
    /// First instant.
    pub from: Timestamp,
    /// First instant after it.
    pub to: Timestamp,
}

impl Question<'_> {
    /// The spans that follow from samples in order of time.
    fn spans(&self, samples: impl Iterator<Item = Sample>) -> Vec<Span> {
        let assigned = u32::try_from(self.regions.len()).unwrap_or(u32::MAX);
        let sweep = Sweep::new(assigned, DownWhen::Majority, samples);
        self.terms.spans_of([sweep], self.from, self.to)
    }

    /// The place of a region among those that vote.
    fn place(&self, region: &Region) -> Option<u32> {
        let place = self.regions.iter().position(|name| name == region)?;
        u32::try_from(place).ok()
    }
}

/// The spans of the time that is asked for, and how many observations contradicted another of
/// their id.
///
/// # Errors
/// The files cannot be read, or a line is not an observation: file, line, and what would be right.
pub fn spans(path: &Path, question: &Question<'_>) -> anyhow::Result<(Vec<Span>, u64)> {
    spans_within(path, question, TEXT_IN_MEMORY)
}

/// As [`spans`], with up to `memory` bytes of text in memory at once.
fn spans_within(
    path: &Path,
    question: &Question<'_>,
    memory: u64,
) -> anyhow::Result<(Vec<Span>, u64)> {
    let source = Source::find(path)?;
    if source.bytes().is_some_and(|bytes| bytes <= memory) {
        let observations = Lines::new(source).collect::<anyhow::Result<Vec<_>>>()?;
        let regions = question.regions.to_vec();
        let observed = Observed { regions, down_when: DownWhen::Majority, observations };
        return Ok(question.terms.spans(vec![observed], question.from, question.to));
    }
    // What can be read once only must not be begun in vain.
    if source.bytes().is_some()
        && let Some(found) = rising::spans(source.clone(), question)?
    {
        return Ok(found);
    }
    parted::spans(source, question, memory)
}

/// A number for an id: the same ids have the same, others hardly ever.
fn mark(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
