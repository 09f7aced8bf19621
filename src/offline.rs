//! A statement from files: observations as JSON Lines and a contract, computed by the same code as
//! the collector's, so that whoever doubts a figure can compute it again.

mod contract;
mod observations;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use model::report;
use model::time::Timestamp;
use serde_json::Value;

use contract::Contract;

/// How alike two keys must be for one to be suggested for the other, of 1.
const ALIKE: f64 = 0.7;
/// The most instants of one `--burn-at`.
const INSTANTS_MAX: usize = 10_000;

/// Writes the statement of the contract's period as one JSON object, or with `burn_at` the burn
/// rates at each instant (`MS[,MS…]`, or RFC 3339) as a JSON array.
///
/// # Errors
/// A file cannot be read or is not as it should be; the text says where and what would be right.
pub fn run(
    observations: &Path,
    contract: &Path,
    burn_at: Option<&str>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let instants = burn_at.map(instants).transpose()?;
    let contract = contract::read(contract)?;
    let observed = observations::read(observations, &contract.regions)?;
    let Contract { terms, from, to, .. } = contract;
    match instants {
        Some(instants) => {
            serde_json::to_writer(&mut *out, &report::burn(&terms, vec![observed], &instants))
        }
        None => {
            let (spans, conflicts) = terms.spans(vec![observed], from, to);
            if conflicts > 0 {
                tracing::warn!(
                    conflicts,
                    "observations contradict others of the same id; of each id the one whose JSON \
                     is smaller counts"
                );
            }
            serde_json::to_writer(&mut *out, &report::statement_of(&terms, &spans, from, to))
        }
    }
    .and_then(|()| out.write_all(b"\n").map_err(serde_json::Error::io))
    .context("cannot write the statement")
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
