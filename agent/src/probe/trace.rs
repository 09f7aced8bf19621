//! An attempt as it unfolds: its clock, its phases, what it saw, and how it ends.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use model::result::{
    DETAIL_BYTES_MAX, EVIDENCE_BODY_BYTES_MAX, Evidence, Outcome, Phase, Reason, VoidReason, cut,
};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::fields::Family;
use super::text::Masks;
use super::{Finding, PHASES};
use crate::dialer;
use crate::tls::Facts;

/// How many errors of a chain are kept as evidence.
const ERRORS_MAX: usize = 8;
/// How much of one line of evidence is kept, in bytes.
const LINE_BYTES_MAX: usize = 512;

/// Why an attempt did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Failed or void.
    pub outcome: Outcome,
    /// A sentence for a person.
    pub detail: String,
    /// What lies below it, outermost first.
    pub errors: Vec<String>,
}

impl Fault {
    /// The target failed.
    pub fn failed(reason: Reason, detail: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed(reason), detail: detail.into(), errors: Vec::new() }
    }

    /// The run says nothing about the target.
    pub fn void(reason: VoidReason, detail: impl Into<String>) -> Self {
        Self { outcome: Outcome::Void(reason), detail: detail.into(), errors: Vec::new() }
    }

    /// A secret that the run needs was not released.
    pub fn unreleased() -> Self {
        Self::void(VoidReason::Secret, "a secret that the probe names was not released")
    }

    /// The same with the chain of errors that begins with `error`.
    pub fn with_error(mut self, error: &(dyn Error + 'static)) -> Self {
        self.errors.extend(chain(error));
        self
    }
}

/// The messages of `error` and its sources, without those that only repeat the one before.
pub fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next.filter(|_| messages.len() < ERRORS_MAX) {
        let message = error.to_string();
        if messages.last() != Some(&message) {
            messages.push(message);
        }
        next = error.source();
    }
    messages
}

/// One attempt.
pub struct Trace {
    started: Instant,
    phases: Vec<(&'static str, Duration)>,
    running: Option<(&'static str, Instant)>,
    /// Numbers worth keeping.
    pub values: BTreeMap<String, i64>,
    /// What was seen, not yet masked or cut; the body is apart.
    pub seen: Evidence,
    /// The body or the bytes received so far.
    pub body: Vec<u8>,
}

impl Trace {
    /// Begins now.
    pub fn begin() -> Self {
        Self {
            started: Instant::now(),
            phases: Vec::new(),
            running: None,
            values: BTreeMap::new(),
            seen: Evidence::default(),
            body: Vec::new(),
        }
    }

    /// Ends the running phase and begins `name`. A phase that ran before goes on adding up.
    pub fn phase(&mut self, name: &'static str) {
        self.rest();
        self.running = Some((name, Instant::now()));
    }

    /// Ends the running phase.
    pub fn rest(&mut self) {
        let Some((name, since)) = self.running.take() else { return };
        let took = since.elapsed();
        match self.phases.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum = sum.saturating_add(took),
            None => self.phases.push((name, took)),
        }
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Resolves and connects, both timed; the addresses become evidence.
    ///
    /// # Errors
    /// The dialer's.
    pub async fn dial(
        &mut self,
        host: &str,
        port: u16,
        family: Family,
        timeout: Duration,
    ) -> Result<TcpStream, Fault> {
        self.phase("dns");
        let vetted = dialer::resolve(host, port, family, timeout).await?;
        self.seen.addresses = vetted.addresses().iter().map(ToString::to_string).collect();
        self.phase("connect");
        let (stream, used) = dialer::connect(&vetted).await?;
        self.rest();
        let used = used.to_string();
        self.seen.addresses.retain(|address| *address != used);
        self.seen.addresses.insert(0, used);
        Ok(stream)
    }

    /// Keeps what is known of a TLS connection, whether it stands or failed.
    pub fn tls_facts(&mut self, facts: &Facts) {
        if let Some(expiry) = facts.earliest_expiry_s() {
            self.values.insert("certificate_expiry_s".to_owned(), expiry);
        }
        if let Some(version) = facts.version() {
            self.values.insert("tls_version".to_owned(), version);
        }
        self.seen.certificate = facts.summary();
    }

    /// How the attempt ended; none: it was still running when its time was up.
    pub fn end(
        mut self,
        ended: Option<Result<(), Fault>>,
        timeout: Duration,
        masks: &Masks,
    ) -> Finding {
        let late = self.running.map(|(name, _)| name);
        self.rest();
        let fault = match ended {
            Some(Ok(())) => None,
            Some(Err(fault)) => Some(fault),
            None => Some(timed_out(late, timeout)),
        };
        let fault_errors = fault.as_ref().map(|fault| fault.errors.clone()).unwrap_or_default();
        let mut detail = fault.as_ref().map(|fault| masks.hide(&fault.detail)).unwrap_or_default();
        cut(&mut detail, DETAIL_BYTES_MAX);
        let phases = self.phases.iter().map(|(name, took)| Phase {
            name: (*name).to_owned(),
            us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        });
        Finding {
            outcome: fault.map_or(Outcome::Passed, |fault| fault.outcome),
            detail,
            phases: phases.collect(),
            evidence: Some(evidence(&self.seen, &self.body, fault_errors, masks)),
            values: self.values,
        }
    }
}

fn timed_out(phase: Option<&str>, timeout: Duration) -> Fault {
    let doing = PHASES.iter().find(|(name, _)| Some(*name) == phase).map(|(_, doing)| *doing);
    let after =
        model::time::Millis::from_ms(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX));
    let doing = doing.map(|doing| format!(" while {doing}")).unwrap_or_default();
    Fault::failed(Reason::Timeout, format!("timed out after {after}{doing}"))
}

/// Masked first and cut afterwards: a secret cut in half could not be found any more.
fn evidence(seen: &Evidence, body: &[u8], errors: Vec<String>, masks: &Masks) -> Evidence {
    let line = |text: &String| {
        let mut line = masks.hide(text);
        cut(&mut line, LINE_BYTES_MAX);
        line
    };
    let body = (!body.is_empty()).then(|| {
        let mut body = masks.hide(&String::from_utf8_lossy(body));
        cut(&mut body, EVIDENCE_BODY_BYTES_MAX);
        body
    });
    Evidence {
        addresses: seen.addresses.clone(),
        status_line: seen.status_line.as_ref().map(line),
        headers: seen.headers.iter().map(|(name, value)| (name.clone(), line(value))).collect(),
        body,
        certificate: seen.certificate.as_ref().map(line),
        redirects: seen.redirects.iter().map(line).collect(),
        errors: errors.iter().take(ERRORS_MAX).map(line).collect(),
    }
}
