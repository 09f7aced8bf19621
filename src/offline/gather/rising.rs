//! Lines that rise in time: swept as they are read.
//!
//! An id that comes again at another time would change what was swept already. Whether one does is
//! known at the end, from a number for each id; then the sweep was in vain and the parts decide.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};

use anyhow::Context as _;
use model::ledger::{Observation, Sample, Span, count_once};

use super::{Question, mark};
use crate::offline::observations::{Lines, Source};

/// The files that numbers of ids are kept in. Their numbers are compared file by file.
const MARK_FILES: usize = 64;
/// The most observations of one instant; more are taken for a file that does not rise.
const INSTANT_MAX: usize = 100_000;
/// How much of each file is written at once, in bytes.
const BUFFER_BYTES: usize = 32 * 1024;
const FAILED: &str = "cannot keep the numbers of ids in the system's folder for temporary files";

/// The spans of the time that is asked for, and the contradictions; none if the lines do not rise,
/// or an id comes again later.
pub fn spans(source: Source, question: &Question<'_>) -> anyhow::Result<Option<(Vec<Span>, u64)>> {
    let mut rising = Rising {
        lines: Lines::new(source),
        question,
        next: None,
        ready: VecDeque::new(),
        marks: Marks::new().context(FAILED)?,
        conflicts: 0,
        end: None,
    };
    let spans = question.spans(rising.by_ref());
    // Lines after the period are looked at too: they may be wrong, or contradict earlier ones.
    while rising.next().is_some() {}
    match rising.end {
        Some(End::Fault(fault)) => Err(fault),
        Some(End::Disorder) => Ok(None),
        None => {
            let unique = rising.marks.are_unique().context(FAILED)?;
            Ok(unique.then_some((spans, rising.conflicts)))
        }
    }
}

/// Why it ended before the lines did.
enum End {
    Disorder,
    Fault(anyhow::Error),
}

/// The samples of lines that rise in time.
struct Rising<'a> {
    lines: Lines,
    question: &'a Question<'a>,
    /// The first observation of the next instant.
    next: Option<Observation>,
    /// Samples of this instant, in the order in which they are applied.
    ready: VecDeque<Sample>,
    marks: Marks,
    conflicts: u64,
    end: Option<End>,
}

impl Rising<'_> {
    /// All observations of the next instant, in the order of lines; empty at the end.
    fn instant(&mut self) -> Result<Vec<Observation>, End> {
        let first = match self.next.take() {
            Some(first) => Some(first),
            None => self.lines.next().transpose().map_err(End::Fault)?,
        };
        let Some(first) = first else { return Ok(Vec::new()) };
        let at = first.at;
        let mut instant = vec![first];
        for line in self.lines.by_ref() {
            let line = line.map_err(End::Fault)?;
            if line.at < at || instant.len() == INSTANT_MAX {
                return Err(End::Disorder);
            }
            if line.at > at {
                self.next = Some(line);
                break;
            }
            instant.push(line);
        }
        Ok(instant)
    }

    fn fill(&mut self) -> Result<(), End> {
        while self.ready.is_empty() {
            let mut instant = self.instant()?;
            if instant.is_empty() {
                break;
            }
            if instant.len() > 1 {
                // Sorted by id; a stable sort by say then gives the order in which they are applied.
                self.conflicts += count_once(&mut instant);
                instant.sort_by_key(|observation| observation.say);
            }
            for observation in &instant {
                let kept = self.marks.keep(mark(&observation.id)).context(FAILED);
                kept.map_err(End::Fault)?;
                let Some(region) = self.question.place(&observation.region) else { continue };
                self.ready.push_back(Sample {
                    at: observation.at,
                    say: observation.say,
                    // They come in order, and the sweep asks for no more.
                    order: 0,
                    region,
                    until: observation.until(self.question.terms.grace),
                });
            }
        }
        Ok(())
    }
}

impl Iterator for Rising<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.end.is_none() && self.ready.is_empty() {
            self.end = self.fill().err();
        }
        self.ready.pop_front().filter(|_| self.end.is_none())
    }
}

/// The numbers of all ids, on disk.
struct Marks(Vec<BufWriter<File>>);

impl Marks {
    fn new() -> io::Result<Self> {
        let file = |_| Ok(BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile()?));
        Ok(Self((0..MARK_FILES).map(file).collect::<io::Result<Vec<_>>>()?))
    }

    fn keep(&mut self, mark: u64) -> io::Result<()> {
        let place = usize::try_from(mark % (MARK_FILES as u64)).unwrap_or(0);
        match self.0.get_mut(place) {
            Some(file) => file.write_all(&mark.to_le_bytes()),
            None => Ok(()),
        }
    }

    /// Whether no number is there twice.
    fn are_unique(self) -> io::Result<bool> {
        for file in self.0 {
            let mut file = file.into_inner()?;
            let length = usize::try_from(file.stream_position()?).unwrap_or(0) / size_of::<u64>();
            file.rewind()?;
            let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
            let mut marks = Vec::with_capacity(length);
            let mut mark = [0; size_of::<u64>()];
            for _ in 0..length {
                file.read_exact(&mut mark)?;
                marks.push(u64::from_le_bytes(mark));
            }
            marks.sort_unstable();
            if marks.array_windows().any(|[one, next]| one == next) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
