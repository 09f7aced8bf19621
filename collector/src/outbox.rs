//! Sends due notices until they are delivered or given up.
//!
//! Notices to one contact about one incident form a lane: they leave one after the other, and while an
//! earlier one waits for another attempt, the later ones wait too, so that "up again" never overtakes
//! "down". Lanes do not wait for each other.

pub mod attempt;
pub mod lanes;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use model::config::Watch;
use model::secret::Resolver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::attempt::{Sender, Told};
use self::lanes::Lanes;
use crate::handle::{Attempted, Claimed, Handle};
use crate::links::Links;
use crate::metrics::table::{NOTICES, NOTICES_HELD, OUTBOX_FAULTS};

/// Notices that are sent at once.
pub const SENDING_MAX: usize = 64;
/// Notices that are claimed and wait for their lane.
pub const WAITING_MAX: usize = 64;
/// How long the outbox sleeps when nobody wakes it.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Attempts to record the end of an attempt with the core before it is left to the lease to run out.
const RECORD_ATTEMPTS: u32 = 5;
/// Wait between them.
const RECORD_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Claims due notices, sends each through its contact's notifier, and records what became of it;
/// until `stop`. Attempts that run then are finished, which takes at most
/// [`attempt::ATTEMPT_WITHIN`] and the recording.
pub async fn run(handle: Handle, links: Links, resolve: Resolver, stop: CancellationToken) {
    let sender = match Sender::new(links, resolve) {
        Ok(sender) => Arc::new(sender),
        Err(why) => {
            tracing::error!(why, "no notice can be sent");
            return;
        }
    };
    let mut outbox = Outbox { handle, sender, lanes: Lanes::default(), running: JoinSet::new() };
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(told) = outbox.running.join_next() => outbox.finish(told.ok()).await,
            () = outbox.handle.due() => outbox.claim().await,
            () = tokio::time::sleep(LOOK_EVERY) => outbox.claim().await,
        }
    }
    while let Some(told) = outbox.running.join_next().await {
        if let Ok(told) = told {
            outbox.record(&told).await;
        }
    }
}

struct Outbox {
    handle: Handle,
    sender: Arc<Sender>,
    lanes: Lanes,
    running: JoinSet<Told>,
}

impl Outbox {
    async fn claim(&mut self) {
        let room = (SENDING_MAX + WAITING_MAX)
            .saturating_sub(self.running.len())
            .saturating_sub(self.lanes.waiting());
        if room == 0 || self.running.len() >= SENDING_MAX {
            return;
        }
        let claimed = match self.handle.claim(room.min(SENDING_MAX)).await {
            Ok(claimed) => claimed,
            Err(refusal) => {
                self.handle.counted().count(&OUTBOX_FAULTS, &["claim"]);
                tracing::debug!(%refusal, "due notices cannot be claimed");
                return;
            }
        };
        if claimed.is_empty() {
            return;
        }
        let now = crate::clock::now();
        let mut held = Vec::new();
        for one in claimed {
            match self.lanes.admit(one, now) {
                lanes::Admitted::Queued => {}
                lanes::Admitted::Held { claimed, until } => held.push((claimed, until)),
            }
        }
        for (claimed, until) in held {
            self.hold(&claimed, until).await;
        }
        self.start().await;
    }

    /// Begins the first of every lane that is free.
    async fn start(&mut self) {
        let room = SENDING_MAX.saturating_sub(self.running.len());
        let ready = self.lanes.ready(room, crate::clock::now());
        if ready.is_empty() {
            return;
        }
        let watch = match self.handle.view().await {
            Ok(view) => view.watch.clone(),
            Err(refusal) => {
                // The leases run out and the notices are claimed again.
                self.handle.counted().count(&OUTBOX_FAULTS, &["claim"]);
                tracing::debug!(%refusal, "the configuration cannot be read");
                for one in &ready {
                    self.lanes.free(one, None);
                }
                return;
            }
        };
        for claimed in ready {
            let (sender, watch) = (self.sender.clone(), watch.clone());
            let handle = self.handle.clone();
            self.running.spawn(async move { attempt(&sender, watch, &handle, claimed).await });
        }
    }

    async fn finish(&mut self, told: Option<Told>) {
        // Attempts catch their panics, so only an aborted task has nothing to tell.
        let Some(told) = told else { return };
        self.record(&told).await;
        let again = match &told.attempted {
            Attempted::Retry { at, .. } => Some(*at),
            Attempted::Delivered | Attempted::Unwanted | Attempted::Undeliverable { .. } => None,
        };
        let behind = self.lanes.free(&told.claimed, again);
        if let Some(at) = again {
            for claimed in behind {
                self.hold(&claimed, at).await;
            }
        }
        self.start().await;
    }

    /// Puts a notice behind an earlier one of its lane that is tried again at `until`.
    async fn hold(&self, claimed: &Claimed, until: model::time::Timestamp) {
        let contact = claimed.notice.contact.as_str();
        self.handle.counted().count(&NOTICES_HELD, &[contact]);
        let why = "waits for an earlier notice about the same incident".to_owned();
        let at = until + model::time::Millis::from_ms(1);
        let attempted = Attempted::Retry { at, why };
        self.tell_core(claimed, &attempted).await;
    }

    async fn record(&self, told: &Told) {
        let contact = told.claimed.notice.contact.as_str();
        let key = told.claimed.notice.key.0.as_str();
        let attempt = told.claimed.attempts.saturating_add(1);
        let word = match &told.attempted {
            Attempted::Delivered => {
                tracing::debug!(key, contact, attempt, "notice delivered");
                "delivered"
            }
            Attempted::Unwanted => "unwanted",
            Attempted::Retry { at, why } => {
                tracing::warn!(key, contact, attempt, why, again = %at, "notice not delivered yet");
                "retry"
            }
            Attempted::Undeliverable { why } => {
                tracing::error!(key, contact, attempt, why, "notice given up");
                "undeliverable"
            }
        };
        self.handle.counted().count(&NOTICES, &[contact, word]);
        self.tell_core(&told.claimed, &told.attempted).await;
    }

    async fn tell_core(&self, claimed: &Claimed, attempted: &Attempted) {
        for _ in 0..RECORD_ATTEMPTS {
            let key = claimed.notice.key.clone();
            match self.handle.attempted(key, attempted.clone()).await {
                Ok(()) => return,
                Err(refusal) => {
                    self.handle.counted().count(&OUTBOX_FAULTS, &["record"]);
                    tracing::debug!(%refusal, "an attempt cannot be recorded");
                    tokio::time::sleep(RECORD_AGAIN_AFTER).await;
                }
            }
        }
        // The lease runs out and the notice is sent once more, under the same key.
        tracing::warn!(key = claimed.notice.key.0, "an attempt was not recorded");
    }
}

async fn attempt(
    sender: &Sender,
    watch: Option<Arc<Watch>>,
    handle: &Handle,
    claimed: Claimed,
) -> Told {
    sender.attempt(watch.as_deref(), handle.counted(), claimed).await
}
