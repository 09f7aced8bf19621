//! `watchpost schema`: prints the JSON Schema of probes.yaml.

use std::io::Write;

use anyhow::Context as _;
use model::config::{self, Word};

/// Prints the schema, draft 2020-12, to `out`.
///
/// # Errors
/// `out` cannot be written to.
pub fn run<K: Word, N: Word>(out: &mut dyn Write) -> anyhow::Result<()> {
    let schema = config::schema::<K, N>();
    writeln!(out, "{schema:#}").and_then(|()| out.flush()).context("cannot print")
}
