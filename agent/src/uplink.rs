//! When to send, how much, and what an answer means. One batch is in flight at a time.

use model::time::Millis;
use model::wire::BATCH_RESULTS_MAX;

use crate::random::Random;

/// A result waits at most so long for others to travel with.
pub const GATHER_MAX: Millis = Millis::from_secs(1);
/// Without results an empty batch is sent so often.
pub const HEARTBEAT_EVERY: Millis = Millis::from_secs(15);
/// The shortest wait after a failure.
pub const BACKOFF_MIN: Millis = Millis::from_secs(1);
/// The longest wait after failures, and the wait after a refused token.
pub const BACKOFF_MAX: Millis = Millis::from_secs(30);
/// The longest `Retry-After` that is honoured.
pub const RETRY_AFTER_MAX: Millis = Millis::from_secs(300);

/// How the collector answered a batch, other than with a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No answer: no connection, cut off, or too late.
    Unreachable,
    /// It asks to wait (429, 503).
    Busy {
        /// Its `Retry-After`.
        wait: Option<Millis>,
    },
    /// It refuses the token (401, 403).
    Unauthorised,
    /// It will never take this batch (400, 413, 422 …).
    Malformed,
}

/// What is done about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same again later, or less of it.
    Again,
    /// The oldest result alone is what the collector will not take.
    DropOldest,
}

/// Waits that double from [`BACKOFF_MIN`] to [`BACKOFF_MAX`], each shortened by up to a half at random,
/// so that agents that lost the same collector do not return together.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
    until: Option<Millis>,
}

impl Backoff {
    /// After one more failure.
    pub fn fail(&mut self, now: Millis, random: &mut Random) {
        let doubled = BACKOFF_MIN.times(1i64 << self.failures.min(10)).min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        let half = doubled.ms() / 2;
        self.wait(now, Millis::from_ms(half + random.below(half + 1)));
    }

    /// Waits exactly so long.
    pub fn wait(&mut self, now: Millis, length: Millis) {
        self.until = Some(now + length);
    }

    /// It worked.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// When the wait ends, if one is on.
    pub fn until(&self) -> Option<Millis> {
        self.until
    }

    /// How many failures there were in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// The state of sending.
#[derive(Clone, Debug)]
pub struct Uplink {
    /// Results durable in the spool and not yet received.
    waiting: u64,
    /// Since when the oldest of them waits to be sent.
    since: Option<Millis>,
    /// A failure is among them.
    urgent: bool,
    /// The most results of the next batch.
    size: usize,
    flying: bool,
    last: Option<Millis>,
    /// Something besides results must have been sent by then.
    soon: Option<Millis>,
    backoff: Backoff,
    /// The next batch is an empty one: is it the oldest result that is refused, or everything?
    proving: bool,
}

impl Default for Uplink {
    fn default() -> Self {
        Self {
            waiting: 0,
            since: None,
            urgent: false,
            size: BATCH_RESULTS_MAX,
            flying: false,
            last: None,
            soon: None,
            backoff: Backoff::default(),
            proving: false,
        }
    }
}

impl Uplink {
    /// So many results wait in the spool; `urgent` when a failure was added.
    pub fn spooled(&mut self, now: Millis, waiting: u64, urgent: bool) {
        self.waiting = waiting;
        self.urgent = waiting > 0 && (self.urgent || urgent);
        self.since = (waiting > 0).then(|| self.since.unwrap_or(now));
    }

    /// Something besides results, such as an alarm, must travel soon.
    pub fn hurry(&mut self, now: Millis) {
        self.soon = self.soon.or(Some(now + GATHER_MAX));
    }

    /// How many results to send now; none if nothing is to be sent.
    pub fn take(&mut self, now: Millis) -> Option<usize> {
        if self.flying || self.next_deadline(now)? > now {
            return None;
        }
        self.flying = true;
        self.last = Some(now);
        self.soon = None;
        self.urgent = false;
        Some(if self.proving { 0 } else { self.size })
    }

    /// When [`Uplink::take`] has something to send; none while a batch is in flight.
    pub fn next_deadline(&self, now: Millis) -> Option<Millis> {
        if self.flying {
            return None;
        }
        let heartbeat = self.last.map_or(now, |last| last + HEARTBEAT_EVERY);
        let empty = self.soon.map_or(heartbeat, |soon| soon.min(heartbeat));
        let results = self.since.map(|since| {
            let full = self.urgent || self.proving || self.waiting >= BATCH_RESULTS_MAX as u64;
            if full { since } else { since + GATHER_MAX }
        });
        let wanted = results.map_or(empty, |results| results.min(empty));
        Some(self.backoff.until().map_or(wanted, |until| wanted.max(until)))
    }

    /// The batch of `sent` results arrived and `waiting` are left. `progressed` when the receipt covers at
    /// least one of them.
    pub fn received(&mut self, now: Millis, sent: usize, progressed: bool, waiting: u64) -> Next {
        self.flying = false;
        if std::mem::take(&mut self.proving) {
            self.backoff.reset();
            self.spooled(now, waiting, false);
            return Next::DropOldest;
        }
        if sent > 0 && !progressed {
            // Taken, but not one result with it: as good as refused, and it must not go on for ever.
            return self.refused(now, sent);
        }
        self.backoff.reset();
        self.size = self.size.saturating_mul(2).min(BATCH_RESULTS_MAX);
        self.waiting = waiting;
        // What is left has waited long enough already.
        self.since = (waiting > 0).then_some(now - GATHER_MAX);
        Next::Again
    }

    /// The batch of `sent` results did not arrive.
    pub fn failed(&mut self, now: Millis, sent: usize, fault: &Fault, random: &mut Random) -> Next {
        self.flying = false;
        match fault {
            Fault::Unreachable | Fault::Busy { wait: None } => self.backoff.fail(now, random),
            Fault::Busy { wait: Some(wait) } => {
                self.backoff.wait(now, (*wait).clamp(BACKOFF_MIN, RETRY_AFTER_MAX));
            }
            Fault::Unauthorised => self.backoff.wait(now, BACKOFF_MAX),
            Fault::Malformed => return self.refused(now, sent),
        }
        Next::Again
    }

    /// Halves what is sent until one result is left; whether that one is to blame, an empty batch
    /// tells. When even that is refused nothing is dropped: the fault lies elsewhere.
    fn refused(&mut self, now: Millis, sent: usize) -> Next {
        if sent > 0 {
            self.since = Some(now - GATHER_MAX);
        }
        match sent {
            0 => {
                self.proving = false;
                self.backoff.wait(now, BACKOFF_MAX);
            }
            1 => {
                self.size = 1;
                self.proving = true;
            }
            more => self.size = more / 2,
        }
        Next::Again
    }

    /// How many failures there were in a row.
    pub fn failures(&self) -> u32 {
        self.backoff.failures()
    }

    /// The oldest result was dropped and so many are left.
    pub fn dropped(&mut self, now: Millis, waiting: u64) {
        self.spooled(now, waiting, false);
    }
}
