//! Ledger and objective to a statement: figures, not text.
//!
//! Every figure is an integer and every quotient is floored, so that nothing looks better than it
//! is. What is promised is compared unrounded.

mod burn;
#[cfg(test)]
mod tests;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::Needs;
use crate::ledger::{self, Class, Outage, Span, Totals};
use crate::ledger::{Combined, Gathered, Lasting, Observed, Sample, Sweep};
use crate::maintenance::Window;
use crate::time::{Millis, Timestamp};

pub use burn::{BURN_WINDOWS, Burn, BurnSeverity, BurnWindow, burn, burn_over, burn_reach};

/// Parts per million in the whole.
pub const PPM: i64 = 1_000_000;

/// A period's availability against its objective. Field names are those of the offline interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// First instant, ms.
    pub period_from: i64,
    /// First instant after it, ms.
    pub period_to: i64,
    /// Its length.
    pub period_ms: i64,
    /// Up, partial or not.
    pub up_ms: i64,
    /// Down.
    pub down_ms: i64,
    /// Not known.
    pub unknown_ms: i64,
    /// Maintenance that counts, and time out of contract.
    pub excluded_ms: i64,
    /// The part of `up_ms` that was not up from everywhere.
    pub partial_ms: i64,
    /// up/(up+down) in ppm, floored; null if 0/0.
    pub availability_ppm_floor: Option<i64>,
    /// up/(up+down+unknown) in ppm, floored.
    pub low_ppm_floor: Option<i64>,
    /// (up+unknown)/(up+down+unknown) in ppm, floored.
    pub high_ppm_floor: Option<i64>,
    /// (up+down)/(up+down+unknown) in ppm, floored.
    pub coverage_ppm_floor: Option<i64>,
    /// `99.899%`, floored to three decimals; null as above.
    pub availability_shown: Option<String>,
    /// `met`, `breached` or `undetermined`.
    pub verdict: PeriodVerdict,
    /// By the tiers, only when breached.
    pub credit_percent: i64,
    /// The error budget, microseconds.
    pub budget_us: i64,
    /// What is left of it; negative when overdrawn.
    pub budget_left_us: i64,
    /// How many.
    pub outages: i64,
    /// Down per outage, floored; null without outages.
    pub mttr_ms: Option<i64>,
    /// Up per outage, floored; null without outages.
    pub mtbf_ms: Option<i64>,
    /// `[from, to, class]`, merged.
    pub segments: Vec<(i64, i64, String)>,
}

/// Whether a period kept its promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodVerdict {
    /// Whatever was not measured, the promise was kept.
    Met,
    /// Whatever was not measured, it was broken.
    Breached,
    /// What was not measured decides.
    Undetermined,
}

/// What a period is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How many of the probes the service needs.
    pub needs: Needs,
    /// Parts per million.
    pub target_ppm: u32,
    /// What an observation outlives twice its interval by.
    pub grace: Millis,
    /// Shorter outages count as up and partial.
    pub min_outage: Millis,
    /// How long before its start a maintenance must have been announced.
    pub notice: Millis,
    /// `(below this availability in ppm, percent)`, in any order: of a breached period, the lowest
    /// that the availability is below; not below any: no credit.
    pub credits: Vec<(u32, u32)>,
    /// Planned windows.
    pub windows: Vec<Window>,
}

impl Terms {
    /// How far before and after a period observations still matter to it, when `longest` is the
    /// longest interval among them: a vote reaches so far ahead, and an outage at an end must be
    /// seen whole to be known as too short.
    pub fn reach(&self, longest: Millis) -> Millis {
        longest.times(2) + self.grace + self.min_outage
    }

    /// The spans of a service over `from..to`, and how many observations contradicted another of the
    /// same id.
    ///
    /// Observations from before `from` that still hold are wanted too; how far back is
    /// [`Terms::reach`].
    pub fn spans(&self, probes: Vec<Observed>, from: Timestamp, to: Timestamp) -> (Vec<Span>, u64) {
        let mut conflicts = 0;
        let sweeps: Vec<_> = probes
            .into_iter()
            .map(|observed| {
                let assigned = u32::try_from(observed.regions.len()).unwrap_or(u32::MAX);
                let rule = observed.down_when;
                let gathered = Gathered::new(observed, self.grace);
                conflicts += gathered.conflicts;
                Sweep::new(assigned, rule, gathered.samples.into_iter())
            })
            .collect();
        (self.spans_of(sweeps, from, to), conflicts)
    }

    /// The spans of a service over `from..to` from what its probes are swept of. Holds nothing but the
    /// spans, however many samples come through; those after `to` may not be asked for.
    pub fn spans_of<I: Iterator<Item = Sample>>(
        &self,
        probes: impl IntoIterator<Item = Sweep<I>>,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<Span> {
        let steps = Lasting::new(self.min_outage, Combined::new(self.needs, probes));
        ledger::account(steps, &self.excluded(), from, to)
    }

    /// The union of the windows that count.
    fn excluded(&self) -> Vec<(Timestamp, Timestamp)> {
        let counting = self.windows.iter().filter(|window| window.counts(self.notice));
        ledger::unite(counting.map(|window| (window.from, window.to)).collect())
    }

    /// The percentage that an availability of `up` in `up + down` earns back.
    fn credit(&self, up: i64, down: i64) -> i64 {
        let below = |bound: u32| wide(up, PPM) < wide(up.saturating_add(down), bound.into());
        let tiers = self.credits.iter().filter(|(bound, _)| below(*bound));
        tiers.min_by_key(|(bound, _)| *bound).map_or(0, |(_, percent)| i64::from(*percent))
    }
}

/// The statement of a service over `from..to`. Observations from before `from` that still hold are
/// wanted too. A period that ends before it begins is empty.
pub fn statement(
    terms: &Terms,
    probes: Vec<Observed>,
    from: Timestamp,
    to: Timestamp,
) -> Statement {
    let to = to.max(from);
    let (spans, _) = terms.spans(probes, from, to);
    statement_of(terms, &spans, from, to)
}

/// The statement that follows from the spans of `from..to`, as [`Terms::spans`] makes them.
pub fn statement_of(terms: &Terms, spans: &[Span], from: Timestamp, to: Timestamp) -> Statement {
    let totals = Totals::within(spans, from, to);
    let (up, down, unknown) = (totals.up.ms(), totals.down.ms(), totals.unknown.ms());
    let known = up.saturating_add(down);
    let counted = known.saturating_add(unknown);
    let verdict = verdict(i64::from(terms.target_ppm), up, unknown, counted);
    let breached = verdict == PeriodVerdict::Breached;
    let length = to - from;
    let allowed_ppm = PPM - i64::from(terms.target_ppm);
    let budget_us = floor(allowed_ppm, (length - totals.excluded).ms(), PPM / 1000).unwrap_or(0);
    let outages = ledger::outages(spans.iter().copied()).len();
    let outages = i64::try_from(outages).unwrap_or(i64::MAX);
    Statement {
        period_from: from.ms(),
        period_to: to.ms(),
        period_ms: length.ms(),
        up_ms: up,
        down_ms: down,
        unknown_ms: unknown,
        excluded_ms: totals.excluded.ms(),
        partial_ms: totals.partial.ms(),
        availability_ppm_floor: floor(up, PPM, known),
        low_ppm_floor: floor(up, PPM, counted),
        high_ppm_floor: floor(up.saturating_add(unknown), PPM, counted),
        coverage_ppm_floor: floor(known, PPM, counted),
        availability_shown: floor(up, 100_000, known).map(shown),
        verdict,
        credit_percent: if breached { terms.credit(up, down) } else { 0 },
        budget_us,
        budget_left_us: budget_us.saturating_sub(down.saturating_mul(1000)),
        outages,
        mttr_ms: floor(down, 1, outages),
        mtbf_ms: floor(up, 1, outages),
        segments: spans
            .iter()
            .map(|span| (span.from.ms(), span.to.ms(), span.class.word().into()))
            .collect(),
    }
}

impl Statement {
    /// The segments as spans; those of a class that is not known here are left out.
    pub fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        self.segments.iter().filter_map(|(from, to, class)| {
            let (from, to) = (Timestamp::from_ms(*from), Timestamp::from_ms(*to));
            Some(Span { from, to, class: Class::from_word(class)? })
        })
    }

    /// The outages that were counted, rising.
    pub fn outage_list(&self) -> Vec<Outage> {
        ledger::outages(self.spans())
    }
}

/// Met only if the promise was kept even when all that was not measured was down; breached only if
/// it was broken even when all of that was up.
fn verdict(target_ppm: i64, up: i64, unknown: i64, counted: i64) -> PeriodVerdict {
    let wanted = wide(target_ppm, counted);
    if wide(up, PPM) >= wanted {
        PeriodVerdict::Met
    } else if wide(up.saturating_add(unknown), PPM) < wanted {
        PeriodVerdict::Breached
    } else {
        PeriodVerdict::Undetermined
    }
}

/// Thousandths of a percent as text, `99.899%`.
fn shown(thousandths: i64) -> String {
    format!("{}.{:03}%", thousandths / 1000, thousandths % 1000)
}

/// A product that cannot overflow.
fn wide(a: i64, b: i64) -> i128 {
    i128::from(a) * i128::from(b)
}

/// `a * b / divisor`, floored; none if the divisor is zero.
fn floor(a: i64, b: i64, divisor: i64) -> Option<i64> {
    if divisor == 0 {
        return None;
    }
    let quotient = wide(a, b).div_euclid(i128::from(divisor));
    Some(i64::try_from(quotient).unwrap_or(if quotient < 0 { i64::MIN } else { i64::MAX }))
}
