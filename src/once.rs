//! One run of one probe, here and now.

use std::collections::BTreeMap;
use std::time::Duration;

use agent::probe::{Attempt, Finding, Kind};
use agent::secret::Secrets;
use anyhow::Context as _;
use model::name::ProbeName;
use model::result::{Outcome, VoidReason};
use model::secret::Resolver;
use serde_json::json;
use tokio::time::Instant;

use crate::arguments::{Format, Probe};
use crate::exit::{DONE, Done, FAILED, Failure, USAGE};
use crate::run::{self, Real};
use crate::{out, probe, secrets};

/// The outcome is void: the run says nothing about the target.
const VOID: u8 = USAGE;
/// What a kind is given beyond its timeout before its run is dropped.
const GRACE: Duration = Duration::from_secs(1);

/// `watchpost probe`.
pub async fn run(order: Probe) -> Done {
    let resolve = secrets::resolver();
    let real = run::load(&order.config, &resolve).map_err(Failure::Configuration)?;
    let found = real.probe(&order.name).ok_or_else(|| unknown(&order.name, &real))?;
    let timeout = Duration::from_millis(found.timeout.ms().unsigned_abs());
    let begun = Instant::now();
    let finding = match released(&found.kind, &resolve) {
        Ok(secrets) => attempt(&found.kind, &Attempt { timeout, secrets }).await,
        Err(why) => void(VoidReason::Secret, why),
    };
    let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    match order.format {
        Format::Json => out::line(&as_json(&order.name, found.kind.word(), &finding, took_us)?)?,
        Format::Table => out::print(&probe::waterfall(order.name.as_str(), &finding, took_us))?,
    }
    Ok(match finding.outcome {
        Outcome::Passed => DONE,
        Outcome::Failed(_) => FAILED,
        Outcome::Void(_) => VOID,
    })
}

fn unknown(name: &ProbeName, real: &Real) -> Failure {
    let names: Vec<&str> = real.probes.iter().map(|probe| probe.name.as_str()).collect();
    let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Failure::Usage(format!("there is no probe `{name}`; there are {there}"))
}

/// Every secret that the probe names. Whoever runs this reads them anyway, so they are not bound.
fn released(kind: &Kind, resolve: &Resolver) -> Result<Secrets, String> {
    let mut secrets = Secrets::none();
    for used in kind.uses() {
        let value = resolve(&used.reference.0)?;
        secrets.insert(used.reference, value);
    }
    Ok(secrets)
}

async fn attempt(kind: &Kind, attempt: &Attempt) -> Finding {
    match tokio::time::timeout(attempt.timeout + GRACE, kind.look(attempt)).await {
        Ok(finding) => finding,
        Err(_) => void(
            VoidReason::Stalled,
            format!("the run did not end within its timeout of {} ms", attempt.timeout.as_millis()),
        ),
    }
}

fn void(reason: VoidReason, detail: String) -> Finding {
    Finding {
        outcome: Outcome::Void(reason),
        detail,
        phases: Vec::new(),
        values: BTreeMap::new(),
        evidence: None,
    }
}

/// The finding in the words of `GET /api/v1/results`.
fn as_json(
    name: &ProbeName,
    kind: &str,
    finding: &Finding,
    took_us: u64,
) -> Result<String, Failure> {
    let mut phases: BTreeMap<&str, u64> = BTreeMap::new();
    for phase in &finding.phases {
        *phases.entry(&phase.name).or_default() += phase.us;
    }
    let json = json!({
        "probe": name.as_str(),
        "kind": kind,
        "outcome": finding.outcome.word(),
        "reason": finding.outcome.reason(),
        "detail": finding.detail,
        "duration_us": took_us,
        "phases_us": phases,
        "values": finding.values,
        "evidence": finding.evidence,
    });
    Ok(serde_json::to_string(&json).context("cannot write JSON")?)
}
