//! Talking with the collector: when, how much, and what its answers change.

use model::wire::Order;

use super::*;

fn spooled(world: &mut World, waiting: u64, urgent: bool) {
    world.give(Input::Spooled { waiting, urgent });
}

fn failed(world: &mut World, results: usize, fault: Fault) {
    world.give(Input::SendFailed { results, fault });
}

/// A world whose first heartbeat was received.
fn quiet() -> World {
    let mut world = World::with(&[], vec![]);
    assert_eq!(world.sends(), [(0, 1000)]);
    world.receipt(0, false, 0);
    world.log.clear();
    world
}

#[test]
fn a_failure_goes_at_once_the_rest_within_a_second_and_a_heartbeat_every_fifteen() {
    for (waiting, urgent, expected) in [
        (1, true, 3000),
        (1, false, 4000),
        (999, false, 4000),
        (1000, false, 3000),
        (0, false, 15_000),
    ] {
        let mut world = quiet();
        world.go(3000);
        spooled(&mut world, waiting, urgent);
        world.go(20_000);
        assert_eq!(world.sends(), [(expected, 1000)], "{waiting} {urgent}");
    }
}

#[test]
fn one_batch_is_in_flight_and_what_came_meanwhile_follows() {
    let mut world = quiet();
    spooled(&mut world, 1, true);
    spooled(&mut world, 2, true);
    world.go(10_000);
    assert_eq!(world.sends(), [(0, 1000)]);
    world.receipt(1, true, 1);
    assert_eq!(world.sends(), [(0, 1000), (10_000, 1000)]);
}

#[test]
fn waits_after_failures_grow_and_have_bounds() {
    let mut world = quiet();
    spooled(&mut world, 1, true);
    let mut before = 0;
    for (least, most) in [
        (500, 1000),
        (1000, 2000),
        (2000, 4000),
        (4000, 8000),
        (8000, 16_000),
        (15_000, 30_000),
        (15_000, 30_000),
    ] {
        failed(&mut world, 1, Fault::Unreachable);
        world.go(before + most);
        let (at, _) = *world.sends().last().unwrap();
        assert!((least..=most).contains(&(at - before)), "{} not in {least}..={most}", at - before);
        before = world.at();
    }
}

#[test]
fn an_answer_says_how_long_to_wait() {
    let wait = |seconds| Fault::Busy { wait: Some(Millis::from_secs(seconds)) };
    for (fault, expected) in
        [(wait(7), 7000), (wait(0), 1000), (wait(86_400), 300_000), (Fault::Unauthorised, 30_000)]
    {
        let mut world = quiet();
        spooled(&mut world, 1, true);
        world.log.clear();
        failed(&mut world, 1, fault.clone());
        world.go(400_000);
        assert_eq!(world.sends(), [(expected, 1000)], "{fault:?}");
    }
}

/// A collector that refuses every batch that holds the result `bad`, of those from 1 to `last`.
fn refuse(bad: u64, last: u64, head_too: bool) -> (Vec<u64>, Vec<u64>, usize) {
    let mut world = quiet();
    let (mut next, mut dropped, mut taken, mut sent) = (1, vec![], vec![], 0);
    spooled(&mut world, last, true);
    for _ in 0..200 {
        let Some(place) = world
            .log
            .iter()
            .position(|(_, effect)| matches!(effect, Effect::Send { .. } | Effect::DropOldest))
        else {
            break;
        };
        match world.log.remove(place).1 {
            Effect::DropOldest => {
                dropped.push(next);
                next += 1;
                spooled(&mut world, last + 1 - next, false);
            }
            Effect::Send { results_max, .. } => {
                sent += 1;
                let end = (next + results_max as u64).min(last + 1);
                let results = (end - next) as usize;
                if (next..end).contains(&bad) || head_too {
                    failed(&mut world, results, Fault::Malformed);
                } else {
                    taken.extend(next..end);
                    next = end;
                    world.receipt(results, results > 0, last + 1 - next);
                }
            }
            _ => {}
        }
    }
    (dropped, taken, sent)
}

#[test]
fn a_refused_batch_is_halved_until_the_one_result_is_found_and_dropped() {
    for (bad, last) in [(1, 1), (1, 8), (5, 8), (8, 8), (617, 1000)] {
        let (dropped, taken, sent) = refuse(bad, last, false);
        assert_eq!(dropped, [bad]);
        assert_eq!(taken, (1..=last).filter(|seq| *seq != bad).collect::<Vec<_>>());
        assert!(sent < 60, "{sent} batches for {bad} of {last}");
    }
}

#[test]
fn when_even_an_empty_batch_is_refused_nothing_is_dropped() {
    let (dropped, taken, _) = refuse(0, 8, true);
    assert_eq!((dropped, taken), (vec![], vec![]));
}

#[test]
fn a_receipt_that_takes_nothing_does_not_go_on_for_ever() {
    let mut world = quiet();
    spooled(&mut world, 2, true);
    world.receipt(2, false, 2);
    world.receipt(1, false, 2);
    assert_eq!(world.sends().iter().map(|(_, max)| *max).collect::<Vec<_>>(), [1000, 1, 0]);
    world.receipt(0, false, 2);
    assert!(world.log.iter().any(|(_, effect)| *effect == Effect::DropOldest));
}

fn fetches(world: &World) -> Vec<i64> {
    let fetch =
        |(at, effect): &(i64, Effect)| matches!(effect, Effect::Fetch { .. }).then_some(*at);
    world.log.iter().filter_map(fetch).collect()
}

#[test]
fn the_assignment_is_fetched_at_the_start_at_a_new_tag_and_by_order() {
    let mut world = World::new(Policy::itself());
    world.give(Input::Tick);
    assert_eq!(fetches(&world), [0]);
    world.assign(&[], vec![]);
    world.receipt(0, false, 0);
    world.go(10_000);
    assert_eq!(fetches(&world), [0]);
    let receipt = Receipt { assignment: "t2".into(), now_ms: START, ..Receipt::default() };
    let (sent, results, progressed, waiting) = (world.now, 0, false, 0);
    world.give(Input::Received { sent, results, progressed, waiting, receipt });
    assert_eq!(fetches(&world), [0, 10_000]);
    world.give(Input::FetchFailed(Fault::Unreachable));
    world.go(11_000);
    assert_eq!(fetches(&world).len(), 3, "{:?}", fetches(&world));
    world.give(Input::Unchanged);
    world.give(Input::OrdersOpened);
    world.give(Input::Order(Order::Reload));
    world.give(Input::Order(Order::Reload));
    world.go(13_000);
    assert_eq!(fetches(&world).len(), 4, "{:?}", fetches(&world));
}

#[test]
fn a_silent_stream_of_orders_is_closed_and_opened_again() {
    let mut world = World::new(Policy::itself());
    world.give(Input::Tick);
    world.give(Input::OrdersOpened);
    for at in [15_000, 30_000] {
        world.go(at);
        world.give(Input::Order(Order::Alive));
    }
    world.go(80_000);
    let stream: Vec<(i64, bool)> = world
        .log
        .iter()
        .filter_map(|(at, effect)| match effect {
            Effect::OpenOrders => Some((*at, true)),
            Effect::CloseOrders => Some((*at, false)),
            _ => None,
        })
        .collect();
    assert_eq!(stream[..2], [(0, true), (75_000, false)]);
    assert!(matches!(stream[2], (75_500..=76_000, true)), "{stream:?}");
}
