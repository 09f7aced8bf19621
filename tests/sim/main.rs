//! The whole system in one process, one thread and virtual time: agents' machines and spools, the
//! engine, ingest and outbox, with fakes only for the network, disks, clocks, targets and contacts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod after;
mod agents;
mod collector;
mod detection;
mod disk;
mod faults;
mod mutants;
mod network;
mod outbox;
mod random;
mod station;
mod store;
mod stories;
mod swarm;
mod truth;
mod witness;
mod world;
