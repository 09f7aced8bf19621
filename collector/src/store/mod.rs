//! The store: one SQLite file, its schema, and the transactions on it.
//!
//! The core's thread alone writes through [`Store`]. Readers, the program's `token` and `replay`
//! open connections of their own beside it.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

pub(crate) mod incident;
pub(crate) mod names;
pub(crate) mod outbox;
pub(crate) mod reader;

use names::Names;

/// The store's file in a data folder.
pub const FILE: &str = "watchpost.db";
/// The file that a running collector holds locked.
pub const LOCK_FILE: &str = "collector.lock";
/// How long a connection waits for another's lock.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// The WAL is cut to this many bytes after a checkpoint.
const WAL_BYTES_MAX: i64 = 64 * 1024 * 1024;
/// One script a version, oldest first; a store's version is how many were run on it.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql")];

/// The version of the stores that this program makes.
pub(crate) const VERSION: usize = MIGRATIONS.len();

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error("cannot {what}: {source}")]
    Sqlite {
        /// The operation.
        what: &'static str,
        /// Why.
        source: rusqlite::Error,
    },
    /// A file or folder beside the database.
    #[error("cannot {what} {}: {source}", path.display())]
    Disk {
        /// The operation.
        what: &'static str,
        /// On which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Anything else; a sentence.
    #[error("{0}")]
    Other(String),
}

/// Names the operation that failed.
pub(crate) trait Doing<T> {
    /// What was tried, to follow "cannot".
    fn doing(self, what: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Sqlite { what, source })
    }
}

/// A number as SQLite keeps it; what does not fit becomes the largest.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as it was given to [`signed`].
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Makes the data folder, readable by its owner alone.
pub(crate) fn make_folder(data: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|source| Error::Disk {
        what: "make the folder",
        path: data.to_owned(),
        source,
    })
}

/// A connection that may write, on a store of this program's version.
pub(crate) fn connect(data: &Path) -> Result<Connection, Error> {
    make_folder(data)?;
    let path = data.join(FILE);
    // SQLite would make the file readable by everybody; it holds hashes of tokens and bodies.
    File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| Error::Disk { what: "open the store", path: path.clone(), source })?;
    let mut db = Connection::open(&path).doing("open the store")?;
    db.busy_timeout(BUSY_WAIT).doing("set the store's waiting time")?;
    db.pragma_update(None, "journal_mode", "WAL").doing("set the store's write-ahead log")?;
    db.pragma_update(None, "synchronous", "FULL").doing("make the store durable")?;
    db.pragma_update(None, "journal_size_limit", WAL_BYTES_MAX).doing("bound the store's log")?;
    migrate(&mut db)?;
    Ok(db)
}

/// A connection that only reads, on a store that exists and is of this program's version.
pub(crate) fn connect_reading(data: &Path) -> Result<Connection, Error> {
    let path = data.join(FILE);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(&path, flags).map_err(|source| {
        Error::Other(format!("there is no store in {}: {source}", data.display()))
    })?;
    db.busy_timeout(BUSY_WAIT).doing("set the store's waiting time")?;
    let version = version_of(&db)?;
    if version != MIGRATIONS.len() {
        return Err(Error::Other(format!(
            "the store in {} has version {version}, this program reads version {}",
            data.display(),
            MIGRATIONS.len()
        )));
    }
    Ok(db)
}

/// The version of a store.
pub(crate) fn version_of(db: &Connection) -> Result<usize, Error> {
    let version: i64 = db
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .doing("read the store's version")?;
    usize::try_from(version)
        .map_err(|_| Error::Other(format!("the store has the impossible version {version}")))
}

/// Brings the schema to this program's version; each step is one transaction.
fn migrate(db: &mut Connection) -> Result<(), Error> {
    loop {
        let step =
            db.transaction_with_behavior(TransactionBehavior::Immediate).doing("lock the store")?;
        let version = version_of(&step)?;
        if version > MIGRATIONS.len() {
            return Err(Error::Other(format!(
                "the store has version {version}, this program knows versions up to {}: \
                 use a newer watchpost or restore a backup",
                MIGRATIONS.len()
            )));
        }
        let Some(script) = MIGRATIONS.get(version) else { return Ok(()) };
        step.execute_batch(script).doing("bring the store to this version")?;
        step.pragma_update(None, "user_version", signed(version as u64 + 1))
            .doing("write the store's version")?;
        step.commit().doing("bring the store to this version")?;
    }
}

/// A number that stands in `meta`.
pub(crate) fn number(db: &Connection, key: &str) -> Result<Option<i64>, Error> {
    db.prepare_cached("SELECT value FROM meta WHERE key = ?1")
        .and_then(|mut find| find.query_row([key], |row| row.get(0)).optional())
        .doing("read the store's positions")
}

/// Writes a number to `meta`.
pub(crate) fn set_number(db: &Connection, key: &str, value: i64) -> Result<(), Error> {
    db.prepare_cached("INSERT OR REPLACE INTO meta(key, value) VALUES (?1, ?2)")
        .and_then(|mut put| put.execute((key, value)))
        .doing("write the store's positions")?;
    Ok(())
}

/// The number of the last effect whose consequences are committed.
pub(crate) const EFFECT: &str = "effect";
/// The position of the journal that the engine had then.
pub(crate) const APPLIED: &str = "applied";
/// The latest `now` that anything committed was decided at.
pub(crate) const NOW: &str = "now";

/// The key that signs links in notices; drawn when the store is made.
pub(crate) fn link_key(db: &Connection) -> Result<[u8; 32], Error> {
    let drawn: [u8; 32] = rand::random();
    db.execute("INSERT OR IGNORE INTO meta(key, value) VALUES ('link_key', ?1)", [&drawn[..]])
        .doing("write the key of links")?;
    db.query_row("SELECT value FROM meta WHERE key = 'link_key'", [], |row| row.get(0))
        .doing("read the key of links")
}

/// What writing has cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Transactions committed.
    pub(crate) commits: u64,
    /// Time spent in COMMIT, microseconds.
    pub(crate) commit_us: u64,
    /// Transactions that failed.
    pub(crate) failures: u64,
}

/// The writing half of the store; at most one a data folder.
pub(crate) struct Store {
    pub(crate) db: Connection,
    pub(crate) cost: Cost,
    names: Names,
    // Held for as long as the collector runs; the system frees it however the process ends.
    _lock: File,
}

impl Store {
    /// Opens or makes the store and locks it against a second collector.
    pub(crate) fn open(data: &Path) -> Result<Self, Error> {
        make_folder(data)?;
        let path = data.join(LOCK_FILE);
        let open = File::options().create(true).append(true).mode(0o600).open(&path);
        let lock = open.map_err(|source| Error::Disk {
            what: "open the lock",
            path: path.clone(),
            source,
        })?;
        lock.try_lock().map_err(|fault| match fault {
            std::fs::TryLockError::WouldBlock => Error::Other(format!(
                "{} is in use by another collector: stop that one or choose another --data",
                data.display()
            )),
            std::fs::TryLockError::Error(source) => Error::Disk { what: "lock", path, source },
        })?;
        let db = connect(data)?;
        Ok(Self { db, cost: Cost::default(), names: Names::default(), _lock: lock })
    }

    /// Does `work` in one durable transaction; when anything fails, nothing of it is there.
    pub(crate) fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &mut Names) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let done = self.attempt(work);
        if done.is_err() {
            // Numbers that were given in the transaction are gone with it.
            self.names.forget();
            self.cost.failures += 1;
        }
        done
    }

    fn attempt<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &mut Names) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let step = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin a transaction")?;
        let done = work(&step, &mut self.names)?;
        let begun = tokio::time::Instant::now();
        step.commit().doing("commit")?;
        self.cost.commits += 1;
        self.cost.commit_us += u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_collector_and_a_newer_store_are_refused_with_a_sentence() {
        let data = tempfile::tempdir().unwrap();
        let first = Store::open(data.path()).unwrap();
        let refused = Store::open(data.path()).err().unwrap().to_string();
        assert!(refused.contains("in use by another collector"), "{refused}");
        drop(first);
        let store = Store::open(data.path()).unwrap();
        store.db.pragma_update(None, "user_version", 99).unwrap();
        drop(store);
        for refused in [
            Store::open(data.path()).err().unwrap().to_string(),
            connect_reading(data.path()).err().unwrap().to_string(),
        ] {
            assert!(refused.contains("version 99"), "{refused}");
        }
    }

    #[test]
    fn the_key_of_links_is_drawn_once() {
        let data = tempfile::tempdir().unwrap();
        let db = connect(data.path()).unwrap();
        let key = link_key(&db).unwrap();
        assert_ne!(key, [0; 32]);
        assert_eq!(link_key(&connect(data.path()).unwrap()).unwrap(), key);
    }

    #[test]
    fn what_fails_half_way_leaves_nothing() {
        let data = tempfile::tempdir().unwrap();
        let mut store = Store::open(data.path()).unwrap();
        let failed: Result<(), Error> = store.write(|step, names| {
            names.number(step, "shop")?;
            set_number(step, NOW, 7)?;
            Err(Error::Other("no".into()))
        });
        assert!(failed.is_err());
        assert_eq!(number(&store.db, NOW).unwrap(), None);
        let id = store.write(|step, names| names.number(step, "shop")).unwrap();
        let stored: String =
            store.db.query_row("SELECT text FROM name WHERE id = ?1", [id], |r| r.get(0)).unwrap();
        assert_eq!(stored, "shop");
    }
}
