//! The agents' machines and the collector's engine in virtual time: the production code, with fakes
//! only for the network, the disk and the targets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod detection;
mod world;
