#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use base64::Engine as _;
use expect_test::{Expect, expect};
use model::config::Needs;
use model::report::{Terms, statement_of};
use model::time::{Millis, Timestamp};
use sha2::Digest as _;

use super::*;

/// October 2026 in Berlin, up but for `spans` of (start in ms, length in ms, class).
fn stated(spans: &[(i64, i64, Class)]) -> Statement {
    let (from, to) =
        model::calendar::named(model::config::Period::Month, "Europe/Berlin", "2026-10").unwrap();
    let mut all = Vec::new();
    let mut now = from;
    let mut push = |from: Timestamp, to: Timestamp, class| {
        if from < to {
            all.push(Span { from, to, class });
        }
    };
    for (start, length, class) in spans {
        let start = from + Millis::from_ms(*start);
        push(now, start, Class::Up);
        now = start + Millis::from_ms(*length);
        push(start, now, *class);
    }
    push(now, to, Class::Up);
    let terms = Terms {
        needs: Needs::All,
        target_ppm: 999_000,
        grace: Millis::ZERO,
        min_outage: Millis::ZERO,
        notice: Millis::ZERO,
        credits: vec![(999_000, 10), (990_000, 25)],
        windows: vec![],
    };
    statement_of(&terms, &all, from, to)
}

/// The same as a table.
fn october(spans: &[(i64, i64, Class)]) -> String {
    table("tracking-api", "2026-10", "Europe/Berlin", 999_000, &stated(spans))
}

fn about(now_ms: Option<i64>) -> About {
    About {
        service: "tracking-api".into(),
        period: "2026-10".into(),
        time_zone: "Europe/Berlin".into(),
        objective_ppm: 999_000,
        now_ms,
        measured: vec!["Measured from <everywhere>.".into()],
        commands: "watchpost report".into(),
        outages: vec!["seen from eu; HTTP 502; #7".into()],
        files: vec![("o.jsonl".into(), "ab".repeat(32))],
    }
}

fn check(spans: &[(i64, i64, Class)], want: Expect) {
    want.assert_eq(&october(spans));
}

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

#[test]
fn a_promise_kept() {
    check(
        &[
            (5 * DAY + 11 * HOUR, 1_002_555, Class::Down),
            (12 * DAY, HOUR, Class::Excluded),
            (20 * DAY, 1_900_000, Class::Partial),
            // In the hour that happens twice, the second time.
            (24 * DAY + 3 * HOUR, 509_184, Class::Down),
            (28 * DAY, 340_000, Class::Unknown),
        ],
        expect![[r#"
            Availability of tracking-api, 2026-10 (Europe/Berlin)

              99.943 %   ✓ MET   99.900 % was promised

            tracking-api was available for 99.943 % of the measured time. 2 outages took 25 min 11 s of the
            44 min 38 s that the contract allows. Even if it had been down in the 5 min 40 s that was not
            measured, the figure would be 99.930 %.

            How the figure comes about
              up                           743 h 29 min 08.261 s   of which 31 min 40 s not from everywhere
              + down                             25 min 11.739 s   2 outages
              + not measured                          5 min 40 s   counted neither as up nor as down
              + left out                         1 h 00 min 00 s
              = the period                     745 h 00 min 00 s

              up / (up + down)                          99.943 %   between 99.930 % and 99.943 %
              measured share                            99.987 %   of the counted time
              may be down                        44 min 38.400 s   0.100 % of the counted time
              left of it                         19 min 26.661 s
              mean outage                        12 min 35.869 s
              mean time between outages    371 h 44 min 34.130 s
              credit                                        none   credits follow from a breach only

            Outages
              Tue 6 Oct 11:00:00 +02             16 min 42.555 s
              Sun 25 Oct 02:00:00 +01             8 min 29.184 s

            Left out: maintenance announced in time, and time out of contract
              Tue 13 Oct 00:00:00 +02            1 h 00 min 00 s   until Tue 13 Oct 01:00:00 +02

            Not measured
              Wed 28 Oct 23:00:00 +01                 5 min 40 s   until Wed 28 Oct 23:05:40 +01

            All times are those of Europe/Berlin. Figures are cut, never rounded up.
        "#]],
    );
}

#[test]
fn nobody_claims_what_was_not_measured() {
    check(
        &[(8 * DAY, 282_200, Class::Down), (21 * DAY, 20 * HOUR, Class::Unknown)],
        expect![[r#"
            Availability of tracking-api, 2026-10 (Europe/Berlin)

              99.989 %   ? UNDETERMINED   99.900 % was promised

            We do not claim that the promise was kept. tracking-api was available for 99.989 % of the
            measured time. 1 outage took 4 min 42 s of the 44 min 42 s that the contract allows. But 20 h
            was not measured: had it been down all that time, the figure would be 97.304 %; had it been up,
            99.989 %. The promise of 99.900 % lies between.

            How the figure comes about
              up                           724 h 55 min 17.800 s
              + down                              4 min 42.200 s   1 outage
              + not measured                    20 h 00 min 00 s   counted neither as up nor as down
              + left out                                     0 s
              = the period                     745 h 00 min 00 s

              up / (up + down)                          99.989 %   between 97.304 % and 99.989 %
              measured share                            97.315 %   of the counted time
              may be down                            44 min 42 s   0.100 % of the counted time
              left of it                               not known   between 19 h 20 min 00.200 s too much and 39 min 59.800 s
              mean outage                         4 min 42.200 s
              mean time between outages    724 h 55 min 17.800 s
              credit                                        none   credits follow from a breach only

            Outages
              Fri 9 Oct 00:00:00 +02              4 min 42.200 s

            Not measured
              Thu 22 Oct 00:00:00 +02           20 h 00 min 00 s   until Thu 22 Oct 20:00:00 +02

            All times are those of Europe/Berlin. Figures are cut, never rounded up.
        "#]],
    );
}

#[test]
fn a_promise_broken_by_an_outage_around_maintenance() {
    check(
        &[
            (DAY, HOUR, Class::Down),
            (DAY + HOUR, HOUR, Class::Excluded),
            (DAY + 2 * HOUR, 60_000, Class::Down),
            (3 * DAY, 60_000, Class::Unknown),
        ],
        expect![[r#"
            Availability of tracking-api, 2026-10 (Europe/Berlin)

              99.863 %   ✗ BREACHED   99.900 % was promised

            tracking-api was available for 99.863 % of the measured time. 1 outage took 1 h 1 min of the
            44 min 38 s that the contract allows. Even if it had been up in the 1 min that was not measured,
            the figure would be 99.863 %. A credit of 10 % is due.

            How the figure comes about
              up                               742 h 58 min 00 s
              + down                             1 h 01 min 00 s   1 outage
              + not measured                          1 min 00 s   counted neither as up nor as down
              + left out                         1 h 00 min 00 s
              = the period                     745 h 00 min 00 s

              up / (up + down)                          99.863 %   between 99.861 % and 99.863 %
              measured share                            99.997 %   of the counted time
              may be down                        44 min 38.400 s   0.100 % of the counted time
              left of it                  16 min 21.600 s too much
              mean outage                        1 h 01 min 00 s
              mean time between outages        742 h 58 min 00 s
              credit                                        10 %

            Outages
              Fri 2 Oct 00:00:00 +02             1 h 01 min 00 s   until Fri 2 Oct 02:01:00 +02; the rest is left out or not measured

            Left out: maintenance announced in time, and time out of contract
              Fri 2 Oct 01:00:00 +02             1 h 00 min 00 s   until Fri 2 Oct 02:00:00 +02

            Not measured
              Sun 4 Oct 00:00:00 +02                  1 min 00 s   until Sun 4 Oct 00:01:00 +02

            All times are those of Europe/Berlin. Figures are cut, never rounded up.
        "#]],
    );
}

#[test]
fn nothing_is_known() {
    let want = expect![[r#"
        Availability of tracking-api, 2026-10 (Europe/Berlin)

          no figure   ? UNDETERMINED   99.900 % was promised

        We do not claim that the promise was kept. Nothing is known of tracking-api in the counted time.
        But 31 d 1 h was not measured: had it been down all that time, the figure would be 0.000 %; had
        it been up, 100.000 %. The promise of 99.900 % lies between.

        How the figure comes about
          up                                             0 s
          + down                                         0 s
          + not measured                   745 h 00 min 00 s   counted neither as up nor as down
          + left out                                     0 s
          = the period                     745 h 00 min 00 s

          up / (up + down)                         no figure   between 0.000 % and 100.000 %
          measured share                             0.000 %   of the counted time
          may be down                            44 min 42 s   0.100 % of the counted time
          left of it                               not known   between 744 h 15 min 18 s too much and 44 min 42 s
          credit                                        none   credits follow from a breach only

        Not measured
          Thu 1 Oct 00:00:00 +02           745 h 00 min 00 s   until Sun 1 Nov 00:00:00 +01

        All times are those of Europe/Berlin. Figures are cut, never rounded up.
    "#]];
    check(&[(0, 2_682_000_000, Class::Unknown)], want);
}

#[test]
fn long_lists_are_cut_and_say_so() {
    let outages: Vec<(i64, i64, Class)> =
        (0..53).map(|number| (number * HOUR, 1000, Class::Down)).collect();
    let text = october(&outages);
    assert!(text.contains("and 3 more: --format json lists all"), "{text}");
}

#[test]
fn words_are_cut_and_never_rounded() {
    for (ms, want_short, want_exact) in [
        (0, "0 ms", "0 s"),
        (999, "999 ms", "0.999 s"),
        (4999, "4 s", "4.999 s"),
        (278_000, "4 min 38 s", "4 min 38 s"),
        (278_999, "4 min 38 s", "4 min 38.999 s"),
        (480_000, "8 min", "8 min 00 s"),
        (3_600_000, "1 h", "1 h 00 min 00 s"),
        (158_399_999, "1 d 19 h", "43 h 59 min 59.999 s"),
        (86_400_000 + 59_000, "1 d", "24 h 00 min 59 s"),
        (2_682_000_000, "31 d 1 h", "745 h 00 min 00 s"),
    ] {
        assert_eq!((short(ms).as_str(), exact(ms).as_str()), (want_short, want_exact), "{ms}");
    }
    for (ppm, want) in
        [(999_999, "99.999 %"), (1_000_000, "100.000 %"), (999_009, "99.900 %"), (0, "0.000 %")]
    {
        assert_eq!(percent(ppm), want, "{ppm}");
    }
    let clock = |zone: &str| Clock(TimeZone::get(zone).unwrap());
    for (zone, ms, want) in [
        ("UTC", 1_790_805_600_412, "Wed 30 Sep 22:00:00.412 +00"),
        ("Asia/Kathmandu", 1_790_805_600_000, "Thu 1 Oct 03:45:00 +05:45"),
        ("America/St_Johns", 1_790_805_600_000, "Wed 30 Sep 19:30:00 -02:30"),
    ] {
        assert_eq!(clock(zone).at(Timestamp::from_ms(ms)), want, "{zone}");
    }
    assert_eq!(clock("UTC").at(Timestamp::MAX), format!("{} ms", i64::MAX));
}

#[test]
fn a_zone_that_is_not_there_is_utc() {
    let statement = statement_of(
        &Terms {
            needs: Needs::All,
            target_ppm: 999_000,
            grace: Millis::ZERO,
            min_outage: Millis::ZERO,
            notice: Millis::ZERO,
            credits: vec![],
            windows: vec![],
        },
        &[],
        Timestamp::from_ms(0),
        Timestamp::from_ms(0),
    );
    let text = table("s", "2026-10", "Mars/Olympus", 999_000, &statement);
    assert!(text.contains("All times are those of UTC."), "{text}");
    assert!(text.contains("no figure"), "{text}");
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_says_what_the_table_says() {
    let spans = [
        (5 * DAY + 11 * HOUR, 1_002_555, Class::Down),
        (12 * DAY, HOUR, Class::Excluded),
        (20 * DAY, 1_900_000, Class::Partial),
        (28 * DAY, 340_000, Class::Unknown),
    ];
    let page = html(&about(None), &stated(&spans)).unwrap();
    for want in [
        "<title>Availability of tracking-api, October 2026: met</title>",
        "99.962 %",
        "Even if it had been down",
        "October 2026 by day. 6: down, 13: left out, 21: partial, 28: not measured in part. All",
        "16 min 42.555 s",
        "seen from eu; HTTP 502; #7",
        "between 99.949\u{a0}% and",
        "Measured from &#60;everywhere&#62;.",
        "745 h 00 min 00 s",
        &"ab".repeat(32),
    ] {
        assert!(page.contains(want), "{want}\n{page}");
    }
    for unwanted in ["<script", "http:", "https:", "style=\"", "src=", "to come", "@import"] {
        assert!(!page.contains(unwanted), "{unwanted}");
    }
    // A policy with another hash than the style's would leave the page without any.
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    let policy = page.split("style-src 'sha256-").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!(policy.replace("&#43;", "+"), hash);
    assert_eq!(page.matches("class=\"k-gap\"").count(), 30);
}

#[test]
fn what_is_still_to_come_is_drawn_apart() {
    let statement = stated(&[(20 * DAY, 11 * DAY + HOUR, Class::Unknown)]);
    let now = statement.period_from + 20 * DAY;
    let page = html(&about(Some(now)), &statement).unwrap();
    assert!(page.contains("The period is not over: 11 d 1 h are still to come"), "{page}");
    assert!(page.contains("October 2026 by day: all measured days up."), "{page}");
    assert_eq!(page.matches("class=\"f-none\"").count(), 12, "11 days and the key");
}

#[test]
fn a_spreadsheet_gets_every_figure_span_and_outage() {
    let spans = [(5 * DAY + 11 * HOUR, 3_002_555, Class::Down)];
    let text = csv(&[(about(None), stated(&spans)), (about(None), stated(&[]))]);
    let rows: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(rows[0], "service,period,record,name,from,to,value,unit");
    assert_eq!(rows.len(), 1 + 19 + 3 + 1 + 19 + 1 + 1);
    for want in [
        "tracking-api,2026-10,figure,availability_ppm_floor,,,998880,ppm",
        "tracking-api,2026-10,figure,budget_left_us,,,-320555000,us",
        "tracking-api,2026-10,figure,mttr_ms,,,,ms",
        "tracking-api,2026-10,figure,verdict,,,breached,word",
        "tracking-api,2026-10,span,down,2026-10-06T09:00:00.000Z,2026-10-06T09:50:02.555Z,3002555,ms",
        "tracking-api,2026-10,outage,1,2026-10-06T09:00:00.000Z,2026-10-06T09:50:02.555Z,3002555,ms",
    ] {
        assert!(rows.contains(&want), "{want}\n{text}");
    }
    assert!(rows.iter().all(|row| row.is_empty() || row.matches(',').count() == 7));
}

#[test]
fn words_of_a_command_are_quoted_where_a_shell_would_read_more_into_them() {
    for (word, want) in [("o.jsonl", "o.jsonl"), ("a b", "'a b'"), ("", "''"), ("$'", r"'$'\'''")] {
        assert_eq!(quoted(word), want);
    }
}
