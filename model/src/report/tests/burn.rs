//! How fast the budget is spent.

use super::*;

/// The four windows at midnight after `down` of the last three days and a bit.
fn windows(terms: &Terms, down: &[(&str, &str)]) -> Vec<BurnWindow> {
    let now = at("2026-06-10T00:00:00");
    let mut world = World::new(now - Millis::from_secs(4 * 86_400), now);
    world.down = down.iter().map(|(from, to)| (at(from), at(to))).collect();
    let mut found = burn(terms, vec![world.observed(true)], &[now]);
    assert_eq!(found.len(), 1);
    found.remove(0).windows
}

type Row = (&'static [(&'static str, &'static str)], [(i64, i64, bool); 4]);

#[test]
fn a_window_fires_when_long_and_short_reach_its_threshold() {
    let rows: &[Row] = &[
        (&[], [(0, 0, false); 4]),
        // A full outage reaches 14.4 in an hour after 51.84 s.
        (
            &[("2026-06-09T23:59:08.160", "2026-06-10T00:00:00")],
            [
                (14_400, 172_800, true),
                (2400, 28_800, false),
                (600, 7200, false),
                (200, 2400, false),
            ],
        ),
        (
            &[("2026-06-09T23:59:08.161", "2026-06-10T00:00:00")],
            [
                (14_399, 172_796, false),
                (2399, 28_799, false),
                (599, 7199, false),
                (199, 2399, false),
            ],
        ),
        // Over six hours ago: only the long windows remember.
        (
            &[("2026-06-09T12:00:00", "2026-06-09T12:05:00")],
            [(0, 0, false), (0, 0, false), (3472, 0, false), (1157, 0, false)],
        ),
        // Long enough ago for none of them.
        (&[("2026-06-06T20:00:00", "2026-06-06T23:59:59")], [(0, 0, false); 4]),
        (
            &[
                ("2026-06-06T23:00:00", "2026-06-07T00:00:01"),
                ("2026-06-09T23:30:00", "2026-06-10T00:00:00"),
            ],
            [
                (500_000, 1_000_000, true),
                (83_333, 1_000_000, true),
                (20_833, 250_000, true),
                (6948, 83_333, true),
            ],
        ),
    ];
    for (down, want) in rows {
        let found: Vec<(i64, i64, bool)> = windows(&terms(), down)
            .iter()
            .map(|window| {
                (window.long_burn_milli.unwrap(), window.short_burn_milli.unwrap(), window.firing)
            })
            .collect();
        assert_eq!(found, want, "{down:?}");
    }
}

#[test]
fn what_is_not_known_or_excluded_burns_nothing() {
    let now = at("2026-06-10T00:00:00");
    let unseen = burn(&terms(), vec![], &[now, now + Millis::from_secs(1)]);
    assert_eq!(unseen.len(), 2);
    for window in unseen.iter().flat_map(|burn| &burn.windows) {
        assert_eq!((window.long_burn_milli, window.short_burn_milli), (None, None));
        assert!(!window.firing);
    }
    let mut terms = terms();
    terms.windows = vec![window(at("2026-06-09T23:00:00"), now)];
    let found = windows(&terms, &[("2026-06-09T23:30:00", "2026-06-10T00:00:00")]);
    assert_eq!((found[0].long_burn_milli, found[0].short_burn_milli), (None, None));
    assert_eq!((found[1].long_burn_milli, found[1].firing), (Some(0), false));
    assert!(burn(&terms, vec![], &[]).is_empty());
}

#[test]
fn where_nothing_may_be_down_any_outage_burns_without_bound() {
    let mut terms = terms();
    terms.target_ppm = 1_000_000;
    let found = windows(&terms, &[("2026-06-09T23:59:59", "2026-06-10T00:00:00")]);
    assert_eq!((found[0].long_burn_milli, found[0].firing), (Some(i64::MAX), true));
    assert_eq!(windows(&terms, &[])[0].long_burn_milli, None);
}

#[test]
fn burn_is_written_in_the_words_of_the_interface() {
    let text = serde_json::to_string(&windows(&terms(), &[])[0]).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"severity":"page","threshold_milli":14400,"long_ms":3600000,"short_ms":300000,"#,
            r#""long_burn_milli":0,"short_burn_milli":0,"firing":false}"#
        )
    );
}
