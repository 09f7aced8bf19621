//! What must be true once everything works again: liveness, the accounts against the truth, the replay.

use std::collections::BTreeSet;

use model::config::Needs;
use model::engine::Effect;
use model::incident::{Event, NoticeKey, State};
use model::ledger::{Class, Observation, Observed, Say};
use model::report::{self, Terms};
use model::result::Outcome;
use model::time::{Millis, Timestamp};

use crate::faults::Plan;
use crate::mutants::Mutant;
use crate::truth::Health;
use crate::world::{BEGIN, World};

/// Within so long of its beginning an outage is told.
const TOLD_WITHIN: Millis = Millis::from_secs(65);
/// Shorter outages may be missed.
const OUTAGE_MIN: Millis = Millis::from_secs(52);
/// After trouble the machines need so long to find to each other again.
const CALM: Millis = Millis::from_secs(300);
/// How long everything works before it is judged.
const HEALING: Millis = Millis::from_secs(25 * 60);
/// A vote outlives twice its interval and the grace, and a run its two attempts.
const LATE_MAX: Millis = Millis::from_secs(130 + 25 + 5);
/// A run that begins before a change and ends after it is stamped with its beginning.
const EARLY_MAX: Millis = Millis::from_secs(30);
/// Events of one agent in an hour at most, with those that it causes elsewhere.
const EVENTS_MAX: u64 = 8_000;

/// Lets everything heal and judges what came of it.
pub fn judge(world: &mut World, plan: &Plan) {
    let chaos = world.now;
    world.heal();
    world.run(HEALING);
    settled(world);
    if world.witness.broken.is_some() {
        return;
    }
    let probe = world.watch.probes[0].name.clone();
    let began = world.now;
    let health = if world.random.chance(50) { Health::Refuses } else { Health::Silent };
    world.target(&probe, health);
    world.run(TOLD_WITHIN);
    let told = world.witness.told.values().find(|told| {
        told.probe.as_ref() == Some(&probe) && told.opened.last().is_some_and(|at| *at > began)
    });
    let heard = told.is_some_and(|told| told.last.values().any(|e| *e == Event::Triggered));
    world.witness.hold("L2", heard, || format!("{probe} failed and nobody was told"));
    world.run(Millis::from_secs(120));
    world.target(&probe, Health::Well);
    world.run(Millis::from_secs(600));
    settled(world);
    if world.witness.broken.is_none() {
        told_in_time(world, plan, chaos);
        accounts(world);
        replay(world);
        cost(world);
    }
}

/// L1, L3, L4: nothing waits, nothing is open, and whoever heard of the beginning heard of the end.
fn settled(world: &mut World) {
    for station in &world.stations {
        let Some(program) = &station.program else {
            return world.witness.fail("L4", format!("{} does not run", station.name));
        };
        let (waiting, loose) = (program.spool.waiting(), program.spool.unwritten());
        let name = &station.name;
        // What was spooled within the last seconds may be on its way.
        world.witness.hold("L1", waiting < 10 && loose == 0, || {
            format!("{waiting} results of {name} were not taken")
        });
    }
    let kept = &world.collector.kept;
    world.witness.kept(&kept.cursors);
    for ((agent, incarnation), cursor) in &kept.cursors {
        let there = |seq: &u64| {
            let key = (agent.clone(), *incarnation, *seq);
            kept.results.contains_key(&key) || kept.excused.contains(&key)
        };
        if let Some(seq) = (1..=*cursor).find(|seq| !there(seq)) {
            let how = format!("{agent}/{incarnation}/{seq} is neither stored nor known as lost");
            return world.witness.fail("L1", how);
        }
    }
    let waiting = world.collector.waiting();
    world.witness.hold("L4", waiting == 0, || format!("{waiting} notices wait"));
    let open = |told: &&crate::witness::Told| told.state != State::Resolved;
    if let Some(told) = world.witness.told.values().find(open) {
        let how = format!("{} is still open", told.key);
        return world.witness.fail("L3", how);
    }
    let deaf = world.witness.told.values().find_map(|told| {
        let left = told.last.iter().find(|(_, event)| **event != Event::Resolved);
        left.map(|(contact, _)| format!("{contact} was not told of the end of {}", told.key))
    });
    if let Some(how) = deaf {
        world.witness.fail("L3", how);
    }
}

/// L2: every outage that is long enough, in calm, was told in time.
fn told_in_time(world: &mut World, plan: &Plan, chaos: Timestamp) {
    let by_hand: Vec<Timestamp> = world.witness.by_hand.iter().map(|(_, at)| *at).collect();
    for probe in world.watch.probes.clone() {
        for (from, to) in world.truth.outages(&probe.name) {
            let long = to.is_none_or(|to| to - from > OUTAGE_MIN);
            let around = (from - CALM, from + TOLD_WITHIN);
            let disturbed = plan.disturbed.iter().any(|(a, b)| *a < around.1 && around.0 < *b);
            let closed = by_hand.iter().any(|at| *at > from - HEALING && *at < around.1);
            let early = from < BEGIN + CALM || around.1 > chaos;
            if !long || disturbed || closed || early {
                continue;
            }
            world.told_due += 1;
            let about = |told: &&crate::witness::Told| told.probe.as_ref() == Some(&probe.name);
            let open = world.witness.told.values().filter(about).any(|told| {
                let ends = told.closed.iter().copied().chain([Timestamp::MAX]);
                told.opened.iter().zip(ends).any(|(a, b)| *a <= around.1 && b > from)
            });
            let name = &probe.name;
            world
                .witness
                .hold("L2", open, || format!("{name} failed at {from} and nobody was told"));
        }
    }
}

/// S4 and S9: the spans add up, and what they say was true but for a slot at each change.
fn accounts(world: &mut World) {
    let (from, to) = (BEGIN + CALM, world.now);
    for probe in world.watch.probes.clone() {
        let of = world.collector.kept.results.iter().filter(|(_, r)| r.probe == probe.name);
        let observations = of.map(|((agent, incarnation, seq), result)| Observation {
            id: format!("{agent}/{incarnation}/{seq}"),
            region: result.region.clone(),
            at: result.started,
            say: match result.accounted() {
                Outcome::Passed => Say::Up,
                Outcome::Failed(_) => Say::Down,
                Outcome::Void(_) => Say::Void,
            },
            interval: result.interval,
        });
        let observed = Observed {
            regions: probe.regions.clone(),
            down_when: probe.down_when,
            observations: observations.collect(),
        };
        let terms = Terms {
            needs: Needs::All,
            target_ppm: 999_000,
            grace: Millis::from_secs(10),
            min_outage: Millis::ZERO,
            notice: Millis::ZERO,
            credits: Vec::new(),
            windows: Vec::new(),
        };
        let mut statement = report::statement(&terms, vec![observed], from, to);
        if world.broken(Mutant::SpanLost) {
            statement.segments.pop();
        }
        let sum: i64 = statement.segments.iter().map(|(from, to, _)| to - from).sum();
        let parts = statement.up_ms + statement.down_ms + statement.unknown_ms;
        let whole = sum == statement.period_ms && parts + statement.excluded_ms == sum;
        world.witness.hold("S4", whole, || format!("{sum} ms of {}", statement.period_ms));
        for span in statement.spans() {
            against_truth(world, &probe, span.from, span.to, span.class);
        }
    }
}

/// Whether a span says what no part of the truth supports.
fn against_truth(
    world: &mut World,
    probe: &model::config::Probe<model::config::Opaque>,
    from: Timestamp,
    to: Timestamp,
    class: Class,
) {
    let changes = world.truth.changes(&probe.name, &probe.regions);
    let known = probe.regions.len() / 2 + 1;
    let mut at = from;
    while at < to {
        let next = changes.iter().copied().find(|change| *change > at).unwrap_or(Timestamp::MAX);
        let last = changes.iter().copied().rev().find(|change| *change <= at);
        let (well, ill) = world.truth.counts(&probe.name, &probe.regions, at);
        let wrong = match class {
            Class::Down => ill < known / 2 + 1,
            Class::Up | Class::Partial => well < known - known / 2,
            Class::Unknown | Class::Excluded => false,
        };
        let clear = last.map_or(at, |last| at.max(last + LATE_MAX));
        let end = to.min(next - EARLY_MAX);
        let excused = world
            .witness
            .unmeasured
            .iter()
            .any(|run| *run - LATE_MAX.times(3) < end && clear < *run + LATE_MAX.times(3));
        let holds = !wrong || clear >= end || excused;
        let name = &probe.name;
        world.witness.hold("S9", holds, || {
            format!("{name} is {} from {clear} to {end}: well {well}, ill {ill}", class.word())
        });
        at = next.min(to);
    }
}

/// S7: the journal gives the live engine, byte for byte, and every effect that was committed.
fn replay(world: &mut World) {
    let Some((replayed, live, effects)) = world.collector.replayed() else {
        return world.witness.fail("S7", "the collector has not settled".into());
    };
    world.witness.hold("S7", replayed == live, || "the replay is another engine".into());
    let due: BTreeSet<NoticeKey> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Notify(notice) => Some(notice.key.clone()),
            _ => None,
        })
        .collect();
    let there: BTreeSet<NoticeKey> = world.collector.kept.notices.keys().cloned().collect();
    let flips = effects.iter().filter(|effect| matches!(effect, Effect::Flip(_))).count();
    let kept = world.collector.kept.flips.len();
    world.witness.hold("S7", due == there, || {
        let lost: Vec<_> = due.symmetric_difference(&there).take(3).collect();
        format!("notices differ: {lost:?}")
    });
    world.witness.hold("S7", flips == kept, || format!("{flips} flips and {kept} are kept"));
}

/// S10: it did not cost more than it may.
fn cost(world: &mut World) {
    let agents = world.stations.len() as u64;
    let hours = (world.now - BEGIN).ms().unsigned_abs() / 3_600_000 + 1;
    let (events, most) = (world.events, EVENTS_MAX * agents * hours);
    world.witness.hold("S10", events <= most, || format!("{events} events of {most}"));
}
