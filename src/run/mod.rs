//! The commands that stay: up, collector, agent; and what they share.

pub mod agent;
pub mod collector;
mod own_token;
mod reload;
mod stop;
mod supervisor;
pub mod up;

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use model::config::{Config, Watch, Word as _};
use model::secret::Resolver;

use crate::exit::Failure;

/// The configuration as the binary reads it: with the real kinds and notifiers.
pub type Real = Config<::agent::probe::Kind, ::collector::notify::Notifier>;

/// Reads a configuration; the error is every problem it has, ready to print.
pub fn load(path: &Path, resolve: &Resolver) -> Result<Real, String> {
    crate::load::load(path, resolve).map_err(|problems| problems.to_string())
}

/// The configuration as decisions see it.
pub fn watch(real: Real) -> Watch {
    real.map(|kind| kind.opaque(), |notifier| notifier.opaque())
}

/// Makes a folder that only its owner can read, if it is missing.
fn private_folder(path: &Path) -> Result<(), Failure> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
        anyhow::anyhow!(error).context(format!("cannot make the folder {}", path.display())).into()
    })
}
