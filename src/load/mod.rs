//! Reads probes.yaml from disk: every limit on what comes in, and every problem with its place.

mod text;
mod tree;
mod words;

use std::fmt;
use std::path::Path;

use model::config::{self, Config, Problem, Word};
use model::secret::Resolver;

/// The largest file, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Every problem of a file, shown with the lines they stand in.
#[derive(Debug)]
pub struct Problems {
    file: String,
    source: String,
    list: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&config::render(&self.file, &self.source, &self.list))
    }
}

impl std::error::Error for Problems {}

/// Reads and checks the file at `path`. `resolve` is asked only whether the secrets of contacts and
/// smtp are there.
///
/// # Errors
/// Every problem: that the file cannot be read, that it is not YAML, or all that is wrong in it.
pub fn load<K: Word, N: Word>(path: &Path, resolve: &Resolver) -> Result<Config<K, N>, Problems> {
    let file = path.display().to_string();
    match text::read(path) {
        Ok(source) => parse(&file, &source, resolve),
        Err((problem, source)) => Err(Problems { file, source, list: vec![problem] }),
    }
}

/// Reads and checks `source`, which is called `file` in what is told of it.
///
/// # Errors
/// As [`load`].
pub fn parse<K: Word, N: Word>(
    file: &str,
    source: &str,
    resolve: &Resolver,
) -> Result<Config<K, N>, Problems> {
    let found = match tree::parse(source) {
        Ok((tree, problems)) if problems.is_empty() => config::read(&tree, resolve),
        Ok((tree, mut problems)) => {
            problems.extend(config::read::<K, N>(&tree, resolve).err().into_iter().flatten());
            problems.sort();
            Err(problems)
        }
        Err(problems) => Err(problems),
    };
    found.map_err(|list| Problems { file: file.to_owned(), source: source.to_owned(), list })
}
