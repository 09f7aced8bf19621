//! The words of Watchpost and every decision it makes.
//!
//! Nothing here reads a clock, opens a file, starts a thread or draws a random number: the crate is
//! `no_std`, so the compiler proves it. `now` is always an argument. The modules stand in the order
//! in which facts travel:
//!
//! probes.yaml -> [`config`] -> a probe's run -> [`result`] -> [`wire`] -> [`vote`] -> [`quorum`] ->
//! [`incident`] -> [`escalation`] (live, by arrival: what we knew), and
//! [`result`] -> [`ledger`] -> [`report`] (by the results' own time: what was true).
//! [`engine`] composes the live half and is its only door.
#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::too_many_lines
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod calendar;
pub mod config;
pub mod engine;
pub mod escalation;
pub mod incident;
pub mod ledger;
pub mod maintenance;
pub mod name;
pub mod quorum;
pub mod report;
pub mod result;
pub mod secret;
pub mod time;
pub mod vote;
pub mod wire;
