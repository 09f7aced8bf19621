//! The first transaction: a group of commands becomes facts and inputs of the journal, then the
//! senders are answered and the engine is given the inputs.

use std::collections::{BTreeMap, BTreeSet};

use model::engine::Input;
use model::incident::{Incident, IncidentId, NoticeKey};
use model::name::{AgentName, Region};
use model::time::Timestamp;
use model::wire::{Batch, Gap, Order, Receipt, Rejected};
use rusqlite::Transaction;

use super::counters::sort_of;
use super::force::Force;
use super::{Core, Effect};
use crate::handle::{Attempted, Caller, Refusal, Reply};
use crate::store::names::Names;
use crate::store::{Doing, Error, outbox, signed};
use crate::{history, ingest, journal, token};

/// A command that changes something.
pub(super) enum Write {
    Ingest(Caller, Box<Batch>, Reply<Receipt>),
    Act(IncidentId, Input, Reply<Incident>),
    Reload(Box<model::config::Watch>, Reply<()>),
    Attempted(NoticeKey, Attempted, Reply<()>),
}

/// Facts of a batch beside its results.
pub(super) struct Sent {
    agent: AgentName,
    region: Region,
    incarnation: u64,
    highest_seq: u64,
    gaps: Vec<Gap>,
    rejected: Vec<Rejected>,
    duplicates: u64,
}

/// What is written for a command, and whom to answer.
pub(super) enum Prepared {
    Batch(Sent, Input, Reply<Receipt>),
    Act(IncidentId, Input, Reply<Incident>),
    Reload(Option<Input>, Box<Force>, Reply<()>),
    Attempted(NoticeKey, Attempted, Option<Input>, Reply<()>),
}

/// What earlier commands of the group have changed, until it is committed.
#[derive(Default)]
struct Overlay {
    cursors: BTreeMap<(AgentName, u64), u64>,
    attempted: BTreeSet<NoticeKey>,
}

impl Write {
    /// Whether what comes after it must be judged in a group of its own.
    pub(super) const fn ends_group(&self) -> bool {
        matches!(self, Self::Reload(..))
    }
}

fn answer<T>(reply: Reply<T>, with: Result<T, Refusal>) {
    // Nobody waiting for it any more is no fault: what was accepted stays so.
    let _ = reply.send(with);
}

impl Prepared {
    fn input(&self) -> Option<&Input> {
        match self {
            Self::Batch(_, input, _) | Self::Act(_, input, _) => Some(input),
            Self::Reload(input, ..) | Self::Attempted(_, _, input, _) => input.as_ref(),
        }
    }

    fn refuse(self, refusal: Refusal) {
        match self {
            Self::Batch(.., reply) => answer(reply, Err(refusal)),
            Self::Act(.., reply) => answer(reply, Err(refusal)),
            Self::Reload(.., reply) | Self::Attempted(.., reply) => answer(reply, Err(refusal)),
        }
    }

    /// Writes the facts; the journal row follows.
    fn write(
        &self,
        step: &Transaction<'_>,
        names: &mut Names,
        now: Timestamp,
    ) -> Result<(), Error> {
        match self {
            Self::Batch(sent, Input::Batch { results, .. }, _) => {
                sent.write(step, names, now)?;
                for result in results {
                    history::put(step, names, &sent.agent, sent.incarnation, result)?;
                }
                Ok(())
            }
            Self::Attempted(key, attempted, ..) => outbox::attempted(step, now, key, attempted),
            Self::Batch(..) | Self::Act(..) | Self::Reload(..) => Ok(()),
        }
    }
}

impl Sent {
    /// Writes the cursor, also when it did not move: that the agent was heard is news, and the
    /// confirmation of a repeated batch must wait for the disk like the first.
    fn write(
        &self,
        step: &Transaction<'_>,
        names: &mut Names,
        now: Timestamp,
    ) -> Result<(), Error> {
        let agent = names.number(step, self.agent.as_str())?;
        let incarnation = signed(self.incarnation);
        step.prepare_cached("INSERT OR REPLACE INTO cursor VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut put| {
                put.execute((agent, incarnation, signed(self.highest_seq), now.ms()))
            })
            .doing("write a cursor")?;
        for gap in &self.gaps {
            let (from, to) = (signed(gap.from_seq), signed(gap.to_seq));
            step.prepare_cached("INSERT OR IGNORE INTO gap VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
                .and_then(|mut put| put.execute((agent, incarnation, from, to, &gap.why, now.ms())))
                .doing("write a gap")?;
        }
        Ok(())
    }
}

impl Core {
    /// Writes a group of commands at one `now`, answers them, and lets the engine decide.
    pub(super) fn group(&mut self, writes: Vec<Write>) {
        let now = self.advance();
        if !writes.is_empty() && self.fault.is_some() {
            self.resume(now);
        }
        let staged = self.stage(now, writes);
        let some = !staged.is_empty();
        self.decide(now, staged);
        self.tick(now);
        self.settle();
        if some {
            let lag = ((self.clock)() - now).ms();
            self.counters.evaluation_lag_ms = u64::try_from(lag).unwrap_or(0);
        }
    }

    /// Tries to write again after the store could not: first what the engine is owed, then that it
    /// listens again, so that nobody's silence counts from a time when nobody could be heard.
    pub(super) fn resume(&mut self, now: Timestamp) {
        self.settle();
        if !self.pending.is_empty() {
            return;
        }
        let position = self.position + 1;
        let input = Input::Resume { since: self.engine.now() };
        let written = self.store.write(|step, _| journal::append(step, position, now, &input));
        if let Some(bytes) = self.wrote(written) {
            self.position = position;
            self.counters.journal_bytes += bytes;
            self.fault = None;
            tracing::info!("the store can write again");
            self.apply(now, input);
            self.settle();
        }
    }

    /// The first transaction. Returns what is durable now and waits for the engine.
    pub(super) fn stage(&mut self, now: Timestamp, writes: Vec<Write>) -> Vec<Prepared> {
        let mut overlay = Overlay::default();
        let prepared: Vec<Prepared> =
            writes.into_iter().filter_map(|write| self.prepare(now, write, &mut overlay)).collect();
        if prepared.is_empty() {
            return prepared;
        }
        if self.fault.is_some() {
            self.refuse_all(prepared);
            return Vec::new();
        }
        let (first, used) = (self.position, &self.used);
        let written = self.store.write(|step, names| {
            let (mut position, mut bytes) = (first, 0);
            for one in &prepared {
                one.write(step, names, now)?;
                if let Some(input) = one.input() {
                    position += 1;
                    bytes += journal::append(step, position, now, input)?;
                }
            }
            for (id, used) in used.iter().filter(|(_, used)| !used.written) {
                token::used(step, id, used.minute)?;
            }
            Ok((position, bytes))
        });
        let Some((position, bytes)) = self.wrote(written) else {
            self.refuse_all(prepared);
            return Vec::new();
        };
        self.position = position;
        self.counters.journal_bytes += bytes;
        self.cursors.extend(overlay.cursors);
        self.used.values_mut().for_each(|used| used.written = true);
        prepared
    }

    fn refuse_all(&mut self, prepared: Vec<Prepared>) {
        let why = self.fault.clone().unwrap_or_default();
        for one in prepared {
            self.counters.unwritable += 1;
            one.refuse(Refusal::Unwritable(why.clone()));
        }
    }

    /// Checks a command against what is durable and what is before it in the group; what is refused
    /// is answered here.
    fn prepare(&mut self, now: Timestamp, write: Write, overlay: &mut Overlay) -> Option<Prepared> {
        match write {
            Write::Ingest(caller, batch, reply) => {
                if let Err(refusal) = ingest::permit(&caller, &batch) {
                    answer(reply, Err(refusal));
                    return None;
                }
                let (sent, input) = self.accept(now, *batch, overlay);
                Some(Prepared::Batch(sent, input, reply))
            }
            Write::Act(incident, input, reply) => Some(Prepared::Act(incident, input, reply)),
            Write::Reload(watch, reply) => {
                let force = Box::new(Force::new((*watch).clone()));
                let differs = *self.engine.watch() != *watch;
                let input = differs.then_some(Input::Reconfigure { watch });
                Some(Prepared::Reload(input, force, reply))
            }
            Write::Attempted(key, attempted, reply) => {
                let waits = match outbox::waits(&self.store.db, &key) {
                    Err(fault) => Err(Refusal::Unwritable(fault.to_string())),
                    Ok(None) => Err(Refusal::NotFound(format!("notice {}", key.0))),
                    // Told before, perhaps by a claimant that was slow.
                    Ok(Some(false)) => Ok(false),
                    Ok(Some(true)) => Ok(!overlay.attempted.contains(&key)),
                };
                if waits != Ok(true) {
                    answer(reply, waits.map(|_| ()));
                    return None;
                }
                let notice = key.clone();
                let input = match &attempted {
                    Attempted::Delivered => Some(Input::Delivered { notice }),
                    Attempted::Undeliverable { why } => {
                        Some(Input::Undeliverable { notice, why: why.clone() })
                    }
                    Attempted::Retry { .. } | Attempted::Unwanted => None,
                };
                overlay.attempted.insert(key.clone());
                Some(Prepared::Attempted(key, attempted, input, reply))
            }
        }
    }

    fn accept(&self, now: Timestamp, batch: Batch, overlay: &mut Overlay) -> (Sent, Input) {
        let series = (batch.agent.clone(), batch.incarnation);
        let known = overlay.cursors.get(&series).or_else(|| self.cursors.get(&series));
        let cursor = known.copied().unwrap_or(0);
        let (agent, region) = (batch.agent.clone(), batch.region.clone());
        let (alarms, gaps) = (batch.alarms.clone(), batch.gaps.clone());
        let accepted = ingest::accept(batch, cursor, &self.force.assigned, now);
        let sent = Sent {
            agent: agent.clone(),
            region: region.clone(),
            incarnation: series.1,
            highest_seq: accepted.highest_seq,
            gaps,
            rejected: accepted.rejected,
            duplicates: accepted.duplicates,
        };
        overlay.cursors.insert(series, accepted.highest_seq);
        (sent, Input::Batch { agent, region, results: accepted.results, alarms })
    }

    /// Answers the senders, whose data is durable, then gives the engine each input in order.
    pub(super) fn decide(&mut self, now: Timestamp, staged: Vec<Prepared>) {
        let mut inputs = Vec::new();
        let mut after = Vec::new();
        for one in staged {
            if let Some(input) = one.input() {
                *self.counters.inputs.entry(sort_of(input)).or_default() += 1;
            }
            match one {
                Prepared::Batch(sent, input, reply) => {
                    let receipt = self.receipt(sent, &input);
                    answer(reply, Ok(receipt));
                    inputs.push(input);
                }
                Prepared::Act(incident, input, reply) => {
                    inputs.push(input);
                    after.push((incident, reply));
                }
                Prepared::Reload(input, force, reply) => {
                    self.put_in_force(*force, input.is_some());
                    inputs.extend(input);
                    answer(reply, Ok(()));
                }
                Prepared::Attempted(key, _, input, reply) => {
                    self.claims.release(&key);
                    inputs.extend(input);
                    answer(reply, Ok(()));
                }
            }
        }
        for input in inputs {
            self.apply(now, input);
        }
        for (incident, reply) in after {
            let stands = self.stands(incident);
            let missing = || Refusal::NotFound(format!("incident {}", incident.0));
            answer(reply, stands.ok_or_else(missing));
        }
    }

    /// The incident as the engine has it, or as it has just left it.
    fn stands(&self, id: IncidentId) -> Option<Incident> {
        let left = |pending: &super::Pending| match &pending.effect {
            Effect::Incident(incident) if incident.id == id => Some(incident.clone()),
            _ => None,
        };
        let held = self.engine.incident(id).cloned();
        held.or_else(|| self.pending.iter().rev().find_map(left))
    }

    fn put_in_force(&mut self, force: Force, changed: bool) {
        self.reloaded = self.now;
        self.reload_fault = None;
        self.view = None;
        if !changed {
            return;
        }
        let before = self.watch().regions.clone();
        self.force = force;
        self.newest.retain(&self.force.watch);
        let all: BTreeSet<Region> =
            before.into_iter().chain(self.watch().regions.iter().cloned()).collect();
        for region in all {
            self.handle.give(region, Order::Reload);
        }
        tracing::info!(probes = self.watch().probes.len(), "a new configuration is in force");
    }

    fn receipt(&mut self, sent: Sent, input: &Input) -> Receipt {
        if let Input::Batch { results, .. } = input {
            self.counters.accepted += results.len() as u64;
            for result in results {
                self.newest.note(&sent.agent, sent.incarnation, result);
            }
        }
        self.counters.duplicates += sent.duplicates;
        for gap in &sent.gaps {
            self.counters.gaps += 1;
            self.counters.gap_results += gap.to_seq.saturating_sub(gap.from_seq).saturating_add(1);
        }
        for rejected in &sent.rejected {
            *self.counters.rejected.entry(rejected.code.clone()).or_default() += 1;
        }
        let (_, assignment) = self.force.assignment(&sent.agent, &sent.region);
        Receipt {
            highest_seq: sent.highest_seq,
            // Read at the answer, not at the group's beginning: the agent takes its offset from it.
            now_ms: (self.clock)().ms(),
            assignment,
            rejected: sent.rejected,
        }
    }
}
