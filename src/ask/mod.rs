//! The commands that ask a running collector.

mod explain;
pub mod incidents;
pub mod report;
pub mod status;

use crate::exit::Failure;
use crate::out::{self, Tone};

/// Prints an answer as the collector gave it, after a look that it is JSON.
fn verbatim(answer: &str) -> Result<(), Failure> {
    let _: serde::de::IgnoredAny = crate::client::read(answer)?;
    out::line(out::clean_json(answer).trim_end())
}

/// How a vote's or verdict's word is meant.
fn tone(word: &str, partial: bool) -> Tone {
    match (word, partial) {
        ("up", false) => Tone::Good,
        ("up", true) => Tone::Odd,
        ("down", _) => Tone::Bad,
        _ => Tone::Odd,
    }
}
