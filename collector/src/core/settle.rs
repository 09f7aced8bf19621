//! The second transaction: what the engine wants done becomes durable, then it is done.

use model::engine::Effect;

use super::Core;
use crate::store::{self, incident, outbox, signed};

/// The word of an effect.
const fn sort_of(effect: &Effect) -> &'static str {
    match effect {
        Effect::Flip(_) => "flip",
        Effect::Incident(_) => "incident",
        Effect::Notify(_) => "notice",
        Effect::Order { .. } => "order",
    }
}

impl Core {
    /// Commits flips, incidents and notices together with the engine's position, then gives orders.
    /// What cannot be committed waits and is tried again; nothing is given before it is committed.
    pub(super) fn settle(&mut self) {
        let Some(last) = self.pending.last().map(|last| last.number) else { return };
        let (pending, position, now) = (&self.pending, self.position, self.now);
        let written = self.store.write(|step, names| {
            for waiting in pending {
                match &waiting.effect {
                    Effect::Flip(flip) => incident::put_flip(step, names, waiting.number, flip)?,
                    Effect::Incident(changed) => incident::put_incident(step, changed)?,
                    Effect::Notify(notice) => outbox::put(step, notice)?,
                    Effect::Order { .. } => {}
                }
            }
            store::set_number(step, store::EFFECT, signed(last))?;
            store::set_number(step, store::APPLIED, signed(position))?;
            store::set_number(step, store::NOW, now.ms())
        });
        if self.wrote(written).is_none() {
            return;
        }
        for waiting in std::mem::take(&mut self.pending) {
            *self.counters.effects.entry(sort_of(&waiting.effect)).or_default() += 1;
            tracing::debug!(number = waiting.number, effect = ?waiting.effect, "decided");
            if let Effect::Order { region, order } = waiting.effect {
                self.handle.give(region, order);
            }
        }
    }

    /// Takes note of a write that failed. From then on the engine stands still, because nobody can be
    /// heard; [`Core::resume`] ends that.
    pub(super) fn wrote<T>(&mut self, written: Result<T, store::Error>) -> Option<T> {
        let fault = match written {
            Ok(done) => return Some(done),
            Err(fault) => fault.to_string(),
        };
        if self.fault.is_none() {
            tracing::error!(fault, "the store cannot write");
        }
        self.view = None;
        self.fault = Some(fault);
        None
    }
}
