//! From the store to a running core.

use std::collections::BTreeMap;
use std::path::Path;

use model::config::{BoxedWatch, Watch};
use model::engine::{Engine, Input};
use model::name::AgentName;
use model::time::Timestamp;
use rusqlite::Connection;

use super::counters::Counters;
use super::force::Force;
use super::{Clock, Core, Made, Pending};
use crate::handle::Handle;
use crate::history::Retirement;
use crate::journal;
use crate::store::outbox::Claims;
use crate::store::reader::Readers;
use crate::store::{self, Doing, Error, Store, unsigned};
use crate::view::Newest;

/// The engine as the journal makes it.
pub(super) struct Rebuilt {
    pub(super) engine: Engine,
    position: u64,
    effect: u64,
    now: Timestamp,
    snapshot: Made,
    pending: Vec<Pending>,
}

/// Loads the newest snapshot and applies what the journal has after it. Effects that were committed
/// before are dropped by their number; the others wait to be.
pub(super) fn rebuild(db: &Connection) -> Result<Rebuilt, Error> {
    let Some(base) = journal::newest(db)? else {
        return Err(Error::Other("the store has no snapshot of the engine".into()));
    };
    let committed = unsigned(store::number(db, store::EFFECT)?.unwrap_or(0));
    let stored = store::number(db, store::NOW)?.map_or(base.at, Timestamp::from_ms);
    let end = journal::end(db)?.map_or(base.at, |(_, at)| at);
    let mut rebuilt = Rebuilt {
        engine: base.engine,
        position: base.position,
        effect: base.effect,
        now: stored.max(end).max(base.at),
        snapshot: Made { position: base.position, at: base.at },
        pending: Vec::new(),
    };
    journal::read(db, base.position, &mut |position, at, input| {
        rebuilt.position = position;
        for effect in rebuilt.engine.handle(at, input) {
            rebuilt.effect += 1;
            if rebuilt.effect > committed {
                rebuilt.pending.push(Pending { number: rebuilt.effect, effect });
            }
        }
    })?;
    // Deadlines that fired after the last input, up to the time that is known to have been reached.
    for effect in rebuilt.engine.handle(rebuilt.now, Input::Tick) {
        rebuilt.effect += 1;
        if rebuilt.effect > committed {
            rebuilt.pending.push(Pending { number: rebuilt.effect, effect });
        }
    }
    if rebuilt.effect < committed {
        // Another version of this program decided otherwise. Numbers must not be given twice.
        let given = rebuilt.effect;
        tracing::warn!(given, committed, "the journal gives fewer effects than are committed");
        rebuilt.effect = committed;
    }
    Ok(rebuilt)
}

/// The highest seq of each agent and incarnation.
fn cursors(db: &Connection) -> Result<BTreeMap<(AgentName, u64), u64>, Error> {
    const READ: &str = "read the cursors";
    let mut find = db
        .prepare(
            "SELECT name.text, incarnation, highest_seq FROM cursor JOIN name ON name.id = agent",
        )
        .doing(READ)?;
    let mut rows = find.query([]).doing(READ)?;
    let mut cursors = BTreeMap::new();
    while let Some(row) = rows.next().doing(READ)? {
        let name: String = row.get(0).doing(READ)?;
        let agent = AgentName::new(&name).map_err(Error::Other)?;
        let key = (agent, unsigned(row.get(1).doing(READ)?));
        cursors.insert(key, unsigned(row.get(2).doing(READ)?));
    }
    Ok(cursors)
}

impl Core {
    /// Opens the store, rebuilds the engine and puts `watch` in force.
    pub(crate) fn open(
        data: &Path,
        watch: Watch,
        handle: Handle,
        clock: Clock,
    ) -> Result<Self, Error> {
        let mut store = Store::open(data)?;
        let now = clock();
        store.write(|step, _| {
            let empty = "SELECT NOT EXISTS(SELECT 1 FROM snapshot)";
            if step.query_row(empty, [], |row| row.get(0)).doing("read the snapshots")? {
                // The journal's beginning: an engine that has seen nothing.
                journal::put_snapshot(step, 0, 0, now, &Engine::default())?;
            }
            Ok(())
        })?;
        let rebuilt = rebuild(&store.db)?;
        let cursors = cursors(&store.db)?;
        let newest = Newest::read(&store.db, &watch)?;
        let differs = *rebuilt.engine.watch() != watch;
        let mut core = Self {
            store,
            engine: rebuilt.engine,
            handle,
            readers: Readers::start(data)?,
            clock,
            now: rebuilt.now,
            position: rebuilt.position,
            effect: rebuilt.effect,
            cursors,
            pending: rebuilt.pending,
            force: Force::new(watch.clone()),
            claims: Claims::default(),
            newest,
            counters: Counters::default(),
            used: BTreeMap::new(),
            fault: None,
            reloaded: now,
            reload_fault: None,
            view: None,
            snapshot: rebuilt.snapshot,
            kept: now,
            retirement: Retirement::default(),
        };
        let now = core.advance();
        core.begin(now, differs.then(|| Box::new(watch)))?;
        core.tick(now);
        core.settle();
        match core.fault.take() {
            Some(fault) => Err(Error::Other(fault)),
            None => Ok(core),
        }
    }

    /// Journals that the collector listens again, and under which configuration, and applies both.
    fn begin(&mut self, now: Timestamp, watch: Option<BoxedWatch>) -> Result<(), Error> {
        let mut inputs = vec![Input::Resume { since: self.engine.now() }];
        inputs.extend(watch.map(|watch| Input::Reconfigure { watch }));
        let first = self.position;
        self.position = self.store.write(|step, _| {
            let mut position = first;
            for input in &inputs {
                position += 1;
                journal::append(step, position, now, input)?;
            }
            Ok(position)
        })?;
        for input in inputs {
            self.apply(now, input);
        }
        Ok(())
    }
}
