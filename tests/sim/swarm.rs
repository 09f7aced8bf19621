//! Many seeds, each with its own trouble; and the mutants, each of which must be caught.

use std::collections::BTreeMap;
use std::ops::Range;

use model::time::{Millis, Timestamp};

use crate::after;
use crate::faults::drawn;
use crate::mutants::{MUTANTS, Mutant};
use crate::witness::Broken;
use crate::world::BEGIN;

/// How long trouble lasts in a seed.
const TROUBLE: Millis = Millis::from_secs(2 * 3600);
/// Seeds of a run without a choice.
const SEEDS: Range<u64> = 0..40;
/// Seeds that a mutant may need.
const MUTANT_SEEDS: Range<u64> = 0..150;

/// What a seed gave.
pub struct Ran {
    pub broken: Option<Broken>,
    pub simulated: Millis,
    pub events: u64,
    pub trace: u64,
    pub faults: BTreeMap<&'static str, u64>,
    pub incidents: usize,
    pub told_due: u64,
    pub delivered: (usize, u32),
    pub results: usize,
    pub timeline: Vec<String>,
}

/// Runs one seed.
pub fn run(seed: u64, mutant: Option<Mutant>, told: bool) -> Ran {
    let (mut world, plan) = drawn(seed, TROUBLE);
    world.timeline = told.then(Vec::new);
    world.break_it(mutant);
    world.begin();
    world.run_until(BEGIN + TROUBLE);
    if world.witness.broken.is_none() {
        after::judge(&mut world, &plan);
    }
    let delivered = &world.witness.delivered;
    Ran {
        simulated: world.now - BEGIN,
        events: world.events,
        trace: world.trace,
        incidents: world.witness.told.len(),
        told_due: world.told_due,
        delivered: (delivered.len(), delivered.values().map(|times| times - 1).sum()),
        results: world.collector.kept.results.len(),
        faults: world.faults,
        timeline: world.timeline.unwrap_or_default(),
        broken: world.witness.broken,
    }
}

fn chosen() -> Range<u64> {
    let read = |name: &str| std::env::var_os(name).map(|text| text.into_string().unwrap());
    if let Some(seed) = read("SIM_SEED") {
        let seed = seed.parse().expect("SIM_SEED is a number");
        return seed..seed + 1;
    }
    let Some(seeds) = read("SIM_SEEDS") else { return SEEDS };
    let (from, to) = seeds.split_once("..").expect("SIM_SEEDS is a..b");
    from.parse().expect("a is a number")..to.parse().expect("b is a number")
}

/// What is said of a promise that was broken.
fn say(seed: u64, broken: &Broken) -> String {
    let at = seconds(broken.at);
    format!(
        "{} broken at {at} s: {}\n  SIM_SEED={seed} cargo test --test sim swarm",
        broken.promise, broken.how
    )
}

fn seconds(at: Timestamp) -> i64 {
    (at - BEGIN).ms() / 1000
}

#[test]
fn the_swarm_keeps_every_promise() {
    let seeds = chosen();
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    let mut failed = Vec::new();
    let alone = seeds.end - seeds.start == 1;
    for seed in seeds.clone() {
        let ran = run(seed, None, alone);
        failed.extend(ran.broken.as_ref().map(|broken| say(seed, broken)));
        for (name, count) in [
            ("seconds", ran.simulated.ms().unsigned_abs() / 1000),
            ("events", ran.events),
            ("incidents", ran.incidents as u64),
            ("outages told in time", ran.told_due),
            ("notices", ran.delivered.0 as u64),
            ("notices told again", ran.delivered.1.into()),
            ("results", ran.results as u64),
        ] {
            *sums.entry(name).or_default() += count;
        }
        for (sort, count) in ran.faults {
            *faults.entry(sort).or_default() += count;
        }
        if alone {
            println!("{}", ran.timeline.join("\n"));
            println!("seed {seed}: trace {:016x}", ran.trace);
        }
    }
    let hours = sums.remove("seconds").unwrap_or(0) / 3600;
    let list = |sums: &BTreeMap<&str, u64>| {
        let one = |(name, count): (&&str, &u64)| format!("{name} {count}");
        sums.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    println!(
        "{} seeds, {hours} simulated hours; {}; faults: {}",
        seeds.end - seeds.start,
        list(&sums),
        list(&faults)
    );
    assert!(failed.is_empty(), "{} seeds failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 14, 15] {
        let (one, other) = (run(seed, None, false), run(seed, None, false));
        assert_eq!((one.trace, one.events), (other.trace, other.events), "seed {seed}");
        println!("seed {seed}: trace {:016x}", one.trace);
    }
}

/// Runs one mutant in the seeds until it is caught; gives how many it took.
fn hunt(mutant: Mutant, seeds: Range<u64>) -> Option<(u64, Broken)> {
    let mut tried = seeds.zip(1..);
    tried.find_map(|(seed, needed)| Some((needed, run(seed, Some(mutant), false).broken?)))
}

#[test]
fn every_mutant_is_caught_by_its_promise() {
    let only = std::env::var_os("SIM_MUTANT").map(|name| name.into_string().unwrap());
    let mut free = Vec::new();
    for (mutant, promise, seed) in MUTANTS {
        let name = format!("{mutant:?}");
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let seeds = if only.is_some() { MUTANT_SEEDS } else { *seed..seed + 1 };
        match hunt(*mutant, seeds) {
            Some((needed, broken)) if broken.promise == *promise || only.is_some() => {
                let seeds = if only.is_some() { needed } else { seed + 1 };
                println!("{name:24} {:4} {seeds:4} seeds   {}", broken.promise, broken.how);
            }
            other => free.push((name, other)),
        }
    }
    assert!(free.is_empty(), "not caught as the list says: {free:?}");
}
