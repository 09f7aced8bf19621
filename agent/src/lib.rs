//! The agent's half of the path: schedule, probe, outcome, result, spool, uplink.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod clock;
pub mod dialer;
pub mod disk;
pub mod machine;
pub mod metrics;
pub mod policy;
pub mod probe;
pub mod random;
pub mod run;
pub mod schedule;
pub mod secret;
pub mod spool;
pub mod tls;
pub mod uplink;
