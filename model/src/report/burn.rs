//! How fast the error budget is being spent, in pairs of a long and a short window.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{PPM, Terms, wide};
use crate::ledger::{Observed, Span, Totals};
use crate::time::{Millis, Timestamp};

/// How loudly a window speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BurnSeverity {
    /// Wakes somebody.
    Page,
    /// Is looked at by day.
    Ticket,
}

/// The pairs of windows: severity, threshold in thousandths, long and short length. The short one
/// makes it stop soon after the trouble does.
pub const BURN_WINDOWS: [(BurnSeverity, i64, Millis, Millis); 4] = [
    (BurnSeverity::Page, 14_400, Millis::from_secs(3600), Millis::from_secs(300)),
    (BurnSeverity::Page, 6000, Millis::from_secs(21_600), Millis::from_secs(1800)),
    (BurnSeverity::Ticket, 3000, Millis::from_secs(86_400), Millis::from_secs(7200)),
    (BurnSeverity::Ticket, 1000, Millis::from_secs(259_200), Millis::from_secs(21_600)),
];

/// The longest of the long windows.
const LONGEST: Millis = Millis::from_secs(259_200);

/// The windows as they stand at one instant. Field names are those of the offline interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burn {
    /// The instant, ms: every window ends just before it.
    pub now: i64,
    /// In the order of [`BURN_WINDOWS`].
    pub windows: Vec<BurnWindow>,
}

/// One pair of windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BurnWindow {
    /// How loudly it speaks.
    pub severity: BurnSeverity,
    /// From this burn rate on, in thousandths.
    pub threshold_milli: i64,
    /// Length of the long window.
    pub long_ms: i64,
    /// Length of the short window.
    pub short_ms: i64,
    /// down/(up+down)/(1-target) in thousandths, floored; null if 0/0.
    pub long_burn_milli: Option<i64>,
    /// The same over the short window.
    pub short_burn_milli: Option<i64>,
    /// Both reach the threshold.
    pub firing: bool,
}

/// The burn rate of a service at each of `instants`, in their order. Observations are wanted from
/// three days and [`Terms::reach`] before the first.
pub fn burn(terms: &Terms, probes: Vec<Observed>, instants: &[Timestamp]) -> Vec<Burn> {
    let Some((from, to)) = burn_reach(instants) else { return Vec::new() };
    let (spans, _) = terms.spans(probes, from, to);
    burn_over(terms.target_ppm, &spans, instants)
}

/// The time whose spans the burn rates at `instants` follow from; none without instants.
pub fn burn_reach(instants: &[Timestamp]) -> Option<(Timestamp, Timestamp)> {
    Some((*instants.iter().min()? - LONGEST, *instants.iter().max()?))
}

/// The burn rate at each of `instants`, in their order, over spans that reach as far as
/// [`burn_reach`] says.
pub fn burn_over(target_ppm: u32, spans: &[Span], instants: &[Timestamp]) -> Vec<Burn> {
    instants.iter().map(|now| burn_of(target_ppm, spans, *now)).collect()
}

/// The windows that end at `now`, over spans that reach back far enough.
fn burn_of(target_ppm: u32, spans: &[Span], now: Timestamp) -> Burn {
    let rate = |length: Millis| rate(target_ppm, &Totals::within(spans, now - length, now));
    let windows = BURN_WINDOWS.iter().map(|&(severity, threshold, long, short)| {
        let (long_burn, short_burn) = (rate(long), rate(short));
        let reached = |burn: Option<i64>| burn.is_some_and(|burn| burn >= threshold);
        BurnWindow {
            severity,
            threshold_milli: threshold,
            long_ms: long.ms(),
            short_ms: short.ms(),
            long_burn_milli: long_burn,
            short_burn_milli: short_burn,
            firing: reached(long_burn) && reached(short_burn),
        }
    });
    Burn { now: now.ms(), windows: windows.collect() }
}

/// The burn in thousandths, floored. Where nothing may be down and something was, the greatest
/// number there is.
fn rate(target_ppm: u32, totals: &Totals) -> Option<i64> {
    let down = totals.down.ms();
    let known = totals.up.ms().saturating_add(down);
    let allowed = wide(known, PPM - i64::from(target_ppm));
    match (known, down, allowed) {
        (0, _, _) | (_, 0, 0) => None,
        (_, _, 0) => Some(i64::MAX),
        _ => {
            let burn = (wide(down, PPM) * 1000).div_euclid(allowed);
            Some(i64::try_from(burn).unwrap_or(i64::MAX))
        }
    }
}
