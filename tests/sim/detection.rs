//! How soon an outage is confirmed and told, whenever it begins.

use model::name::ProbeName;
use model::time::Millis;

use crate::faults::watch;
use crate::station::Clocks;
use crate::truth::Health;
use crate::world::World;

const MINUTE: Millis = Millis::from_secs(60);
const TIMEOUT: Millis = Millis::from_secs(10);

/// Begins an outage at each second of an interval, for several probes whose runs fall at different
/// moments. Gives the longest time from the beginning to the decision, with which people are told.
fn longest(regions: &[&str], health: Health) -> Millis {
    let mut longest = Millis::ZERO;
    for name in ["shop", "blog", "api"] {
        let probe = ProbeName::new(name).unwrap();
        for second in 0..60 {
            let watch = watch(regions, &[name], MINUTE, TIMEOUT);
            let mut world = World::new(second, watch, |_| Clocks::new(0, 0));
            world.begin();
            world.run(MINUTE.times(3) + Millis::from_secs(second.cast_signed()));
            assert!(world.witness.told.is_empty(), "nothing happened yet");
            let began = world.now;
            world.target(&probe, health);
            world.run(MINUTE.times(3));
            assert!(world.witness.broken.is_none(), "{:?}", world.witness.broken);
            let told: Vec<_> = world.witness.told.values().collect();
            assert_eq!(told.len(), 1, "{name} +{second}");
            let at = told[0].opened[0];
            // Back-dated to what the quorum saw: after the beginning but for a run that had begun
            // before it, and before the decision.
            let early = began - TIMEOUT;
            assert!(told[0].started >= early && told[0].started < at, "{:?}", told[0]);
            longest = longest.max(at - began);
        }
    }
    longest
}

#[test]
fn a_refused_connection_is_confirmed_within_26_seconds_and_a_black_hole_within_65() {
    for (health, bound) in [(Health::Refuses, 26), (Health::Silent, 65)] {
        let longest = longest(&["ap", "eu", "us"], health);
        println!("{health:?}: {longest} at the most");
        assert!(longest <= Millis::from_secs(bound), "{health:?} took {longest}");
        assert!(longest > Millis::from_secs(bound / 2), "{health:?} took only {longest}");
    }
}

#[test]
fn an_outage_of_a_lone_region_is_confirmed_within_an_interval_and_half_a_minute() {
    let longest = longest(&["local"], Health::Refuses);
    assert!(longest <= Millis::from_secs(60 + 26), "{longest}");
}
