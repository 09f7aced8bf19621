//! What keeps the store in order beside the decisions: snapshots, pruning, retention.

use std::time::Duration;

use model::time::{Millis, Timestamp};

use super::{Core, Made};
use crate::history::{self, Retirement};
use crate::journal;
use crate::store::{self, Doing, outbox};
use crate::token;

/// How often the store is kept in order; also the longest wait for a deadline, so that a clock that
/// jumps is noticed.
pub(super) const KEEP_EVERY: Millis = Millis::from_secs(1);
/// Slices of old results removed at once.
const SLICES_AT_ONCE: usize = 16;
/// How often the journal and the outbox are pruned.
const PRUNE_EVERY: Millis = Millis::from_secs(60);

impl Core {
    /// Fires deadlines and keeps the store in order; called when nothing else happens.
    pub(super) fn idle(&mut self) {
        self.group(Vec::new());
        let now = self.now;
        if now - self.kept < KEEP_EVERY {
            return;
        }
        let minute_over =
            now.ms().div_euclid(PRUNE_EVERY.ms()) > self.kept.ms().div_euclid(PRUNE_EVERY.ms());
        self.kept = now;
        if self.fault.is_some() {
            self.resume(now);
        }
        if self.fault.is_some() {
            return;
        }
        self.snapshot_if_due(now);
        self.retire(now);
        if minute_over {
            self.prune(now);
        }
    }

    /// How long the core may sleep.
    pub(super) fn rest(&self) -> Duration {
        let limit = Duration::from_millis(KEEP_EVERY.ms().unsigned_abs());
        let Some(deadline) = self.engine.next_deadline() else { return limit };
        let left = deadline - (self.clock)();
        limit.min(Duration::from_millis(u64::try_from(left.ms()).unwrap_or(0)))
    }

    fn snapshot_if_due(&mut self, now: Timestamp) {
        let rows = self.position - self.snapshot.position.min(self.position);
        let old = now - self.snapshot.at >= journal::SNAPSHOT_EVERY;
        if rows >= journal::SNAPSHOT_ROWS || (rows > 0 && old) {
            self.snapshot(now);
        }
    }

    /// Writes the engine down. Only when all its effects are committed, since those before a snapshot
    /// are never made again.
    pub(super) fn snapshot(&mut self, now: Timestamp) {
        if !self.pending.is_empty() {
            return;
        }
        let (position, effect, engine) = (self.position, self.effect, &self.engine);
        let written =
            self.store.write(|step, _| journal::put_snapshot(step, position, effect, now, engine));
        match written {
            Ok(()) => {
                self.snapshot = Made { position, at: now };
                tracing::debug!(position, "a snapshot was made");
            }
            Err(fault) => {
                self.counters.snapshot_failures += 1;
                tracing::warn!(%fault, "a snapshot could not be written; the journal has all of it");
                // Not again at once: the journal is enough.
                self.snapshot.at = now;
            }
        }
    }

    fn retire(&mut self, now: Timestamp) {
        let before = history::kept_from(now, self.watch().retention);
        if self.retirement.is_done(before) {
            return;
        }
        let retirement = &mut self.retirement;
        let removed = self.store.write(|step, _| {
            let mut removed = 0;
            while removed < SLICES_AT_ONCE && retirement.slice(step, before)? {
                removed += 1;
            }
            Ok(removed as u64)
        });
        match self.wrote(removed) {
            Some(removed) => self.counters.retired += removed,
            // What it believed to be gone is back.
            None => self.retirement = Retirement::default(),
        }
    }

    fn prune(&mut self, now: Timestamp) {
        let before = history::kept_from(now, self.watch().retention);
        let used = &self.used;
        let pruned = self.store.write(|step, _| {
            for (id, used) in used.iter().filter(|(_, used)| !used.written) {
                token::used(step, id, used.minute)?;
            }
            outbox::retire(step, before)?;
            // Results of such an agent would be too old by now.
            step.execute("DELETE FROM cursor WHERE heard_ms < ?1", [before.ms()])
                .doing("remove old cursors")?;
            journal::prune(step, now)
        });
        if let Some(pruned) = self.wrote(pruned) {
            self.counters.pruned += pruned as u64;
            let minute = token::minute(now);
            self.used.values_mut().for_each(|used| used.written = true);
            self.used.retain(|_, used| used.minute >= minute);
        }
    }

    /// Ends in good order: what is decided is committed, and the next start is short.
    pub(crate) fn close(mut self) -> Result<(), store::Error> {
        self.group(Vec::new());
        if self.position > self.snapshot.position {
            self.snapshot(self.now);
        }
        self.readers.stop();
        match self.fault {
            Some(fault) => Err(store::Error::Other(format!("stopped, but {fault}"))),
            None => Ok(()),
        }
    }
}
