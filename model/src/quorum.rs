//! Votes of all regions to a verdict. The one quorum function, used live and by the ledger.

use serde::{Deserialize, Serialize};

use crate::config::{DownWhen, Needs};

/// What the quorum decided.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Too few votes are known.
    #[default]
    Unknown,
    /// Up; `partial` when some region says down.
    Up {
        /// At least one region says down.
        partial: bool,
    },
    /// Down.
    Down,
}

impl Verdict {
    /// `up`, `down` or `unknown`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up { .. } => "up",
            Self::Down => "down",
        }
    }

    /// Up, but not from everywhere.
    pub const fn partial(self) -> bool {
        matches!(self, Self::Up { partial: true })
    }
}

/// Decides from `up` and `down` votes of `assigned` regions. Fewer than floor(assigned/2)+1 known
/// votes are unknown; silence never shrinks `assigned`.
pub const fn decide(assigned: u32, up: u32, down: u32, rule: DownWhen) -> Verdict {
    let known = up + down;
    if assigned == 0 || known < assigned / 2 + 1 {
        return Verdict::Unknown;
    }
    let is_down = match rule {
        DownWhen::Majority => 2 * down > known,
        DownWhen::Any => down > 0,
        DownWhen::All => up == 0,
        DownWhen::AtLeast(least) => down >= least && down > 0,
    };
    if is_down { Verdict::Down } else { Verdict::Up { partial: down > 0 } }
}

/// A service's verdict from those of its probes. What could still go either way is unknown; a
/// service that is up is partial when any of its probes is not plainly up.
pub fn combine(needs: Needs, verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let (mut all, mut up, mut down, mut partial) = (0_u32, 0_u32, 0_u32, false);
    for verdict in verdicts {
        all += 1;
        match verdict {
            Verdict::Up { partial: some } => {
                up += 1;
                partial |= some;
            }
            Verdict::Down => down += 1,
            Verdict::Unknown => {}
        }
    }
    let needed = match needs {
        Needs::All => all,
        Needs::Any => 1,
        Needs::AtLeast(least) => least,
    };
    if all == 0 || needed > all {
        Verdict::Unknown
    } else if up >= needed {
        Verdict::Up { partial: partial || down > 0 }
    } else if all - down < needed {
        Verdict::Down
    } else {
        Verdict::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_needs_all_any_or_some_of_its_probes() {
        use Verdict::{Down, Unknown};
        for (needs, verdicts, want) in [
            (Needs::All, &[UP, UP][..], UP),
            (Needs::All, &[UP, PARTIAL], PARTIAL),
            (Needs::All, &[UP, Down], Down),
            (Needs::All, &[Unknown, Down], Down),
            (Needs::All, &[UP, Unknown], Unknown),
            (Needs::Any, &[Down, UP], PARTIAL),
            (Needs::Any, &[Down, Unknown], Unknown),
            (Needs::Any, &[Down, Down], Down),
            (Needs::Any, &[Unknown, UP], UP),
            (Needs::AtLeast(2), &[UP, UP, Down], PARTIAL),
            (Needs::AtLeast(2), &[UP, Down, Down], Down),
            (Needs::AtLeast(2), &[UP, Unknown, Down], Unknown),
            (Needs::AtLeast(3), &[UP, UP], Unknown),
            (Needs::All, &[], Unknown),
        ] {
            assert_eq!(combine(needs, verdicts.iter().copied()), want, "{needs:?} {verdicts:?}");
        }
    }

    const UP: Verdict = Verdict::Up { partial: false };
    const PARTIAL: Verdict = Verdict::Up { partial: true };

    #[test]
    fn the_verdict_follows_from_the_votes() {
        use DownWhen::{All, Any, AtLeast, Majority};
        for (assigned, up, down, rule, want) in [
            (3, 3, 0, Majority, UP),
            (3, 2, 1, Majority, PARTIAL),
            (3, 1, 2, Majority, Verdict::Down),
            (3, 1, 1, Majority, PARTIAL),
            (3, 1, 0, Majority, Verdict::Unknown),
            (3, 0, 1, Majority, Verdict::Unknown),
            (3, 0, 0, Majority, Verdict::Unknown),
            (4, 2, 2, Majority, PARTIAL),
            (4, 1, 2, Majority, Verdict::Down),
            (4, 1, 1, Majority, Verdict::Unknown),
            (1, 0, 1, Majority, Verdict::Down),
            (1, 1, 0, Majority, UP),
            (5, 2, 1, Any, Verdict::Down),
            (5, 1, 2, All, PARTIAL),
            (5, 0, 3, All, Verdict::Down),
            (5, 1, 2, AtLeast(3), PARTIAL),
            (5, 1, 3, AtLeast(3), Verdict::Down),
            (0, 0, 0, Any, Verdict::Unknown),
        ] {
            assert_eq!(decide(assigned, up, down, rule), want, "{assigned} {up} {down} {rule:?}");
        }
    }
}
