//! One region's current say, from the results that came from there.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::result::{Outcome, ProbeResult};
use crate::time::{Millis, Timestamp};

/// What a vote outlives twice its interval by.
pub const VOTE_GRACE: Millis = Millis::from_secs(10);
/// An agent's clock may be off by so much before its stamps are corrected for live decisions.
pub const CLOCK_TOLERANCE: Millis = Millis::from_secs(5);

/// What a region says about a probe now.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// Nothing fresh, or nothing that counts.
    #[default]
    Unknown,
    /// The target answers there.
    Up,
    /// It does not.
    Down,
}

impl Vote {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// When a run began on the collector's clock, as far as it is known: the agent's stamp, corrected
/// when its clock is known to be wrong, and never later than `now`, so that a result from the future
/// cannot keep out those that follow.
pub fn began(result: &ProbeResult, now: Timestamp) -> Timestamp {
    let corrected = match result.clock {
        Some(clock) if clock.offset_ms.saturating_abs() > CLOCK_TOLERANCE.ms() => {
            result.started + Millis::from_ms(clock.offset_ms)
        }
        _ => result.started,
    };
    corrected.min(now)
}

/// The newest result of a region, as far as live decisions need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Newest {
    began: Timestamp,
    interval: Millis,
    outcome: Outcome,
    detail: String,
}

impl Newest {
    /// The place of an outcome in a tie of time: the ledger's order.
    const fn rank(outcome: Outcome) -> u8 {
        match outcome {
            Outcome::Void(_) => 0,
            Outcome::Failed(_) => 1,
            Outcome::Passed => 2,
        }
    }

    fn expires(&self) -> Timestamp {
        self.began + self.interval.times(2) + VOTE_GRACE
    }
}

/// Like results in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streak {
    /// Start of the first of them.
    pub since: Timestamp,
    /// Start of the last of them.
    pub until: Timestamp,
    /// How many results.
    pub results: u32,
    /// How many attempts in all of them.
    pub attempts: u32,
}

impl Streak {
    fn extended(before: Option<Self>, began: Timestamp, attempts: u32) -> Self {
        let streak = before.unwrap_or(Self { since: began, until: began, results: 0, attempts: 0 });
        Self {
            since: streak.since,
            until: began,
            results: streak.results.saturating_add(1),
            attempts: streak.attempts.saturating_add(attempts),
        }
    }
}

/// Where one region stands about one probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    newest: Option<Newest>,
    /// Failures in a row up to the newest result.
    pub failing: Option<Streak>,
    /// Passes in a row; a void result neither adds nor ends.
    pub passing: Option<Streak>,
}

impl Standing {
    /// Takes a result in. Results older than the newest say nothing about now and are passed over.
    pub fn take(&mut self, result: &ProbeResult, now: Timestamp) {
        let began = began(result, now);
        let place = (began, Newest::rank(result.outcome));
        let mut unbroken = false;
        if let Some(newest) = &self.newest {
            if place < (newest.began, Newest::rank(newest.outcome)) {
                return;
            }
            unbroken = began < newest.expires();
        }
        let failing = self.failing.take().filter(|_| unbroken);
        let passing = self.passing.take().filter(|_| unbroken);
        match result.outcome {
            Outcome::Passed => {
                self.passing = Some(Streak::extended(passing, began, result.attempts));
            }
            Outcome::Failed(_) => {
                self.failing = Some(Streak::extended(failing, began, result.attempts));
            }
            Outcome::Void(_) => self.passing = passing,
        }
        self.newest = Some(Newest {
            began,
            interval: result.interval,
            outcome: result.outcome,
            detail: result.detail.clone(),
        });
    }

    /// The vote at `now`: unknown once the newest result is older than twice its interval and
    /// [`VOTE_GRACE`].
    pub fn vote(&self, now: Timestamp) -> Vote {
        match &self.newest {
            Some(newest) if now < newest.expires() => match newest.outcome {
                Outcome::Passed => Vote::Up,
                Outcome::Failed(_) => Vote::Down,
                Outcome::Void(_) => Vote::Unknown,
            },
            _ => Vote::Unknown,
        }
    }

    /// When a vote that counts at `now` ends by itself.
    pub fn expires(&self, now: Timestamp) -> Option<Timestamp> {
        let newest = self.newest.as_ref()?;
        let counts = !matches!(newest.outcome, Outcome::Void(_)) && now < newest.expires();
        counts.then(|| newest.expires())
    }

    /// Start of the newest result.
    pub fn last(&self) -> Option<Timestamp> {
        self.newest.as_ref().map(|newest| newest.began)
    }

    /// Why the newest result failed or says nothing: the reason's word, then the detail.
    pub fn reason(&self) -> Option<String> {
        let newest = self.newest.as_ref()?;
        let word = newest.outcome.reason()?;
        let mut reason = String::from(word);
        if !newest.detail.is_empty() {
            reason.push_str(": ");
            reason.push_str(&newest.detail);
        }
        Some(reason)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use super::*;
    use crate::name::{ProbeName, Region};
    use crate::result::{Clock, Reason, VoidReason};

    /// `+10` passed, `-10` failed and `?10` void at 10 s, each with an interval of 60 s.
    fn standing(runs: &str) -> Standing {
        let mut standing = Standing::default();
        for (place, run) in runs.split_whitespace().enumerate() {
            let (sign, second) = run.split_at(1);
            let outcome = match sign {
                "+" => Outcome::Passed,
                "-" => Outcome::Failed(Reason::Connect),
                _ => Outcome::Void(VoidReason::Isolated),
            };
            standing.take(&result(place, outcome, second.parse().unwrap(), None), at(100_000));
        }
        standing
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_ms(second * 1000)
    }

    fn result(seq: usize, outcome: Outcome, second: i64, clock: Option<Clock>) -> ProbeResult {
        ProbeResult {
            probe: ProbeName::new("p").unwrap(),
            region: Region::new("r").unwrap(),
            seq: seq as u64 + 1,
            slot: at(second),
            started: at(second),
            interval: Millis::from_secs(60),
            outcome,
            detail: String::new(),
            attempts: 2,
            duration_us: 0,
            phases: Vec::new(),
            values: BTreeMap::new(),
            clock,
            evidence: None,
        }
    }

    #[test]
    fn a_vote_is_the_newest_result_for_twice_its_interval_and_ten_seconds() {
        for (runs, second, want) in [
            ("", 0, Vote::Unknown),
            ("+0", 0, Vote::Up),
            ("+0", 129, Vote::Up),
            ("+0", 130, Vote::Unknown),
            ("+0 -60", 61, Vote::Down),
            ("-60 +0", 61, Vote::Down),
            ("-60 +60", 61, Vote::Up),
            ("+60 -60", 61, Vote::Up),
            ("+0 ?60", 61, Vote::Unknown),
        ] {
            assert_eq!(standing(runs).vote(at(second)), want, "{runs} at {second}");
        }
    }

    #[test]
    fn streaks_grow_until_another_outcome_or_a_gap() {
        for (runs, failing, passing) in [
            ("-0 -60 -120", Some((0, 3)), None),
            ("+0 -60 -120", Some((60, 2)), None),
            ("-0 -60 +120 +180", None, Some((120, 2))),
            ("+0 ?60 +120", None, Some((0, 2))),
            ("-0 ?60 -120", Some((120, 1)), None),
            ("-0 -130", Some((130, 1)), None),
            ("-0 -129", Some((0, 2)), None),
        ] {
            let standing = standing(runs);
            let short = |streak: Option<Streak>| streak.map(|s| (s.since.ms() / 1000, s.results));
            assert_eq!(short(standing.failing), failing, "{runs}");
            assert_eq!(short(standing.passing), passing, "{runs}");
        }
    }

    #[test]
    fn a_wrong_clock_is_corrected_only_when_it_is_known_to_be_wrong() {
        for (offset, now, want) in [
            (None, 1000, 500),
            (Some(4_000), 1000, 500),
            (Some(300_000), 1000, 800),
            (Some(-300_000), 1000, 200),
            (None, 400, 400),
            (Some(900_000), 1000, 1000),
        ] {
            let clock = offset.map(|offset_ms| Clock { offset_ms, error_ms: 1 });
            let began = began(&result(0, Outcome::Passed, 500, clock), at(now));
            assert_eq!(began, at(want), "{offset:?}");
        }
    }
}
