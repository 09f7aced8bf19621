//! A statement from files: observations as JSON Lines and a contract, computed by the same code as
//! the collector's, so that whoever doubts a figure can compute it again.

mod contract;
mod gather;
mod observations;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use model::name::Region;
use model::report::{self, Statement};
use model::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::arguments::ReportFormat;
use crate::out;
use crate::statement::{self, About};

use contract::Contract;
use gather::Question;
use observations::Source;

/// How alike two keys must be for one to be suggested for the other, of 1.
const ALIKE: f64 = 0.7;
/// The most instants of one `--burn-at`.
const INSTANTS_MAX: usize = 10_000;

/// Which files, and what is wanted of them.
#[derive(Debug)]
pub struct Order<'a> {
    /// A file of observations, or a folder of them.
    pub observations: &'a Path,
    /// What they are judged by.
    pub contract: &'a Path,
    /// What to call what was observed; default: the name of the file.
    pub service: Option<&'a str>,
    /// The form of the statement.
    pub format: ReportFormat,
    /// Burn rates at these instants (`MS[,MS…]`, or RFC 3339) instead, as JSON whatever the form.
    pub burn_at: Option<&'a str>,
}

/// Writes the statement of the contract's period, or the burn rates as a JSON array.
///
/// # Errors
/// A file cannot be read or is not as it should be; the text says where and what would be right.
pub fn run(order: &Order<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let instants = order.burn_at.map(instants).transpose()?;
    let contract = contract::read(order.contract)?;
    let terms = &contract.terms;
    let (from, to) = match &instants {
        Some(instants) => report::burn_reach(instants)
            .ok_or_else(|| anyhow::anyhow!("--burn-at: write at least one instant"))?,
        None => (contract.from, contract.to.max(contract.from)),
    };
    let question = Question { regions: &contract.regions, terms, from, to };
    let (spans, conflicts) = gather::spans(order.observations, &question)?;
    if conflicts > 0 {
        tracing::warn!(
            conflicts,
            "observations contradict others of the same id; of each id the one whose JSON is \
             smaller counts"
        );
    }
    let text = match instants {
        Some(instants) => json(&report::burn_over(terms.target_ppm, &spans, &instants)),
        None => shown(order, &contract, report::statement_of(terms, &spans, from, to)),
    }?;
    out.write_all(text.as_bytes()).context("cannot write the statement")
}

fn json(value: &impl Serialize) -> anyhow::Result<String> {
    let text = serde_json::to_string(value).context("cannot write the statement")?;
    Ok(text + "\n")
}

/// A statement in the form that is wanted.
fn shown(order: &Order<'_>, contract: &Contract, found: Statement) -> anyhow::Result<String> {
    if order.format == ReportFormat::Json {
        return json(&found);
    }
    let about = about(order, contract)?;
    match order.format {
        ReportFormat::Csv => Ok(statement::csv(&[(about, found)])),
        ReportFormat::Html => statement::html(&about, &found),
        ReportFormat::Table | ReportFormat::Json => Ok(statement::table(
            &about.service,
            &about.period,
            &about.time_zone,
            about.objective_ppm,
            &found,
        )),
    }
}

fn about(order: &Order<'_>, contract: &Contract) -> anyhow::Result<About> {
    let name = |path: &Path| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        out::clean(&name.to_string_lossy())
    };
    let stem = order.observations.file_stem().unwrap_or_default().to_string_lossy();
    let mut files = Vec::new();
    if order.format == ReportFormat::Html {
        for path in [order.observations, order.contract] {
            let all = if path.is_dir() { "/*.jsonl, one after the other" } else { "" };
            files.push((format!("{}{all}", name(path)), Source::find(path)?.sha256()?));
        }
    }
    let regions: Vec<&str> = contract.regions.iter().map(Region::as_str).collect();
    Ok(About {
        service: order.service.map_or_else(|| out::clean(&stem), ToOwned::to_owned),
        period: contract.period.clone(),
        time_zone: contract.zone.clone(),
        objective_ppm: contract.terms.target_ppm,
        now_ms: None,
        measured: vec![format!(
            "Measured from {}. It is down when more than half of the regions that can say anything \
             say so, and not known when fewer than half of all regions can. What one region says \
             holds for twice its interval and {}.",
            regions.join(", "),
            statement::length(contract.terms.grace.ms()),
        )],
        commands: format!(
            "watchpost report --observations {} \\\n  --contract {} --format json",
            statement::quoted(&name(order.observations)),
            statement::quoted(&name(order.contract))
        ),
        outages: Vec::new(),
        files,
    })
}

/// Reads `MS[,MS…]`.
fn instants(text: &str) -> anyhow::Result<Vec<Timestamp>> {
    let instants: Result<Vec<Timestamp>, String> = text
        .split(',')
        .take(INSTANTS_MAX + 1)
        .map(|item| match item.trim().parse() {
            Ok(ms) => contract::writable(ms),
            Err(_) => contract::rfc3339(item.trim()),
        })
        .collect();
    let instants = instants.map_err(|fault| anyhow::anyhow!("--burn-at: {fault}"))?;
    anyhow::ensure!(
        instants.len() <= INSTANTS_MAX,
        "--burn-at: at most {INSTANTS_MAX} instants can be given at once"
    );
    Ok(instants)
}

/// What to write instead of each key of `object` that is not among `known`.
fn strange_keys(object: &Value, known: &[&str]) -> Vec<String> {
    let keys = object.as_object().into_iter().flat_map(serde_json::Map::keys);
    keys.filter(|key| !known.contains(&key.as_str()))
        .map(|key| {
            let alike = |word: &str| strsim::jaro_winkler(key, word);
            let nearest = known.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
            match nearest.filter(|word| alike(word) >= ALIKE) {
                Some(word) => {
                    format!("unknown key `{}`: did you mean `{word}`?", key.escape_debug())
                }
                None => {
                    format!("unknown key `{}`: keys are {}", key.escape_debug(), known.join(", "))
                }
            }
        })
        .collect()
}

/// serde_json's message without its place, which is told in front.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}
