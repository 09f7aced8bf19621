//! The driver of the agent's machine: sockets, timers, disk.

mod attempts;
mod driver;
mod remote;
mod serve;
mod spooler;
#[cfg(test)]
mod tests;
mod work;

use std::path::PathBuf;
use std::sync::Arc;

use model::name::Region;
use model::secret::Resolver;
use model::time::{Millis, Timestamp};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::clock::Now;

/// Whether secrets need a policy or a pin on this agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A root-owned policy file says where each secret may go.
    Policy(PathBuf),
    /// The first use of a secret pins it; a change is refused until `watchpost agent approve`.
    FirstUse,
    /// Agent and collector are one process with one configuration file.
    Itself,
}

/// What an agent is started with.
#[derive(Clone)]
pub struct Options {
    /// Where the collector is.
    pub collector: Url,
    /// PEM file of the certificate authorities to trust for the collector instead of the system's.
    pub collector_ca: Option<PathBuf>,
    /// Where this agent runs.
    pub region: Region,
    /// Spool, pins and the last assignment; made with mode 0700 if missing.
    pub data: PathBuf,
    /// The agent's token.
    pub token: String,
    /// How secrets are bound.
    pub trust: Trust,
    /// Reads the environment and files for secrets.
    pub resolve: Resolver,
    /// Serve `/metrics` and `/healthz` here.
    pub listen: Option<std::net::SocketAddr>,
    /// Append every result as it is spooled to this file, one JSON object a line: the observation
    /// fields of the offline statement (`id`, `region`, `t`, `outcome`, `interval_ms`) and `probe`.
    pub record: Option<PathBuf>,
}

/// Why an agent could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of the agent.
    #[error("{what} {path}: {source}")]
    Disk {
        /// The operation, such as `cannot write`.
        what: &'static str,
        /// On which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Anything else; a sentence.
    #[error("{0}")]
    Other(String),
}

/// Runs until `stop`; then ends running probes, spools their results, tries once more to send, and
/// leaves the rest in the spool.
///
/// Running probes get [`driver::STOP_WAIT`] to end by themselves; a probe that is between its two
/// attempts leaves no result.
///
/// # Errors
/// [`Error`]: only what makes an agent useless; a collector that does not answer does not.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), Error> {
    driver::run(options, Arc::new(work::read_kind), stop).await
}

/// The clocks, read once for each input.
fn now(begun: tokio::time::Instant) -> Now {
    let mono = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    Now { wall: wall(), mono: Millis::from_ms(mono) }
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the one place where the agent reads the clock")]
fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_ms(
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
    )
}

/// A length as the runtime wants it.
fn duration(length: Millis) -> std::time::Duration {
    std::time::Duration::from_millis(length.ms().max(0).unsigned_abs())
}
