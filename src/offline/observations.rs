//! The observations file: one JSON object a line, read as a stream.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use anyhow::Context as _;
use model::config::DownWhen;
use model::ledger::{Observation, Observed, Say};
use model::name::Region;
use model::time::{Millis, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{message, strange_keys};

/// The longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// The most observations of one file: what five regions see every second of 200 days.
const OBSERVATIONS_MAX: usize = 86_400_000;
/// How much of the file is read at once, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;

const KEYS: &[&str] = &["id", "region", "t", "outcome", "interval_ms"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    id: String,
    #[serde(borrow)]
    region: Cow<'a, str>,
    t: i64,
    outcome: Outcome,
    interval_ms: i64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Up,
    Down,
    Void,
}

/// Reads the observations of a probe that `regions` vote on.
///
/// # Errors
/// The file cannot be read, or a line is not an observation: file, line, and what would be right.
pub fn read(path: &Path, regions: &[Region]) -> anyhow::Result<Observed> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, file);
    let mut names = Names::new(regions);
    let mut observations = Vec::new();
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let mut limited = (&mut reader).take(u64::try_from(LINE_BYTES_MAX)? + 1);
        let length = limited
            .read_until(b'\n', &mut line)
            .with_context(|| format!("cannot read {}", path.display()))?;
        if length == 0 {
            break;
        }
        let place = || format!("{}:{number}", path.display());
        if length > LINE_BYTES_MAX {
            anyhow::bail!("{}: a line has at most {LINE_BYTES_MAX} bytes", place());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if observations.len() == OBSERVATIONS_MAX {
            anyhow::bail!("{}: a file has at most {OBSERVATIONS_MAX} observations", place());
        }
        let observation = observation(&line, &mut names)
            .map_err(|problem| anyhow::anyhow!("{}: {problem}", place()))?;
        observations.push(observation);
    }
    Ok(Observed { regions: regions.to_vec(), down_when: DownWhen::Majority, observations })
}

/// Names that were seen, so that each is checked and kept once.
struct Names(BTreeMap<String, Region>);

impl Names {
    fn new(regions: &[Region]) -> Self {
        Self(regions.iter().map(|region| (region.as_str().to_owned(), region.clone())).collect())
    }

    fn region(&mut self, name: &str) -> Result<Region, String> {
        if let Some(region) = self.0.get(name) {
            return Ok(region.clone());
        }
        let region = Region::new(name)?;
        self.0.insert(name.to_owned(), region.clone());
        Ok(region)
    }
}

fn observation(line: &[u8], names: &mut Names) -> Result<Observation, String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| explain(line, &error))?;
    let region = names.region(&line.region).map_err(|problem| format!("region: {problem}"))?;
    if line.interval_ms < 1 {
        return Err(format!(
            "interval_ms: {} is not an interval: write at least 1 millisecond",
            line.interval_ms
        ));
    }
    Ok(Observation {
        id: line.id,
        region,
        at: Timestamp::from_ms(line.t),
        say: match line.outcome {
            Outcome::Up => Say::Up,
            Outcome::Down => Say::Down,
            Outcome::Void => Say::Void,
        },
        interval: Millis::from_ms(line.interval_ms),
    })
}

/// What is wrong with a line, and what a right one looks like.
fn explain(line: &[u8], error: &serde_json::Error) -> String {
    const RIGHT: &str =
        r#"{"id":"eu/1","region":"eu","t":1781078400000,"outcome":"up","interval_ms":60000}"#;
    let strange = serde_json::from_slice::<Value>(line)
        .map(|tree| strange_keys(&tree, KEYS))
        .unwrap_or_default();
    match strange.first() {
        Some(problem) => problem.clone(),
        None => format!("column {}: {}; a line is {RIGHT}", error.column(), message(error)),
    }
}
