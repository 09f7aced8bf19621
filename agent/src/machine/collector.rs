//! Talking with the collector: sending, fetching the assignment, the stream of orders.

use model::time::Millis;
use model::wire::Receipt;

use super::{Effect, Machine};
use crate::clock::Now;
use crate::random::Random;
use crate::uplink::{BACKOFF_MAX, BACKOFF_MIN, Backoff, Fault, Next, RETRY_AFTER_MAX};

/// A stream of orders that is silent for so long is dead.
pub const ORDERS_SILENT_MAX: Millis = Millis::from_secs(45);
/// Assignments are fetched at most so often.
pub const FETCH_EVERY_MIN: Millis = Millis::from_secs(1);

/// The assignment's tag and the stream of orders.
#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    /// The tag of the assignment in force.
    pub(super) tag: Option<String>,
    /// What the collector's last receipt said it should be, or an order to look.
    wanted: Wanted,
    fetching: bool,
    fetch_from: Option<Millis>,
    fetch_backoff: Backoff,
    stream: Stream,
    stream_backoff: Backoff,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Wanted {
    /// At the start, or by order.
    #[default]
    Fetch,
    Nothing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stream {
    #[default]
    Closed,
    Opening,
    /// Heard last then.
    Open(Millis),
}

impl Link {
    pub(super) fn fetched(&mut self) {
        self.fetching = false;
        self.fetch_backoff.reset();
    }

    pub(super) fn fetch_failed(&mut self, now: Now, fault: &Fault, random: &mut Random) {
        self.fetching = false;
        self.wanted = Wanted::Fetch;
        match fault {
            Fault::Unauthorised | Fault::Malformed => {
                self.fetch_backoff.wait(now.mono, BACKOFF_MAX);
            }
            Fault::Busy { wait: Some(wait) } => {
                self.fetch_backoff.wait(now.mono, (*wait).clamp(BACKOFF_MIN, RETRY_AFTER_MAX));
            }
            Fault::Busy { wait: None } | Fault::Unreachable => {
                self.fetch_backoff.fail(now.mono, random);
            }
        }
    }

    pub(super) fn reload(&mut self) {
        self.wanted = Wanted::Fetch;
    }

    pub(super) fn opened(&mut self, now: Now) {
        self.stream = Stream::Open(now.mono);
    }

    /// A line came: the stream works.
    pub(super) fn heard(&mut self, now: Now) {
        if self.stream != Stream::Closed {
            self.stream = Stream::Open(now.mono);
            self.stream_backoff.reset();
        }
    }

    pub(super) fn ended(&mut self, now: Now, random: &mut Random) {
        if self.stream != Stream::Closed {
            self.stream = Stream::Closed;
            self.stream_backoff.fail(now.mono, random);
        }
    }

    fn fetch_at(&self) -> Option<Millis> {
        if self.fetching || self.wanted == Wanted::Nothing {
            return None;
        }
        let begin = Millis::from_ms(i64::MIN);
        let spaced = self.fetch_from.unwrap_or(begin);
        Some(spaced.max(self.fetch_backoff.until().unwrap_or(begin)))
    }

    fn stream_at(&self) -> Option<Millis> {
        match self.stream {
            Stream::Closed => {
                Some(self.stream_backoff.until().unwrap_or(Millis::from_ms(i64::MIN)))
            }
            Stream::Opening => None,
            Stream::Open(heard) => Some(heard + ORDERS_SILENT_MAX),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        [self.fetch_at(), self.stream_at()].into_iter().flatten().min()
    }

    fn act(&mut self, now: Now, random: &mut Random, effects: &mut Vec<Effect>) {
        if self.fetch_at().is_some_and(|at| at <= now.mono) {
            self.fetching = true;
            self.wanted = Wanted::Nothing;
            self.fetch_from = Some(now.mono + FETCH_EVERY_MIN);
            effects.push(Effect::Fetch { tag: self.tag.clone() });
        }
        if self.stream_at().is_some_and(|at| at <= now.mono) {
            if self.stream == Stream::Closed {
                self.stream = Stream::Opening;
                effects.push(Effect::OpenOrders);
            } else {
                effects.push(Effect::CloseOrders);
                self.ended(now, random);
            }
        }
    }
}

impl Machine {
    /// Sends, fetches and listens, as far as each is due.
    pub(super) fn talk(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.stopping {
            self.link.act(now, &mut self.random, effects);
        }
        let Some(agent) = self.agent.clone() else { return };
        if let Some(results_max) = self.uplink.take(now.mono) {
            effects.push(Effect::Send { agent, results_max, alarms: self.alarms.send() });
        }
    }

    pub(super) fn received(
        &mut self,
        now: Now,
        results: usize,
        progressed: bool,
        waiting: u64,
        receipt: Receipt,
        effects: &mut Vec<Effect>,
    ) {
        self.counts.batches += 1;
        self.alarms.received();
        for rejected in receipt.rejected {
            let known = self.counts.rejected.len();
            let code = if known < REJECTED_CODES_MAX { rejected.code } else { "other".into() };
            *self.counts.rejected.entry(code).or_default() += 1;
        }
        if self.link.tag.as_ref() != Some(&receipt.assignment) {
            self.link.reload();
        }
        if self.uplink.received(now.mono, results, progressed, waiting) == Next::DropOldest {
            effects.push(Effect::DropOldest);
        }
    }
}

/// The most words for which rejected results are counted apart.
const REJECTED_CODES_MAX: usize = 32;
