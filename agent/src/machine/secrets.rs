//! What is said about refused secrets: once, until it changes.

use std::collections::BTreeMap;

use model::name::ProbeName;
use model::wire::{Alarm, BATCH_ALARMS_MAX};

use super::{Effect, Machine};
use crate::clock::Now;
use crate::policy::{Policy, Refused};
use crate::secret::Reference;

/// Alarms that no receipt covers yet.
#[derive(Clone, Debug)]
pub(super) struct Alarms {
    /// What is refused now, and why.
    refused: BTreeMap<(ProbeName, Reference), String>,
    unsent: Vec<Alarm>,
    /// How many of the unsent are in flight.
    flying: usize,
}

impl Alarms {
    /// What was refused when the agent ended is said again if it still is, and cleared if not.
    pub(super) fn new(policy: &Policy) -> Self {
        let before = policy.pins().into_iter().flat_map(|pins| &pins.refused);
        // An empty sentence differs from every other: the alarm is made anew.
        let refused = before
            .map(|one| ((one.probe.clone(), one.asked.reference.clone()), String::new()))
            .collect();
        Self { refused, unsent: Vec::new(), flying: 0 }
    }

    pub(super) fn send(&mut self) -> Vec<Alarm> {
        self.flying = self.unsent.len().min(BATCH_ALARMS_MAX);
        self.unsent.iter().take(self.flying).cloned().collect()
    }

    pub(super) fn received(&mut self) {
        let flown = self.flying.min(self.unsent.len());
        self.unsent.drain(..flown);
        self.flying = 0;
    }

    /// What was in flight did not arrive.
    pub(super) const fn failed(&mut self) {
        self.flying = 0;
    }

    /// Adds an alarm in place of one about the same that is not yet in flight, so that there are never
    /// more than two for each use of a secret.
    fn say(&mut self, alarm: Alarm) {
        let about = |alarm: &Alarm| match alarm {
            Alarm::SecretRefused { probe, secret, .. } | Alarm::SecretCleared { probe, secret } => {
                (probe.clone(), secret.clone())
            }
        };
        let flying = self.flying;
        let subject = about(&alarm);
        let mut place = 0usize;
        self.unsent.retain(|known| {
            place += 1;
            place <= flying || about(known) != subject
        });
        self.unsent.push(alarm);
    }

    /// Takes what is refused now; returns whether there is something new to say.
    fn update(&mut self, now: &[Refused]) -> bool {
        let mut refused = BTreeMap::new();
        for one in now {
            let key = (one.probe.clone(), one.asked.reference.clone());
            refused.entry(key).or_insert_with(|| one.why.clone());
        }
        let before = std::mem::replace(&mut self.refused, refused.clone());
        let changed = before != refused;
        for (key, detail) in &refused {
            if before.get(key) != Some(detail) {
                let ((probe, Reference(secret)), detail) = (key.clone(), detail.clone());
                self.say(Alarm::SecretRefused { probe, secret, detail });
            }
        }
        for key in before.into_keys().filter(|key| !refused.contains_key(key)) {
            let (probe, Reference(secret)) = key;
            self.say(Alarm::SecretCleared { probe, secret });
        }
        changed
    }
}

impl Machine {
    /// Judges every use of a secret again, after the assignment or the pins changed.
    pub(super) fn review(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let mut refused = Vec::new();
        for work in self.work.values() {
            for asked in work.uses.iter().flatten() {
                if let Err(why) = self.policy.judge(asked) {
                    refused.push(Refused {
                        probe: work.probe.name.clone(),
                        asked: asked.clone(),
                        why,
                    });
                }
            }
        }
        if self.alarms.update(&refused) {
            self.uplink.hurry(now.mono);
        }
        self.policy.remember(refused);
        if let Some(pins) = self.policy.pins().filter(|pins| self.saved.as_ref() != Some(*pins)) {
            effects.push(Effect::SavePins(pins.clone()));
            self.saved = Some(pins.clone());
        }
    }
}
