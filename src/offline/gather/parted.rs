//! Observations in any order: parted by id, counted once part by part, merged by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, Write as _};

use anyhow::Context as _;
use model::ledger::{Observation, Sample, Say, Span, count_once};
use model::name::Region;
use model::time::Timestamp;

use super::{Question, mark, record};
use crate::offline::observations::{Lines, Source};

/// The most parts, each an open file.
const PARTS_MAX: u64 = 256;
/// Parts of what has no length that could be known beforehand.
const PARTS_UNKNOWN: u64 = 128;
/// How much of each part is written and read at once, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;
/// What failed when something with the parts did.
const FAILED: &str = "cannot sort the observations in the system's folder for temporary files";

/// The spans of the time that is asked for, and the contradictions. Holds one part, of about `memory`
/// bytes of text, and a buffer for every part.
pub fn spans(
    source: Source,
    question: &Question<'_>,
    memory: u64,
) -> anyhow::Result<(Vec<Span>, u64)> {
    let bytes = source.bytes();
    let parts = bytes.map_or(PARTS_UNKNOWN, |bytes| bytes.div_ceil(memory.max(1)));
    let parts = part(Lines::new(source), parts.clamp(1, PARTS_MAX))?;
    let mut conflicts = 0;
    let mut runs = Vec::with_capacity(parts.len());
    for part in parts {
        let (run, found) = sort(part).context(FAILED)?;
        runs.push(run);
        conflicts += found;
    }
    let mut merged = Merged::new(runs).context(FAILED)?;
    let samples = merged.by_ref().filter_map(|observation| {
        Some(Sample {
            at: observation.at,
            say: observation.say,
            // They come in order, and the sweep asks for no more.
            order: 0,
            region: question.place(&observation.region)?,
            until: observation.until(question.terms.grace),
        })
    });
    let spans = question.spans(samples);
    match merged.fault {
        Some(fault) => Err(fault).context(FAILED),
        None => Ok((spans, conflicts)),
    }
}

/// All observations of one id go to one part.
fn part(lines: Lines, parts: u64) -> anyhow::Result<Vec<File>> {
    let mut files = (0..parts)
        .map(|_| Ok(BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile()?)))
        .collect::<io::Result<Vec<_>>>()
        .context(FAILED)?;
    for observation in lines {
        let observation = observation?;
        let place = usize::try_from(mark(&observation.id) % parts)?;
        if let Some(file) = files.get_mut(place) {
            record::write(file, &observation).context(FAILED)?;
        }
    }
    let files = files.into_iter().map(|file| file.into_inner().map_err(io::Error::from));
    files.collect::<io::Result<Vec<_>>>().context(FAILED)
}

/// A part in order of time, each id once, and its contradictions.
fn sort(part: File) -> io::Result<(File, u64)> {
    let mut part = reader(part)?;
    let mut observations: Vec<Observation> = Vec::new();
    while let Some(next) = record::read(&mut part, observations.last().map(|last| &last.region))? {
        observations.push(next);
    }
    drop(part);
    let conflicts = count_once(&mut observations);
    observations.sort_unstable_by(|one, other| order(one).cmp(&order(other)));
    let mut run = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile()?);
    for observation in &observations {
        record::write(&mut run, observation)?;
    }
    run.flush()?;
    Ok((run.into_inner()?, conflicts))
}

/// The order in which observations are applied.
fn order(observation: &Observation) -> (Timestamp, Say, &str) {
    (observation.at, observation.say, &observation.id)
}

fn reader(mut file: File) -> io::Result<BufReader<File>> {
    file.rewind()?;
    Ok(BufReader::with_capacity(BUFFER_BYTES, file))
}

/// The next observation of a run; ordered as they are applied.
struct Head {
    observation: Observation,
    run: usize,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        order(&self.observation).cmp(&order(&other.observation))
    }
}

/// All runs as one; ends early where one cannot be read.
struct Merged {
    runs: Vec<BufReader<File>>,
    heads: BinaryHeap<Reverse<Head>>,
    fault: Option<io::Error>,
}

impl Merged {
    fn new(runs: Vec<File>) -> io::Result<Self> {
        let runs = runs.into_iter().map(reader).collect::<io::Result<Vec<_>>>()?;
        let count = runs.len();
        let mut merged = Self { runs, heads: BinaryHeap::with_capacity(count), fault: None };
        for run in 0..count {
            merged.advance(run, None)?;
        }
        Ok(merged)
    }

    fn advance(&mut self, run: usize, last: Option<&Region>) -> io::Result<()> {
        let Some(file) = self.runs.get_mut(run) else { return Ok(()) };
        if let Some(observation) = record::read(file, last)? {
            self.heads.push(Reverse(Head { observation, run }));
        }
        Ok(())
    }
}

impl Iterator for Merged {
    type Item = Observation;

    fn next(&mut self) -> Option<Observation> {
        if self.fault.is_some() {
            return None;
        }
        let Reverse(Head { observation, run }) = self.heads.pop()?;
        self.fault = self.advance(run, Some(&observation.region)).err();
        self.fault.is_none().then_some(observation)
    }
}
