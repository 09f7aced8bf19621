//! Names of probes, regions and agents as small numbers, so that a stored result stays small.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::{Doing, Error};

/// Names remembered at most; beyond that all are read anew.
const REMEMBERED_MAX: usize = 100_000;

/// The numbers of names, as this connection knows them.
#[derive(Default)]
pub(crate) struct Names {
    known: HashMap<String, i64>,
}

impl Names {
    /// The number of a name; a new one is written.
    pub(crate) fn number(&mut self, db: &Connection, text: &str) -> Result<i64, Error> {
        if let Some(id) = self.known.get(text) {
            return Ok(*id);
        }
        let id = match find(db, text)? {
            Some(id) => id,
            None => db
                .prepare_cached("INSERT INTO name(text) VALUES (?1) RETURNING id")
                .and_then(|mut put| put.query_row([text], |row| row.get(0)))
                .doing("write a name")?,
        };
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        self.known.insert(text.to_owned(), id);
        Ok(id)
    }

    /// Forgets all, because a transaction that may have written some was undone.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }
}

/// The number of a name, if it was ever written.
pub(crate) fn find(db: &Connection, text: &str) -> Result<Option<i64>, Error> {
    db.prepare_cached("SELECT id FROM name WHERE text = ?1")
        .and_then(|mut find| find.query_row([text], |row| row.get(0)).optional())
        .doing("read a name")
}
