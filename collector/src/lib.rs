//! The collector's half of the path: ingest, journal, decide, notify, state availability.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod backup;
pub mod clock;
pub mod core;
#[cfg(test)]
mod fake;
pub mod handle;
mod history;
pub mod http;
pub mod ingest;
pub mod journal;
pub mod links;
pub mod metrics;
pub mod notify;
pub mod outbox;
pub mod replay;
pub mod run;
mod statement;
pub mod store;
pub mod token;
mod view;
