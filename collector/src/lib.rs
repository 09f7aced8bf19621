//! The collector's half of the path: ingest, journal, decide, notify, state availability.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod clock;
#[cfg(test)]
mod fake;
pub mod handle;
pub mod http;
pub mod links;
pub mod metrics;
pub mod notify;
pub mod outbox;
pub mod run;
