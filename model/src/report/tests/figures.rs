//! Sums to figures: floors, bounds, verdicts and credits.

use super::*;
use crate::ledger::{Class, Span};

/// A statement of spans with these lengths of up, down, unknown and excluded, in this order.
fn of(terms: &Terms, up: i64, down: i64, unknown: i64, excluded: i64) -> Statement {
    let mut spans = Vec::new();
    let mut now = Timestamp::from_ms(0);
    for (length, class) in [
        (up, Class::Up),
        (down, Class::Down),
        (unknown, Class::Unknown),
        (excluded, Class::Excluded),
    ] {
        let to = now + Millis::from_ms(length);
        if length > 0 {
            spans.push(Span { from: now, to, class });
        }
        now = to;
    }
    statement_of(terms, &spans, Timestamp::from_ms(0), now)
}

#[test]
fn figures_are_floored_and_promises_compared_unrounded() {
    use PeriodVerdict::{Breached, Met, Undetermined};
    for (sums, shown, ppm, verdict) in [
        ((1_000_000_000, 0, 0, 0), "100.000%", [1_000_000; 4], Met),
        ((999_999_999, 1, 0, 0), "99.999%", [999_999, 999_999, 999_999, 1_000_000], Met),
        ((999_996, 4, 0, 0), "99.999%", [999_996, 999_996, 999_996, 1_000_000], Met),
        ((999, 1, 0, 0), "99.900%", [999_000, 999_000, 999_000, 1_000_000], Met),
        ((998_999, 1001, 0, 0), "99.899%", [998_999, 998_999, 998_999, 1_000_000], Breached),
        ((999_000, 500, 500, 0), "99.949%", [999_499, 999_000, 999_500, 999_500], Met),
        ((998_999, 500, 501, 0), "99.949%", [999_499, 998_999, 999_500, 999_499], Undetermined),
        ((998_000, 1001, 999, 0), "99.899%", [998_997, 998_000, 998_999, 999_001], Breached),
        ((0, 7, 0, 3), "0.000%", [0, 0, 0, 1_000_000], Breached),
        ((2, 1, 0, 0), "66.666%", [666_666, 666_666, 666_666, 1_000_000], Breached),
    ] {
        let found = of(&terms(), sums.0, sums.1, sums.2, sums.3);
        assert_eq!(found.availability_shown.as_deref(), Some(shown), "{sums:?}");
        let figures = [
            found.availability_ppm_floor,
            found.low_ppm_floor,
            found.high_ppm_floor,
            found.coverage_ppm_floor,
        ];
        assert_eq!(figures, ppm.map(Some), "{sums:?}");
        assert_eq!(found.verdict, verdict, "{sums:?}");
    }
}

#[test]
fn what_cannot_be_divided_is_null() {
    let nothing = of(&terms(), 0, 0, 0, 0);
    assert_eq!((nothing.period_ms, nothing.budget_us, nothing.segments.len()), (0, 0, 0));
    assert_eq!((nothing.availability_shown, nothing.low_ppm_floor), (None, None));
    assert_eq!((nothing.mttr_ms, nothing.mtbf_ms), (None, None));
    let unknown = of(&terms(), 0, 0, 5000, 0);
    assert_eq!((unknown.availability_ppm_floor, unknown.availability_shown), (None, None));
    assert_eq!((unknown.low_ppm_floor, unknown.high_ppm_floor), (Some(0), Some(1_000_000)));
    assert_eq!(
        (unknown.coverage_ppm_floor, unknown.verdict),
        (Some(0), PeriodVerdict::Undetermined)
    );
    let excluded = of(&terms(), 0, 0, 0, 5000);
    assert_eq!((excluded.coverage_ppm_floor, excluded.budget_us), (None, 0));
    let (from, to) = (at("2026-06-02T00:00:00"), at("2026-06-01T00:00:00"));
    assert_eq!(statement(&terms(), vec![], from, to).period_ms, 0);
    let unseen = statement(&terms(), vec![], to, from);
    assert_eq!((unseen.unknown_ms, unseen.up_ms), (86_400_000, 0));
}

#[test]
fn a_credit_follows_from_a_breach_by_the_lowest_tier_it_is_below() {
    let mut shuffled = terms();
    shuffled.credits.reverse();
    let mut open = terms();
    open.credits = vec![(990_000, 5)];
    for (up, unknown, percent, of_open) in [
        (999_000, 0, 0, 0),
        (998_999, 0, 10, 0),
        (990_000, 0, 10, 0),
        (989_999, 0, 25, 5),
        (950_000, 0, 25, 5),
        (949_999, 0, 100, 5),
        (0, 0, 100, 5),
        // Not breached for certain: nothing yet.
        (900_000, 1_000_000_000, 0, 0),
    ] {
        let down = 1_000_000 - up;
        assert_eq!(of(&terms(), up, down, unknown, 0).credit_percent, percent, "{up}");
        assert_eq!(of(&shuffled, up, down, unknown, 0).credit_percent, percent, "{up}");
        assert_eq!(of(&open, up, down, unknown, 0).credit_percent, of_open, "{up}");
    }
}

#[test]
fn the_budget_is_of_the_counted_time_and_floored() {
    for (target_ppm, up, down, excluded, budget_us, left_us) in [
        (999_000, 1_000_000, 0, 0, 1_000_000, 1_000_000),
        (999_000, 500_000, 0, 500_000, 500_000, 500_000),
        (999_999, 1999, 0, 0, 1, 1),
        (999_999, 999, 0, 0, 0, 0),
        (1_000_000, 1000, 1, 0, 0, -1000),
        (0, 1000, 400, 0, 1_400_000, 1_000_000),
    ] {
        let mut terms = terms();
        terms.target_ppm = target_ppm;
        let found = of(&terms, up, down, 0, excluded);
        assert_eq!((found.budget_us, found.budget_left_us), (budget_us, left_us), "{target_ppm}");
    }
}

#[test]
fn repair_and_failure_times_are_floored_means() {
    let span = |from, to, class| Span {
        from: Timestamp::from_ms(from),
        to: Timestamp::from_ms(to),
        class,
    };
    let spans = [
        span(0, 100, Class::Up),
        span(100, 105, Class::Down),
        span(105, 200, Class::Partial),
        span(200, 210, Class::Down),
        span(210, 220, Class::Unknown),
        span(220, 222, Class::Down),
    ];
    let found = statement_of(&terms(), &spans, Timestamp::from_ms(0), Timestamp::from_ms(222));
    assert_eq!((found.outages, found.mttr_ms, found.mtbf_ms), (2, Some(8), Some(97)));
    let list: Vec<i64> = found.outage_list().iter().map(|outage| outage.down.ms()).collect();
    assert_eq!(list, [5, 12]);
}

#[test]
fn a_statement_keeps_the_order_of_its_keys() {
    let text = serde_json::to_string(&of(&terms(), 3, 1, 0, 0)).unwrap();
    let want = concat!(
        r#"{"period_from":0,"period_to":4,"period_ms":4,"up_ms":3,"down_ms":1,"unknown_ms":0,"#,
        r#""excluded_ms":0,"partial_ms":0,"availability_ppm_floor":750000,"low_ppm_floor":750000,"#,
        r#""high_ppm_floor":750000,"coverage_ppm_floor":1000000,"availability_shown":"75.000%","#,
        r#""verdict":"breached","credit_percent":100,"budget_us":4,"budget_left_us":-996,"#,
        r#""outages":1,"mttr_ms":1,"mtbf_ms":3,"segments":[[0,3,"up"],[3,4,"down"]]}"#
    );
    assert_eq!(text, String::from(want).to_string());
}
