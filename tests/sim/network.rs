//! One direction of the way between an agent and the collector.

use model::time::{Millis, Timestamp};

use crate::random::Stream;

/// How a way behaves.
#[derive(Clone, Debug)]
pub struct Way {
    random: Stream,
    /// Nothing arrives.
    pub cut: bool,
    /// What is sent before then arrives after then, all at once.
    pub clogged_until: Timestamp,
    /// The longest time on the way beyond the shortest.
    pub spread: Millis,
    /// Messages lost, of a hundred.
    pub loss: u64,
    /// Messages that arrive twice, of a hundred.
    pub twice: u64,
}

/// What a message takes at least.
const SHORTEST: Millis = Millis::from_ms(10);

impl Way {
    /// A good way.
    pub fn new(seed: u64, name: &str) -> Self {
        Self {
            random: Stream::fork(seed, name),
            cut: false,
            clogged_until: Timestamp::MIN,
            spread: Millis::from_ms(40),
            loss: 0,
            twice: 0,
        }
    }

    /// It is good again.
    pub fn heal(&mut self) {
        *self = Self {
            cut: false,
            clogged_until: Timestamp::MIN,
            spread: Millis::from_ms(40),
            loss: 0,
            twice: 0,
            random: self.random.clone(),
        };
    }

    /// When a message that is sent at `now` arrives: not at all, once or twice, each in its own time,
    /// so that later ones overtake it.
    pub fn send(&mut self, now: Timestamp) -> Vec<Timestamp> {
        let lost = self.random.chance(self.loss);
        let twice = self.random.chance(self.twice);
        let spread = self.spread.ms().max(1);
        let mut arrivals = vec![now.max(self.clogged_until) + SHORTEST + self.random.ms(0, spread)];
        if twice {
            arrivals.push(now.max(self.clogged_until) + SHORTEST + self.random.ms(0, spread * 3));
        }
        if self.cut || lost { Vec::new() } else { arrivals }
    }
}
