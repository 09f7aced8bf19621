//! Which notice may leave next: one at a time for each contact and incident, in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::incident::{IncidentId, NoticeKey};
use model::name::ContactName;
use model::time::{Millis, Timestamp};

use crate::handle::Claimed;

/// How long a claimed notice may wait for its lane. The lease of a claim is 60 s and an attempt takes
/// up to 10 s, so it is certain to be ours still when it leaves.
pub const WAIT_MAX: Millis = Millis::from_secs(40);
/// Lanes that are remembered because a notice in them is tried again later.
pub const BLOCKED_MAX: usize = 10_000;
/// How long a lane is remembered after its head was due again: then the head is not coming back.
const BLOCKED_PAST_MAX: Millis = Millis::from_secs(600);

type Lane = (ContactName, IncidentId);

/// What became of a claimed notice.
#[derive(Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It leaves when its lane is free.
    Queued,
    /// An earlier one of its lane is tried again at that time; this one must come after it.
    Held {
        /// The notice.
        claimed: Box<Claimed>,
        /// When the earlier one is due.
        until: Timestamp,
    },
}

/// All lanes.
#[derive(Debug, Default)]
pub struct Lanes {
    /// One of these is being sent.
    busy: BTreeSet<Lane>,
    /// Claimed, with the time of the claim.
    queues: BTreeMap<Lane, VecDeque<(Claimed, Timestamp)>>,
    /// The head of the lane that is tried again, and when.
    blocked: BTreeMap<Lane, (NoticeKey, Timestamp)>,
}

fn lane(claimed: &Claimed) -> Lane {
    (claimed.notice.contact.clone(), claimed.notice.incident.id)
}

impl Lanes {
    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    /// Takes a notice that was claimed at `now`.
    pub fn admit(&mut self, claimed: Claimed, now: Timestamp) -> Admitted {
        let lane = lane(&claimed);
        if let Some((head, until)) = self.blocked.get(&lane)
            && *head != claimed.notice.key
            && *until > now
        {
            return Admitted::Held { claimed: Box::new(claimed), until: *until };
        }
        let queue = self.queues.entry(lane).or_default();
        // The same claim again: the lease ran out while it waited.
        if queue.iter().all(|(waiting, _)| waiting.notice.key != claimed.notice.key) {
            let place = queue.partition_point(|(other, _)| order(other) <= order(&claimed));
            queue.insert(place, (claimed, now));
        }
        Admitted::Queued
    }

    /// Up to `room` notices, each the first of a free lane; their lanes are busy from now on. What
    /// waited for too long is dropped: its lease ends and it will be claimed again.
    pub fn ready(&mut self, room: usize, now: Timestamp) -> Vec<Claimed> {
        self.blocked.retain(|_, (_, until)| now - *until <= BLOCKED_PAST_MAX);
        let mut ready = Vec::new();
        for (lane, queue) in &mut self.queues {
            queue.retain(|(_, since)| now - *since <= WAIT_MAX);
            if ready.len() >= room || self.busy.contains(lane) {
                continue;
            }
            if let Some((claimed, _)) = queue.pop_front() {
                self.busy.insert(lane.clone());
                ready.push(claimed);
            }
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        ready
    }

    /// The lane of this notice is free again; `again` is when the notice itself is tried again. Gives
    /// back those that waited behind it and must be put off until then.
    pub fn free(&mut self, claimed: &Claimed, again: Option<Timestamp>) -> Vec<Claimed> {
        let lane = lane(claimed);
        self.busy.remove(&lane);
        match again {
            Some(at) => {
                if self.blocked.len() < BLOCKED_MAX {
                    self.blocked.insert(lane.clone(), (claimed.notice.key.clone(), at));
                }
                let behind = self.queues.remove(&lane).unwrap_or_default();
                behind.into_iter().map(|(claimed, _)| claimed).collect()
            }
            None => {
                if self.blocked.get(&lane).is_some_and(|(head, _)| *head == claimed.notice.key) {
                    self.blocked.remove(&lane);
                }
                Vec::new()
            }
        }
    }
}

/// Older first; what is due at the same time in the order of the events.
fn order(claimed: &Claimed) -> (Timestamp, u8) {
    use model::incident::Event;
    let event = match claimed.notice.event {
        Event::Triggered => 0,
        Event::Escalated => 1,
        Event::Acknowledged => 2,
        Event::Resolved => 3,
    };
    (claimed.notice.due, event)
}
