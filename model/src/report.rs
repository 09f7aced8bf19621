//! Ledger and objective to a statement: figures, not text.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::Needs;
use crate::ledger::Observed;
use crate::maintenance::Window;
use crate::time::{Millis, Timestamp};

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
    /// `(below this availability in ppm, percent)`, highest first.
    pub credits: Vec<(u32, u32)>,
    /// Planned windows.
    pub windows: Vec<Window>,
}

/// The statement of a service over `from..to`. Observations from before `from` that still hold are
/// wanted too.
pub fn statement(
    terms: &Terms,
    probes: Vec<Observed>,
    from: Timestamp,
    to: Timestamp,
) -> Statement {
    let _ = (terms, probes, from, to);
    Statement {
        period_from: from.ms(),
        period_to: to.ms(),
        period_ms: (to - from).ms(),
        up_ms: 0,
        down_ms: 0,
        unknown_ms: 0,
        excluded_ms: 0,
        partial_ms: 0,
        availability_ppm_floor: None,
        low_ppm_floor: None,
        high_ppm_floor: None,
        coverage_ppm_floor: None,
        availability_shown: None,
        verdict: PeriodVerdict::Undetermined,
        credit_percent: 0,
        budget_us: 0,
        budget_left_us: 0,
        outages: 0,
        mttr_ms: None,
        mtbf_ms: None,
        segments: Vec::new(),
    }
}
