//! Who is told next, and when: one walk up the steps of a policy, again and again until it is stopped.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::{Policy, Severity, Step};
use crate::incident::Event;
use crate::name::ContactName;
use crate::time::Timestamp;

/// Where an incident's escalation stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// Counts starts of the walk: 1 at first, one more after each reopening or ended acknowledgement.
    pub epoch: u32,
    /// Counts walks from the first step to the last within an epoch, from 0.
    pub round: u32,
    /// The next step to fire, from 0.
    step: usize,
    /// When it fires; none while stopped.
    pub due: Option<Timestamp>,
    /// The first notice of this epoch announces the incident; it does not escalate it.
    announces: bool,
    /// Everyone who was told since it was news: they are told of the end as well.
    pub told: BTreeSet<ContactName>,
    /// Contacts of the step that fired last whose notice was not given up.
    hopeful: BTreeSet<ContactName>,
}

/// A step that fires now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Its number, from 1.
    pub step: u32,
    /// In which round, from 0.
    pub round: u32,
    /// Why the notices are sent.
    pub event: Event,
    /// Whom they go to.
    pub contacts: Vec<ContactName>,
}

impl Ladder {
    /// A first walk that begins at `from`; without a policy nobody is ever told.
    pub fn new(policy: Option<&Policy>, from: Timestamp) -> Self {
        let mut ladder = Self {
            epoch: 0,
            round: 0,
            step: 0,
            due: None,
            announces: true,
            told: BTreeSet::new(),
            hopeful: BTreeSet::new(),
        };
        ladder.restart(policy, from, true);
        ladder
    }

    /// Begins again at the first step in a new epoch. `announces`: the incident is news again, as
    /// after a reopening; otherwise the walk escalates what is known, as after an acknowledgement
    /// that ended.
    pub fn restart(&mut self, policy: Option<&Policy>, from: Timestamp, announces: bool) {
        self.epoch = self.epoch.saturating_add(1);
        self.round = 0;
        self.step = 0;
        self.announces = announces;
        if announces {
            // They were told of the end of what was before.
            self.told.clear();
        }
        self.hopeful.clear();
        self.due = policy.and_then(|policy| policy.steps.first()).map(|step| from + step.after);
    }

    /// Nobody is told any more: acknowledged or resolved.
    pub fn stop(&mut self) {
        self.due = None;
        self.hopeful.clear();
    }

    /// Fires the step that is due at `at` and plans the next one. None if the policy has lost its
    /// steps since.
    pub fn fire(
        &mut self,
        policy: Option<&Policy>,
        severity: Severity,
        at: Timestamp,
    ) -> Option<Fired> {
        self.due = None;
        let policy = policy?;
        // A policy that became shorter while it was walked ends with its last step.
        let index = self.step.min(policy.steps.len().checked_sub(1)?);
        let step = policy.steps.get(index)?;
        let event = if self.announces { Event::Triggered } else { Event::Escalated };
        self.announces = false;
        let fired = Fired {
            step: u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1),
            round: self.round,
            event,
            contacts: step.notify.clone(),
        };
        self.told.extend(step.notify.iter().cloned());
        self.hopeful = step.notify.iter().cloned().collect();
        self.plan(policy, severity, index, at);
        Some(fired)
    }

    /// After step `index` fired at `at`: the next step; after the last one the next round; after all
    /// rounds the last step again for ever while the incident is critical.
    fn plan(&mut self, policy: &Policy, severity: Severity, index: usize, at: Timestamp) {
        if let Some(next) = policy.steps.get(index + 1) {
            self.step = index + 1;
            self.due = Some(at + next.after);
        } else if self.round < policy.repeat {
            self.round += 1;
            self.step = 0;
            self.due = Some(at + policy.repeat_every);
        } else if severity == Severity::Critical {
            self.round = self.round.saturating_add(1);
            self.step = index;
            self.due = Some(at + policy.repeat_every);
        }
    }

    /// A notice of the step that fired last was given up. When all of that step were, the next step
    /// of the same round is due at once; true then. A new round waits for its time: otherwise contacts
    /// that take nothing would be tried without a pause for ever.
    pub fn given_up(
        &mut self,
        policy: Option<&Policy>,
        contact: &ContactName,
        now: Timestamp,
    ) -> bool {
        let same_round = self.step > 0 && policy.is_some_and(|policy| self.round <= policy.repeat);
        let all_lost = self.hopeful.remove(contact) && self.hopeful.is_empty();
        if all_lost && same_round && self.due.is_some_and(|due| due > now) {
            self.due = Some(now);
            return true;
        }
        false
    }

    /// Another policy or another plan of maintenance is in force at `now`. What nobody was told of yet
    /// is told when that says, `held_until` included; what must never fall silent goes on. True if
    /// another time is due now.
    pub fn replan(
        &mut self,
        policy: Option<&Policy>,
        severity: Severity,
        now: Timestamp,
        held_until: Option<Timestamp>,
    ) -> bool {
        let steps = policy.map_or(&[][..], |policy| &policy.steps);
        let Some(step) = steps.get(self.step).or(steps.last()) else { return false };
        let before = self.due;
        if self.announces {
            let soon = now + step.after;
            let later = held_until.map(|until| until + step.after);
            self.due = Some(later.unwrap_or(before.map_or(soon, |due| due.min(soon))));
        } else if before.is_none() && severity == Severity::Critical {
            self.due = Some(now + step.after);
        }
        self.due != before
    }

    /// Who is told next and when, for the reader of a notice.
    pub fn next(&self, policy: Option<&Policy>) -> Option<(Timestamp, Vec<ContactName>)> {
        let step: &Step = policy?.steps.get(self.step)?;
        self.due.map(|due| (due, step.notify.clone()))
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::name::PolicyName;
    use crate::time::Millis;

    /// Steps as `after:contact,contact` in minutes.
    fn policy(steps: &[&str], repeat: u32, every: i64) -> Policy {
        let step = |text: &&str| {
            let (after, names) = text.split_once(':').unwrap();
            Step {
                after: Millis::from_secs(after.parse::<i64>().unwrap() * 60),
                notify: names.split(',').map(|name| ContactName::new(name).unwrap()).collect(),
            }
        };
        Policy {
            name: PolicyName::new("ops").unwrap(),
            steps: steps.iter().map(step).collect(),
            repeat,
            repeat_every: Millis::from_secs(every * 60),
        }
    }

    /// Walks and writes `minute event step contacts` a fired step, at most `most`.
    fn walk(policy: &Policy, severity: Severity, most: usize) -> String {
        let mut ladder = Ladder::new(Some(policy), Timestamp::from_ms(0));
        let mut story = String::new();
        while let (Some(due), true) = (ladder.due, story.lines().count() < most) {
            let fired = ladder.fire(Some(policy), severity, due).unwrap();
            let names: Vec<&str> = fired.contacts.iter().map(ContactName::as_str).collect();
            story += &format!(
                "{} {} {} {}\n",
                due.ms() / 60_000,
                fired.event.word(),
                fired.step,
                names.join(",")
            );
        }
        story
    }

    #[test]
    fn steps_follow_each_other_then_rounds_then_the_last_step_for_ever_while_critical() {
        let two = policy(&["0:mail,hook", "5:boss"], 1, 30);
        let rounds = "0 triggered 1 mail,hook\n5 escalated 2 boss\n\
                      35 escalated 1 mail,hook\n40 escalated 2 boss\n";
        for (policy, severity, most, want) in [
            (&two, Severity::Warning, 9, String::from(rounds)),
            (
                &two,
                Severity::Critical,
                6,
                format!("{rounds}70 escalated 2 boss\n100 escalated 2 boss\n"),
            ),
            (&policy(&["2:mail"], 0, 10), Severity::Error, 9, "2 triggered 1 mail\n".into()),
        ] {
            assert_eq!(walk(policy, severity, most), want);
        }
    }

    #[test]
    fn a_step_that_reaches_nobody_brings_the_next_step_at_once() {
        let policy = policy(&["0:mail,hook", "5:boss"], 0, 30);
        let mut ladder = Ladder::new(Some(&policy), Timestamp::from_ms(0));
        ladder.fire(Some(&policy), Severity::Critical, Timestamp::from_ms(0));
        let now = Timestamp::from_ms(9_000);
        let (mail, hook) = (ContactName::new("mail").unwrap(), ContactName::new("hook").unwrap());
        assert!(!ladder.given_up(Some(&policy), &mail, now));
        assert!(
            !ladder.given_up(Some(&policy), &mail, now),
            "the same contact twice is not all of them"
        );
        assert!(ladder.given_up(Some(&policy), &hook, now));
        assert_eq!(ladder.due, Some(now));
    }

    #[test]
    fn a_stopped_ladder_is_silent_and_a_restarted_one_begins_at_its_first_step() {
        let policy = policy(&["0:mail", "5:boss"], 0, 30);
        let mut ladder = Ladder::new(Some(&policy), Timestamp::from_ms(0));
        ladder.fire(Some(&policy), Severity::Critical, Timestamp::from_ms(0));
        ladder.stop();
        assert_eq!(ladder.due, None);
        ladder.restart(Some(&policy), Timestamp::from_ms(60_000), false);
        let fired = ladder.fire(Some(&policy), Severity::Critical, Timestamp::from_ms(60_000));
        let fired = fired.unwrap();
        assert_eq!((fired.step, fired.event, ladder.epoch), (1, Event::Escalated, 2));
    }

    #[test]
    fn without_a_policy_or_with_one_that_lost_its_steps_nobody_is_told() {
        assert_eq!(Ladder::new(None, Timestamp::from_ms(0)).due, None);
        let full = policy(&["0:mail", "5:boss"], 0, 30);
        let mut ladder = Ladder::new(Some(&full), Timestamp::from_ms(0));
        ladder.fire(Some(&full), Severity::Critical, Timestamp::from_ms(0));
        let shorter = policy(&["0:mail"], 0, 30);
        let fired = ladder.fire(Some(&shorter), Severity::Critical, Timestamp::from_ms(300_000));
        assert_eq!(fired.unwrap().step, 1, "it ends with its last step");
        assert_eq!(ladder.fire(None, Severity::Critical, Timestamp::from_ms(0)), None);
    }
}
