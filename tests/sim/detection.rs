//! How soon an outage is confirmed and told, whenever it begins.

use model::time::Millis;

use crate::old_world::{Failure, World};

const MINUTE: Millis = Millis::from_secs(60);
const TIMEOUT: Millis = Millis::from_secs(10);

/// Begins an outage at each half second of an interval, for several probes whose runs fall
/// at different moments. Gives the longest time from the beginning to the first notice.
fn longest(regions: &[&str], failure: Failure) -> Millis {
    let mut longest = Millis::ZERO;
    for probe in ["shop", "blog", "api"] {
        for half in 0..120 {
            let mut world = World::new(probe, regions, MINUTE, TIMEOUT);
            world.run(Millis::from_ms(half * 500));
            assert!(world.told.is_empty(), "nothing happened yet: {:?}", world.told);
            let began = world.now();
            world.fail(Some(failure));
            world.run(MINUTE.times(3));
            assert_eq!(world.told.len(), 1, "{probe} +{half}: {:?}", world.told);
            let (at, incident) = &world.told[0];
            let delay = *at - began;
            // Back-dated to what the quorum saw: after the beginning, before the notice.
            assert!(incident.started >= began && incident.started < *at, "{incident:?}");
            longest = longest.max(delay);
        }
    }
    longest
}

#[test]
fn a_refused_connection_is_confirmed_within_26_seconds_and_a_black_hole_within_65() {
    for (failure, bound) in [(Failure::Refused, 26), (Failure::BlackHole, 65)] {
        let longest = longest(&["ap", "eu", "us"], failure);
        println!("{failure:?}: {longest} at the most");
        assert!(longest <= Millis::from_secs(bound), "{failure:?} took {longest}");
        assert!(longest > Millis::from_secs(bound / 2), "{failure:?} took only {longest}");
    }
}

#[test]
fn an_outage_of_a_lone_region_is_confirmed_within_an_interval_and_half_a_minute() {
    let longest = longest(&["local"], Failure::Refused);
    assert!(longest <= Millis::from_secs(60 + 26), "{longest}");
}
