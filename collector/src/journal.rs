//! The log of every input with the `now` it was applied at, and snapshots of the engine along it.
//!
//! The journal is the truth of the live half: a snapshot is only a shorter way to the same engine.
//! The oldest snapshot stands where the journal begins, so that a replay always has its start.

use model::engine::{Engine, Input};
use model::time::{Millis, Timestamp};
use rusqlite::{Connection, Transaction};

use crate::store::{Doing, Error, signed, unsigned};

/// How long inputs are kept before they may be pruned.
pub const KEPT: Millis = Millis::from_secs(7 * 86_400);
/// A new snapshot is made after so many inputs.
pub(crate) const SNAPSHOT_ROWS: u64 = 10_000;
/// A new snapshot is made after so long, if there was any input.
pub(crate) const SNAPSHOT_EVERY: Millis = Millis::from_secs(600);
/// Rows that are pruned at once.
const PRUNE_AT_ONCE: i64 = 2000;
/// The newest snapshots are kept so many deep, in case the last one cannot be read.
const SNAPSHOTS_NEWEST: usize = 2;
/// The largest unpacked input or engine, bytes.
const UNPACKED_BYTES_MAX: usize = 1 << 30;
/// Fast rather than small: rows live for days only.
const LEVEL: i32 = 1;
const DAY: i64 = 86_400_000;

fn pack<T: serde::Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, Error> {
    let json = serde_json::to_vec(value)
        .map_err(|fault| Error::Other(format!("cannot write {what} as JSON: {fault}")))?;
    let mut packed = zstd::bulk::compress(&json, LEVEL)
        .map_err(|fault| Error::Other(format!("cannot pack {what}: {fault}")))?;
    // The unpacked length goes first, so that reading needs one buffer of the right size.
    packed.splice(0..0, signed(json.len() as u64).to_le_bytes());
    Ok(packed)
}

fn unpack<T: serde::de::DeserializeOwned>(what: &str, packed: &[u8]) -> Result<T, Error> {
    let broken = |why: String| Error::Other(format!("{what} cannot be read: {why}"));
    let (length, body) =
        packed.split_first_chunk::<8>().ok_or_else(|| broken("it is too short".into()))?;
    let length = usize::try_from(i64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > UNPACKED_BYTES_MAX {
        return Err(broken(format!("it says that it has {length} bytes")));
    }
    let json = zstd::bulk::decompress(body, length).map_err(|fault| broken(fault.to_string()))?;
    serde_json::from_slice(&json).map_err(|fault| broken(fault.to_string()))
}

/// Writes an input at the next position; returns its size, bytes.
pub(crate) fn append(
    step: &Transaction<'_>,
    position: u64,
    at: Timestamp,
    input: &Input,
) -> Result<u64, Error> {
    let packed = pack("an input", input)?;
    step.prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3)")
        .and_then(|mut put| put.execute((signed(position), at.ms(), &packed)))
        .doing("write the journal")?;
    Ok(packed.len() as u64)
}

/// The last position and its time.
pub(crate) fn end(db: &Connection) -> Result<Option<(u64, Timestamp)>, Error> {
    last(db, "SELECT position, at_ms FROM journal ORDER BY position DESC LIMIT 1")
}

fn last(db: &Connection, text: &str) -> Result<Option<(u64, Timestamp)>, Error> {
    use rusqlite::OptionalExtension as _;
    db.query_row(text, [], |row| Ok((unsigned(row.get(0)?), Timestamp::from_ms(row.get(1)?))))
        .optional()
        .doing("read the journal's end")
}

/// Gives every input after `position` to `each`, in order.
pub(crate) fn read(
    db: &Connection,
    position: u64,
    each: &mut dyn FnMut(u64, Timestamp, Input),
) -> Result<(), Error> {
    const READ: &str = "read the journal";
    let mut find = db
        .prepare("SELECT position, at_ms, input FROM journal WHERE position > ?1 ORDER BY position")
        .doing(READ)?;
    let mut rows = find.query([signed(position)]).doing(READ)?;
    let mut before = position;
    while let Some(row) = rows.next().doing(READ)? {
        let position = unsigned(row.get(0).doing(READ)?);
        if position != before + 1 {
            return Err(Error::Other(format!(
                "the journal has a hole: after position {before} comes {position}"
            )));
        }
        before = position;
        let at = Timestamp::from_ms(row.get(1).doing(READ)?);
        let packed = row.get_ref(2).doing(READ)?.as_blob().map_err(rusqlite::Error::from);
        let input = unpack(&format!("input {position} of the journal"), packed.doing(READ)?)?;
        each(position, at, input);
    }
    Ok(())
}

/// The engine at one position.
pub(crate) struct Snapshot {
    /// Inputs applied.
    pub(crate) position: u64,
    /// Effects it has had.
    pub(crate) effect: u64,
    /// When it was made.
    pub(crate) at: Timestamp,
    /// The engine.
    pub(crate) engine: Engine,
}

/// Writes a snapshot.
pub(crate) fn put_snapshot(
    step: &Transaction<'_>,
    position: u64,
    effect: u64,
    at: Timestamp,
    engine: &Engine,
) -> Result<(), Error> {
    let packed = pack("the engine", engine)?;
    step.execute(
        "INSERT OR REPLACE INTO snapshot VALUES (?1, ?2, ?3, ?4)",
        (signed(position), signed(effect), at.ms(), packed),
    )
    .doing("write a snapshot")?;
    Ok(())
}

/// The newest snapshot that can be read; those that cannot are passed over with a warning.
pub(crate) fn newest(db: &Connection) -> Result<Option<Snapshot>, Error> {
    first_readable(db, "SELECT * FROM snapshot ORDER BY position DESC")
}

/// The snapshot at the journal's beginning.
pub(crate) fn base(db: &Connection) -> Result<Option<Snapshot>, Error> {
    first_readable(db, "SELECT * FROM snapshot ORDER BY position")
}

fn first_readable(db: &Connection, text: &str) -> Result<Option<Snapshot>, Error> {
    const READ: &str = "read the snapshots";
    let mut find = db.prepare(text).doing(READ)?;
    let mut rows = find.query([]).doing(READ)?;
    let mut fault = None;
    while let Some(row) = rows.next().doing(READ)? {
        let position = unsigned(row.get(0).doing(READ)?);
        let packed: Vec<u8> = row.get(3).doing(READ)?;
        match unpack(&format!("the snapshot at {position}"), &packed) {
            Ok(engine) => {
                return Ok(Some(Snapshot {
                    position,
                    effect: unsigned(row.get(1).doing(READ)?),
                    at: Timestamp::from_ms(row.get(2).doing(READ)?),
                    engine,
                }));
            }
            Err(unreadable) => {
                tracing::warn!(%unreadable, "a snapshot is passed over");
                fault = Some(unreadable);
            }
        }
    }
    fault.map_or(Ok(None), Err)
}

/// Thins the snapshots to the first, the newest ones and one a day, and removes some inputs older
/// than [`KEPT`] that stand before a snapshot. Returns how many inputs went.
pub(crate) fn prune(step: &Transaction<'_>, now: Timestamp) -> Result<usize, Error> {
    let snapshots: Vec<(i64, i64)> = step
        .prepare("SELECT position, at_ms FROM snapshot ORDER BY position")
        .and_then(|mut find| find.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .doing("read the snapshots")?;
    let newest = snapshots.len().saturating_sub(SNAPSHOTS_NEWEST);
    let mut day = None;
    for (position, at) in snapshots.iter().take(newest) {
        if day == Some(at.div_euclid(DAY)) {
            step.execute("DELETE FROM snapshot WHERE position = ?1", [position])
                .doing("remove a snapshot")?;
        }
        day = Some(at.div_euclid(DAY));
    }
    // The new beginning: the last snapshot that is old enough, but never the newest ones.
    let old = (now - KEPT).ms();
    let kept = snapshots.iter().take(newest).rev().find(|(_, at)| *at <= old);
    let Some((base, _)) = kept else { return Ok(0) };
    step.execute("DELETE FROM snapshot WHERE position < ?1", [base]).doing("remove a snapshot")?;
    step.execute(
        "DELETE FROM journal WHERE position <= ?1 AND position < \
         (SELECT min(position) FROM journal) + ?2",
        (base, PRUNE_AT_ONCE),
    )
    .doing("remove old inputs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    /// Positions of the snapshots and of the inputs that are left.
    fn left(store: &Store) -> (Vec<i64>, Vec<i64>) {
        let list = |text: &str| {
            let mut find = store.db.prepare(text).unwrap();
            find.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        (
            list("SELECT position FROM snapshot ORDER BY 1"),
            list("SELECT position FROM journal ORDER BY 1"),
        )
    }

    #[test]
    fn old_inputs_go_only_up_to_a_snapshot_and_the_journal_keeps_a_base() {
        let data = tempfile::tempdir().unwrap();
        let mut store = Store::open(data.path()).unwrap();
        store
            .write(|step, _| {
                put_snapshot(step, 0, 0, Timestamp::from_ms(0), &Engine::default())?;
                for position in 1..=40_i64 {
                    // Four inputs a day, a snapshot at every second one.
                    let at = Timestamp::from_ms(position * DAY / 4);
                    append(step, unsigned(position), at, &Input::Tick)?;
                    if position % 2 == 0 {
                        let engine = Engine::default();
                        put_snapshot(step, unsigned(position), 0, at, &engine)?;
                    }
                }
                Ok(())
            })
            .unwrap();
        let now = Timestamp::from_ms(9 * DAY);
        store.write(|step, _| prune(step, now)).unwrap();
        // Day 2 begins at position 8: the last snapshot that is seven days old.
        let (snapshots, inputs) = left(&store);
        assert_eq!(snapshots, [8, 12, 16, 20, 24, 28, 32, 36, 38, 40]);
        assert_eq!(inputs, (9..=40).collect::<Vec<_>>());
        assert_eq!(base(&store.db).unwrap().unwrap().position, 8);
        let mut seen = Vec::new();
        read(&store.db, 8, &mut |position, _, _| seen.push(position)).unwrap();
        assert_eq!(seen, (9..=40).collect::<Vec<_>>());
    }

    #[test]
    fn a_snapshot_that_cannot_be_read_is_passed_over_and_a_hole_is_a_fault() {
        let data = tempfile::tempdir().unwrap();
        let mut store = Store::open(data.path()).unwrap();
        store
            .write(|step, _| {
                put_snapshot(step, 0, 0, Timestamp::from_ms(0), &Engine::default())?;
                put_snapshot(step, 2, 0, Timestamp::from_ms(0), &Engine::default())?;
                append(step, 1, Timestamp::from_ms(1), &Input::Tick)?;
                append(step, 3, Timestamp::from_ms(3), &Input::Tick)
            })
            .unwrap();
        assert_eq!(newest(&store.db).unwrap().unwrap().position, 2);
        store.db.execute("UPDATE snapshot SET engine = x'00' WHERE position = 2", []).unwrap();
        assert_eq!(newest(&store.db).unwrap().unwrap().position, 0);
        let fault = read(&store.db, 0, &mut |_, _, _| ()).unwrap_err().to_string();
        assert!(fault.contains("after position 1 comes 3"), "{fault}");
    }
}
