use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::config::DownWhen;
use crate::ledger::{Observation, Say};
use crate::name::Region;

mod burn;
mod examples;
mod figures;

/// The instant written as RFC 3339 without its zone, in UTC.
fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = format!("{text}Z").parse().unwrap();
    Timestamp::from_ms(instant.as_millisecond())
}

fn terms() -> Terms {
    Terms {
        needs: Needs::All,
        target_ppm: 999_000,
        grace: Millis::from_secs(10),
        min_outage: Millis::ZERO,
        notice: Millis::ZERO,
        credits: vec![(999_000, 10), (990_000, 25), (950_000, 100)],
        windows: vec![],
    }
}

fn window(from: Timestamp, to: Timestamp) -> Window {
    Window { from, to, announced: None, cancelled: false }
}

/// A target as it really is, and who looks at it: three regions every 60 s, each at its phase.
struct World {
    from: Timestamp,
    to: Timestamp,
    /// Seconds after the full minute at which each region looks.
    phases: [i64; 3],
    /// When the target is down.
    down: Vec<(Timestamp, Timestamp)>,
    /// Regions that send nothing for a while.
    silent: Vec<(usize, Timestamp, Timestamp)>,
}

impl World {
    fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to, phases: [0, 0, 0], down: vec![], silent: vec![] }
    }

    /// What is seen of it, beginning three minutes before it; all regions look at the very instants
    /// at which it changes too, if `sharp`.
    fn observed(&self, sharp: bool) -> Observed {
        let names = ["eu", "us", "ap"];
        let mut observations = Vec::new();
        for (place, name) in names.iter().enumerate() {
            let phase = Millis::from_secs(self.phases[place]);
            let first = self.from - Millis::from_secs(180) + phase;
            let step = |at: &Timestamp| Some(*at + Millis::from_secs(60));
            let regular = core::iter::successors(Some(first), step).take_while(|at| *at < self.to);
            let changes = self.down.iter().flat_map(|(from, to)| [*from, *to]);
            for at in regular.chain(changes.filter(|_| sharp)) {
                let within = |from: Timestamp, to: Timestamp| from <= at && at < to;
                if self.silent.iter().any(|(region, a, b)| *region == place && within(*a, *b)) {
                    continue;
                }
                let down = self.down.iter().any(|(a, b)| within(*a, *b));
                observations.push(Observation {
                    id: format!("{name}/{}", at.ms()),
                    region: Region::new(name).unwrap(),
                    at,
                    say: if down { Say::Down } else { Say::Up },
                    interval: Millis::from_secs(60),
                });
            }
        }
        let regions = names.iter().map(|name| Region::new(name).unwrap()).collect();
        Observed { regions, down_when: DownWhen::Majority, observations }
    }

    fn statement(&self, terms: &Terms, sharp: bool) -> Statement {
        let found = statement(terms, vec![self.observed(sharp)], self.from, self.to);
        let sum = found.up_ms + found.down_ms + found.unknown_ms + found.excluded_ms;
        assert_eq!(sum, found.period_ms);
        found
    }
}
