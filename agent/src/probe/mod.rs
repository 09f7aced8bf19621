//! The probe kinds. A kind is one file and one word in the list below.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use model::result::{Evidence, Outcome, Phase, Reason};

use crate::secret::{Secrets, Use};

pub mod fields;
pub mod text;
mod trace;

pub use trace::{Fault, Trace, chain};

model::word_list! {
    /// A probe's protocol with its parameters.
    Kind of Probe: http, tcp
}

/// The phases of all kinds, and what an attempt does in them.
pub const PHASES: [(&str, &str); 5] = [
    ("dns", "resolving the name"),
    ("connect", "connecting"),
    ("tls", "in the TLS handshake"),
    ("first_byte", "waiting for the first byte"),
    ("transfer", "receiving the answer"),
];

/// A run in progress. Dropping it ends it and frees its sockets.
pub type Running<'a> = Pin<Box<dyn Future<Output = Finding> + Send + 'a>>;

/// What a kind does. Parameters are checked when it is made; a run cannot fail, it finds.
pub trait Probe: Send + Sync + std::fmt::Debug {
    /// Asks the target once, with new connections and a new resolution, within `attempt.timeout`.
    /// Evidence is kept of what did not pass alone.
    fn run<'a>(&'a self, attempt: &'a Attempt) -> Running<'a> {
        Box::pin(async move {
            let mut finding = self.look(attempt).await;
            if finding.outcome == Outcome::Passed {
                finding.evidence = None;
            }
            finding
        })
    }

    /// The same with evidence in every case, for a person who looks.
    fn look<'a>(&'a self, attempt: &'a Attempt) -> Running<'a>;

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

/// A right answer may still come too late.
fn slower_than(max_time: Option<fields::Length>, took: Duration) -> Result<(), Fault> {
    let Some(max) = max_time.map(|length| length.0) else { return Ok(()) };
    let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
    if took_ms <= max.ms() {
        return Ok(());
    }
    Err(Fault::failed(Reason::Slow, format!("took {took_ms} ms, wanted at most {max}")))
}

#[cfg(test)]
mod params_tests;
