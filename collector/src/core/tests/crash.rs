//! Whatever point a crash hits, the decisions are those that would have been made without it.

use model::engine::{Effect, Input};
use model::incident::IncidentId;
use tokio::sync::oneshot;

use super::super::group::Write;
use super::{Bench, REGIONS, batch, caller, result};
use crate::handle::{Attempted, Command};
use crate::replay::replay;

/// Steps of the story, 20 s each: `shop` fails everywhere from step 6 to 15; somebody takes the
/// incident and writes something down.
const STEPS: i64 = 30;
const STEP_MS: i64 = 20_000;

/// Where a crash hits a step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hit {
    /// The inputs are durable, the senders were not answered.
    Staged,
    /// The senders were answered and the engine has decided, nothing of that is durable.
    Decided,
    /// All of the step is done.
    Done,
}

/// The writes of a step. After a crash agents send again; people do not.
fn writes(bench: &mut Bench, step: i64, again: bool) -> Vec<Write> {
    let now = step * STEP_MS;
    bench.at(now);
    let mut commands = Vec::new();
    for place in REGIONS {
        let seq = u64::try_from(step * 2).unwrap();
        let at = super::START + now;
        let up = !(6..16).contains(&step);
        let results =
            vec![result("shop", place, seq + 1, at, up), result("blog", place, seq + 2, at, true)];
        let batch = Box::new(batch(place, results));
        commands.push(Command::Ingest(caller(place), batch, oneshot::channel().0));
    }
    let incident = IncidentId(1);
    let act = match step {
        12 => Some(Input::Acknowledge { incident, who: "ann".into() }),
        13 => Some(Input::Note { incident, who: "ann".into(), text: "looking".into() }),
        _ => None,
    };
    if let Some(input) = act.filter(|_| !again) {
        commands.push(Command::Act(Box::new(input), oneshot::channel().0));
    }
    commands.into_iter().filter_map(|command| bench.core().answer(command)).collect()
}

/// Sends what is due.
fn deliver(bench: &mut Bench) {
    for claimed in bench.ask(|reply| Command::Claim(10, reply)).unwrap() {
        let key = claimed.notice.key;
        bench.ask(|reply| Command::Attempted(key, Attempted::Delivered, reply)).unwrap();
    }
}

/// Runs the story with a crash in one step, or none.
fn story(crash: Option<(i64, Hit)>, snapshots: bool) -> Bench {
    told(crash, snapshots).0
}

/// The story, and the orders that were given in it.
fn told(crash: Option<(i64, Hit)>, snapshots: bool) -> (Bench, Vec<String>) {
    let mut bench = Bench::new();
    let (mut orders, mut given) = (bench.handle.orders(), Vec::new());
    for step in 0..STEPS {
        let mut group = writes(&mut bench, step, false);
        if let Some((_, hit)) = crash.filter(|(at, _)| *at == step) {
            let core = bench.core();
            let now = core.advance();
            match hit {
                Hit::Staged => drop(core.stage(now, group)),
                Hit::Decided => {
                    let staged = core.stage(now, group);
                    core.decide(now, staged);
                }
                Hit::Done => core.group(group),
            }
            bench.crash();
            group = writes(&mut bench, step, true);
        }
        bench.core().group(group);
        deliver(&mut bench);
        if snapshots && step % 4 == 3 {
            let core = bench.core();
            core.snapshot(core.now);
        }
        while let Ok((region, order)) = orders.try_recv() {
            given.push(format!("{region} {order:?}"));
        }
    }
    (bench, given)
}

#[test]
fn a_crash_at_any_point_changes_no_decision_and_loses_no_result() {
    let (calm, orders) = told(None, false);
    let calm = calm.dump();
    assert!(!orders.is_empty(), "the story has no order");
    for sort in ["flip", "incident", "notice", "attempt", "result"] {
        let lines = calm.iter().filter(|line| line.contains(&format!("\"{sort}\"")));
        assert!(lines.count() > 0, "the story has no {sort}");
    }
    for step in 0..STEPS {
        for hit in [Hit::Staged, Hit::Decided, Hit::Done] {
            let (crashed, given) = told(Some((step, hit)), step % 2 == 0);
            assert_eq!(crashed.dump(), calm, "crash at step {step}, {hit:?}");
            assert_eq!(given, orders, "orders of a crash at step {step}, {hit:?}");
        }
    }
}

#[test]
fn the_journal_gives_the_live_engine_byte_for_byte() {
    for snapshots in [false, true] {
        let mut bench = Bench::new();
        for step in 0..STEPS {
            let group = writes(&mut bench, step, false);
            bench.core().group(group);
            if snapshots && step % 7 == 0 {
                let core = bench.core();
                core.snapshot(core.now);
            }
            // Between the steps time passes and deadlines fire by themselves, or do not.
            bench.at(step * STEP_MS + 7000);
            if step % 3 == 0 {
                bench.core().idle();
            }
            let (live, rebuilt) = bench.engines();
            assert_eq!(live, rebuilt, "step {step}");
        }
        bench.close();
        let db = crate::store::connect_reading(bench.data.path()).unwrap();
        assert_eq!(crate::journal::newest(&db).unwrap().unwrap().position, {
            crate::journal::end(&db).unwrap().unwrap().0
        });
    }
}

#[test]
fn a_replay_beside_the_collector_says_what_was_decided() {
    let bench = story(Some((9, Hit::Decided)), true);
    let (mut flips, mut notices, mut incidents) = (Vec::new(), Vec::new(), Vec::new());
    replay(bench.data.path(), &mut |at, effect| match effect {
        Effect::Flip(flip) => {
            assert_eq!(at, flip.at);
            flips.push(flip.at.ms());
        }
        Effect::Incident(incident) => incidents.push(serde_json::to_string(incident).unwrap()),
        Effect::Notify(notice) => notices.push(notice.key.0.clone()),
        Effect::Order { .. } => {}
    })
    .unwrap();
    let db = crate::store::connect_reading(bench.data.path()).unwrap();
    let column = |text: &str| -> Vec<rusqlite::types::Value> {
        let mut find = db.prepare(text).unwrap();
        find.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let numbers: Vec<_> = flips.into_iter().map(Into::into).collect();
    assert_eq!(column("SELECT at_ms FROM flip ORDER BY effect"), numbers);
    notices.sort();
    let keys: Vec<_> = notices.into_iter().map(Into::into).collect();
    assert_eq!(column("SELECT key FROM notice ORDER BY key"), keys);
    let last: Vec<_> = incidents.pop().into_iter().map(Into::into).collect();
    assert_eq!(column("SELECT body FROM incident ORDER BY id DESC LIMIT 1"), last);
}

#[test]
fn time_never_goes_back_not_even_over_a_restart() {
    let mut bench = Bench::new();
    bench.at(600_000);
    bench.ingest("eu", Vec::new()).unwrap();
    let reached = bench.core().now;
    bench.at(0);
    bench.ingest("eu", Vec::new()).unwrap();
    assert_eq!(bench.core().now, reached);
    assert!(bench.counter("clock_back_total", "") > 0);
    bench.crash();
    assert_eq!(bench.core().now, reached);
    let (live, rebuilt) = bench.engines();
    assert_eq!(live, rebuilt);
}

#[test]
fn what_was_decided_before_a_restart_stays_decided_after_a_second_one() {
    let mut bench = Bench::new();
    bench.ingest("eu", Vec::new()).unwrap();
    // The agent falls silent, which is told; then the collector is gone for two seconds, twice.
    bench.at(60_000);
    bench.core().idle();
    assert_eq!(bench.core().engine.open().len(), 1);
    let told = bench.dump();
    for second in [62, 64] {
        bench.at(second * 1000);
        bench.crash();
        let (live, rebuilt) = bench.engines();
        assert_eq!(live, rebuilt, "after the restart at {second} s");
    }
    assert_eq!(bench.dump(), told);
    // Another incident has a number, and so a notice, of its own.
    for (seq, at) in [(1, 70_000), (2, 80_000), (3, 90_000)] {
        bench.at(at);
        bench.ingest("eu", vec![result("local", "eu", seq, super::START + at, false)]).unwrap();
    }
    let notices = bench.dump().into_iter().filter(|line| line.contains("triggered/mail"));
    assert_eq!(notices.count(), 2, "silence and `local` are both told");
}
