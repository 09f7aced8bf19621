//! Flips and incidents at rest.

use model::engine::Flip;
use model::incident::{Incident, IncidentId};
use model::quorum::Verdict;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::names::Names;
use super::{Doing, Error, signed};
use crate::handle::IncidentQuery;

/// The most incidents in one answer.
pub(crate) const INCIDENTS_MAX: u32 = 1000;

/// A verdict as it is stored: `up`, `up+partial`, `down` or `unknown`.
const fn stored(verdict: Verdict) -> &'static str {
    if verdict.partial() { "up+partial" } else { verdict.word() }
}

/// Writes a flip; writing it again changes nothing.
pub(crate) fn put_flip(
    step: &Transaction<'_>,
    names: &mut Names,
    effect: u64,
    flip: &Flip,
) -> Result<(), Error> {
    let probe = names.number(step, flip.probe.as_str())?;
    step.prepare_cached("INSERT OR IGNORE INTO flip VALUES (?1, ?2, ?3, ?4, ?5)")
        .and_then(|mut put| {
            put.execute((signed(effect), probe, flip.at.ms(), stored(flip.from), stored(flip.to)))
        })
        .doing("write a flip")?;
    Ok(())
}

/// Writes an incident as it stands now.
pub(crate) fn put_incident(step: &Transaction<'_>, incident: &Incident) -> Result<(), Error> {
    let body = serde_json::to_string(incident).map_err(|fault| {
        Error::Other(format!("cannot write incident {}: {fault}", incident.id.0))
    })?;
    step.prepare_cached("INSERT OR REPLACE INTO incident VALUES (?1, ?2, ?3)")
        .and_then(|mut put| put.execute((signed(incident.id.0), incident.state.word(), body)))
        .doing("write an incident")?;
    Ok(())
}

fn read(body: &str) -> Result<Incident, Error> {
    serde_json::from_str(body)
        .map_err(|fault| Error::Other(format!("a stored incident cannot be read: {fault}")))
}

/// One incident.
pub(crate) fn incident(db: &Connection, id: IncidentId) -> Result<Option<Incident>, Error> {
    let body: Option<String> = db
        .prepare_cached("SELECT body FROM incident WHERE id = ?1")
        .and_then(|mut find| find.query_row([signed(id.0)], |row| row.get(0)).optional())
        .doing("read an incident")?;
    body.as_deref().map(read).transpose()
}

/// Incidents, newest first.
pub(crate) fn incidents(db: &Connection, query: &IncidentQuery) -> Result<Vec<Incident>, Error> {
    let before = query.before.map_or(i64::MAX, |id| signed(id.0));
    let limit = query.limit.clamp(1, INCIDENTS_MAX);
    let text = match query.state {
        None => "SELECT body FROM incident WHERE ?1 IS NULL AND id < ?2 ORDER BY id DESC LIMIT ?3",
        Some(_) => {
            "SELECT body FROM incident WHERE state = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
        }
    };
    let bodies = db
        .prepare_cached(text)
        .and_then(|mut find| {
            let state = query.state.map(|state| state.word());
            find.query_map((state, before, limit), |row| row.get::<_, String>(0))?.collect()
        })
        .doing("read incidents");
    bodies.and_then(|bodies: Vec<String>| bodies.iter().map(|body| read(body)).collect())
}
