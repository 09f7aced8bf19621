//! When runs begin, and what their attempts come to.

use model::result::{Clock, VoidReason};
use model::wire::Order;

use super::*;
use crate::schedule::{hash, phase};

/// The phase of probe `a` at 60 s.
fn phase_a() -> i64 {
    i64::try_from(hash(&name("a")) % 60_000).unwrap()
}

#[test]
fn runs_begin_at_their_slots_for_ever_the_same() {
    let mut world = World::with(&[], vec![work("a", 60_000)]);
    world.go_with(600_000, |world, effect| {
        if let Effect::Attempt { run, .. } = effect {
            world.attempted(*run, Outcome::Passed);
        }
    });
    let expected: Vec<i64> = (0..10).map(|n| phase_a() + n * 60_000).collect();
    let began: Vec<i64> = world.attempts().into_iter().map(|(at, _)| at).collect();
    assert_eq!(began, expected);
    for (result, at) in world.results().iter().zip(expected) {
        assert_eq!((result.slot.ms(), result.started.ms()), (START + at, START + at));
        assert_eq!((result.interval.ms(), result.attempts), (60_000, 1));
    }
}

#[test]
fn a_stall_skips_and_counts_and_makes_no_burst() {
    let mut world = World::with(&[], (0..100).map(|n| work(&format!("p{n}"), 10_000)).collect());
    world.go(0);
    world.jump(35_000);
    world.give(Input::Tick);
    let burst = world.attempts().len();
    assert!(burst <= 20, "{burst} runs at once after the stall");
    let skipped = world.machine.plan().skipped.late;
    assert!(skipped + burst as u64 >= 300, "{skipped} skipped");
    // Everything has its next slot within one interval again.
    world.log.clear();
    world.go(45_000);
    assert!(world.attempts().len() >= 80);
}

#[test]
fn a_run_that_outlasts_its_interval_skips_the_next_slot() {
    let mut world = World::with(&[], vec![work("a", 60_000)]);
    world.go(phase_a() + 130_000);
    assert_eq!(world.attempts().len(), 1);
    assert_eq!(world.machine.plan().skipped.overrun, 2);
    let run = world.last_run();
    world.attempted(run, Outcome::Passed);
    world.go(phase_a() + 190_000);
    assert_eq!(world.attempts().len(), 2);
}

#[test]
fn a_jump_of_the_wall_clock_makes_a_new_plan() {
    for step in [-3_600_000, -5_000, 5_000, 3_600_000] {
        let mut world = World::with(&[], vec![work("a", 60_000)]);
        world.give(Input::Tick);
        world.now.wall = world.now.wall + Millis::from_ms(step);
        world.give(Input::Tick);
        assert_eq!(world.machine.plan().steps, 1, "{step}");
        let wall = world.now.wall.ms();
        let due = world.machine.plan().next_deadline().unwrap();
        let slot = wall + (due - world.now.mono).ms();
        assert_eq!(slot.rem_euclid(60_000), phase_a(), "{step}");
        assert!(slot > wall && slot <= wall + 60_000, "{step}");
    }
}

#[test]
fn regions_of_one_probe_run_one_after_another() {
    for (every, of) in [(60_000, 3u32), (60_000, 7), (1000, 3), (5, 9)] {
        let every = Millis::from_ms(every);
        let share = every.ms() / i64::from(of);
        let first = phase(&name("shop"), every, 0, of).ms();
        assert!((0..share.max(1)).contains(&first));
        for rank in 0..of {
            let at = phase(&name("shop"), every, rank, of).ms();
            let start = i64::from(rank) * every.ms() / i64::from(of);
            assert_eq!(at - start, first, "rank {rank} of {of}");
        }
    }
    // The hash is part of the definition: these numbers never change.
    assert_eq!(hash(&name("a")), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(hash(&name("foobar")), 0x8594_4171_f739_67e8);
}

/// Runs one probe whose attempts find `first` and then `second`, with so many of its anchors answering.
fn run(anchors: &[&str], answered: usize, first: Outcome, second: Outcome) -> (World, ProbeResult) {
    let mut world = World::with(anchors, vec![work("a", 60_000)]);
    let mut found = vec![second, first];
    world.go_with(phase_a() + 10_000, |world, effect| match effect {
        Effect::Attempt { run, .. } => {
            if let Some(outcome) = found.pop() {
                world.attempted(*run, outcome);
            }
        }
        Effect::TryAnchors { run, anchors, .. } => {
            let (run, tried) = (*run, anchors.len());
            world.give(Input::AnchorsTried { run, answered, tried });
        }
        _ => {}
    });
    let results = world.results();
    assert_eq!(results.len(), 1);
    (world, results[0].clone())
}

#[test]
fn two_attempts_and_the_anchors_decide() {
    let isolated = Outcome::Void(VoidReason::Isolated);
    let privilege = Outcome::Void(VoidReason::Privilege);
    let four = &["tcp://a:1", "tcp://b:1", "tcp://c:1", "tcp://d:1"][..];
    for (anchors, answered, first, second, outcome, attempts) in [
        (&[][..], 0, Outcome::Passed, FAILED, Outcome::Passed, 1),
        (&[], 0, FAILED, Outcome::Passed, Outcome::Passed, 2),
        (&[], 0, FAILED, FAILED, FAILED, 2),
        (&[], 0, privilege, FAILED, privilege, 1),
        (four, 3, FAILED, FAILED, FAILED, 2),
        (four, 2, FAILED, FAILED, FAILED, 2),
        (four, 1, FAILED, FAILED, isolated, 2),
        (four, 0, FAILED, FAILED, isolated, 2),
        (four, 0, FAILED, Outcome::Passed, Outcome::Passed, 2),
        (four, 0, FAILED, privilege, privilege, 2),
        (&four[..2], 1, FAILED, FAILED, FAILED, 2),
        (&four[..2], 0, FAILED, FAILED, isolated, 2),
        (&four[..1], 1, FAILED, FAILED, FAILED, 2),
        (&four[..1], 0, FAILED, FAILED, isolated, 2),
    ] {
        let (world, result) = run(anchors, answered, first, second);
        let row = format!("{answered} of {anchors:?}, {first:?} then {second:?}");
        assert_eq!((result.outcome, result.attempts), (outcome, attempts), "{row}");
        assert_eq!(result.started.ms(), START + phase_a(), "{row}: the first attempt's start");
        assert_eq!(result.detail.is_empty(), outcome == Outcome::Passed, "{row}");
        let began: Vec<i64> = world.attempts().into_iter().map(|(at, _)| at - phase_a()).collect();
        assert_eq!(began, &[0, 2000][..began.len()], "{row}");
        let tried = |(_, effect): &(i64, Effect)| match effect {
            Effect::TryAnchors { anchors, .. } => Some(anchors.len()),
            _ => None,
        };
        let tried = world.log.iter().find_map(tried);
        let expected = (began.len() == 2 && !anchors.is_empty()).then(|| anchors.len().min(3));
        assert_eq!(tried, expected, "{row}");
    }
}

#[test]
fn the_second_attempt_comes_after_a_quarter_of_a_short_interval() {
    let mut world = World::with(&[], vec![work("a", 4000)]);
    world.go_with(8000, |world, effect| {
        if let Effect::Attempt { run, .. } = effect {
            world.attempted(*run, FAILED);
        }
    });
    let attempts = world.attempts();
    assert_eq!(attempts[1].0 - attempts[0].0, 1000);
}

#[test]
fn an_agent_that_stood_still_does_not_judge() {
    for (lag, outcome) in [(500, FAILED), (501, Outcome::Void(VoidReason::Stalled))] {
        let mut world = World::with(&[], vec![work("a", 60_000)]);
        world.go_with(phase_a() + 5000, |world, effect| {
            if let Effect::Attempt { run, .. } = effect {
                let (run, lag) = (*run, Millis::from_ms(lag));
                world.give(Input::Attempted { run, finding: finding(FAILED), duration_us: 1, lag });
            }
        });
        assert_eq!(world.results()[0].outcome, outcome, "{lag}");
    }
}

#[test]
fn an_order_runs_a_probe_at_once_but_not_twice_in_ten_seconds() {
    let mut world = World::with(&[], vec![work("a", 3_600_000)]);
    let order = || Input::Order(Order::ProbeNow { probe: name("a") });
    for (at, begun, refused) in
        [(1000, 1, 0), (1001, 1, 1), (10_999, 1, 2), (11_000, 2, 2), (21_000, 3, 2)]
    {
        world.go(at);
        world.give(order());
        assert_eq!(world.attempts().len(), begun, "{at}");
        assert_eq!(world.machine.counts().forced_refused, refused, "{at}");
        if world.machine.runs() > 0 {
            let run = world.last_run();
            world.attempted(run, Outcome::Passed);
        }
    }
    assert_eq!(world.results()[0].slot.ms(), START + 1000);
    world.give(Input::Order(Order::ProbeNow { probe: name("unknown") }));
    assert_eq!(world.machine.counts().forced_refused, 3);
}

#[test]
fn a_pace_changes_the_interval_until_its_end() {
    let mut world = World::with(&[], vec![work("a", 60_000)]);
    let pass = |world: &mut World, effect: &Effect| {
        if let Effect::Attempt { run, .. } = effect {
            world.attempted(*run, Outcome::Passed);
        }
    };
    world.give(Input::Order(Order::Pace {
        probe: name("a"),
        every: Millis::from_secs(20),
        until: Timestamp::from_ms(START + 120_000),
    }));
    world.go_with(300_000, pass);
    let intervals: Vec<i64> =
        world.results().iter().map(|result| result.interval.ms() / 1000).collect();
    assert_eq!(intervals.iter().filter(|interval| **interval == 20).count(), 6);
    assert_eq!(intervals.last(), Some(&60));
    for result in world.results() {
        let expected = phase(&name("a"), result.interval, 0, 1).ms();
        assert_eq!(result.slot.ms().rem_euclid(result.interval.ms()), expected);
    }
}

#[test]
fn what_an_assignment_does_not_change_keeps_its_plan() {
    let mut world = World::with(&[], vec![work("a", 60_000), work("b", 60_000)]);
    let order = Order::Pace {
        probe: name("a"),
        every: Millis::from_secs(20),
        until: Timestamp::from_ms(START + 600_000),
    };
    world.give(Input::Order(order));
    world.give(Input::Order(Order::ProbeNow { probe: name("b") }));
    assert_eq!(world.machine.runs(), 1);
    world.assign(&[], vec![work("a", 60_000), work("c", 60_000)]);
    assert_eq!(world.machine.runs(), 0, "what is gone is ended");
    assert!(world.log.iter().any(|(_, effect)| matches!(effect, Effect::End { .. })));
    world.go_with(120_000, |world, effect| {
        if let Effect::Attempt { run, .. } = effect {
            world.attempted(*run, Outcome::Passed);
        }
    });
    let mut runs = BTreeMap::new();
    for result in world.results() {
        *runs.entry((result.probe.to_string(), result.interval.ms())).or_insert(0) += 1;
    }
    assert_eq!(runs, [(("a".into(), 20_000), 6), (("c".into(), 60_000), 2)].into());
}

#[test]
fn results_carry_the_offset_and_are_void_without_one_for_a_day() {
    let mut world = World::with(&[], vec![work("a", 60_000)]);
    let pass = |world: &mut World, effect: &Effect| {
        if let Effect::Attempt { run, .. } = effect {
            world.attempted(*run, Outcome::Passed);
        }
    };
    world.go_with(60_000, pass);
    assert_eq!(world.results()[0].clock, None);
    assert_eq!(world.results()[0].outcome, Outcome::Passed);
    let sent = world.now;
    world.jump(20);
    let receipt = Receipt { now_ms: world.now.wall.ms() + 90, ..Receipt::default() };
    let (results, progressed, waiting) = (0, false, 0);
    world.give(Input::Received { sent, results, progressed, waiting, receipt });
    world.go_with(130_000, pass);
    let clock = world.results().last().unwrap().clock;
    assert_eq!(clock, Some(Clock { offset_ms: 100, error_ms: 10 }));
    world.jump(24 * 3_600_000);
    world.go_with(world.at() + 60_000, pass);
    let last = world.results().last().unwrap().clone();
    assert_eq!(last.outcome, Outcome::Void(VoidReason::Clock));
    assert!(last.detail.contains("1d"), "{}", last.detail);
}

#[test]
fn beyond_the_most_runs_a_run_is_void() {
    let probes = (0..=RUNS_MAX).map(|n| work(&format!("p{n}"), 3_600_000)).collect();
    let mut world = World::with(&[], probes);
    for n in 0..=RUNS_MAX {
        world.give(Input::Order(Order::ProbeNow { probe: name(&format!("p{n}")) }));
    }
    assert_eq!(world.machine.runs(), RUNS_MAX);
    assert_eq!(world.results()[0].outcome, Outcome::Void(VoidReason::Overloaded));
}

#[test]
fn what_cannot_be_run_is_void_at_every_slot_and_says_why() {
    let unknown = Work { uses: Err("no such kind".into()), ..work("a", 60_000) };
    let mut world = World::with(&[], vec![unknown]);
    world.go(180_000);
    assert_eq!(world.results().len(), 3);
    for result in world.results() {
        assert_eq!(result.outcome, Outcome::Void(VoidReason::Unsupported));
        assert_eq!(result.detail, "no such kind");
    }
}

#[test]
fn a_stopping_agent_begins_nothing_and_ends_what_has_no_verdict() {
    let mut world = World::with(&[], vec![work("a", 60_000), work("b", 60_000)]);
    for probe in ["a", "b"] {
        world.give(Input::Order(Order::ProbeNow { probe: name(probe) }));
    }
    let (first, second) = (world.attempts()[0].1, world.attempts()[1].1);
    world.attempted(first, FAILED);
    world.give(Input::Stop);
    assert_eq!(world.machine.runs(), 1);
    world.attempted(second, FAILED);
    assert_eq!(world.machine.runs(), 0);
    world.go(300_000);
    assert_eq!(world.attempts().len(), 2);
    assert_eq!(world.results(), []);
}
