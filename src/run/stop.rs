//! Signals that end the program: the first asks for a graceful end, the second does not wait.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::{Done, Failure};
use crate::run::supervisor;

/// What SIGTERM and SIGINT have asked for so far.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Finish what was accepted, then end.
    pub asked: CancellationToken,
    /// End now.
    pub demanded: CancellationToken,
}

impl Stop {
    /// Listens for signals from now on.
    pub fn listen() -> Result<Self, Failure> {
        let what = "cannot listen for signals";
        let terminate = signal(SignalKind::terminate()).context(what)?;
        let interrupt = signal(SignalKind::interrupt()).context(what)?;
        let stop = Self { asked: CancellationToken::new(), demanded: CancellationToken::new() };
        tokio::spawn(stop.clone().obey(terminate, interrupt));
        Ok(stop)
    }

    async fn obey(self, mut terminate: Signal, mut interrupt: Signal) {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        let first = next().await;
        tracing::info!("{first}: stopping; a second signal ends at once");
        supervisor::stopping();
        self.asked.cancel();
        let second = next().await;
        tracing::warn!("{second}: ending at once");
        self.demanded.cancel();
    }

    /// Runs `work` to its end, or drops it when the end is demanded.
    pub async fn unless_demanded(&self, work: impl Future<Output = Done>) -> Done {
        tokio::select! {
            done = work => done,
            () = self.demanded.cancelled() => Err(Failure::Failed(anyhow::anyhow!(
                "ended at once by a second signal; what was accepted is on disk"
            ))),
        }
    }
}
