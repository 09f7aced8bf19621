//! The newest result of each region under the names of blackbox_exporter, so that its dashboards and
//! rules work unchanged.

use std::collections::BTreeMap;

use model::config::{Opaque, Watch};
use model::result::{Outcome, ProbeResult, Reason};
use model::secret::references;
use model::time::{Millis, Timestamp};

use super::super::table::{self as all, Metric};
use super::super::{Families, flag};
use crate::handle::CoreView;

/// The value of label `job`.
const JOB: &str = "watchpost";
/// What a result outlives twice its interval by, as a vote does.
const GRACE: Millis = Millis::from_secs(10);
/// The longest label `instance`, bytes.
const INSTANCE_BYTES_MAX: usize = 200;

/// Agent's phase and blackbox_exporter's word for it, for http.
const HTTP_PHASES: [(&str, &str); 5] = [
    ("dns", "resolve"),
    ("connect", "connect"),
    ("tls", "tls"),
    ("first_byte", "processing"),
    ("transfer", "transfer"),
];
/// The same for icmp.
const ICMP_PHASES: [(&str, &str); 2] = [("dns", "resolve"), ("rtt", "rtt")];

/// Value of a result and its metric, with what the value is divided by.
const VALUES: [(&str, &Metric, f64); 5] = [
    ("http_status_code", &all::PROBE_HTTP_STATUS, 1.0),
    ("redirects", &all::PROBE_HTTP_REDIRECTS, 1.0),
    ("http_version", &all::PROBE_HTTP_VERSION, 10.0),
    ("body_bytes", &all::PROBE_HTTP_LENGTH, 1.0),
    ("certificate_expiry_s", &all::PROBE_CERT_EXPIRY, 1.0),
];

pub(super) fn put(families: &mut Families, view: &CoreView, now: Timestamp) {
    for stored in &view.latest {
        let result = &stored.result;
        let known = view
            .probes
            .iter()
            .any(|probe| probe.name == result.probe && probe.regions.contains_key(&result.region));
        if known && is_fresh(result, now) {
            one(families, view.watch.as_deref(), result);
        }
    }
}

/// A result holds as long as a vote: twice its interval and a grace, on the collector's clock.
fn is_fresh(result: &ProbeResult, now: Timestamp) -> bool {
    let offset = Millis::from_ms(result.clock.map_or(0, |clock| clock.offset_ms));
    now - (result.started + offset) <= result.interval.times(2) + GRACE
}

fn one(families: &mut Families, watch: Option<&Watch>, result: &ProbeResult) {
    let kind = watch.and_then(|watch| watch.probe(&result.probe)).map(|probe| &probe.kind);
    let instance = kind.and_then(instance).unwrap_or_else(|| result.probe.to_string());
    let labels = [JOB, instance.as_str(), result.probe.as_str(), result.region.as_str()];
    let word = kind.map_or("", |kind| kind.word.as_str());
    match result.outcome {
        Outcome::Passed => families.put(&all::PROBE_SUCCESS, &labels, 1.0),
        Outcome::Failed(_) => families.put(&all::PROBE_SUCCESS, &labels, 0.0),
        Outcome::Void(_) => return,
    }
    families.put(&all::PROBE_DURATION, &labels, micros(result.duration_us));
    for (name, metric, divisor) in VALUES {
        if let Some(value) = result.values.get(name) {
            families.put(metric, &labels, *value as f64 / divisor);
        }
    }
    phases(families, &labels, word, result);
    if let Some(version) = result.values.get("tls_version") {
        let [job, instance, probe, region] = labels;
        let version = format!("TLS {}.{}", version / 10, version % 10);
        families.put(&all::PROBE_TLS_VERSION, &[job, instance, probe, region, &version], 1.0);
    }
    if word == "http" {
        let tls = result.values.contains_key("tls_version");
        families.put(&all::PROBE_HTTP_SSL, &labels, flag(tls));
        let body = result.outcome == Outcome::Failed(Reason::Body);
        families.put(&all::PROBE_FAILED_REGEX, &labels, flag(body));
    }
}

fn phases(families: &mut Families, labels: &[&str; 4], word: &str, result: &ProbeResult) {
    let [job, instance, probe, region] = *labels;
    // A phase comes again at each redirect: its parts are added up.
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for phase in &result.phases {
        let sum = sums.entry(phase.name.as_str()).or_default();
        *sum = sum.saturating_add(phase.us);
    }
    if let Some(us) = sums.get("dns") {
        families.put(&all::PROBE_DNS_TIME, labels, micros(*us));
    }
    let (metric, names) = match word {
        "http" => (&all::PROBE_HTTP_DURATION, &HTTP_PHASES[..]),
        "icmp" => (&all::PROBE_ICMP_TIME, &ICMP_PHASES[..]),
        _ => return,
    };
    for (ours, theirs) in names {
        if let Some(us) = sums.get(ours) {
            families.put(metric, &[job, instance, probe, region, theirs], micros(*us));
        }
    }
}

fn micros(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}

/// What the probe asks, as people know it: the address without name, password, query or fragment, or
/// host and port. None when it cannot be told without a secret.
fn instance(kind: &Opaque) -> Option<String> {
    let text = |field: &str| kind.parameters.get(field).and_then(|value| value.as_str());
    let named = ["url", "target", "server", "address", "host", "name"];
    let found = named.into_iter().find_map(text)?;
    let mut shown = match url::Url::parse(found) {
        // A reference inside would be mangled by the parser, and is nobody's business here.
        _ if !references(found).is_empty() => return None,
        Ok(mut url) if url.has_host() => {
            url.set_query(None);
            url.set_fragment(None);
            // Both fail only where there is no host.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        _ if found.contains('@') => return None,
        _ => match kind.parameters.get("port").and_then(|value| value.as_u64()) {
            Some(port) if !found.contains(':') => format!("{found}:{port}"),
            _ => found.to_owned(),
        },
    };
    model::result::cut(&mut shown, INSTANCE_BYTES_MAX);
    Some(shown)
}
