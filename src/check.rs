//! `watchpost check`: says every problem of a file, or that there is none and what is in it.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use model::config::{Config, Word};
use model::secret::Resolver;

use crate::load;

/// The file is good.
pub const GOOD: u8 = 0;
/// The file has problems.
pub const BAD_CONFIGURATION: u8 = 64;

/// Checks the file at `path` and prints every problem, or one line of what is in it, to `out`. Gives
/// the exit code.
///
/// # Errors
/// `out` cannot be written to.
pub fn run<K: Word, N: Word>(
    path: &Path,
    resolve: &Resolver,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    let (text, code) = match load::load::<K, N>(path, resolve) {
        Ok(config) => (format!("{}: ok, {}\n", path.display(), contents(&config)), GOOD),
        Err(problems) => (problems.to_string(), BAD_CONFIGURATION),
    };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot print")?;
    Ok(code)
}

/// `3 probes in 2 regions, 1 service, 2 contacts, 1 policy`.
fn contents<K, N>(config: &Config<K, N>) -> String {
    let count = |count: usize, one: &str, more: &str| {
        format!("{count} {}", if count == 1 { one } else { more })
    };
    format!(
        "{} in {}, {}, {}, {}",
        count(config.probes.len(), "probe", "probes"),
        count(config.regions.len(), "region", "regions"),
        count(config.services.len(), "service", "services"),
        count(config.contacts.len(), "contact", "contacts"),
        count(config.policies.len(), "policy", "policies"),
    )
}
