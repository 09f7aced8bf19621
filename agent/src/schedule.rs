//! Which probe is due when: spread over its interval, the same on every start, no burst after a
//! pause.

use std::collections::{BTreeMap, BTreeSet};

use model::name::ProbeName;
use model::time::{Millis, Timestamp};
use model::wire::AssignedProbe;

use crate::clock::Now;

/// A forced run of one probe is taken at most once in this time.
pub const FORCED_EVERY: Millis = Millis::from_secs(10);
/// A due run that is later than this, or than a quarter of its interval, is skipped.
pub const LATE_MAX: Millis = Millis::from_secs(1);
/// A wall clock that moved so far against the monotonic one makes a new plan.
pub const STEP_MIN: Millis = Millis::from_ms(500);
/// The longest that an order may change a probe's interval.
pub const PACE_MAX: Millis = Millis::from_secs(3600);
/// The shortest interval that an order may ask for.
pub const INTERVAL_MIN: Millis = Millis::from_secs(1);

/// FNV-1a, 64 bits, of a probe's name. Part of the schedule's definition: it never changes.
pub fn hash(probe: &ProbeName) -> u64 {
    probe.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The offset of a probe's slots from the multiples of its interval `every`, in the region of rank
/// `rank` among `of`: `rank * every / of`, plus the name's hash within one share `every / of`.
pub fn phase(probe: &ProbeName, every: Millis, rank: u32, of: u32) -> Millis {
    let every = every.ms().max(1);
    let of = i64::from(of.max(1));
    let rank = i64::from(rank).min(of - 1);
    let share = (every / of).max(1);
    let within = hash(probe) % share.unsigned_abs();
    let start = i128::from(rank) * i128::from(every) / i128::from(of);
    let start = i64::try_from(start).unwrap_or(0);
    Millis::from_ms(start.saturating_add(i64::try_from(within).unwrap_or(0)))
}

/// The first slot after `after`.
pub fn next_slot(after: Timestamp, every: Millis, phase: Millis) -> Timestamp {
    let every = every.ms().max(1);
    let since = after.ms().saturating_sub(phase.ms());
    let passed = since.rem_euclid(every);
    Timestamp::from_ms(after.ms().saturating_add(every - passed))
}

/// A run that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Of which probe.
    pub probe: ProbeName,
    /// For which slot.
    pub slot: Timestamp,
    /// The interval in force.
    pub interval: Millis,
}

/// What the schedule did not do, in runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Slots that passed while the agent stood still.
    pub late: u64,
    /// Slots that came while the probe's run before was not over.
    pub overrun: u64,
}

/// When everything is due.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    entries: BTreeMap<ProbeName, Entry>,
    due: BTreeSet<(Millis, ProbeName)>,
    /// Wall minus monotonic clock when the plan was made, ms.
    base: Option<i64>,
    /// What was left out since the start.
    pub skipped: Skipped,
    /// How often the wall clock moved away from the plan.
    pub steps: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    probe: AssignedProbe,
    pace: Option<Pace>,
    slot: Timestamp,
    interval: Millis,
    due: Millis,
    forced: Option<Millis>,
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    every: Millis,
    until: Timestamp,
}

impl Entry {
    /// Chooses the first slot after `after`.
    fn choose(&mut self, now: Now, after: Timestamp) {
        self.interval = self.pace.map_or(self.probe.every, |pace| pace.every);
        self.slot = self.slot_after(after);
        if self.pace.is_some_and(|pace| self.slot >= pace.until) {
            self.pace = None;
            self.interval = self.probe.every;
            self.slot = self.slot_after(after);
        }
        self.due = now.mono + (self.slot - now.wall);
    }

    fn slot_after(&self, after: Timestamp) -> Timestamp {
        let phase = phase(&self.probe.name, self.interval, self.probe.rank, self.probe.of);
        next_slot(after, self.interval, phase)
    }
}

impl Plan {
    /// Takes an assignment. What did not change keeps its slot and its pace.
    pub fn assign(&mut self, now: Now, probes: impl IntoIterator<Item = AssignedProbe>) {
        let mut before = std::mem::take(&mut self.entries);
        self.due.clear();
        for probe in probes {
            let known = before.remove(&probe.name);
            let entry = match known {
                Some(entry) if entry.probe == probe => entry,
                known => {
                    let forced = known.and_then(|entry| entry.forced);
                    let mut entry = Entry {
                        interval: probe.every,
                        probe,
                        pace: None,
                        slot: now.wall,
                        due: now.mono,
                        forced,
                    };
                    entry.choose(now, now.wall);
                    entry
                }
            };
            let name = entry.probe.name.clone();
            self.due.insert((entry.due, name.clone()));
            self.entries.insert(name, entry);
        }
    }

    /// What is planned of a probe.
    pub fn probe(&self, name: &ProbeName) -> Option<&AssignedProbe> {
        self.entries.get(name).map(|entry| &entry.probe)
    }

    /// How many probes there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Plans everything anew when the wall clock moved against the monotonic one.
    pub fn follow(&mut self, now: Now) {
        let skew = now.wall.ms().saturating_sub(now.mono.ms());
        let base = *self.base.get_or_insert(skew);
        if skew.saturating_sub(base).unsigned_abs() <= STEP_MIN.ms().unsigned_abs() {
            return;
        }
        self.base = Some(skew);
        self.steps += 1;
        self.due.clear();
        for (name, entry) in &mut self.entries {
            entry.choose(now, now.wall);
            self.due.insert((entry.due, name.clone()));
        }
    }

    /// What is due now. A slot that is past, or whose probe is `busy`, is skipped and counted.
    pub fn take_due(&mut self, now: Now, busy: impl Fn(&ProbeName) -> bool) -> Vec<Due> {
        let mut runs = Vec::new();
        while let Some((due, name)) = self.due.first().cloned() {
            if due > now.mono {
                break;
            }
            self.due.pop_first();
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            let (slot, interval) = (entry.slot, entry.interval);
            let late = (now.mono - due).ms();
            if late > LATE_MAX.ms().min(interval.ms() / 4) {
                let missed = 1 + late / interval.ms().max(1);
                self.skipped.late += missed.unsigned_abs();
            } else if busy(&name) {
                self.skipped.overrun += 1;
            } else {
                runs.push(Due { probe: name.clone(), slot, interval });
            }
            // The two clocks may differ by a little: never the same slot twice.
            entry.choose(now, now.wall.max(slot));
            self.due.insert((entry.due, name));
        }
        runs
    }

    /// Takes an order to run a probe at once; none when it is unknown or was forced just now.
    pub fn force(&mut self, now: Now, name: &ProbeName) -> Option<Due> {
        let entry = self.entries.get_mut(name)?;
        if entry.forced.is_some_and(|last| now.mono - last < FORCED_EVERY) {
            return None;
        }
        entry.forced = Some(now.mono);
        let pace = entry.pace.filter(|pace| pace.until > now.wall);
        let interval = pace.map_or(entry.probe.every, |pace| pace.every);
        Some(Due { probe: name.clone(), slot: now.wall, interval })
    }

    /// Changes a probe's interval until `until` on this agent's wall clock; within bounds.
    pub fn pace(&mut self, now: Now, name: &ProbeName, every: Millis, until: Timestamp) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        self.due.remove(&(entry.due, name.clone()));
        let every = every.clamp(INTERVAL_MIN.min(entry.probe.every), entry.probe.every);
        entry.pace = Some(Pace { every, until: until.min(now.wall + PACE_MAX) });
        entry.choose(now, now.wall);
        self.due.insert((entry.due, name.clone()));
    }

    /// When [`Plan::take_due`] has something to do.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.due.first().map(|(due, _)| *due)
    }
}
