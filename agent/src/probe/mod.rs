//! The probe kinds. A kind is one file and one word in the list below.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use model::result::{Evidence, Outcome, Phase};

use crate::secret::{Secrets, Use};

pub mod fields;
pub mod text;

model::word_list! {
    /// A probe's protocol with its parameters.
    Kind of Probe: http, tcp
}

/// A run in progress. Dropping it ends it and frees its sockets.
pub type Running<'a> = Pin<Box<dyn Future<Output = Finding> + Send + 'a>>;

/// What a kind does. Parameters are checked when it is made; a run cannot fail, it finds.
pub trait Probe: Send + Sync + std::fmt::Debug {
    /// Asks the target once, with new connections and a new resolution, within `attempt.timeout`.
    fn run<'a>(&'a self, attempt: &'a Attempt) -> Running<'a>;

    /// Every place in the parameters that names a secret, and where a run would send it.
    fn uses(&self) -> Vec<Use>;
}

/// What a run is given.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The whole attempt ends within this.
    pub timeout: Duration,
    /// The secrets that were released for this run; all that [`Probe::uses`] named.
    pub secrets: Secrets,
}

/// What one attempt found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Passed, failed or void.
    pub outcome: Outcome,
    /// A sentence for a person; empty when passed.
    pub detail: String,
    /// Parts of the attempt in order.
    pub phases: Vec<Phase>,
    /// Numbers worth keeping, unit in the name.
    pub values: BTreeMap<String, i64>,
    /// What was seen, for failures; masked.
    pub evidence: Option<Evidence>,
}

#[cfg(test)]
mod params_tests;
