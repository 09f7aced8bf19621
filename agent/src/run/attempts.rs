//! Attempts and anchors as tasks: what goes wrong in one costs that one alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::config::Opaque;
use model::result::{Outcome, Reason, VoidReason};
use model::secret::Resolver;
use model::time::Millis;
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use super::work::ReadKind;
use crate::machine::{Input, RunId};
use crate::probe::{Attempt, Finding, Probe};
use crate::secret::{Reference, Secrets};

/// A kind that does not keep its timeout is ended so much later.
const OVERTIME: Duration = Duration::from_secs(1);
/// How often the agent looks whether it stands still.
const LAG_EVERY: Duration = Duration::from_millis(100);

/// A finding without anything but its outcome.
fn bare(outcome: Outcome, detail: String) -> Finding {
    Finding { outcome, detail, phases: Vec::new(), values: BTreeMap::new(), evidence: None }
}

/// Reads the released secrets.
async fn release(references: Vec<Reference>, resolve: Resolver) -> Result<Secrets, String> {
    if references.is_empty() {
        return Ok(Secrets::none());
    }
    let read = move || {
        let mut secrets = Secrets::none();
        for reference in references {
            let value = resolve(&reference.0)?;
            secrets.insert(reference, value);
        }
        Ok(secrets)
    };
    tokio::task::spawn_blocking(read)
        .await
        .unwrap_or_else(|_| Err("a secret could not be read".into()))
}

/// Runs one attempt to its finding, whatever happens.
pub(super) async fn attempt(
    run: RunId,
    probe: Arc<dyn Probe>,
    timeout: Duration,
    references: Vec<Reference>,
    resolve: Resolver,
) -> Input {
    let task = tokio::spawn(async move {
        let begun = Instant::now();
        let (finding, lag) = match release(references, resolve).await {
            Ok(secrets) => watched(&*probe, Attempt { timeout, secrets }).await,
            Err(why) => (bare(Outcome::Void(VoidReason::Secret), why), Duration::ZERO),
        };
        (finding, begun.elapsed(), lag)
    });
    let ended = EndWith(task.abort_handle());
    let (finding, length, lag) = task.await.unwrap_or_else(|error| {
        let detail = if error.is_panic() {
            tracing::error!(run = run.0, "a probe kind panicked; its run is void");
            "the code of this probe's kind panicked"
        } else {
            "the attempt was ended"
        };
        (bare(Outcome::Void(VoidReason::Panic), detail.into()), Duration::ZERO, Duration::ZERO)
    });
    drop(ended);
    Input::Attempted {
        run,
        finding,
        duration_us: u64::try_from(length.as_micros()).unwrap_or(u64::MAX),
        lag: Millis::from_ms(i64::try_from(lag.as_millis()).unwrap_or(i64::MAX)),
    }
}

/// Ends the inner task when the outer one is ended.
struct EndWith(tokio::task::AbortHandle);

impl Drop for EndWith {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs the probe and measures how long this agent stood still meanwhile.
async fn watched(probe: &dyn Probe, attempt: Attempt) -> (Finding, Duration) {
    let mut lag = Duration::ZERO;
    let mut looked = Instant::now();
    let limit = looked + attempt.timeout + OVERTIME;
    let mut running = probe.run(&attempt);
    let finding = loop {
        let look = looked + LAG_EVERY;
        tokio::select! {
            biased;
            finding = &mut running => break finding,
            () = tokio::time::sleep_until(look.min(limit)) => {}
        }
        let now = Instant::now();
        lag = lag.max(now.saturating_duration_since(look));
        looked = now;
        if now >= limit {
            let detail = format!("no end within {:?}", attempt.timeout);
            break bare(Outcome::Failed(Reason::Timeout), detail);
        }
    };
    let last = Instant::now().saturating_duration_since(looked + LAG_EVERY);
    (finding, lag.max(last))
}

/// Tries all anchors at once.
pub(super) async fn try_anchors(
    run: RunId,
    anchors: Vec<String>,
    timeout: Duration,
    read: ReadKind,
) -> Input {
    let mut tasks = tokio::task::JoinSet::new();
    let tried = anchors.len();
    for anchor in anchors {
        match anchor_kind(&anchor).and_then(|kind| read(&kind)) {
            Ok(probe) => {
                tasks.spawn(async move {
                    let attempt = Attempt { timeout, secrets: Secrets::none() };
                    let (finding, _) = watched(&*probe, attempt).await;
                    finding.outcome == Outcome::Passed
                });
            }
            Err(why) => tracing::warn!(anchor, why, "an anchor cannot be tried"),
        }
    }
    let mut answered = 0;
    while let Some(answer) = tasks.join_next().await {
        answered += usize::from(answer.unwrap_or(false));
    }
    Input::AnchorsTried { run, answered, tried }
}

/// The probe that tries an anchor: any answer will do.
fn anchor_kind(anchor: &str) -> Result<Opaque, String> {
    let url = Url::parse(anchor).map_err(|fault| fault.to_string())?;
    let (word, parameters) = match (url.scheme(), url.host_str(), url.port()) {
        ("tcp", Some(host), Some(port)) => ("tcp", json!({ "address": format!("{host}:{port}") })),
        ("http" | "https", Some(_), _) => {
            ("http", json!({ "url": anchor, "status": ["100-599"], "follow_redirects": 0 }))
        }
        _ => return Err("an anchor is tcp://host:port or an http(s) URL".into()),
    };
    Ok(Opaque { word: word.into(), parameters })
}
