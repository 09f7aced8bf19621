//! Pins of first use, in `secrets.json` of the agent's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Pin, Refused, place};
use crate::disk::{lock, replace};
use crate::run::Error;
use crate::secret::{Reference, Use};

/// The file of pins.
const FILE: &str = "secrets.json";
/// Held while the file of pins is read and written again.
const LOCK: &str = "secrets.lock";
/// The most refused uses that are kept for people to judge.
const REFUSED_MAX: usize = 200;

/// What each secret was first used for, and what is refused now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// Where each secret may go.
    #[serde(default)]
    pub pinned: BTreeMap<Reference, BTreeSet<Pin>>,
    /// What waits for `watchpost agent approve`.
    #[serde(default)]
    pub refused: Vec<Refused>,
}

impl Pins {
    pub(super) fn judge(&self, asked: &Use) -> Result<(), String> {
        let pin = Pin { destination: asked.destination.clone(), field: asked.field.clone() };
        let pinned = self.pinned.get(&asked.reference);
        if pinned.is_some_and(|pins| pins.contains(&pin)) {
            return Ok(());
        }
        let name = &asked.reference.0;
        let known: Vec<String> = pinned
            .into_iter()
            .flatten()
            .take(3)
            .map(|pin| format!("`{}` of {}", pin.field, place(&pin.destination)))
            .collect();
        let known = if known.is_empty() { "nothing".into() } else { known.join(", ") };
        Err(format!(
            "{name} is pinned to {known}; `{}` of {} waits for `watchpost agent approve {name}`",
            asked.field,
            place(&asked.destination)
        ))
    }
}

fn fault(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Disk { what, path: path.into(), source }
}

/// The pins of an agent's folder; none yet if there is no file.
///
/// # Errors
/// The file cannot be read or is not a file of pins. That is not the same as no pins: what was
/// pinned would be learned anew, from whoever asks first.
pub fn load(folder: &Path) -> Result<Pins, Error> {
    let path = folder.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| fault("cannot understand", &path)(io::Error::other(error))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Pins::default()),
        Err(error) => Err(fault("cannot read", &path)(error)),
    }
}

/// Writes the pins, keeping those that were approved on disk meanwhile. Returns what was written.
///
/// # Errors
/// The folder cannot be written, or its file of pins not be read.
pub fn save(folder: &Path, pins: &Pins) -> Result<Pins, Error> {
    let _held = lock(&folder.join(LOCK)).map_err(fault("cannot lock", folder))?;
    let mut both = load(folder)?;
    for (reference, list) in &pins.pinned {
        both.pinned.entry(reference.clone()).or_default().extend(list.iter().cloned());
    }
    both.refused = pins.refused.iter().take(REFUSED_MAX).cloned().collect();
    both.refused.retain(|refused| both_lack(&both.pinned, refused));
    write(folder, &both)?;
    Ok(both)
}

fn both_lack(pinned: &BTreeMap<Reference, BTreeSet<Pin>>, refused: &Refused) -> bool {
    let Use { reference, field, destination, .. } = &refused.asked;
    let pin = Pin { destination: destination.clone(), field: field.clone() };
    !pinned.get(reference).is_some_and(|pins| pins.contains(&pin))
}

fn write(folder: &Path, pins: &Pins) -> Result<(), Error> {
    let path = folder.join(FILE);
    let text = serde_json::to_vec_pretty(pins)
        .map_err(|error| fault("cannot write", &path)(io::Error::other(error)))?;
    replace(&path, &text).map_err(fault("cannot write", &path))
}

/// What the agent of this folder refused and would release if it were approved, or, for a use in a
/// field that is not made for secrets, never will.
///
/// # Errors
/// The file of pins cannot be read.
pub fn pending(folder: &Path) -> Result<Vec<Refused>, Error> {
    Ok(load(folder)?.refused)
}

/// Pins what was refused of one secret (`env:NAME`, or `NAME` alone), or of all. Works beside a running
/// agent, which notices within seconds. Returns what was approved; a use in a field that is not made
/// for secrets never is.
///
/// # Errors
/// The file of pins cannot be read or written.
pub fn approve(folder: &Path, reference: Option<&str>) -> Result<Vec<Refused>, Error> {
    let _held = lock(&folder.join(LOCK)).map_err(fault("cannot lock", folder))?;
    let mut pins = load(folder)?;
    let named = |refused: &Refused| {
        let name = refused.asked.reference.0.as_str();
        reference.is_none_or(|wanted| name == wanted || name.strip_prefix("env:") == Some(wanted))
    };
    let (approved, left): (Vec<Refused>, Vec<Refused>) = std::mem::take(&mut pins.refused)
        .into_iter()
        .partition(|refused| refused.asked.made_for_secrets && named(refused));
    pins.refused = left;
    for Refused { asked, .. } in &approved {
        let pin = Pin { destination: asked.destination.clone(), field: asked.field.clone() };
        pins.pinned.entry(asked.reference.clone()).or_default().insert(pin);
    }
    if !approved.is_empty() {
        write(folder, &pins)?;
    }
    Ok(approved)
}
