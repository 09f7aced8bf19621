//! Watches the configuration file and SIGHUP, and passes every new configuration on.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use model::config::Watch;
use model::secret::Resolver;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;
use crate::run::{self, supervisor};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Configurations that may wait for the collector.
pub const RELOADS_MAX: usize = 4;

/// What changes when a file is written or replaced: modified (s, ns), length, device, inode. None
/// while there is no file.
pub type Mark = Option<(i64, i64, u64, u64, u64)>;

/// The mark of the file now. A link is followed, so that replacing its goal is seen.
pub fn mark(path: &Path) -> Mark {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.mtime(), meta.mtime_nsec(), meta.len(), meta.dev(), meta.ino()))
}

/// Reads `path` again after each change and each SIGHUP.
pub struct Reloads {
    path: PathBuf,
    resolve: Resolver,
    hangup: Signal,
    loaded: Mark,
    seen: Mark,
    to: mpsc::Sender<Result<Watch, String>>,
}

impl Reloads {
    /// `loaded` is the mark of the file as it was just before it was loaded.
    pub fn new(
        path: PathBuf,
        resolve: Resolver,
        loaded: Mark,
        to: mpsc::Sender<Result<Watch, String>>,
    ) -> Result<Self, Failure> {
        let hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
        Ok(Self { path, resolve, hangup, loaded, seen: loaded, to })
    }

    /// Until `stop`, or until nobody takes configurations any more.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = tokio::select! {
                () = stop.cancelled() => return,
                _ = self.hangup.recv() => true,
                _ = look.tick() => self.settled(),
            };
            if due && !self.reload().await {
                return;
            }
        }
    }

    /// Whether the file differs from what was loaded and was left alone since the last look: a file
    /// that is being written is not read half.
    fn settled(&mut self) -> bool {
        let now = mark(&self.path);
        let settled = now == self.seen;
        self.seen = now;
        settled && now != self.loaded
    }

    async fn reload(&mut self) -> bool {
        supervisor::reloading();
        self.loaded = mark(&self.path);
        let (path, resolve) = (self.path.clone(), self.resolve.clone());
        let read = tokio::task::spawn_blocking(move || run::load(&path, &resolve)).await;
        let loaded = read.unwrap_or_else(|_| Err("the configuration could not be read".into()));
        match &loaded {
            Ok(real) => tracing::info!(
                file = %self.path.display(),
                probes = real.probes.len(),
                "configuration read again"
            ),
            Err(problems) => tracing::error!(
                file = %self.path.display(),
                "the configuration has problems, the one before stays in force:\n{problems}"
            ),
        }
        let taken = self.to.send(loaded.map(run::watch)).await.is_ok();
        supervisor::ready();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_changes_when_a_file_is_rewritten_replaced_or_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probes.yaml");
        assert_eq!(mark(&path), None);
        std::fs::write(&path, "a").unwrap();
        let first = mark(&path);
        assert!(first.is_some());
        assert_eq!(mark(&path), first);
        std::fs::write(&path, "ab").unwrap();
        let longer = mark(&path);
        assert_ne!(longer, first);
        let other = folder.path().join("other");
        std::fs::write(&other, "cd").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_ne!(mark(&path), longer);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(mark(&path), None);
    }

    #[tokio::test]
    async fn a_file_is_read_once_it_rests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probes.yaml");
        std::fs::write(&path, "a").unwrap();
        let (to, _from) = mpsc::channel(1);
        let resolve = crate::secrets::resolver();
        let mut reloads = Reloads::new(path.clone(), resolve, mark(&path), to).unwrap();
        assert!(!reloads.settled());
        std::fs::write(&path, "ab").unwrap();
        assert!(!reloads.settled(), "it changed since the last look");
        assert!(reloads.settled(), "it rests and is not what was loaded");
    }
}
