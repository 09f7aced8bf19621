//! Who watches while it happens: facts that the world knows by itself, and the promises that must hold
//! after every event. Nothing here asks the engine how it came to what it says.

use std::collections::{BTreeMap, BTreeSet};

use model::config::Watch;
use model::engine::{Effect, Flip, Input, ProbeView};
use model::incident::{Event, IncidentId, Notice, NoticeKey, State};
use model::name::{AgentName, ContactName, ProbeName, Region};
use model::quorum::Verdict;
use model::result::{Outcome, ProbeResult};
use model::time::{Millis, Timestamp};
use model::wire::Receipt;

/// What clocks may differ by without being corrected, with what a run takes from begin to spool.
const SLACK: Millis = Millis::from_secs(7);
/// An agent that was not heard for so long says nothing.
const SILENT_AFTER: Millis = Millis::from_secs(45);
/// What a vote outlives twice its interval by.
const GRACE: Millis = Millis::from_secs(10);
/// How long somebody has an incident.
const OWNED_FOR: Millis = Millis::from_secs(1800);
/// The most entries of a timeline.
const ENTRIES_MAX: usize = 300;

/// A promise that was broken.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which.
    pub promise: &'static str,
    /// When.
    pub at: Timestamp,
    /// How.
    pub how: String,
}

/// The newest that a region said of a probe, at the real time of its run.
#[derive(Clone, Copy, Debug)]
struct Said {
    began: Timestamp,
    interval: Millis,
    outcome: Outcome,
}

/// An incident about a probe from its beginning to its end, as it was decided.
#[derive(Clone, Debug)]
pub struct Told {
    /// About what.
    pub probe: Option<ProbeName>,
    /// Its key.
    pub key: String,
    /// Since when the trouble is there, as it is said.
    pub started: Timestamp,
    /// When it was opened, each time.
    pub opened: Vec<Timestamp>,
    /// When it was closed, each time.
    pub closed: Vec<Timestamp>,
    /// Where it stands.
    pub state: State,
    owned_until: Timestamp,
    /// The last that each contact was told.
    pub last: BTreeMap<ContactName, Event>,
}

/// A spooled result by its real time.
#[derive(Clone, Debug)]
struct Spooled {
    began: Timestamp,
    result: ProbeResult,
    sent: bool,
}

/// All that was seen.
#[derive(Default)]
pub struct Witness {
    /// The world's time.
    pub now: Timestamp,
    /// The first promise that was broken.
    pub broken: Option<Broken>,
    watch: Watch,
    spooled: BTreeMap<(AgentName, u64, u64), Spooled>,
    counted: BTreeSet<(AgentName, u64, u64)>,
    promised: BTreeMap<(AgentName, u64), u64>,
    heard: BTreeMap<AgentName, (Region, Timestamp)>,
    listening: Timestamp,
    said: BTreeMap<(ProbeName, Region), Said>,
    /// Incidents by number.
    pub told: BTreeMap<IncidentId, Told>,
    committed: BTreeMap<NoticeKey, Notice>,
    confirmed: BTreeSet<NoticeKey>,
    effect: u64,
    /// Notices that reached somebody, with how often.
    pub delivered: BTreeMap<NoticeKey, u32>,
    /// Incidents that somebody closed by hand, and when.
    pub by_hand: Vec<(IncidentId, Timestamp)>,
    /// Runs whose stamp was wrong by more than is tolerated while nobody could know: real time.
    pub unmeasured: Vec<Timestamp>,
}

fn known(assigned: usize) -> usize {
    assigned / 2 + 1
}

impl Witness {
    /// A promise is broken, if none was before.
    pub fn fail(&mut self, promise: &'static str, how: String) {
        let at = self.now;
        self.broken.get_or_insert(Broken { promise, at, how });
    }

    /// Something that must be.
    pub fn hold(&mut self, promise: &'static str, holds: bool, how: impl FnOnce() -> String) {
        if !holds {
            self.fail(promise, how());
        }
    }

    /// The collector began to listen.
    pub fn listens(&mut self, now: Timestamp) {
        self.listening = now;
    }

    /// A result got its seq. S3: a seq that was sent once names that result for ever.
    pub fn spooled(&mut self, agent: &AgentName, inc: u64, began: Timestamp, result: &ProbeResult) {
        let key = (agent.clone(), inc, result.seq);
        let known = self.spooled.get(&key).is_some_and(|known| known.sent);
        self.hold("S3", !known, || format!("{agent} gave seq {} twice", result.seq));
        if result.clock.is_none() && (result.started - began).ms().abs() > 5000 {
            self.unmeasured.push(began);
        }
        self.spooled.insert(key, Spooled { began, result: result.clone(), sent: false });
    }

    /// A batch left. S8: it is within its bounds.
    pub fn sent(&mut self, agent: &AgentName, inc: u64, results: &[ProbeResult]) {
        let most = model::wire::BATCH_RESULTS_MAX;
        self.hold("S8", results.len() <= most, || format!("{} results", results.len()));
        for result in results {
            let key = (agent.clone(), inc, result.seq);
            if let Some(spooled) = self.spooled.get_mut(&key) {
                spooled.sent = true;
            }
        }
    }

    /// The collector took results. S3: each once, and as it was spooled.
    pub fn accepted(
        &mut self,
        now: Timestamp,
        agent: &AgentName,
        inc: u64,
        region: &Region,
        results: &[ProbeResult],
    ) {
        self.heard.insert(agent.clone(), (region.clone(), now));
        for result in results {
            let key = (agent.clone(), inc, result.seq);
            let seq = result.seq;
            let fresh = self.counted.insert(key.clone());
            self.hold("S3", fresh, || format!("{agent}/{inc}/{seq} counted twice"));
            let Some(spooled) = self.spooled.get(&key) else {
                return self.fail("S3", format!("{agent}/{inc}/{seq} was never spooled"));
            };
            let (began, same) = (spooled.began, spooled.result == *result);
            self.hold("S3", same, || format!("{agent}/{inc}/{seq} changed on its way"));
            let said = Said { began, interval: result.interval, outcome: result.outcome };
            let known = self.said.entry((result.probe.clone(), region.clone())).or_insert(said);
            if said.began >= known.began {
                *known = said;
            }
        }
    }

    /// S8: a disk holds no more than it may.
    pub fn bounded(&mut self, used: usize, most: usize) {
        self.hold("S8", used <= most, || format!("a spool takes {used} bytes of {most}"));
    }

    /// A receipt says that everything up to a seq is durable.
    pub fn promised(&mut self, agent: &AgentName, inc: u64, highest_seq: u64) {
        let promised = self.promised.entry((agent.clone(), inc)).or_default();
        *promised = highest_seq.max(*promised);
    }

    /// A receipt left: its time is the collector's.
    pub fn answered(&mut self, receipt: &Receipt) {
        let late = (self.now.ms() - receipt.now_ms).abs();
        self.hold("S8", late < 1000, || format!("a receipt's clock is {late} ms off"));
    }

    /// What was acknowledged is there. Asked at every start of the collector and at the end.
    pub fn kept(&mut self, cursors: &BTreeMap<(AgentName, u64), u64>) {
        let lost = self
            .promised
            .iter()
            .find(|(series, promised)| cursors.get(*series).copied().unwrap_or(0) < **promised);
        if let Some(((agent, _), promised)) = lost.map(|(series, p)| (series.clone(), *p)) {
            self.fail("S11", format!("{agent} was promised {promised}, which is not there"));
        }
    }

    /// An input is in the journal.
    pub fn journaled(&mut self, input: &Input) {
        match input {
            Input::Acknowledge { incident, .. } => {
                let until = self.now + OWNED_FOR;
                if let Some(told) =
                    self.told.get_mut(incident).filter(|t| t.state != State::Resolved)
                {
                    told.owned_until = until;
                }
            }
            Input::Resolve { incident, .. } => self.by_hand.push((*incident, self.now)),
            Input::Reconfigure { watch } => {
                self.watch = (**watch).clone();
                let watch = &self.watch;
                self.said.retain(|(probe, region), _| {
                    watch.probe(probe).is_some_and(|probe| probe.regions.contains(region))
                });
            }
            _ => {}
        }
    }

    /// The configuration at the start.
    pub fn watches(&mut self, watch: &Watch) {
        self.watch = watch.clone();
    }

    /// An effect is committed under its number. S7: each number once, in order.
    pub fn committed(&mut self, number: u64, effect: &Effect) {
        let rises = number > self.effect;
        self.hold("S7", rises, || format!("effect {number} was committed twice"));
        self.effect = number.max(self.effect);
        match effect {
            Effect::Flip(flip) => self.flipped(flip),
            Effect::Incident(incident) => {
                let long = incident.timeline.len();
                self.hold("S8", long <= ENTRIES_MAX, || format!("{long} entries in a timeline"));
                self.incident(incident);
            }
            Effect::Notify(notice) => {
                self.due(notice);
                self.committed.insert(notice.key.clone(), notice.clone());
            }
            Effect::Order { .. } => {}
        }
    }

    fn incident(&mut self, incident: &model::incident::Incident) {
        let now = self.now;
        let silence = incident.key == "agents:all:silent";
        let told = self.told.entry(incident.id).or_insert_with(|| Told {
            probe: incident.probe.clone(),
            key: incident.key.clone(),
            started: incident.started,
            opened: Vec::new(),
            closed: Vec::new(),
            state: State::Resolved,
            owned_until: Timestamp::MIN,
            last: BTreeMap::new(),
        });
        let before = std::mem::replace(&mut told.state, incident.state);
        let opens = before == State::Resolved && incident.state != State::Resolved;
        if opens {
            told.opened.push(incident.triggered);
            told.owned_until = Timestamp::MIN;
        }
        if before != State::Resolved && incident.state == State::Resolved {
            told.closed.push(now);
        }
        let (listening, at) = (self.listening, incident.triggered);
        if silence && opens {
            let quiet = self.heard.values().any(|(_, heard)| *heard + SILENT_AFTER <= at);
            let heard_out = listening + SILENT_AFTER <= at;
            self.hold("S2", quiet && heard_out, || "silence that nobody kept".into());
        }
        let twice = self.told.values().filter(|t| t.key == incident.key);
        let open = twice.filter(|told| told.state != State::Resolved).count();
        self.hold("S8", open <= 1, || format!("{open} open incidents {}", incident.key));
    }

    /// S6: nobody is told more while somebody has it or after its end.
    fn due(&mut self, notice: &Notice) {
        if !matches!(notice.event, Event::Escalated | Event::Triggered) {
            return;
        }
        let Some(told) = self.told.get(&notice.incident.id) else { return };
        let reopens = notice.incident.triggered >= notice.due;
        let owned = notice.due < told.owned_until && told.key.ends_with(":down") && !reopens;
        let over = told.state == State::Resolved && !reopens;
        let key = notice.key.0.clone();
        self.hold("S6", !owned && !over, || format!("{key} although it is owned or over"));
    }

    /// Regions whose newest word may still count at `at`, with what it says; slack is given.
    fn fresh(&self, probe: &ProbeName, at: Timestamp) -> Vec<(bool, Timestamp)> {
        let Some(probe) = self.watch.probe(probe) else { return Vec::new() };
        let loud = |region: &Region| {
            self.heard.values().any(|(from, heard)| {
                from == region && (*heard).max(self.listening) + SILENT_AFTER > at
            })
        };
        let regions = probe.regions.iter().filter(|region| loud(region));
        let said =
            regions.filter_map(|region| self.said.get(&(probe.name.clone(), region.clone())));
        let fresh = said.filter(|said| said.began + said.interval.times(2) + GRACE + SLACK > at);
        fresh
            .filter_map(|said| match said.outcome {
                Outcome::Passed => Some((false, said.began)),
                Outcome::Failed(_) => Some((true, said.began)),
                Outcome::Void(_) => None,
            })
            .collect()
    }

    /// S1 and S2: down needs a quorum of fresh failures from two regions.
    fn flipped(&mut self, flip: &Flip) {
        let Some(probe) = self.watch.probe(&flip.probe) else { return };
        let (assigned, every, timeout) = (probe.regions.len(), probe.every, probe.timeout);
        if flip.to != Verdict::Down {
            return;
        }
        let fresh = self.fresh(&flip.probe, flip.at);
        let down = fresh.iter().filter(|(down, _)| *down).count();
        let young = |began: Timestamp| began + every + timeout > flip.at + SLACK;
        let up = fresh.iter().filter(|(down, began)| !*down && young(*began)).count();
        let name = &flip.probe;
        let said = format!("{name}: {down} of {assigned} fresh down, {up} fresh up");
        self.hold("S2", down >= 2.min(assigned), || said.clone());
        self.hold("S1", 2 * down > down + up && fresh.len() >= known(assigned), || said);
    }

    /// S2: without a quorum of fresh words the verdict is unknown.
    pub fn verdicts(&mut self, views: &[ProbeView]) {
        for view in views {
            let fresh = self.fresh(&view.name, self.now).len();
            let enough = fresh >= known(view.regions.len());
            let (name, word) = (&view.name, view.verdict.word());
            self.hold("S2", enough || view.verdict == Verdict::Unknown, || {
                format!("{name} is {word} with {fresh} fresh words of {}", view.regions.len())
            });
        }
    }

    /// A notice leaves. S12: only after it is committed. S5: not again after it is confirmed, to whom
    /// it is due, and never out of order.
    pub fn leaves(&mut self, notice: &Notice) {
        let key = &notice.key.0;
        match self.committed.get(&notice.key) {
            None => return self.fail("S12", format!("{key} left before it was committed")),
            Some(same) if same != notice => {
                return self.fail("S5", format!("{key} changed"));
            }
            Some(_) => {}
        }
        let again = self.confirmed.contains(&notice.key);
        self.hold("S5", !again, || format!("{key} left again after it was confirmed"));
        let steps = self.watch.policies.iter().flat_map(|policy| &policy.steps);
        let named = steps.flat_map(|step| &step.notify).any(|contact| *contact == notice.contact);
        self.hold("S5", named, || format!("{key} is for nobody"));
        let last = self.told.get(&notice.incident.id).and_then(|t| t.last.get(&notice.contact));
        let epoch = |key: &str| key.split('/').nth(1).and_then(|e| e.parse::<u32>().ok());
        let after_end = last == Some(&Event::Resolved) && notice.event != Event::Resolved;
        let ended = format!("{}/{}/", notice.incident.id.0, epoch(key).unwrap_or(0));
        let same = self.delivered.keys().any(|other| {
            let end = other.0.starts_with(&ended) && other.0.contains("/resolved/");
            end && other.0.ends_with(notice.contact.as_str())
        });
        // A collector that starts anew has forgotten which notices wait for another attempt.
        let remembers = notice.due > self.listening;
        self.hold("S5", !(after_end && same && remembers), || {
            format!("{key} left after the end was told")
        });
    }

    /// A notice reached its contact.
    pub fn reached(&mut self, notice: &Notice) {
        *self.delivered.entry(notice.key.clone()).or_default() += 1;
        // A collector that starts anew has forgotten which notices wait for another attempt: what was
        // due before may come after the end.
        let late = notice.due <= self.listening;
        if let Some(told) = self.told.get_mut(&notice.incident.id)
            && !(late && told.last.get(&notice.contact) == Some(&Event::Resolved))
        {
            told.last.insert(notice.contact.clone(), notice.event);
        }
    }

    /// That a notice reached its contact, or was given up, is durable.
    pub fn confirmed(&mut self, key: &NoticeKey) {
        self.confirmed.insert(key.clone());
    }
}
