//! One attempt to send one notice, and what its end means.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use model::config::{Watch, Word};
use model::incident::{Event, NoticeKey};
use model::secret::Resolver;
use model::time::{Millis, Timestamp};
use tokio::time::timeout;

use crate::clock::now;
use crate::handle::{Attempted, Claimed};
use crate::links::Links;
use crate::metrics::Counted;
use crate::metrics::table::PANICS;
use crate::notify::{Dispatch, Done, Fault, Notifier};

/// How long one attempt may take.
pub const ATTEMPT_WITHIN: Duration = Duration::from_secs(10);
/// Wait after the first failed attempt; each further one doubles it.
pub const RETRY_FIRST: Millis = Millis::from_secs(5);
/// The longest wait between attempts.
pub const RETRY_LONGEST: Millis = Millis::from_secs(300);
/// How long a notice is tried, from when it was due.
pub const RETRY_FOR: Millis = Millis::from_secs(24 * 3600);
/// How often a notice is tried.
pub const ATTEMPTS_MAX: u32 = 300;
/// Notices whose delivered parts are remembered between attempts.
const PARTS_MAX: usize = 10_000;

/// An attempt that ended.
#[derive(Debug)]
pub struct Told {
    /// The notice.
    pub claimed: Claimed,
    /// How it ended.
    pub attempted: Attempted,
}

/// Makes attempts.
pub struct Sender {
    links: Links,
    resolve: Resolver,
    web: reqwest::Client,
    parts: Mutex<BTreeMap<NoticeKey, Arc<Done>>>,
}

impl Sender {
    /// `Err`: TLS cannot be set up on this machine.
    pub fn new(links: Links, resolve: Resolver) -> Result<Self, String> {
        let web = reqwest::Client::builder()
            .timeout(ATTEMPT_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("watchpost/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("the HTTP client cannot be made: {error}"))?;
        Ok(Self { links, resolve, web, parts: Mutex::default() })
    }

    /// Sends a notice once and says how it ended. A panic of the notifier costs this attempt only.
    pub async fn attempt(
        &self,
        watch: Option<&Watch>,
        counted: &Counted,
        claimed: Claimed,
    ) -> Told {
        let sending = AssertUnwindSafe(self.send(watch, &claimed)).catch_unwind();
        let ended = match timeout(ATTEMPT_WITHIN, sending).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(_)) => {
                counted.count(&PANICS, &["notifier"]);
                let (key, contact) = (&claimed.notice.key.0, claimed.notice.contact.as_str());
                tracing::error!(key, contact, "a notifier panicked");
                Err(Fault::later("the notifier panicked: this is a fault of Watchpost"))
            }
            Err(_) => {
                let seconds = ATTEMPT_WITHIN.as_secs();
                Err(Fault::later(format!("not sent within {seconds} s")))
            }
        };
        let spread = rand::random_range(0..=1000);
        let attempted = judge(&claimed, ended, now(), spread);
        if !matches!(attempted, Attempted::Retry { .. }) {
            self.parts().remove(&claimed.notice.key);
        }
        Told { claimed, attempted }
    }

    async fn send(&self, watch: Option<&Watch>, claimed: &Claimed) -> Result<(), Fault> {
        let notice = &claimed.notice;
        let watch = watch.ok_or_else(|| Fault::later("no configuration is loaded yet"))?;
        let contact = watch.contacts.iter().find(|contact| contact.name == notice.contact);
        let contact = contact.ok_or_else(|| Fault::never("the contact is no longer configured"))?;
        let opaque = &contact.notifier;
        // serde's text may quote a value, and a value may be a secret.
        let notifier = Notifier::read(&opaque.word, &opaque.parameters)
            .map_err(|_| Fault::never("the contact's parameters cannot be read"))?;
        let now = now();
        let link = (notice.event != Event::Resolved)
            .then(|| self.links.acknowledge_url(notice.incident.id, &notice.contact, now));
        let dispatch = Dispatch {
            notice,
            attempt: claimed.attempts.saturating_add(1),
            now,
            base: self.links.base(),
            acknowledge: link.as_deref(),
            smtp: watch.smtp.as_ref(),
            resolve: &self.resolve,
            web: &self.web,
            done: &self.done(&notice.key),
        };
        notifier.send(&dispatch).await
    }

    fn parts(&self) -> std::sync::MutexGuard<'_, BTreeMap<NoticeKey, Arc<Done>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self, key: &NoticeKey) -> Arc<Done> {
        let mut parts = self.parts();
        if parts.len() >= PARTS_MAX && !parts.contains_key(key) {
            // Forgetting costs at most a second mail under the same identity.
            parts.pop_first();
        }
        parts.entry(key.clone()).or_default().clone()
    }
}

/// What the end of an attempt at `now` means for the notice. `spread` is 0 to 1000: where in the
/// last quarter of the wait the next attempt falls.
pub fn judge(
    claimed: &Claimed,
    ended: Result<(), Fault>,
    now: Timestamp,
    spread: u32,
) -> Attempted {
    let (why, after) = match ended {
        Ok(()) => return Attempted::Delivered,
        Err(Fault::Never { why }) => return Attempted::Undeliverable { why },
        Err(Fault::Later { why, after }) => (why, after),
    };
    let made = claimed.attempts.saturating_add(1);
    if made >= ATTEMPTS_MAX {
        return Attempted::Undeliverable { why: format!("given up after {made} attempts: {why}") };
    }
    let asked = after.and_then(|length| i64::try_from(length.as_millis()).ok()).unwrap_or(0);
    let wait = backoff(claimed.attempts, spread).max(Millis::from_ms(asked));
    let at = now + wait;
    if at - claimed.notice.due > RETRY_FOR {
        return Attempted::Undeliverable { why: format!("given up after 24 h: {why}") };
    }
    Attempted::Retry { at, why }
}

/// 5 s, 10 s, 20 s … 5 min, of which the last quarter is spread so that many do not come at once.
fn backoff(attempts: u32, spread: u32) -> Millis {
    let doubled = RETRY_FIRST.ms().saturating_mul(1_i64 << attempts.min(16));
    let whole = doubled.min(RETRY_LONGEST.ms());
    let quarter = whole / 4;
    Millis::from_ms(whole - quarter + quarter * i64::from(spread.min(1000)) / 1000)
}
