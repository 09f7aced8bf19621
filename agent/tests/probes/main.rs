//! The probe kinds against real servers on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod certificates;
mod conformance;
mod docs;
mod http;
mod nginx;
mod redirects;
mod servers;
mod tcp;
mod tls;

use std::time::Duration;

use agent::probe::{Attempt, Finding, Kind};
use agent::secret::{Reference, Secrets};
use model::config::Word;
use serde_json::Value;

/// Long enough for everything that comes at all.
const TIMEOUT: Duration = Duration::from_secs(20);

pub fn kind(word: &str, parameters: Value) -> Kind {
    Kind::read(word, parameters).unwrap()
}

pub fn attempt(timeout: Duration, secrets: &[(&str, &str)]) -> Attempt {
    let mut released = Secrets::none();
    for (name, value) in secrets {
        released.insert(Reference((*name).to_owned()), (*value).to_owned());
    }
    Attempt { timeout, secrets: released }
}

pub async fn look(word: &str, parameters: Value) -> Finding {
    kind(word, parameters).look(&attempt(TIMEOUT, &[])).await
}

/// `passed`, or `reason: detail`.
pub fn said(finding: &Finding) -> String {
    match finding.outcome.reason() {
        None => "passed".to_owned(),
        Some(reason) => format!("{reason}: {}", finding.detail),
    }
}
