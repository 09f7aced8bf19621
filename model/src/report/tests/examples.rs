//! The examples of the definition, and what peers get wrong.

use super::*;
use crate::calendar;
use crate::config::Period;

#[test]
fn a_budget_is_kept_to_the_millisecond() {
    let (from, to) = calendar::named(Period::Month, "UTC", "2026-06").unwrap();
    for (down_ms, shown, verdict, left_us) in [
        (2_592_000, "99.900%", PeriodVerdict::Met, 0),
        (2_592_001, "99.899%", PeriodVerdict::Breached, -1000),
    ] {
        let start = at("2026-06-10T08:00:00");
        let world =
            World { down: vec![(start, start + Millis::from_ms(down_ms))], ..World::new(from, to) };
        let found = world.statement(&terms(), true);
        assert_eq!((found.down_ms, found.unknown_ms, found.partial_ms), (down_ms, 0, 0));
        assert_eq!(found.availability_shown.as_deref(), Some(shown));
        assert_eq!((found.verdict, found.budget_us), (verdict, 2_592_000_000));
        assert_eq!((found.budget_left_us, found.outages), (left_us, 1));
        assert_eq!(found.credit_percent, if left_us < 0 { 10 } else { 0 });
    }
}

/// 1 June 2026 with what happens on it.
struct Day {
    name: &'static str,
    phases: [i64; 3],
    down: &'static [(&'static str, &'static str)],
    silent: &'static [(usize, &'static str, &'static str)],
    windows: &'static [(&'static str, &'static str)],
    min_outage_s: i64,
    /// up, down, unknown, excluded, partial: ms.
    want: [i64; 5],
    outages: i64,
    shown: &'static str,
    verdict: PeriodVerdict,
    segments: &'static [(&'static str, &'static str)],
}

const CALM: Day = Day {
    name: "a calm day",
    phases: [0, 0, 0],
    down: &[],
    silent: &[],
    windows: &[],
    min_outage_s: 0,
    want: [86_400_000, 0, 0, 0, 0],
    outages: 0,
    shown: "100.000%",
    verdict: PeriodVerdict::Met,
    segments: &[("00:00:00", "up")],
};

const DAYS: &[Day] = &[
    CALM,
    Day {
        name: "regions see the same outage at their own phases",
        phases: [0, 20, 40],
        down: &[("10:00:05", "10:10:05")],
        want: [85_800_000, 600_000, 0, 0, 40_000],
        outages: 1,
        shown: "99.305%",
        verdict: PeriodVerdict::Breached,
        segments: &[
            ("00:00:00", "up"),
            ("10:00:20", "up+partial"),
            ("10:00:40", "down"),
            ("10:10:40", "up+partial"),
            ("10:11:00", "up"),
        ],
        ..CALM
    },
    Day {
        name: "two of three regions are silent",
        silent: &[(1, "06:00:00", "07:00:00"), (2, "06:00:00", "07:00:00")],
        want: [82_870_000, 0, 3_530_000, 0, 0],
        verdict: PeriodVerdict::Undetermined,
        segments: &[("00:00:00", "up"), ("06:01:10", "unknown"), ("07:00:00", "up")],
        ..CALM
    },
    Day { name: "one of three regions is silent", silent: &[(1, "06:00:00", "07:00:00")], ..CALM },
    Day {
        name: "maintenance within an outage",
        down: &[("01:50:00", "02:40:00")],
        windows: &[("02:00:00", "02:30:00")],
        want: [83_400_000, 1_200_000, 0, 1_800_000, 0],
        outages: 1,
        shown: "98.581%",
        verdict: PeriodVerdict::Breached,
        segments: &[
            ("00:00:00", "up"),
            ("01:50:00", "down"),
            ("02:00:00", "excluded"),
            ("02:30:00", "down"),
            ("02:40:00", "up"),
        ],
        ..CALM
    },
    Day {
        name: "maintenance over the start of an outage",
        down: &[("01:50:00", "02:40:00")],
        windows: &[("01:00:00", "02:00:00")],
        want: [80_400_000, 2_400_000, 0, 3_600_000, 0],
        outages: 1,
        shown: "97.101%",
        verdict: PeriodVerdict::Breached,
        segments: &[
            ("00:00:00", "up"),
            ("01:00:00", "excluded"),
            ("02:00:00", "down"),
            ("02:40:00", "up"),
        ],
        ..CALM
    },
    Day {
        name: "two overlapping windows over the end of an outage",
        down: &[("01:50:00", "02:40:00")],
        windows: &[("02:30:00", "03:00:00"), ("02:00:00", "02:45:00")],
        want: [82_200_000, 600_000, 0, 3_600_000, 0],
        outages: 1,
        shown: "99.275%",
        verdict: PeriodVerdict::Breached,
        segments: &[
            ("00:00:00", "up"),
            ("01:50:00", "down"),
            ("02:00:00", "excluded"),
            ("03:00:00", "up"),
        ],
        ..CALM
    },
    Day {
        name: "maintenance over a whole outage",
        down: &[("01:50:00", "02:40:00")],
        windows: &[("01:00:00", "03:00:00")],
        want: [79_200_000, 0, 0, 7_200_000, 0],
        segments: &[("00:00:00", "up"), ("01:00:00", "excluded"), ("03:00:00", "up")],
        ..CALM
    },
    Day {
        name: "an outage below the shortest is partial",
        down: &[("01:00:00", "01:04:59.999"), ("02:00:00", "02:05:00")],
        min_outage_s: 300,
        want: [86_100_000, 300_000, 0, 0, 299_999],
        outages: 1,
        shown: "99.652%",
        verdict: PeriodVerdict::Breached,
        segments: &[
            ("00:00:00", "up"),
            ("01:00:00", "up+partial"),
            ("01:04:59.999", "up"),
            ("02:00:00", "down"),
            ("02:05:00", "up"),
        ],
        ..CALM
    },
    Day {
        name: "the shortest outage is measured before maintenance is taken out of it",
        down: &[("01:58:00", "02:03:00")],
        windows: &[("02:00:00", "02:30:00")],
        min_outage_s: 300,
        want: [84_480_000, 120_000, 0, 1_800_000, 0],
        outages: 1,
        shown: "99.858%",
        verdict: PeriodVerdict::Breached,
        segments: &[
            ("00:00:00", "up"),
            ("01:58:00", "down"),
            ("02:00:00", "excluded"),
            ("02:30:00", "up"),
        ],
        ..CALM
    },
];

#[test]
fn days_are_accounted_as_the_definition_says() {
    let on = |time: &str| at(&format!("2026-06-01T{time}"));
    for day in DAYS {
        let mut world = World::new(on("00:00:00"), at("2026-06-02T00:00:00"));
        world.phases = day.phases;
        world.down = day.down.iter().map(|(from, to)| (on(from), on(to))).collect();
        world.silent =
            day.silent.iter().map(|(region, from, to)| (*region, on(from), on(to))).collect();
        let mut terms = terms();
        terms.windows = day.windows.iter().map(|(from, to)| window(on(from), on(to))).collect();
        terms.min_outage = Millis::from_secs(day.min_outage_s);
        let found = world.statement(&terms, day.phases == [0, 0, 0]);
        let sums =
            [found.up_ms, found.down_ms, found.unknown_ms, found.excluded_ms, found.partial_ms];
        assert_eq!(sums, day.want, "{}", day.name);
        assert_eq!(found.outages, day.outages, "{}", day.name);
        assert_eq!(found.availability_shown.as_deref(), Some(day.shown), "{}", day.name);
        assert_eq!(found.verdict, day.verdict, "{}", day.name);
        let segments: Vec<(i64, &str)> =
            found.segments.iter().map(|(from, _, class)| (*from, class.as_str())).collect();
        let want: Vec<(i64, &str)> =
            day.segments.iter().map(|(from, class)| (on(from).ms(), *class)).collect();
        assert_eq!(segments, want, "{}", day.name);
    }
}

#[test]
fn an_outage_at_the_edge_of_a_period_is_measured_whole() {
    let midnight = at("2026-06-02T00:00:00");
    let minutes = |count: i64| Millis::from_secs(60 * count);
    let mut world = World::new(at("2026-06-01T00:00:00"), midnight + minutes(60));
    world.down = vec![(midnight - minutes(3), midnight + minutes(2))];
    let mut terms = terms();
    for (shortest, down) in [(minutes(5), 180_000), (minutes(6), 0)] {
        terms.min_outage = shortest;
        let found = statement(&terms, vec![world.observed(true)], world.from, midnight);
        assert_eq!(found.down_ms, down, "{shortest}");
        assert_eq!(found.partial_ms, 180_000 - down, "{shortest}");
    }
}

#[test]
fn months_of_a_zone_are_as_long_as_its_clocks_say() {
    for (name, seconds, budget_us) in [
        ("2026-03", 2_674_800, 2_674_800_000),
        ("2026-10", 2_682_000, 2_682_000_000),
        ("2026-02", 2_419_200, 2_419_200_000),
    ] {
        let (from, to) = calendar::named(Period::Month, "Europe/Berlin", name).unwrap();
        let found = World::new(from, to).statement(&terms(), true);
        assert_eq!(found.period_ms, seconds * 1000, "{name}");
        assert_eq!((found.up_ms, found.budget_us), (seconds * 1000, budget_us), "{name}");
    }
}

#[test]
fn a_probe_made_on_the_20th_is_not_known_before_unless_the_contract_begins_with_it() {
    let (from, to) = calendar::named(Period::Month, "UTC", "2026-06").unwrap();
    let made = at("2026-06-20T00:00:00");
    let seen = World::new(made + Millis::from_secs(180), to).observed(true);
    let of_the_month = statement(&terms(), vec![seen.clone()], from, to);
    assert_eq!(of_the_month.verdict, PeriodVerdict::Undetermined);
    assert_eq!(of_the_month.unknown_ms, (made - from).ms());
    assert_eq!(of_the_month.availability_shown.as_deref(), Some("100.000%"));
    let mut later = terms();
    later.windows = vec![window(Timestamp::MIN, made)];
    let of_the_contract = statement(&later, vec![seen.clone()], from, to);
    assert_eq!(of_the_contract.verdict, PeriodVerdict::Met);
    assert_eq!(of_the_contract.budget_us, 950_400_000);
    assert_eq!(statement(&terms(), vec![seen], made, to).budget_us, 950_400_000);
}

/// A result that arrives late, is sent twice or is stamped by a wrong clock changes nothing but
/// what it says about its own time.
#[test]
fn late_and_faster_observations_weigh_as_long_as_they_hold() {
    let (from, to) = (at("2026-06-01T00:00:00"), at("2026-06-02T00:00:00"));
    let mut world = World::new(from, to);
    world.down = vec![(at("2026-06-01T08:00:00"), at("2026-06-01T08:04:00"))];
    let calm = world.statement(&terms(), true);
    let mut seen = world.observed(true);
    let faster: Vec<Observation> = (0..240)
        .map(|second| {
            let at = at("2026-06-01T08:00:00") + Millis::from_secs(second);
            let id = format!("fast/{second}");
            let interval = Millis::from_secs(1);
            Observation { id, region: Region::new("us").unwrap(), at, say: Say::Down, interval }
        })
        .collect();
    seen.observations.extend(faster);
    assert_eq!(statement(&terms(), vec![seen], from, to).down_ms, calm.down_ms);
    assert_eq!(calm.down_ms, 240_000);
}
