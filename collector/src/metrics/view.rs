//! The core's view as metrics. Made anew at every scrape, so a removed probe's series stop.

mod results;

use model::config::Severity;
use model::incident::State;
use model::quorum::Verdict;
use model::time::Timestamp;
use model::vote::Vote;

use super::table::{self as all, Sort};
use super::{Families, flag, seconds};
use crate::handle::CoreView;

pub(super) fn put(families: &mut Families, view: &CoreView, now: Timestamp) {
    probes(families, view);
    agents(families, view);
    incidents(families, view);
    families.put(&all::RELOADED, &[], flag(view.reload_fault.is_none()));
    families.put(&all::RELOAD_TIME, &[], seconds(view.reloaded));
    counters(families, view);
    results::put(families, view, now);
}

fn probes(families: &mut Families, view: &CoreView) {
    for probe in &view.probes {
        let name = probe.name.as_str();
        match probe.verdict {
            Verdict::Up { .. } => families.put(&all::UP, &[name], 1.0),
            Verdict::Down => families.put(&all::UP, &[name], 0.0),
            Verdict::Unknown => {}
        }
        for verdict in [Verdict::Up { partial: false }, Verdict::Down, Verdict::Unknown] {
            let word = verdict.word();
            families.put(&all::VERDICT, &[name, word], flag(probe.verdict.word() == word));
        }
        families.put(&all::PARTIAL, &[name], flag(probe.verdict.partial()));
        families.put(&all::SINCE, &[name], seconds(probe.since));
        families.put(&all::PAUSED, &[name], flag(probe.paused));
        for (region, says) in &probe.regions {
            for vote in [Vote::Up, Vote::Down, Vote::Unknown] {
                let labels = [name, region.as_str(), vote.word()];
                families.put(&all::VOTE, &labels, flag(says.vote == vote));
            }
            if let Some(last) = says.last {
                families.put(&all::LAST, &[name, region.as_str()], seconds(last));
            }
        }
    }
}

fn agents(families: &mut Families, view: &CoreView) {
    for agent in &view.agents {
        let labels = [agent.name.as_str(), agent.region.as_str()];
        families.put(&all::AGENT_HEARD, &labels, seconds(agent.heard));
        families.put(&all::AGENT_SILENT, &labels, flag(agent.silent));
    }
    let silent = view.agents.iter().filter(|agent| agent.silent).count();
    let heard = view.agents.len().saturating_sub(silent);
    families.put(&all::AGENTS, &["heard"], heard as f64);
    families.put(&all::AGENTS, &["silent"], silent as f64);
}

fn incidents(families: &mut Families, view: &CoreView) {
    for severity in [Severity::Critical, Severity::Error, Severity::Warning, Severity::Info] {
        for state in [State::Triggered, State::Acknowledged] {
            let same = view
                .open
                .iter()
                .filter(|incident| incident.severity == severity && incident.state == state);
            let labels = [severity.word(), state.word()];
            families.put(&all::INCIDENTS, &labels, same.count() as f64);
        }
    }
}

/// The name and value of a figure of the core as they are shown: times are in seconds.
pub(crate) fn in_seconds(name: &str, value: u64) -> (String, f64) {
    // Whole numbers below 2^53 are exact.
    let value = value as f64;
    if let Some(stem) = name.strip_suffix("_ms") {
        (format!("watchpost_{stem}_seconds"), value / 1e3)
    } else if let Some(stem) = name.strip_suffix("_us_total") {
        (format!("watchpost_{stem}_seconds_total"), value / 1e6)
    } else {
        (format!("watchpost_{name}"), value)
    }
}

/// The core's counters carry their own names. Those in the table have their label's name there; what
/// is newer than the table is shown all the same, with the label `of`.
fn counters(families: &mut Families, view: &CoreView) {
    for (name, label, value) in &view.counters {
        let (name, value) = in_seconds(name, *value);
        let labels: &[&str] = if label.is_empty() { &[] } else { &[label.as_str()] };
        match all::ALL.iter().find(|metric| metric.name == name) {
            Some(metric) if metric.labels.len() == labels.len() => {
                families.put(metric, labels, value);
            }
            _ => {
                let sort = if name.ends_with("_total") { Sort::Core } else { Sort::Gauge };
                let labels = labels.iter().map(|value| ("of", *value));
                families.put_any(&name, sort, "A figure of the core.", labels, value);
            }
        }
    }
}
