//! An incident's way from triggered to resolved: who is told, who takes it, how it ends.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::incidents::{Story, held, list, policy};
use super::{Effect, Engine};
use crate::config::Watch;
use crate::incident::{Event, IncidentId, Notice, NoticeKey, State};
use crate::name::ContactName;
use crate::time::{Millis, Timestamp};

/// How long an acknowledgement holds unless it is given again.
pub const ACKNOWLEDGED_FOR: Millis = Millis::from_secs(30 * 60);

impl Engine {
    /// What is due to an incident by itself at `self.now`.
    pub(super) fn walk(&mut self, id: IncidentId, out: &mut Vec<Effect>) {
        let watch = core::mem::take(&mut self.watch);
        self.walk_in(&watch, id, out);
        self.watch = watch;
    }

    pub(super) fn walk_in(&mut self, watch: &Watch, id: IncidentId, out: &mut Vec<Effect>) {
        let now = self.now;
        let Some(story) = self.incidents.story(id) else { return };
        if story.incident.state == State::Acknowledged
            && story.incident.owned_until.is_some_and(|until| until <= now)
        {
            let owner = story.incident.owner.take();
            story.incident.owned_until = None;
            story.incident.state = State::Triggered;
            let text = "the acknowledgement ended and nobody extended it".to_string();
            story.write(now, "expired", owner, text);
            let tellers = policy(watch, story.incident.policy.as_ref());
            story.ladder.restart(tellers, now, false);
        }
        // Steps with no time between them are due in the same breath.
        while let Some(story) = self.incidents.story(id)
            && story.incident.state == State::Triggered
            && story.ladder.due.is_some_and(|due| due <= now)
        {
            step(watch, story, now, out);
        }
        self.show(id, out);
    }

    /// What was due to incidents while nobody could be told is due at `now`, once: people want to
    /// know how it stands, not every step that they missed.
    pub(super) fn put_off(&mut self, now: Timestamp) {
        for (id, due) in self.incidents.put_off(now) {
            self.timers.set(super::Subject::Incident(id), Some(due));
        }
    }

    /// Plans anew whom to tell of what is open, under a new configuration.
    pub(super) fn replan(&mut self, out: &mut Vec<Effect>) {
        let (watch, now) = (core::mem::take(&mut self.watch), self.now);
        let open = self.incidents.open().filter(|open| open.state == State::Triggered);
        let open: Vec<IncidentId> = open.map(|incident| incident.id).collect();
        for id in open {
            let about = self.probes.iter().find(|(_, state)| state.incident == Some(id));
            let until = about.and_then(|(name, _)| held(&watch, name, now));
            let Some(story) = self.incidents.story(id) else { continue };
            let tellers = policy(&watch, story.incident.policy.as_ref());
            if story.ladder.replan(tellers, story.incident.severity, now, until) {
                self.walk_in(&watch, id, out);
            }
        }
        self.watch = watch;
    }

    pub(super) fn acknowledge(&mut self, id: IncidentId, who: String, out: &mut Vec<Effect>) {
        let now = self.now;
        let Some(story) = self.incidents.story(id) else { return };
        if story.incident.state == State::Resolved {
            return;
        }
        let until = now + ACKNOWLEDGED_FOR;
        let news = story.incident.owner.as_deref() != Some(who.as_str());
        story.incident.state = State::Acknowledged;
        story.incident.owner = Some(who.clone());
        story.incident.owned_until = Some(until);
        story.ladder.stop();
        let text = format!("{} until {until}", if news { "taken" } else { "extended" });
        story.write(now, "acknowledged", Some(who), text);
        if news {
            story.acknowledged = story.acknowledged.saturating_add(1);
            tell_all(story, Event::Acknowledged, now, out);
        }
        self.show(id, out);
    }

    pub(super) fn resolve_by_hand(&mut self, id: IncidentId, who: String, out: &mut Vec<Effect>) {
        let Some(incident) = self.incidents.get(id) else { return };
        if incident.state == State::Resolved {
            return;
        }
        let key = incident.key.clone();
        self.forget_silent(&key);
        self.plan_agents();
        self.end(id, self.now, Some(who), "resolved by hand", out);
        let about = self.probes.iter_mut().find(|(_, state)| state.incident == Some(id));
        if let Some((name, state)) = about {
            state.incident = None;
            // Without an incident there is no recovery to wait for.
            let name = name.clone();
            self.evaluate(&name, out);
        }
    }

    /// The trouble of this key is over, if it was open.
    pub(super) fn resolve_key(&mut self, key: &str, why: &str, out: &mut Vec<Effect>) {
        let open = self.incidents.newest(key).filter(|i| i.state != State::Resolved);
        if let Some(id) = open.map(|incident| incident.id) {
            self.end(id, self.now, None, why, out);
        }
    }

    pub(super) fn end(
        &mut self,
        id: IncidentId,
        ended: Timestamp,
        who: Option<String>,
        why: &str,
        out: &mut Vec<Effect>,
    ) {
        let now = self.now;
        let Some(story) = self.incidents.story(id) else { return };
        story.incident.state = State::Resolved;
        story.incident.resolved = Some(ended.max(story.incident.started));
        story.incident.owned_until = None;
        story.ladder.stop();
        story.write(now, "resolved", who, why.into());
        tell_all(story, Event::Resolved, now, out);
        self.show(id, out);
        self.incidents.retire(id);
    }

    pub(super) fn note(
        &mut self,
        id: IncidentId,
        who: String,
        text: String,
        out: &mut Vec<Effect>,
    ) {
        let now = self.now;
        let Some(story) = self.incidents.story(id) else { return };
        story.write(now, "note", Some(who), text);
        self.show(id, out);
    }

    pub(super) fn delivered(&mut self, key: &NoticeKey, out: &mut Vec<Effect>) {
        let now = self.now;
        let Some((id, contact)) = subject(key) else { return };
        let Some(story) = self.incidents.story(id) else { return };
        story.write(now, "delivered", None, format!("to {contact}"));
        self.show(id, out);
    }

    pub(super) fn undeliverable(&mut self, key: &NoticeKey, why: &str, out: &mut Vec<Effect>) {
        let now = self.now;
        let Some((id, contact)) = subject(key) else { return };
        let Some(story) = self.incidents.story(id) else { return };
        story.write(now, "undeliverable", None, format!("to {contact}: {why}"));
        let epoch = format!("{}/{}/", id.0, story.ladder.epoch);
        // A notice of the end, or of an earlier epoch, has no next step to bring forward.
        let triggered = story.incident.state == State::Triggered;
        let tellers = policy(&self.watch, story.incident.policy.as_ref());
        let known = triggered && key.0.starts_with(&epoch);
        if known && story.ladder.given_up(tellers, &contact, now) {
            self.walk(id, out);
        } else {
            self.show(id, out);
        }
    }
}

/// Fires the step that is due.
fn step(watch: &Watch, story: &mut Story, now: Timestamp, out: &mut Vec<Effect>) {
    let tellers = policy(watch, story.incident.policy.as_ref());
    let fired = story.ladder.fire(tellers, story.incident.severity, now);
    let Some(fired) = fired else { return };
    let known = |name: &&ContactName| watch.contacts.iter().any(|contact| contact.name == **name);
    let contacts: Vec<ContactName> = fired.contacts.iter().filter(known).cloned().collect();
    let names: Vec<String> = contacts.iter().map(ToString::to_string).collect();
    let text = format!("step {}: {}", fired.step, list(&names));
    story.write(now, "notified", None, text);
    let next = story.ladder.next(tellers);
    let name = format!("{}/{}/{}", story.ladder.epoch, fired.round, fired.step);
    for contact in contacts {
        out.push(notice(story, &name, fired.event, contact, fired.step, now, next.clone()));
    }
}

/// Tells everyone who was told before.
fn tell_all(story: &Story, event: Event, now: Timestamp, out: &mut Vec<Effect>) {
    let round = if event == Event::Acknowledged { story.acknowledged } else { 0 };
    let name = format!("{}/{round}/0", story.ladder.epoch);
    for contact in story.ladder.told.clone() {
        out.push(notice(story, &name, event, contact, 0, now, None));
    }
}

fn notice(
    story: &Story,
    name: &str,
    event: Event,
    contact: ContactName,
    step: u32,
    due: Timestamp,
    next: Option<(Timestamp, Vec<ContactName>)>,
) -> Effect {
    let key = format!("{}/{name}/{}/{contact}", story.incident.id.0, event.word());
    Effect::Notify(Notice {
        key: NoticeKey(key),
        event,
        contact,
        step,
        due,
        incident: story.incident.clone(),
        next,
    })
}

/// The incident and the contact that a notice's key names.
fn subject(key: &NoticeKey) -> Option<(IncidentId, ContactName)> {
    let id = key.0.split('/').next()?.parse().ok()?;
    let contact = ContactName::new(key.0.rsplit('/').next()?).ok()?;
    Some((IncidentId(id), contact))
}
