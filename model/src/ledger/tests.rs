use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::*;

fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

/// `region time outcome interval`, one observation; the id is its place.
fn observations(text: &str) -> Vec<Observation> {
    let read = |(place, line): (usize, &str)| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let say = match words[2] {
            "up" => Say::Up,
            "down" => Say::Down,
            _ => Say::Void,
        };
        Observation {
            id: place.to_string(),
            region: region(words[0]),
            at: Timestamp::from_ms(words[1].parse().unwrap()),
            say,
            interval: Millis::from_ms(words[3].parse().unwrap()),
        }
    };
    text.split(';').filter(|line| !line.trim().is_empty()).enumerate().map(read).collect()
}

/// The steps of one region's verdict as text, with a grace of 10 ms.
fn steps(text: &str) -> Vec<String> {
    let observed = Observed {
        regions: vec![region("a")],
        down_when: DownWhen::Majority,
        observations: observations(text),
    };
    let samples = Gathered::new(observed, Millis::from_ms(10)).samples.into_iter();
    Sweep::new(1, DownWhen::Majority, samples)
        .map(|step| format!("{} {}", step.from.ms(), step.verdict.word()))
        .collect()
}

#[test]
fn a_vote_holds_for_twice_its_interval_and_the_grace() {
    for (name, text, want) in [
        ("nothing", "", vec![]),
        ("one", "a 100 up 60", vec!["100 up", "230 unknown"]),
        ("one lost run is bridged", "a 0 up 60; a 120 up 60", vec!["0 up", "250 unknown"]),
        (
            "two are not",
            "a 0 up 60; a 180 up 60",
            vec!["0 up", "130 unknown", "180 up", "310 unknown"],
        ),
        ("the end itself is bridged", "a 0 up 60; a 130 up 60", vec!["0 up", "260 unknown"]),
        (
            "the interval of the observation counts",
            "a 0 up 60; a 10 up 5",
            vec!["0 up", "30 unknown"],
        ),
        ("void ends a vote", "a 0 up 60; a 50 void 60", vec!["0 up", "50 unknown"]),
        ("void after void", "a 0 void 60; a 50 up 60", vec!["50 up", "180 unknown"]),
        ("at one time down beats void", "a 0 void 60; a 0 down 60", vec!["0 down", "130 unknown"]),
        ("at one time up beats down", "a 0 up 60; a 0 down 60", vec!["0 up", "130 unknown"]),
        (
            "at one time and outcome the greater id",
            "a 0 up 60; a 0 up 10",
            vec!["0 up", "30 unknown"],
        ),
        (
            "late data finds its place",
            "a 60 up 60; a 0 down 60",
            vec!["0 down", "60 up", "190 unknown"],
        ),
        ("another region is ignored", "b 0 down 60; a 10 up 60", vec!["10 up", "140 unknown"]),
        ("no interval and no vote", "a 0 up -5; a 10 up -9", vec![]),
    ] {
        assert_eq!(steps(text), want, "{name}");
    }
}

/// Of one id the smaller JSON counts, compared as text.
#[test]
fn of_one_id_twice_the_smaller_text_counts() {
    for (name, text, want) in [
        ("the same twice", "a 100 up 60; a 100 up 60", "a 100 up 60"),
        ("down is before up", "a 100 up 60; a 100 down 60", "a 100 down 60"),
        ("up is before void", "a 100 void 60; a 100 up 60", "a 100 up 60"),
        ("intervals as text: 100 before 60", "a 100 up 60; a 100 up 100", "a 100 up 100"),
        ("6 before 60: the comma is smaller", "a 100 up 60; a 100 up 6", "a 100 up 6"),
        ("times as text: 1000 before 999", "a 999 up 60; a 1000 up 60", "a 1000 up 60"),
        ("100 before 10: a digit is before the brace", "a 10 up 60; a 100 up 60", "a 100 up 60"),
        ("a region before its longer name", "a-1 100 up 60; a 100 up 60", "a 100 up 60"),
        ("interval before outcome", "a 100 down 60; a 100 up 10", "a 100 up 10"),
        ("the loser may be in its region", "a 100 up 60; 0 100 up 60", "0 100 up 60"),
    ] {
        let mut both = observations(text);
        for one in &mut both {
            one.id = "same".into();
        }
        let observed = |observations| Observed {
            regions: vec![region("a"), region("a-1")],
            down_when: DownWhen::Majority,
            observations,
        };
        let alone = Gathered::new(observed(observations(want)), Millis::ZERO);
        let reversed = both.iter().rev().cloned().collect();
        for observations in [both.clone(), reversed] {
            let found = Gathered::new(observed(observations), Millis::ZERO);
            assert_eq!(found.samples, alone.samples, "{name}");
            assert_eq!(found.conflicts, u64::from(both[0] != both[1]), "{name}");
        }
    }
}

fn span(from: i64, to: i64, class: Class) -> Span {
    Span { from: Timestamp::from_ms(from), to: Timestamp::from_ms(to), class }
}

#[test]
fn an_outage_is_counted_once_across_what_is_left_out() {
    use Class::{Down, Excluded, Partial, Unknown, Up};
    let pieces = |classes: &[Class]| -> Vec<(i64, i64, i64)> {
        let spans = classes
            .iter()
            .zip(0_i64..)
            .map(|(class, place)| span(place * 10, place * 10 + 10, *class));
        outages(spans).iter().map(|one| (one.from.ms(), one.to.ms(), one.down.ms())).collect()
    };
    for (classes, want) in [
        (&[][..], vec![]),
        (&[Up, Unknown, Partial], vec![]),
        (&[Up, Down, Up, Down], vec![(10, 20, 10), (30, 40, 10)]),
        (&[Down, Excluded, Down], vec![(0, 30, 20)]),
        (&[Down, Unknown, Excluded, Down, Up], vec![(0, 40, 20)]),
        (&[Down, Unknown, Up, Unknown, Down], vec![(0, 10, 10), (40, 50, 10)]),
        (&[Excluded, Down], vec![(10, 20, 10)]),
    ] {
        assert_eq!(pieces(classes), want, "{classes:?}");
    }
}

#[test]
fn windows_that_touch_or_overlap_are_one() {
    let at = Timestamp::from_ms;
    let windows =
        vec![(at(50), at(60)), (at(0), at(10)), (at(10), at(20)), (at(5), at(8)), (at(9), at(9))];
    assert_eq!(unite(windows), vec![(at(0), at(20)), (at(50), at(60))]);
}

#[test]
fn totals_cut_the_spans_at_both_ends() {
    let spans = [
        span(0, 10, Class::Up),
        span(10, 20, Class::Partial),
        span(20, 30, Class::Down),
        span(30, 40, Class::Unknown),
        span(40, 50, Class::Excluded),
    ];
    let totals = |from, to| {
        let totals = Totals::within(&spans, Timestamp::from_ms(from), Timestamp::from_ms(to));
        [totals.up, totals.down, totals.unknown, totals.excluded, totals.partial].map(Millis::ms)
    };
    assert_eq!(totals(0, 50), [20, 10, 10, 10, 10]);
    assert_eq!(totals(5, 45), [15, 10, 10, 5, 10]);
    assert_eq!(totals(12, 14), [2, 0, 0, 0, 2]);
    assert_eq!(totals(60, 90), [0, 0, 0, 0, 0]);
    assert_eq!(totals(14, 14), [0, 0, 0, 0, 0]);
}
