use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_ms(instant.as_millisecond())
}

fn every(cron: &str, length: Millis, zone: &str) -> Maintenance {
    let when = When::Every { cron: cron.into(), length, zone: zone.into() };
    Maintenance { services: vec![], when, announced: None, cancelled: false }
}

/// Line, zone, the time asked about, and the starts in it.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const STARTS: &[Row] = &[
    (
        "0 2 * * SUN",
        "UTC",
        "2026-11-01T00:00:00Z",
        "2026-11-16T00:00:00Z",
        &["2026-11-01T02:00:00Z", "2026-11-08T02:00:00Z", "2026-11-15T02:00:00Z"],
    ),
    ("0 2 * * 7", "UTC", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", &["2026-11-01T02:00:00Z"]),
    ("0 2 * * 0", "UTC", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", &["2026-11-01T02:00:00Z"]),
    // Summer to winter: the same wall time is an hour later.
    (
        "0 4 * * *",
        "Europe/Berlin",
        "2026-10-24T00:00:00Z",
        "2026-10-26T00:00:00Z",
        &["2026-10-24T02:00:00Z", "2026-10-25T03:00:00Z"],
    ),
    // 02:30 happens twice on 25 October: once, at the first.
    (
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-25T00:00:00Z",
        "2026-10-26T00:00:00Z",
        &["2026-10-25T00:30:00Z"],
    ),
    // 02:00 to 02:59 do not happen on 29 March: one start, at 03:00.
    (
        "*/15 2-3 * * *",
        "Europe/Berlin",
        "2026-03-29T00:00:00Z",
        "2026-03-30T00:00:00Z",
        &[
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:15:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-29T01:45:00Z",
        ],
    ),
    // Without `*` in either, day of month or day of week is enough.
    (
        "0 0 13 * FRI",
        "UTC",
        "2026-11-10T00:00:00Z",
        "2026-11-21T00:00:00Z",
        &["2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"],
    ),
    (
        "0 0 12 * FRI",
        "UTC",
        "2026-11-10T00:00:00Z",
        "2026-11-14T00:00:00Z",
        &["2026-11-12T00:00:00Z", "2026-11-13T00:00:00Z"],
    ),
    // With `*/2` both must match.
    (
        "0 0 */2 * FRI",
        "UTC",
        "2026-11-01T00:00:00Z",
        "2026-12-01T00:00:00Z",
        &["2026-11-13T00:00:00Z", "2026-11-27T00:00:00Z"],
    ),
    (
        "0 12 1 jan,Jul *",
        "UTC",
        "2026-01-01T00:00:00Z",
        "2027-01-01T00:00:00Z",
        &["2026-01-01T12:00:00Z", "2026-07-01T12:00:00Z"],
    ),
    (
        "0 6 * * FRI-SUN",
        "UTC",
        "2026-11-26T00:00:00Z",
        "2026-12-01T00:00:00Z",
        &["2026-11-27T06:00:00Z", "2026-11-28T06:00:00Z", "2026-11-29T06:00:00Z"],
    ),
    (
        "0 0 29 2 *",
        "UTC",
        "2026-01-01T00:00:00Z",
        "2030-01-01T00:00:00Z",
        &["2028-02-29T00:00:00Z"],
    ),
    // 30 December 2011 did not happen in Samoa: its start falls on the first instant after it.
    (
        "0 12 30 12 *",
        "Pacific/Apia",
        "2011-12-01T00:00:00Z",
        "2012-01-01T00:00:00Z",
        &["2011-12-30T10:00:00Z"],
    ),
    (
        "1-59/20 5 * * *",
        "UTC",
        "2026-11-01T00:00:00Z",
        "2026-11-02T00:00:00Z",
        &["2026-11-01T05:01:00Z", "2026-11-01T05:21:00Z", "2026-11-01T05:41:00Z"],
    ),
];

#[test]
fn windows_start_where_the_line_says_in_local_time() {
    for (cron, zone, from, to, want) in STARTS {
        let planned = every(cron, Millis::from_secs(60), zone);
        let found: Vec<String> = windows(&planned, at(from), at(to))
            .iter()
            .map(|window| window.from.to_string())
            .collect();
        assert_eq!(found, *want, "{cron} in {zone}");
    }
}

#[test]
fn a_window_that_began_before_still_overlaps() {
    let planned = every("0 22 * * *", Millis::from_secs(4 * 3600), "UTC");
    let found = windows(&planned, at("2026-11-02T01:00:00Z"), at("2026-11-02T22:00:00Z"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].from, at("2026-11-01T22:00:00Z"));
    assert_eq!(found[0].to, at("2026-11-02T02:00:00Z"));
    let touching = windows(&planned, at("2026-11-02T02:00:00Z"), at("2026-11-02T22:00:00Z"));
    assert!(touching.is_empty());
}

#[test]
fn a_single_window_overlaps_or_not() {
    let (from, to) = (at("2026-12-01T02:00:00Z"), at("2026-12-01T03:00:00Z"));
    let when = When::Once { from, to };
    let planned = Maintenance {
        services: vec![],
        when,
        announced: Some(Timestamp::from_ms(7)),
        cancelled: true,
    };
    let found = windows(&planned, from, to);
    let window = Window { from, to, announced: Some(Timestamp::from_ms(7)), cancelled: true };
    assert_eq!(found, vec![window]);
    assert!(windows(&planned, to, to + Millis::from_secs(60)).is_empty());
    assert!(windows(&planned, from, from).is_empty());
}

#[test]
fn a_window_counts_when_it_was_announced_in_time() {
    let start = Timestamp::from_ms(1_000_000);
    for (announced, cancelled, want) in [
        (None, false, true),
        (None, true, false),
        (Some(900_000), false, true),
        (Some(900_001), false, false),
        (Some(900_000), true, false),
    ] {
        let announced = announced.map(Timestamp::from_ms);
        let window = Window { from: start, to: start, announced, cancelled };
        assert_eq!(window.counts(Millis::from_ms(100_000)), want, "{announced:?} {cancelled}");
    }
}

#[test]
fn a_wrong_line_is_answered_with_field_and_remedy() {
    for (line, want) in [
        ("0 2 * *", "has 4 fields: write five"),
        ("", "has 0 fields: write five"),
        ("@daily", "has 1 field: write five"),
        ("0 2 * * SUN *", "has 6 fields: write five"),
        ("60 2 * * *", "minute: `60` is not right: values are 0 to 59"),
        ("0 24 * * *", "hour: `24` is not right: values are 0 to 23"),
        ("0 2 0 * *", "day of month: `0` is not right: values are 1 to 31"),
        ("0 2 * 13 *", "month: `13` is not right: values are 1 to 12 or JAN to DEC"),
        ("0 2 * * SO", "day of week: `SO` is not right: values are 0 to 7 or SUN to SAT"),
        ("0 2 * * 8", "day of week: `8`"),
        ("0 5-2 * * *", "a range rises: write 2-5"),
        ("*/0 2 * * *", "minute: `*/0` is not right: a step is 1 to 59"),
        ("0/15 2 * * *", "a step needs a range: write 0-59/15"),
        ("0,, 2 * * *", "minute: `` is not right"),
        ("-1 2 * * *", "minute: `-1` is not right"),
        ("+1 2 * * *", "minute: `+1` is not right"),
        ("* * * * *", "starts 1440 times a day, at most 96"),
        ("0 2 30 2 *", "never starts: no month it names has a day 30"),
        ("0 2 31 4,6 *", "never starts"),
    ] {
        let error = check_cron(line).unwrap_err();
        assert!(error.contains(want), "{line}: {error}");
    }
    for line in ["0 2 * * SUN", "*/15 * * * *", "0 2 30 2 MON", "0 2 29 FEB *", " 5\t4 1-7 * MON "]
    {
        assert_eq!(check_cron(line), Ok(()), "{line}");
    }
}

#[test]
fn far_away_and_endless_questions_end() {
    let planned = every("*/15 * * * *", Millis::from_secs(60), "Europe/Berlin");
    let all = windows(&planned, Timestamp::MIN, Timestamp::MAX);
    assert!(all.len() <= WINDOWS_MAX);
    let planned = every("0 2 * * *", Millis::from_ms(i64::MAX), "Europe/Berlin");
    assert!(windows(&planned, Timestamp::from_ms(0), Timestamp::from_ms(1)).len() <= WINDOWS_MAX);
    assert!(windows(&every("no", Millis::ZERO, "UTC"), Timestamp::MIN, Timestamp::MAX).is_empty());
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(line in "\\PC{0,40}", cron in "[0-9*/,A-Z -]{0,30}") {
        let _ = check_cron(&line);
        let _ = check_cron(&cron);
    }

    #[test]
    fn windows_are_found_wherever_the_question_is_cut(
        start in 1_750_000_000_000_i64..1_850_000_000_000,
        hours in 1_i64..2000,
        cut in 0_i64..2000,
        zone in prop::sample::select(vec!["Europe/Berlin", "America/Havana", "Australia/Lord_Howe"]),
        cron in prop::sample::select(vec!["30 2 * * *", "15 0 * * SUN", "*/20 1-2 1-7 * *"]),
    ) {
        let planned = every(cron, Millis::from_secs(1800), zone);
        let (from, to) = (Timestamp::from_ms(start), Timestamp::from_ms(start + hours * 3_600_000));
        let middle = from + Millis::from_ms((cut % (hours + 1)) * 3_600_000 + 17);
        let middle = middle.min(to);
        let mut parts = windows(&planned, from, middle);
        parts.extend(windows(&planned, middle, to));
        parts.sort_by_key(|window| window.from);
        parts.dedup();
        prop_assert_eq!(parts, windows(&planned, from, to));
    }
}
