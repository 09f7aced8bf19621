//! How far this agent's clock is from the collector's, whose clock is the contract's.

use model::result::Clock;
use model::time::{Millis, Timestamp};

/// One reading of both clocks. Slots and stamps are wall time; every timer is monotonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// What the machine's clock on the wall says; it may jump.
    pub wall: Timestamp,
    /// Milliseconds since any fixed instant; never jumps, never falls.
    pub mono: Millis,
}

/// After so long without a measurement no result counts for the accounts any more.
pub const MEASURED_WITHIN: Millis = Millis::from_secs(24 * 3600);

/// The last measurement, kept against the monotonic clock: a jump of the wall clock afterwards shows
/// up in the offset at once.
#[derive(Clone, Debug)]
pub struct Measured {
    /// When the agent began.
    begun: Millis,
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    at: Millis,
    /// The collector's clock when the monotonic clock stood at 0, ms.
    base_ms: i64,
    error_ms: i64,
}

impl Measured {
    /// Nothing measured yet.
    pub fn new(now: Now) -> Self {
        Self { begun: now.mono, last: None }
    }

    /// Takes the collector's stamp of an answer to something sent at `sent` and answered at `now`. The
    /// stamp was made somewhere between: the middle is assumed, half the way is the error.
    pub fn measure(&mut self, sent: Now, now: Now, collector: Timestamp) {
        let trip = (now.mono - sent.mono).ms().max(0);
        let middle = sent.mono.ms().saturating_add(trip / 2);
        self.last = Some(Last {
            at: now.mono,
            base_ms: collector.ms().saturating_sub(middle),
            error_ms: trip.saturating_add(1) / 2,
        });
    }

    /// The offset to add to a stamp taken at `now`.
    pub fn offset(&self, now: Now) -> Option<Clock> {
        let last = self.last?;
        let collector = last.base_ms.saturating_add(now.mono.ms());
        Some(Clock { offset_ms: collector.saturating_sub(now.wall.ms()), error_ms: last.error_ms })
    }

    /// An instant of the collector's clock on this agent's wall clock; unchanged if never measured.
    pub fn to_wall(&self, now: Now, collector: Timestamp) -> Timestamp {
        let offset = self.offset(now).map_or(0, |clock| clock.offset_ms);
        Timestamp::from_ms(collector.ms().saturating_sub(offset))
    }

    /// Whether results may still count: a measurement, or the start, lies within [`MEASURED_WITHIN`].
    pub fn trusted(&self, now: Now) -> bool {
        now.mono - self.last.map_or(self.begun, |last| last.at) <= MEASURED_WITHIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: i64, mono: i64) -> Now {
        Now { wall: Timestamp::from_ms(wall), mono: Millis::from_ms(mono) }
    }

    #[test]
    fn the_offset_is_the_collectors_stamp_against_the_middle_of_the_trip() {
        for (sent, answered, collector, offset_ms, error_ms) in [
            (at(1000, 0), at(1000, 0), 1000, 0, 0),
            (at(1000, 50), at(1100, 150), 1050, 0, 50),
            (at(1000, 50), at(1101, 151), 9050, 8000, 51),
            (at(9000, 50), at(9010, 60), 1005, -8000, 5),
        ] {
            let mut clock = Measured::new(sent);
            assert_eq!(clock.offset(sent), None);
            clock.measure(sent, answered, Timestamp::from_ms(collector));
            assert_eq!(clock.offset(answered), Some(Clock { offset_ms, error_ms }));
        }
    }

    #[test]
    fn a_jump_of_the_wall_clock_shows_at_once() {
        let mut clock = Measured::new(at(1000, 0));
        clock.measure(at(1000, 0), at(1000, 0), Timestamp::from_ms(1000));
        assert_eq!(clock.offset(at(61_000, 10_000)).map(|clock| clock.offset_ms), Some(-50_000));
        assert_eq!(clock.to_wall(at(61_000, 10_000), Timestamp::from_ms(11_000)).ms(), 61_000);
    }

    #[test]
    fn a_day_without_a_measurement_is_too_long() {
        let day = MEASURED_WITHIN.ms();
        let mut clock = Measured::new(at(0, 5));
        assert!(clock.trusted(at(0, day + 5)));
        assert!(!clock.trusted(at(0, day + 6)));
        clock.measure(at(0, day), at(0, day), Timestamp::from_ms(0));
        assert!(clock.trusted(at(0, day + day)));
        assert!(!clock.trusted(at(0, day + day + 1)));
    }
}
