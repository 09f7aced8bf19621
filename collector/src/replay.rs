//! The journal played again: the same decisions, for people to read.

use std::path::Path;

use model::engine::{Effect, Input};
use model::time::Timestamp;

use crate::journal;
use crate::store::{self, Doing, Error};

/// When an effect came about: its own time where it has one, else that of the input behind it.
fn time_of(effect: &Effect, at: Timestamp) -> Timestamp {
    match effect {
        Effect::Flip(flip) => flip.at,
        Effect::Incident(incident) => incident.timeline.last().map_or(at, |entry| entry.at),
        Effect::Notify(notice) => notice.due,
        Effect::Order { .. } => at,
    }
}

/// Plays the journal from its beginning to its end and gives every effect to `each`, in order. Only
/// reads; a collector may run beside it.
///
/// # Errors
/// There is no store, or a part of it cannot be read.
pub fn replay(data: &Path, each: &mut dyn FnMut(Timestamp, &Effect)) -> Result<(), Error> {
    let db = store::connect_reading(data)?;
    // One view of the store for all of it, whatever is written meanwhile.
    let view = db.unchecked_transaction().doing("begin to read")?;
    let Some(base) = journal::base(&view)? else { return Ok(()) };
    let mut engine = base.engine;
    journal::read(&view, base.position, &mut |_, at, input| {
        for effect in engine.handle(at, input) {
            each(time_of(&effect, at), &effect);
        }
    })?;
    // Deadlines that passed after the last input and whose effects are in the store.
    if let Some(now) = store::number(&view, store::NOW)?.map(Timestamp::from_ms) {
        for effect in engine.handle(now, Input::Tick) {
            each(time_of(&effect, now), &effect);
        }
    }
    Ok(())
}
