//! The log: always on stderr, as text or JSON, in the detail that was asked for.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::arguments::{LogFormat, Logging};

/// Which events are wanted for `-q`, none, `-v`, `-vv`: ours in detail, libraries' from warnings on.
fn filter(logging: &Logging) -> &'static str {
    match (logging.quiet, logging.verbose) {
        (true, _) => "error",
        (false, 0) => "warn,watchpost=info,agent=info,collector=info",
        (false, 1) => "warn,watchpost=debug,agent=debug,collector=debug",
        (false, _) => "info,watchpost=trace,agent=trace,collector=trace",
    }
}

/// Starts the log. `RUST_LOG` replaces the filter where neither `-v` nor `-q` is given.
pub fn start(logging: &Logging) {
    let ours = || EnvFilter::new(filter(logging));
    let asked = logging.quiet || logging.verbose > 0;
    let filter =
        if asked { ours() } else { EnvFilter::try_from_default_env().unwrap_or_else(|_| ours()) };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second log in one process is refused; then the first one goes on.
    let _ = match logging.log_format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
}
