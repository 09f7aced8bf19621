//! One region's current say.

use serde::{Deserialize, Serialize};

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
