//! The agent's half of the path: schedule, probe, outcome, result, spool, uplink.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod dialer;
pub mod probe;
pub mod run;
pub mod secret;
pub mod tls;
