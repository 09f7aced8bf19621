//! Secrets: how they are written, what uses them, and where they may go.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A reference to a secret as it is written in a parameter, `env:NAME` or `file:PATH`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reference(pub String);

/// Where a run would send a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Destination {
    /// The kind's word.
    pub kind: String,
    /// Host as configured, lower case.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The secret travels inside TLS with a verified certificate.
    pub tls: bool,
}

/// One place in a probe's parameters that names a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Use {
    /// Which secret.
    pub reference: Reference,
    /// The field: `basic_auth.password`, `bearer_token`, `header authorization`, `url`, `body`, …
    pub field: String,
    /// The field is made for a secret (a password, a token, a key, the `Authorization` header).
    pub made_for_secrets: bool,
    /// Where it would go.
    pub destination: Destination,
}

/// Values of secrets, released for one run. Never printed, never serialised.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<Reference, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Secrets({} hidden)", self.0.len())
    }
}

impl Secrets {
    /// No secrets.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a released value.
    pub fn insert(&mut self, reference: Reference, value: String) {
        self.0.insert(reference, value);
    }

    /// The values, for masking evidence.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// `text` with every reference replaced. `None` when one of them was not released.
    pub fn fill(&self, text: &str) -> Option<String> {
        model::secret::fill(text, |name| self.0.get(&Reference(name.to_owned())).cloned().ok_or(()))
            .ok()
    }
}

/// The references in `text`, in order.
pub fn references(text: &str) -> Vec<Reference> {
    model::secret::references(text).into_iter().map(|name| Reference(name.to_owned())).collect()
}
