//! What holds for any observations, found by trying many.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::config::Needs;
use crate::maintenance::Window;
use crate::report::{Statement, Terms, statement};

/// Every observation made here lies and ends within this.
const LINE: core::ops::Range<i64> = -10..700;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn observation() -> impl Strategy<Value = Observation> {
    let say = prop::sample::select(vec![Say::Up, Say::Up, Say::Down, Say::Down, Say::Void]);
    let region = prop::sample::select(vec!["a", "b", "c", "a-1", "elsewhere"]);
    // Few ids and few times, so that both often meet.
    (0..40_u32, region, 0..60_i64, say, 1..40_i64).prop_map(|(id, region, tick, say, interval)| {
        Observation {
            id: format!("{id}"),
            region: Region::new(region).unwrap(),
            at: at(tick * 5),
            say,
            interval: Millis::from_ms(interval),
        }
    })
}

fn observed() -> impl Strategy<Value = Observed> {
    let rule = prop_oneof![
        3 => Just(DownWhen::Majority),
        1 => Just(DownWhen::Any),
        1 => Just(DownWhen::All),
        1 => (1..3_u32).prop_map(DownWhen::AtLeast),
    ];
    let regions = prop::sample::subsequence(vec!["a", "b", "c", "a-1"], 1..=4);
    (regions, rule, prop::collection::vec(observation(), 0..40)).prop_map(
        |(regions, down_when, observations)| Observed {
            regions: regions.into_iter().map(|name| Region::new(name).unwrap()).collect(),
            down_when,
            observations,
        },
    )
}

fn window() -> impl Strategy<Value = Window> {
    let announced = prop::option::of((0..300_i64).prop_map(at));
    (-20..400_i64, 0..80_i64, announced, prop::bool::weighted(0.2)).prop_map(
        |(from, length, announced, cancelled)| Window {
            from: at(from),
            to: at(from + length),
            announced,
            cancelled,
        },
    )
}

fn terms() -> impl Strategy<Value = Terms> {
    let needs =
        prop_oneof![Just(Needs::All), Just(Needs::Any), (1..3_u32).prop_map(Needs::AtLeast)];
    let windows = prop::collection::vec(window(), 0..4);
    (needs, 0..15_i64, prop::sample::select(vec![0, 0, 20, 60]), 0..50_i64, windows).prop_map(
        |(needs, grace, min_outage, notice, windows)| Terms {
            needs,
            target_ppm: 999_000,
            grace: Millis::from_ms(grace),
            min_outage: Millis::from_ms(min_outage),
            notice: Millis::from_ms(notice),
            credits: vec![],
            windows,
        },
    )
}

fn case() -> impl Strategy<Value = (Terms, Vec<Observed>, i64, i64)> {
    (terms(), prop::collection::vec(observed(), 1..3), -5..350_i64, 0..350_i64)
        .prop_map(|(terms, probes, from, length)| (terms, probes, from, from + length))
}

/// The parts of the statement that add up over cut points.
fn sums(one: &Statement) -> [i64; 6] {
    [one.period_ms, one.up_ms, one.down_ms, one.unknown_ms, one.excluded_ms, one.partial_ms]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_millisecond_is_as_the_definition_says((terms, probes, from, to) in case()) {
        let want = naive::classes(&terms, &probes, LINE, from, to);
        let found = statement(&terms, probes, at(from), at(to));
        let letters = |class: &str| match class {
            "up" => 'u', "up+partial" => 'p', "down" => 'd', "unknown" => '?', _ => 'x',
        };
        let segments: Vec<(i64, i64, char)> =
            found.segments.iter().map(|(from, to, class)| (*from, *to, letters(class))).collect();
        let place = |place: usize| from + i64::try_from(place).unwrap();
        let runs: Vec<(i64, i64, char)> = naive::runs(&want)
            .into_iter()
            .map(|run| (place(run.start), place(run.end), want[run.start]))
            .collect();
        prop_assert_eq!(segments, runs);
        let count = |letters: &str| {
            i64::try_from(want.iter().filter(|class| letters.contains(**class)).count()).unwrap()
        };
        let sums = (found.up_ms, found.down_ms, found.unknown_ms, found.excluded_ms, found.partial_ms);
        prop_assert_eq!(sums, (count("up"), count("d"), count("?"), count("x"), count("p")));
        prop_assert_eq!(found.up_ms + found.down_ms + found.unknown_ms + found.excluded_ms, found.period_ms);
        prop_assert_eq!(found.outages, i64::try_from(naive::outages(&want)).unwrap());
        let listed: i64 = found.outage_list().iter().map(|outage| outage.down.ms()).sum();
        prop_assert_eq!(listed, found.down_ms);
    }

    #[test]
    fn order_and_repetition_change_nothing(
        (terms, probes, from, to) in case(),
        shuffle in prop::collection::vec(any::<prop::sample::Index>(), 0..80),
    ) {
        let want = statement(&terms, probes.clone(), at(from), at(to));
        let mut other = probes;
        for observed in &mut other {
            let all = &mut observed.observations;
            for pair in shuffle.chunks(2).filter(|_| !all.is_empty()).collect::<Vec<_>>() {
                let again = all[pair[0].index(all.len())].clone();
                all.push(again);
                let (one, two) = (pair[0].index(all.len()), pair[pair.len() - 1].index(all.len()));
                all.swap(one, two);
            }
        }
        prop_assert_eq!(statement(&terms, other, at(from), at(to)), want);
    }

    #[test]
    fn sums_add_up_over_any_cut((terms, probes, from, to) in case(), cut in 0..700_i64) {
        let cut = from + cut % (to - from + 1);
        let whole = statement(&terms, probes.clone(), at(from), at(to));
        let early = statement(&terms, probes.clone(), at(from), at(cut));
        let late = statement(&terms, probes, at(cut), at(to));
        let mut both = sums(&early);
        for (sum, more) in both.iter_mut().zip(sums(&late)) {
            *sum += more;
        }
        prop_assert_eq!(both, sums(&whole));
    }

    /// Without a shortest outage, one more observation matters only while it holds, or while one
    /// that it hides would have held: at most for twice the longest interval and the grace.
    #[test]
    fn an_observation_reaches_no_further_than_it_holds(
        (mut terms, probes, _, _) in case(),
        more in observation(),
    ) {
        terms.min_outage = Millis::ZERO;
        let more = Observation { id: "one more".to_string(), ..more };
        let (start, end) = (more.at, more.at + terms.reach(Millis::from_ms(40)));
        let mut with = probes.clone();
        with[0].observations.push(more);
        for (from, to) in [(at(LINE.start), start), (end, at(LINE.end))] {
            prop_assert_eq!(
                statement(&terms, with.clone(), from, to),
                statement(&terms, probes.clone(), from, to)
            );
        }
    }

    /// Observations further off than the reach may be left out.
    #[test]
    fn what_is_out_of_reach_may_be_left_out((terms, probes, from, to) in case()) {
        let reach = terms.reach(Millis::from_ms(40));
        let mut near = probes.clone();
        for observed in &mut near {
            // Of one id twice only one counts, wherever it lies: count first, then leave out.
            let mut all: Vec<Observation> = core::mem::take(&mut observed.observations);
            all.sort_by_key(|one| one.id.clone());
            all.dedup_by(|later, kept| later.id == kept.id);
            observed.observations = all;
        }
        let want = statement(&terms, near.clone(), at(from), at(to));
        for observed in &mut near {
            observed.observations.retain(|one| {
                at(from) - reach <= one.at && one.at < at(to) + reach
            });
        }
        prop_assert_eq!(statement(&terms, near, at(from), at(to)), want);
    }

    #[test]
    fn no_numbers_break_it(
        times in prop::collection::vec((any::<i64>(), any::<i64>()), 0..6),
        from in any::<i64>(), to in any::<i64>(), grace in any::<i64>(), target_ppm in any::<u32>(),
    ) {
        let observations = times.iter().enumerate().map(|(id, (at, interval))| Observation {
            id: id.to_string(),
            region: Region::new("a").unwrap(),
            at: Timestamp::from_ms(*at),
            say: if interval % 2 == 0 { Say::Up } else { Say::Down },
            interval: Millis::from_ms(*interval),
        });
        let observed = Observed {
            regions: vec![Region::new("a").unwrap()],
            down_when: DownWhen::Majority,
            observations: observations.collect(),
        };
        let millis = Millis::from_ms(grace);
        let terms = Terms {
            needs: Needs::All, target_ppm, grace: millis, min_outage: millis, notice: millis,
            credits: vec![(target_ppm, 10)],
            windows: vec![Window { from: at(from), to: at(to), announced: Some(at(grace)), cancelled: false }],
        };
        let found = statement(&terms, vec![observed.clone()], at(from), at(to));
        let text: String = serde_json::to_string(&found).unwrap();
        prop_assert_eq!(serde_json::from_str::<Statement>(&text).unwrap(), found);
        let _ = crate::report::burn(&terms, vec![observed], &[at(from), at(to)]);
    }
}
