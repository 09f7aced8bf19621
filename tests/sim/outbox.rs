//! Notices on their way to contacts and the people behind them: the real lanes and the real judgement of
//! an attempt, with contacts that fail in every way.

use collector::handle::{Attempted, Claimed};
use collector::notify::Fault;
use collector::outbox::attempt::{Sent, judge};
use collector::outbox::lanes::Admitted;
use model::engine::Input;
use model::incident::{Event, Notice, NoticeKey};
use model::name::ContactName;
use model::time::{Millis, Timestamp};

use crate::mutants::Mutant;
use crate::store::Write;
use crate::world::{Ended, Manner, What, World};

/// Notices that are sent at once.
const SENDING_MAX: usize = 32;
/// How long an attempt may take.
const ATTEMPT_WITHIN: Millis = Millis::from_secs(10);
/// What a contact that takes a notice needs.
const TAKES: Millis = Millis::from_ms(200);

impl World {
    /// Claims what is due and sends the first of every free lane.
    pub fn send_notices(&mut self) {
        for claimed in self.collector.claim(self.now) {
            if self.broken(Mutant::EndOvertakes) {
                self.send_notice(claimed);
                continue;
            }
            let Some(live) = &mut self.collector.live else { return };
            if let Admitted::Held { claimed, until } = live.lanes.admit(claimed, self.now) {
                self.hold_back(&claimed, until);
            }
        }
        self.start_lanes();
        let waiting = self.collector.kept.notices.values().filter(|row| row.waits);
        if let Some(due) = waiting.map(|row| row.due).min() {
            // What is claimed and not free is looked at again soon.
            self.plan_outbox(due.max(self.now + Millis::from_ms(250)));
        }
    }

    fn start_lanes(&mut self) {
        let now = self.now;
        let Some(live) = &mut self.collector.live else { return };
        for claimed in live.lanes.ready(SENDING_MAX, now) {
            self.send_notice(claimed);
        }
    }

    fn hold_back(&mut self, claimed: &Claimed, until: Timestamp) {
        let why = "waits for an earlier notice about the same incident".to_owned();
        let attempted = Attempted::Retry { at: until + Millis::from_ms(1), why };
        self.write(Write::Attempted(claimed.notice.key.clone(), attempted));
    }

    fn send_notice(&mut self, claimed: Claimed) {
        let mut notice = claimed.notice.clone();
        if self.broken(Mutant::NewKeyEachAttempt) {
            notice.key = NoticeKey(format!("{}#{}", notice.key.0, claimed.attempts));
        }
        if self.broken(Mutant::WrongContact) {
            notice.contact = ContactName::new("somebody").unwrap();
        }
        self.witness.leaves(&notice);
        let later = |why: &str| Err(Fault::later(why));
        let manner = self.contacts.get(&notice.contact).copied().unwrap_or_default();
        let (reaches, takes, ended): (bool, Millis, Ended) = match manner {
            Manner::Takes => (true, TAKES, Ok(Sent::Taken)),
            Manner::Fails => (false, TAKES, later("refused for now")),
            Manner::Hangs => (false, ATTEMPT_WITHIN, later("no answer")),
            Manner::LosesAnswer => (true, ATTEMPT_WITHIN, later("the answer was lost")),
        };
        if reaches {
            self.post(self.now + TAKES, What::Reached(Box::new(notice)));
        }
        let life = self.collector_life;
        self.post(self.now + takes, What::Sent(life, Box::new(claimed), ended));
    }

    /// An attempt ended.
    pub fn sent(&mut self, life: u64, claimed: &Claimed, ended: Ended) {
        if life != self.collector_life || self.collector.live.is_none() {
            return;
        }
        let spread = u32::try_from(self.random.below(1001)).unwrap();
        let attempted = judge(claimed, ended, self.now, spread);
        let again = match &attempted {
            Attempted::Retry { at, .. } => Some(*at),
            _ => None,
        };
        self.write(Write::Attempted(claimed.notice.key.clone(), attempted));
        let Some(live) = &mut self.collector.live else { return };
        let behind = live.lanes.free(claimed, again);
        if let Some(at) = again {
            for claimed in behind {
                self.hold_back(&claimed, at);
            }
        }
        self.start_lanes();
    }

    /// A notice reached its contact; people may do something about it.
    pub fn reached(&mut self, notice: &Notice) {
        self.witness.reached(notice);
        self.tell(|| {
            let (event, contact) = (notice.event.word(), &notice.contact);
            format!(
                "{contact} reads: {event} #{} {}",
                notice.incident.id.0, notice.incident.summary
            )
        });
        let alarm = matches!(notice.event, Event::Triggered | Event::Escalated);
        if !alarm || !self.random.chance(self.people_act) {
            return;
        }
        let (incident, who) = (notice.incident.id, notice.contact.to_string());
        let input = match self.random.below(10) {
            0 => Input::Resolve { incident, who },
            1 | 2 => Input::Note { incident, who, text: "I look at it".into() },
            _ => Input::Acknowledge { incident, who },
        };
        let after = self.random.ms(5_000, 600_000);
        self.post(self.now + after, What::Person(input));
    }

    /// Writes new decisions down for people.
    pub fn read_decisions(&mut self) {
        if self.timeline.is_none() {
            return;
        }
        let flips = self.collector.kept.flips.clone();
        for (_, flip) in flips.iter().skip(self.read.0) {
            let partial = if flip.to.partial() { " (partial)" } else { "" };
            self.tell(|| format!("{} is {}{partial}", flip.probe, flip.to.word()));
        }
        self.read.0 = flips.len();
        let Some(live) = &self.collector.live else { return };
        let ids: Vec<_> = self.witness.told.keys().copied().collect();
        let incidents: Vec<_> =
            ids.into_iter().filter_map(|id| live.engine.incident(id).cloned()).collect();
        for incident in incidents {
            let read = self.read.1.get(&incident.id.0).copied().unwrap_or(0);
            for entry in incident.timeline.iter().skip(read) {
                if matches!(entry.what.as_str(), "notified" | "delivered" | "votes") {
                    continue;
                }
                let who = entry.who.as_ref().map_or(String::new(), |who| format!(" by {who}"));
                self.tell(|| format!("#{} {}{who}: {}", incident.id.0, entry.what, entry.text));
            }
            self.read.1.insert(incident.id.0, incident.timeline.len());
        }
    }
}
