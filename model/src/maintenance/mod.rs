//! Planned windows: what stands in the configuration, unrolled into spans of instants.

mod cron;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

use jiff::civil::Date;

use crate::calendar;
use crate::config::{Maintenance, When};
use crate::time::{Millis, Timestamp};

pub use cron::{Cron, STARTS_PER_DAY_MAX};

/// The most windows that one call unrolls; more than two years of the busiest plan. Later ones are
/// not excluded, which never flatters.
pub const WINDOWS_MAX: usize = 100_000;
/// The most days that one call walks, about eleven years.
pub const DAYS_MAX: usize = 4096;

/// One window in which time may be left out of the accounts, half open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// First instant.
    pub from: Timestamp,
    /// First instant after it.
    pub to: Timestamp,
    /// When it was announced; none: accepted without announcement.
    pub announced: Option<Timestamp>,
    /// It was called off.
    pub cancelled: bool,
}

impl Window {
    /// Whether its time is left out: not called off, and announced at least `notice` before its
    /// start.
    pub fn counts(&self, notice: Millis) -> bool {
        let in_time = self.announced.is_none_or(|announced| announced + notice <= self.from);
        !self.cancelled && in_time
    }
}

/// Every window of `planned` that overlaps `from..to`, in order of start.
///
/// A start that the clocks skip happens at the transition; one that happens twice, at the first.
/// Unrolls at most [`WINDOWS_MAX`] windows. A line or zone that cannot be read has none: the
/// configuration refuses both.
pub fn windows(planned: &Maintenance, from: Timestamp, to: Timestamp) -> Vec<Window> {
    let window = |start, end| Window {
        from: start,
        to: end,
        announced: planned.announced,
        cancelled: planned.cancelled,
    };
    let overlaps =
        |window: &Window| window.from < to && from < window.to && window.from < window.to;
    match &planned.when {
        When::Once { from, to } => [window(*from, *to)].into_iter().filter(overlaps).collect(),
        When::Every { cron, length, zone } => starts(cron, zone, from - *length, to)
            .into_iter()
            .map(|start| window(start, start + *length))
            .filter(overlaps)
            .collect(),
    }
}

/// Checks a cron line of five fields.
///
/// # Errors
/// A sentence that says what is wrong with which field.
pub fn check_cron(line: &str) -> Result<(), String> {
    Cron::parse(line).map(|_| ())
}

/// The starts of `line` in `zone` within `from..to`, rising, each once.
fn starts(line: &str, zone: &str, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let (Ok(cron), Ok(zone)) = (Cron::parse(line), calendar::zone(zone)) else {
        return Vec::new();
    };
    let date = |at: Timestamp| -> Date {
        let ends = (jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
        let at = jiff::Timestamp::from_millisecond(at.ms().clamp(ends.0, ends.1));
        zone.to_datetime(at.unwrap_or_default()).date()
    };
    // A day more on each side: a skipped or repeated hour can carry a start over midnight.
    let first = date(from).yesterday().unwrap_or(Date::MIN);
    let last = date(to).tomorrow().unwrap_or(Date::MAX);
    let days = first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last);
    let mut starts: Vec<Timestamp> = days
        .take(DAYS_MAX)
        .filter(|day| cron.on(*day))
        .flat_map(|day| cron.times().map(move |time| day.to_datetime(time)))
        .filter_map(|wall| calendar::instant(&zone, wall))
        .filter(|start| from <= *start && *start < to)
        .take(WINDOWS_MAX)
        .collect();
    starts.sort_unstable();
    starts.dedup();
    starts
}
