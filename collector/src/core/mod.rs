//! The collector's heart: one thread that owns the engine and the writing half of the store.
//!
//! Append, then act. A group of commands becomes one transaction of facts and inputs
//! ([`group`]); then the engine is given each input, and what it wants done is committed in a
//! second transaction under a running number ([`settle`]); only then orders are given. Whatever
//! point a crash hits, the journal rebuilds the same engine, and the number says which effects
//! are committed already ([`open`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use model::config::Watch;
use model::engine::{Effect, Engine, Input};
use model::name::AgentName;
use model::time::Timestamp;

use crate::handle::{CoreView, Handle};
use crate::history::Retirement;
use crate::store::Store;
use crate::store::outbox::Claims;
use crate::store::reader::Readers;
use crate::view::Newest;

mod counters;
pub mod force;
mod group;
mod keep;
mod open;
mod questions;
mod settle;
mod thread;

use counters::Counters;
use force::Force;
pub(crate) use thread::{Setup, start};

/// Reads the time; a closure, so that time in tests is virtual.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An effect whose consequences are not committed yet.
struct Pending {
    number: u64,
    effect: Effect,
}

/// A snapshot that was made.
#[derive(Clone, Copy)]
struct Made {
    position: u64,
    at: Timestamp,
}

/// The core. Its methods block on the disk; one thread calls them.
pub(crate) struct Core {
    store: Store,
    engine: Engine,
    handle: Handle,
    readers: Readers,
    clock: Clock,
    /// The latest `now` that anything was decided at; time never goes back behind it.
    now: Timestamp,
    /// The last position of the journal.
    position: u64,
    /// The number of the engine's last effect.
    effect: u64,
    /// The highest seq of each agent and incarnation.
    cursors: BTreeMap<(AgentName, u64), u64>,
    pending: Vec<Pending>,
    force: Force,
    claims: Claims,
    newest: Newest,
    counters: Counters,
    /// Uses of tokens that are not written yet, and the minute that is.
    used: BTreeMap<String, Use>,
    /// Why the store could not write, until it is tried again with success. Meanwhile the engine
    /// stands still.
    fault: Option<String>,
    reloaded: Timestamp,
    reload_fault: Option<String>,
    /// The last view that was made, until something changes.
    view: Option<Arc<CoreView>>,
    snapshot: Made,
    kept: Timestamp,
    retirement: Retirement,
}

/// When a token was used.
struct Use {
    minute: Timestamp,
    written: bool,
}

impl Core {
    /// The time now, never before what it was; a clock that was set back stands still instead.
    fn advance(&mut self) -> Timestamp {
        let clock = (self.clock)();
        if clock < self.now {
            self.counters.clock_back += 1;
        }
        self.now = self.now.max(clock);
        self.now
    }

    /// Gives the engine an input and numbers what it wants done.
    fn apply(&mut self, now: Timestamp, input: Input) {
        self.view = None;
        for effect in self.engine.handle(now, input) {
            self.effect += 1;
            self.pending.push(Pending { number: self.effect, effect });
        }
    }

    /// Fires what is due. While the store cannot write the engine stands still: its deadlines fire
    /// later at their own times, and what it would want done could not be written anyway.
    fn tick(&mut self, now: Timestamp) {
        let due = self.engine.next_deadline().is_some_and(|deadline| deadline <= now);
        if due && self.fault.is_none() {
            self.apply(now, Input::Tick);
        }
    }

    /// The configuration in force.
    fn watch(&self) -> &Watch {
        &self.force.watch
    }
}

#[cfg(test)]
pub(crate) mod tests;
