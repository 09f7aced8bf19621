//! Steps of a verdict and what is excluded to the spans of a period, and their sums.

use alloc::vec::Vec;

use super::Step;
use crate::quorum::Verdict;
use crate::time::{Millis, Timestamp};

/// What an instant counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Up, from everywhere that can say anything.
    Up,
    /// Up, with some votes down or a short outage.
    Partial,
    /// Down.
    Down,
    /// Not known.
    Unknown,
    /// Maintenance that counts, or time out of contract.
    Excluded,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Up, Self::Partial, Self::Down, Self::Unknown, Self::Excluded];

    /// The word for it in a statement's segments.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Partial => "up+partial",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Excluded => "excluded",
        }
    }

    /// The one with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Up { partial: false } => Self::Up,
            Verdict::Up { partial: true } => Self::Partial,
            Verdict::Down => Self::Down,
            Verdict::Unknown => Self::Unknown,
        }
    }
}

/// A length of time of one class, half open, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First instant.
    pub from: Timestamp,
    /// First instant after it.
    pub to: Timestamp,
    /// What it counts as.
    pub class: Class,
}

impl Span {
    /// Its length.
    pub fn length(&self) -> Millis {
        self.to - self.from
    }
}

/// Sums over the spans of a period. `up`, `down`, `unknown` and `excluded` add up to its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Up, partial or not.
    pub up: Millis,
    /// Down.
    pub down: Millis,
    /// Not known.
    pub unknown: Millis,
    /// Left out.
    pub excluded: Millis,
    /// The part of `up` that was partial.
    pub partial: Millis,
}

impl Totals {
    /// The sums of `spans` within `from..to`. Each span adds to exactly one of the four, so they
    /// cannot miss or double an instant.
    pub fn within(spans: &[Span], from: Timestamp, to: Timestamp) -> Self {
        let first = spans.partition_point(|span| span.to <= from);
        let mut totals = Self::default();
        for span in spans.iter().skip(first).take_while(|span| span.from < to) {
            let length = span.to.min(to) - span.from.max(from);
            let sum = match span.class {
                Class::Up => &mut totals.up,
                Class::Partial => {
                    totals.partial = totals.partial + length;
                    &mut totals.up
                }
                Class::Down => &mut totals.down,
                Class::Unknown => &mut totals.unknown,
                Class::Excluded => &mut totals.excluded,
            };
            *sum = *sum + length;
        }
        totals
    }
}

/// The union of `windows`, rising, with neighbours that touch made one.
pub fn unite(mut windows: Vec<(Timestamp, Timestamp)>) -> Vec<(Timestamp, Timestamp)> {
    windows.retain(|(from, to)| from < to);
    windows.sort_unstable();
    windows.dedup_by(|later, kept| {
        let touches = later.0 <= kept.1;
        if touches {
            kept.1 = kept.1.max(later.1);
        }
        touches
    });
    windows
}

/// The spans of `from..to`: rising, without a gap, no two of one class in a row. `steps` rise;
/// `excluded` is a union as [`unite`] makes it, and prevails over every verdict.
pub fn account(
    steps: impl Iterator<Item = Step>,
    excluded: &[(Timestamp, Timestamp)],
    from: Timestamp,
    to: Timestamp,
) -> Vec<Span> {
    let mut steps = steps.peekable();
    let mut excluded = excluded.iter().copied().skip_while(|(_, end)| *end <= from).peekable();
    let mut spans: Vec<Span> = Vec::new();
    let mut verdict = Verdict::Unknown;
    let mut now = from;
    while now < to {
        while let Some(step) = steps.next_if(|step| step.from <= now) {
            verdict = step.verdict;
        }
        while excluded.next_if(|(_, end)| *end <= now).is_some() {}
        let (class, end) = match excluded.peek() {
            Some((start, end)) if *start <= now => (Class::Excluded, *end),
            window => {
                let next = steps.peek().map_or(to, |step| step.from);
                (Class::of(verdict), next.min(window.map_or(to, |(start, _)| *start)))
            }
        };
        let end = end.min(to);
        match spans.last_mut() {
            Some(last) if last.class == class => last.to = end,
            _ => spans.push(Span { from: now, to: end, class }),
        }
        now = end;
    }
    spans
}

/// One outage as it is counted: what is not known and what is excluded neither ends nor lengthens
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// First instant that counts as down.
    pub from: Timestamp,
    /// First instant after the last that does.
    pub to: Timestamp,
    /// How long it counts as down.
    pub down: Millis,
}

/// The outages within `spans`, rising.
pub fn outages(spans: impl IntoIterator<Item = Span>) -> Vec<Outage> {
    let mut outages: Vec<Outage> = Vec::new();
    let mut down = false;
    for span in spans {
        match span.class {
            Class::Unknown | Class::Excluded => {}
            Class::Up | Class::Partial => down = false,
            Class::Down => {
                match outages.last_mut() {
                    Some(outage) if down => {
                        outage.to = span.to;
                        outage.down = outage.down + span.length();
                    }
                    _ => outages.push(Outage { from: span.from, to: span.to, down: span.length() }),
                }
                down = true;
            }
        }
    }
    outages
}
