//! Civil periods in IANA zones: months, quarters and years as spans of instants.
//!
//! Zones come from the bundled database, never from the machine: the same configuration gives the
//! same instants everywhere.

use alloc::format;
use alloc::string::{String, ToString};

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use crate::config::Period;
use crate::time::{Millis, Timestamp};

/// The years in which periods can be named.
const YEARS: core::ops::RangeInclusive<i16> = 1970..=9998;
/// The most days that [`Period::Days`] may count; about ten years.
pub const DAYS_MAX: u32 = 3660;
/// The length of a day of 24 hours.
const DAY: Millis = Millis::from_secs(86_400);

/// Whether `zone` is in the bundled IANA database.
pub fn zone_exists(zone: &str) -> bool {
    self::zone(zone).is_ok()
}

/// The period called `name` (`2026-10`, `2026-Q4`, `2026`) in `zone`: its first instant and the first
/// after it. A period of days is called by its last day, `2026-10-31`.
///
/// A local day begins at the first instant that has its date: where midnight does not exist, at the
/// transition that skips it; where it happens twice, at the earlier.
///
/// # Errors
/// A sentence that says what would be right.
pub fn named(period: Period, zone: &str, name: &str) -> Result<(Timestamp, Timestamp), String> {
    let zone = self::zone(zone)?;
    let (first, after) = dates(period, name).ok_or_else(|| misnamed(period, name))?;
    Ok((midnight(&zone, first)?, midnight(&zone, after)?))
}

/// The period that contains `now`, and its name; for [`Period::Days`] the days of 24 hours up to
/// `now`, called by the local date of `now`.
///
/// # Errors
/// The zone does not exist, or `now` is outside the years of the calendar.
pub fn running(
    period: Period,
    zone: &str,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp, String), String> {
    let instant = jiff::Timestamp::from_millisecond(now.ms())
        .map_err(|_| format!("{now} is outside the years that can be written"))?;
    let date = self::zone(zone)?.to_datetime(instant).date();
    let name = match period {
        Period::Month => format!("{:04}-{:02}", date.year(), date.month()),
        Period::Quarter => format!("{:04}-Q{}", date.year(), (date.month() + 2) / 3),
        Period::Year => format!("{:04}", date.year()),
        Period::Days(days) => {
            let length = DAY.times(i64::from(days.clamp(1, DAYS_MAX)));
            return Ok((now - length, now, date.to_string()));
        }
    };
    let (from, to) = named(period, zone, &name)?;
    Ok((from, to, name))
}

/// The zone of this name in the bundled database.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    match TimeZoneDatabase::bundled().get(name) {
        Ok(zone) if !zone.is_unknown() => Ok(zone),
        _ => Err(format!(
            "`{}` is not a time zone: use a name of the IANA database, such as Europe/Berlin or UTC",
            name.escape_debug()
        )),
    }
}

/// The instant at which the clocks of `zone` first show `wall`, or the transition that skips it.
pub(crate) fn instant(zone: &TimeZone, wall: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(wall);
    let earlier = ambiguous.earlier().ok()?;
    let found = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => earlier,
        // Read with the offset after the gap, `wall` lies before the transition; there may be
        // transitions between them only in theory.
        AmbiguousOffset::Gap { after, .. } => zone
            .following(earlier)
            .find(|transition| transition.offset() == after)
            .map(|transition| transition.timestamp())?,
    };
    Some(Timestamp::from_ms(found.as_millisecond()))
}

/// The first instant of a local day.
fn midnight(zone: &TimeZone, date: Date) -> Result<Timestamp, String> {
    instant(zone, date.at(0, 0, 0, 0))
        .ok_or_else(|| format!("{date} is outside the years that can be written"))
}

/// The first date of the period called `name`, and the first after it.
fn dates(period: Period, name: &str) -> Option<(Date, Date)> {
    let mut parts = name.split('-');
    let year = parts.next()?;
    let year: i16 = digits(year, 4)?;
    let rest = (parts.next(), parts.next(), parts.next());
    if !YEARS.contains(&year) {
        return None;
    }
    let (first, months) = match (period, rest) {
        (Period::Month, (Some(month), None, None)) => (digits(month, 2)?, 1),
        (Period::Quarter, (Some(quarter), None, None)) => {
            let quarter: i8 = digits(quarter.strip_prefix(['Q', 'q'])?, 1)?;
            (quarter.checked_mul(3)? - 2, 3)
        }
        (Period::Year, (None, None, None)) => (1, 12),
        (Period::Days(days), (Some(month), Some(day), None)) => {
            let last = Date::new(year, digits(month, 2)?, digits(day, 2)?).ok()?;
            let days = jiff::Span::new().days(days.clamp(1, DAYS_MAX));
            let after = last.tomorrow().ok()?;
            return Some((after.checked_sub(days).ok()?, after));
        }
        _ => return None,
    };
    let first = Date::new(year, first, 1).ok()?;
    Some((first, first.checked_add(jiff::Span::new().months(months)).ok()?))
}

/// A number of exactly `length` digits.
fn digits<T: core::str::FromStr>(text: &str, length: usize) -> Option<T> {
    let digits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn misnamed(period: Period, name: &str) -> String {
    let right = match period {
        Period::Month => "a month is written 2026-10".to_string(),
        Period::Quarter => "a quarter is written 2026-Q4".to_string(),
        Period::Year => "a year is written 2026".to_string(),
        Period::Days(days) => format!("a period of {days} days is called by its last, 2026-10-31"),
    };
    format!(
        "`{}` is not a period here: {right}, from {} to {}",
        name.escape_debug(),
        YEARS.start(),
        YEARS.end()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_begins_at_the_first_instant_with_its_date() {
        use Period::{Days, Month, Quarter, Year};
        for (period, zone, name, from, seconds) in [
            (Month, "UTC", "2026-06", "2026-06-01T00:00:00Z", 2_592_000),
            (Month, "UTC", "2028-02", "2028-02-01T00:00:00Z", 2_505_600),
            (Month, "Europe/Berlin", "2026-03", "2026-02-28T23:00:00Z", 2_674_800),
            (Month, "Europe/Berlin", "2026-10", "2026-09-30T22:00:00Z", 2_682_000),
            (Quarter, "Europe/Berlin", "2026-Q4", "2026-09-30T22:00:00Z", 7_952_400),
            (Year, "Europe/Berlin", "2026", "2025-12-31T23:00:00Z", 31_536_000),
            // Midnight of 1 November happens twice: the earlier, still in summer time.
            (Month, "America/Havana", "2025-11", "2025-11-01T04:00:00Z", 2_595_600),
            // Midnight of 1 October 2017 is skipped: the transition.
            (Month, "America/Asuncion", "2017-10", "2017-10-01T04:00:00Z", 2_674_800),
            // At 00:01 the clock went back to 23:01: 1 November had begun for a minute.
            (Month, "America/St_Johns", "2009-11", "2009-11-01T02:30:00Z", 2_595_600),
            // Half an hour of summer time.
            (Month, "Australia/Lord_Howe", "2026-10", "2026-09-30T13:30:00Z", 2_676_600),
            (Month, "Australia/Lord_Howe", "2026-04", "2026-03-31T13:00:00Z", 2_593_800),
            // 30 December 2011 did not happen.
            (Month, "Pacific/Apia", "2011-12", "2011-12-01T10:00:00Z", 2_592_000),
            (Days(1), "Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00Z", 86_400),
            (Days(1), "Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", 0),
            (Days(1), "Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z", 86_400),
            (Days(30), "Europe/Berlin", "2026-10-31", "2026-10-01T22:00:00Z", 2_595_600),
        ] {
            let (start, end) = named(period, zone, name).unwrap();
            assert_eq!(start.to_string(), from, "{zone} {name}");
            assert_eq!((end - start).ms(), seconds * 1000, "{zone} {name}");
        }
    }

    #[test]
    fn a_wrong_name_is_answered_with_a_right_one() {
        for (period, zone, name, want) in [
            (Period::Month, "UTC", "2026-13", "a month is written 2026-10"),
            (Period::Month, "UTC", "2026-1", "a month is written 2026-10"),
            (Period::Month, "UTC", "2026", "a month is written 2026-10"),
            (Period::Month, "UTC", "2026-+1", "a month is written 2026-10"),
            (Period::Month, "UTC", "9999-12", "from 1970 to 9998"),
            (Period::Quarter, "UTC", "2026-Q5", "a quarter is written 2026-Q4"),
            (Period::Quarter, "UTC", "2026-Q0", "a quarter is written 2026-Q4"),
            (Period::Year, "UTC", "2026-10", "a year is written 2026"),
            (Period::Days(30), "UTC", "2026-02-29", "is called by its last, 2026-10-31"),
            (Period::Month, "Europe/Berlim", "2026-10", "such as Europe/Berlin"),
            (Period::Month, "Etc/Unknown", "2026-10", "is not a time zone"),
            (Period::Month, "", "2026-10", "is not a time zone"),
        ] {
            let error = named(period, zone, name).unwrap_err();
            assert!(error.contains(want), "{name} in {zone}: {error}");
        }
    }

    #[test]
    fn the_running_period_contains_now() {
        for (period, zone, now, name) in [
            (Period::Month, "Europe/Berlin", "2026-09-30T21:59:59.999Z", "2026-09"),
            (Period::Month, "Europe/Berlin", "2026-09-30T22:00:00Z", "2026-10"),
            (Period::Quarter, "UTC", "2026-12-31T23:59:59Z", "2026-Q4"),
            (Period::Year, "America/Havana", "2027-01-01T00:00:00Z", "2026"),
        ] {
            let now: jiff::Timestamp = now.parse().unwrap();
            let now = Timestamp::from_ms(now.as_millisecond());
            let (from, to, found) = running(period, zone, now).unwrap();
            assert_eq!(found, name);
            assert!(from <= now && now < to, "{from} {now} {to}");
            assert_eq!(named(period, zone, &found), Ok((from, to)));
        }
        let now = Timestamp::from_ms(1_792_000_000_000);
        let (from, to, name) = running(Period::Days(30), "UTC", now).unwrap();
        assert_eq!((to, (to - from).ms(), name.as_str()), (now, 2_592_000_000, "2026-10-14"));
        assert!(running(Period::Month, "UTC", Timestamp::MAX).is_err());
        assert!(running(Period::Month, "UTC", Timestamp::MIN).is_err());
    }

    #[test]
    fn zones_are_those_of_the_database() {
        for (zone, exists) in
            [("Europe/Berlin", true), ("UTC", true), ("Mars/Olympus", false), ("+02:00", false)]
        {
            assert_eq!(zone_exists(zone), exists, "{zone}");
        }
    }
}
