//! The observations: one JSON object a line, in a file or in the files of a folder, read as a stream.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use model::ledger::{Observation, Say};
use model::name::Region;
use model::time::{Millis, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{message, strange_keys};
use crate::progress::Progress;

/// The longest line, in bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// The most observations: what five regions see every second of three years.
const OBSERVATIONS_MAX: u64 = 473_040_000;
/// The most files of a folder.
const FILES_MAX: usize = 10_000;
/// The most names of regions that are kept; further ones are checked every time.
const NAMES_MAX: usize = 1024;
/// How much of a file is read at once, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;

const KEYS: &[&str] = &["id", "region", "t", "outcome", "interval_ms"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
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

/// Where observations are: one file, or those of a folder that end in `.jsonl`, in order of name.
#[derive(Clone, Debug)]
pub struct Source {
    files: Vec<PathBuf>,
    bytes: Option<u64>,
}

impl Source {
    /// Looks at what is there.
    ///
    /// # Errors
    /// There is no such file, or the folder has none.
    pub fn find(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let found = std::fs::metadata(path).with_context(|| format!("cannot open {shown}"))?;
        if !found.is_dir() {
            let bytes = found.is_file().then_some(found.len());
            return Ok(Self { files: vec![path.to_owned()], bytes });
        }
        let mut files = Vec::new();
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot list {shown}"))?;
        for entry in entries {
            let file = entry.with_context(|| format!("cannot list {shown}"))?.path();
            if file.extension().is_some_and(|ending| ending == "jsonl") {
                files.push(file);
            }
            anyhow::ensure!(files.len() <= FILES_MAX, "{shown}: at most {FILES_MAX} files");
        }
        anyhow::ensure!(!files.is_empty(), "{shown}: no file in it ends in .jsonl");
        files.sort();
        let lengths = files.iter().map(|file| match std::fs::metadata(file) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(fault) => Err(fault).with_context(|| format!("cannot open {}", file.display())),
        });
        let lengths = lengths.collect::<anyhow::Result<Vec<Option<u64>>>>()?;
        Ok(Self { files, bytes: lengths.into_iter().sum() })
    }

    /// How many bytes of text there are; none if that is not known before they were read, or they can
    /// be read once only.
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// The SHA-256 of all its bytes, file after file, in hexadecimal.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn sha256(&self) -> anyhow::Result<String> {
        let mut hash = Sha256::new();
        for path in &self.files {
            let shown = path.display();
            let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
            let mut reader = BufReader::with_capacity(BUFFER_BYTES, file);
            loop {
                let read = reader.fill_buf().with_context(|| format!("cannot read {shown}"))?;
                let length = read.len();
                if length == 0 {
                    break;
                }
                hash.update(read);
                reader.consume(length);
            }
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// The observations of a source, in the order of its lines. Ends after the first error, which says
/// file, line, and what would be right.
pub struct Lines {
    files: std::vec::IntoIter<PathBuf>,
    file: Option<(PathBuf, BufReader<File>)>,
    number: u64,
    count: u64,
    names: Names,
    line: Vec<u8>,
    failed: bool,
    progress: Progress,
}

impl Lines {
    /// All of them.
    pub fn new(source: Source) -> Self {
        let (files, names) = (source.files.into_iter(), Names::default());
        let progress = Progress::new("observations read");
        Self {
            files,
            file: None,
            number: 0,
            count: 0,
            names,
            line: Vec::new(),
            failed: false,
            progress,
        }
    }

    fn step(&mut self) -> anyhow::Result<Option<Observation>> {
        loop {
            let Some((path, reader)) = &mut self.file else {
                let Some(path) = self.files.next() else { return Ok(None) };
                let file =
                    File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
                self.file = Some((path, BufReader::with_capacity(BUFFER_BYTES, file)));
                self.number = 0;
                continue;
            };
            self.line.clear();
            self.number += 1;
            let mut limited = reader.take(u64::try_from(LINE_BYTES_MAX)? + 1);
            let length = limited
                .read_until(b'\n', &mut self.line)
                .with_context(|| format!("cannot read {}", path.display()))?;
            if length == 0 {
                self.file = None;
                continue;
            }
            let place = || format!("{}:{}", path.display(), self.number);
            if length > LINE_BYTES_MAX {
                anyhow::bail!("{}: a line has at most {LINE_BYTES_MAX} bytes", place());
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            self.count += 1;
            self.progress.at(self.count);
            if self.count > OBSERVATIONS_MAX {
                anyhow::bail!("{}: there may be {OBSERVATIONS_MAX} observations at most", place());
            }
            let observation = observation(&self.line, &mut self.names)
                .map_err(|problem| anyhow::anyhow!("{}: {problem}", place()))?;
            return Ok(Some(observation));
        }
    }
}

impl Iterator for Lines {
    type Item = anyhow::Result<Observation>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.step();
        self.failed = next.is_err();
        next.transpose()
    }
}

/// Names that were seen, so that each is checked and kept once.
#[derive(Default)]
struct Names(BTreeMap<String, Region>);

impl Names {
    fn region(&mut self, name: &str) -> Result<Region, String> {
        if let Some(region) = self.0.get(name) {
            return Ok(region.clone());
        }
        let region = Region::new(name)?;
        if self.0.len() < NAMES_MAX {
            self.0.insert(name.to_owned(), region.clone());
        }
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
        id: line.id.into_owned(),
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
