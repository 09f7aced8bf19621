//! Where each secret may go. The collector says what to probe, so it must not be able to say where a
//! secret is sent: a stolen one would harvest them all. Either a policy file of this machine's owner
//! binds each secret, or its first use does, and a change waits for `watchpost agent approve`.

mod file;
mod pins;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use model::name::ProbeName;
use serde::{Deserialize, Serialize};

use crate::secret::{Destination, Reference, Use};

pub use file::{Rules, read_rules};
pub use pins::{Pins, approve, load, pending, save};

/// Where a secret is bound to: one destination and one field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pin {
    /// Where it goes.
    pub destination: Destination,
    /// In which field.
    pub field: String,
}

/// A use that was refused, for people to judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The probe that asked.
    pub probe: ProbeName,
    /// What it asked for.
    #[serde(rename = "use")]
    pub asked: Use,
    /// A sentence.
    pub why: String,
}

/// How this agent binds secrets, and which kinds it runs.
#[derive(Clone, Debug)]
pub struct Policy {
    binding: Binding,
    /// References that begin with one of these belong to the agent and are never released.
    own: Vec<String>,
}

#[derive(Clone, Debug)]
enum Binding {
    /// Every use is the owner's own.
    Itself,
    /// What the owner's file says.
    Rules(Rules),
    /// What was used first.
    Pins(Pins),
}

impl Policy {
    /// Agent and collector are one process and one configuration: every use is released.
    pub const fn itself() -> Self {
        Self { binding: Binding::Itself, own: Vec::new() }
    }

    /// The owner's file decides.
    pub fn rules(rules: Rules, own: Vec<String>) -> Self {
        Self { binding: Binding::Rules(rules), own }
    }

    /// The first use decides.
    pub fn first_use(pins: Pins, own: Vec<String>) -> Self {
        Self { binding: Binding::Pins(pins), own }
    }

    /// Whether the owner lets this kind run.
    pub fn allows_kind(&self, word: &str) -> bool {
        match &self.binding {
            Binding::Rules(rules) => rules.allows_kind(word),
            Binding::Itself | Binding::Pins(_) => true,
        }
    }

    /// Pins what is used for the first time: every use of a secret that was never pinned, in all that is
    /// assigned at that moment. Returns whether something was pinned.
    pub fn learn<'a>(&mut self, uses: impl Iterator<Item = &'a Use> + Clone) -> bool {
        let Self { binding: Binding::Pins(pins), own } = self else { return false };
        let mut first: BTreeMap<Reference, Vec<Pin>> = BTreeMap::new();
        for asked in uses {
            let known = pins.pinned.contains_key(&asked.reference);
            if known || !asked.made_for_secrets || belongs(own, &asked.reference).is_some() {
                continue;
            }
            let pin = Pin { destination: asked.destination.clone(), field: asked.field.clone() };
            first.entry(asked.reference.clone()).or_default().push(pin);
        }
        let learned = !first.is_empty();
        for (reference, list) in first {
            pins.pinned.entry(reference).or_default().extend(list);
        }
        learned
    }

    /// Whether a secret may go where `asked` would send it.
    ///
    /// # Errors
    /// A sentence that says what it is bound to and what asked.
    pub fn judge(&self, asked: &Use) -> Result<(), String> {
        if matches!(self.binding, Binding::Itself) {
            return Ok(());
        }
        if let Some(why) = belongs(&self.own, &asked.reference) {
            return Err(format!("{} {why}", asked.reference.0));
        }
        if !asked.made_for_secrets {
            return Err(format!(
                "{} may only stand in a field made for secrets, such as a password, a token or the \
                 authorization header, not in `{}`",
                asked.reference.0, asked.field
            ));
        }
        match &self.binding {
            Binding::Itself => Ok(()),
            Binding::Rules(rules) => rules.judge(asked),
            Binding::Pins(pins) => pins.judge(asked),
        }
    }

    /// The pins, where the first use decides.
    pub const fn pins(&self) -> Option<&Pins> {
        match &self.binding {
            Binding::Pins(pins) => Some(pins),
            Binding::Itself | Binding::Rules(_) => None,
        }
    }

    /// Takes pins that were approved on disk; nothing is unpinned. Returns whether that changed one.
    pub fn adopt(&mut self, approved: Pins) -> bool {
        let Binding::Pins(pins) = &mut self.binding else { return false };
        let before = pins.pinned.clone();
        for (reference, list) in approved.pinned {
            pins.pinned.entry(reference).or_default().extend(list);
        }
        pins.pinned != before
    }

    /// Remembers what is refused now. Returns whether that is something else than before.
    pub fn remember(&mut self, refused: Vec<Refused>) -> bool {
        let Binding::Pins(pins) = &mut self.binding else { return false };
        let changed = pins.refused != refused;
        pins.refused = refused;
        changed
    }
}

/// Why a reference is the agent's own or names a file in a crooked way; none if neither.
fn belongs(own: &[String], reference: &Reference) -> Option<&'static str> {
    if own.iter().any(|prefix| reference.0.starts_with(prefix.as_str())) {
        return Some("belongs to the agent itself");
    }
    let path = reference.0.strip_prefix("file:")?;
    let crooked = !path.starts_with('/') || path.split('/').any(|part| part == "..");
    crooked.then_some("must be an absolute path without `..`")
}

/// The destination in words: `postgres db.internal:5432 with TLS`.
fn place(destination: &Destination) -> String {
    let tls = if destination.tls { "with TLS" } else { "without TLS" };
    format!("{} {}:{} {tls}", destination.kind, destination.host, destination.port)
}
