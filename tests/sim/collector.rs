//! A collector: the real engine, the real ingest and the real lanes of the outbox over a store in
//! memory, whose two transactions are those of the core. It can die between any two of its steps.

use std::collections::BTreeMap;

use collector::core::force::Force;
use collector::handle::{Attempted, Claimed};
use collector::ingest;
use collector::outbox::lanes::Lanes;
use model::config::Watch;
use model::engine::{Effect, Engine, Input};
use model::incident::NoticeKey;
use model::name::{AgentName, Region};
use model::time::{Millis, Timestamp};
use model::wire::{Batch, Receipt};

use crate::mutants::{Mutant, Wrapper};
use crate::store::{Act, Kept, Point, Row, Snapshot, Write};
use crate::witness::Witness;

/// A new snapshot is made so often.
const SNAPSHOT_EVERY: Millis = Millis::from_secs(600);
/// How long a claimed notice belongs to its claimant.
const CLAIM_LASTS: Millis = Millis::from_secs(60);

/// A collector that runs.
pub struct Live {
    /// The real engine.
    pub engine: Engine,
    now: Timestamp,
    effect: u64,
    pending: Vec<(u64, Effect)>,
    force: Force,
    claims: BTreeMap<NoticeKey, Timestamp>,
    /// The real order of the outbox.
    pub lanes: Lanes,
    /// It could not write and has not listened since.
    pub deaf: bool,
    snapshot: Timestamp,
}

/// The collector with its disk.
#[derive(Default)]
pub struct Collector {
    /// On disk.
    pub kept: Kept,
    /// In memory; none while it is dead.
    pub live: Option<Live>,
    /// Where it dies next.
    pub dies: Option<Point>,
    /// What is broken in it on purpose.
    pub wrapper: Wrapper,
    /// The outbox has news.
    pub stirred: bool,
}

fn bytes(engine: &Engine) -> Vec<u8> {
    serde_json::to_vec(engine).unwrap()
}

impl Collector {
    fn broken(&self, mutant: Mutant) -> bool {
        self.wrapper.mutant == Some(mutant)
    }

    /// Starts it: the newest snapshot, the journal after it, and the news that it listens again.
    pub fn start(&mut self, now: Timestamp, watch: &Watch, witness: &mut Witness) -> Vec<Act> {
        let now = now.max(self.kept.now);
        if self.kept.snapshots.is_empty() {
            let engine = bytes(&Engine::default());
            self.kept.snapshots.push(Snapshot { position: 0, effect: 0, at: now, engine });
        }
        let base = self.kept.snapshots.last().unwrap();
        let engine = self.wrapper.snapshot(base.engine.clone(), !self.kept.journal.is_empty());
        let mut live = Live {
            engine: serde_json::from_slice(&engine).unwrap(),
            now,
            effect: base.effect,
            pending: Vec::new(),
            force: Force::new(watch.clone()),
            claims: BTreeMap::new(),
            lanes: Lanes::default(),
            deaf: false,
            snapshot: base.at,
        };
        let committed =
            if self.broken(Mutant::CommittedEffectsAgain) { 0 } else { self.kept.effect };
        let last = self.kept.journal.last().map_or(base.at, |(at, _)| *at);
        let reached = self.kept.now.max(last).max(base.at);
        let rest = self.kept.journal.iter().skip(base.position).cloned();
        for (at, input) in rest.chain([(reached, Input::Tick)]) {
            for effect in live.engine.handle(at, input) {
                live.effect += 1;
                if live.effect > committed {
                    live.pending.push((live.effect, effect));
                }
            }
        }
        live.effect = live.effect.max(self.kept.effect);
        let (whole, _) = self.replay(reached);
        let same = bytes(&whole) == bytes(&live.engine);
        witness.hold("S7", same, || "a restart makes another engine than the journal".into());
        if self.broken(Mutant::CursorsLost) {
            self.kept.cursors.clear();
        }
        let mut inputs = vec![Input::Resume { since: live.engine.now() }];
        inputs.retain(|_| !self.broken(Mutant::OwnAbsenceCounts));
        if *live.engine.watch() != *watch {
            inputs.push(Input::Reconfigure { watch: Box::new(watch.clone()) });
        }
        self.live = Some(live);
        witness.listens(now);
        for input in inputs {
            self.kept.journal.push((now, input.clone()));
            self.apply(now, input);
        }
        let mut acts = Vec::new();
        self.stirred = true;
        self.settle(witness, &mut acts);
        acts
    }

    /// It ends without warning.
    pub fn die(&mut self) {
        (self.live, self.dies) = (None, None);
    }

    fn dies_at(&mut self, point: Point) -> bool {
        let dies = self.dies == Some(point);
        if dies {
            self.die();
        }
        dies
    }

    fn apply(&mut self, now: Timestamp, input: Input) {
        let Some(live) = &mut self.live else { return };
        live.now = live.now.max(now);
        for effect in self.wrapper.effects(live.engine.handle(live.now, input)) {
            live.effect += 1;
            live.pending.push((live.effect, effect));
        }
    }

    /// The second transaction, then the orders.
    fn settle(&mut self, witness: &mut Witness, acts: &mut Vec<Act>) {
        let Some(live) = &mut self.live else { return };
        if self.kept.full {
            live.deaf |= !live.pending.is_empty();
            return;
        }
        let pending = std::mem::take(&mut live.pending);
        self.kept.now = live.now;
        for (number, effect) in &pending {
            witness.committed(*number, effect);
            self.kept.effect = *number;
            match effect {
                Effect::Flip(flip) => self.kept.flips.push((*number, flip.clone())),
                Effect::Notify(notice) => {
                    let (due, notice) = (notice.due, notice.clone());
                    let row = Row { notice, waits: true, due, attempts: 0 };
                    self.kept.notices.entry(row.notice.key.clone()).or_insert(row);
                    self.stirred = true;
                }
                Effect::Incident(_) | Effect::Order { .. } => {}
            }
        }
        if self.dies_at(Point::AfterCommit) {
            return;
        }
        for (_, effect) in pending {
            if let Effect::Order { region, order } = effect {
                acts.push(Act::Order(region, order));
            }
        }
        self.keep();
    }

    fn keep(&mut self) {
        let Some(live) = &mut self.live else { return };
        if live.now - live.snapshot >= SNAPSHOT_EVERY && live.pending.is_empty() {
            live.snapshot = live.now;
            self.kept.snapshots.push(Snapshot {
                position: self.kept.journal.len(),
                effect: live.effect,
                at: live.now,
                engine: bytes(&live.engine),
            });
        }
    }

    /// Fires what is due.
    pub fn tick(&mut self, now: Timestamp, witness: &mut Witness) -> Vec<Act> {
        let mut acts = Vec::new();
        let deaf = self.live.as_ref().is_none_or(|live| live.deaf);
        if !deaf && !self.kept.full {
            self.apply(now, Input::Tick);
            self.hasten(witness);
            if !self.dies_at(Point::AfterApply) {
                self.settle(witness, &mut acts);
            }
        }
        acts
    }

    /// When it has something to do by itself.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let live = self.live.as_ref().filter(|live| !live.deaf && !self.kept.full)?;
        live.engine.next_deadline()
    }

    /// Writes, answers, decides, commits and gives orders; or dies on the way.
    pub fn group(&mut self, now: Timestamp, write: Write, witness: &mut Witness) -> Vec<Act> {
        let mut acts = Vec::new();
        let Some(live) = &self.live else { return acts };
        let now = now.max(live.now);
        if live.deaf && !self.kept.full {
            self.settle(witness, &mut acts);
            if self.live.is_none() {
                return acts;
            }
            let live = self.live.as_mut().unwrap();
            let resume = Input::Resume { since: live.engine.now() };
            live.deaf = false;
            self.kept.journal.push((now, resume.clone()));
            witness.listens(now);
            self.apply(now, resume);
            self.settle(witness, &mut acts);
        }
        if self.dies_at(Point::BeforeJournal) || self.live.is_none() {
            return acts;
        }
        if self.kept.full {
            self.live.as_mut().unwrap().deaf = true;
            if let Write::Batch(exchange, _) = write {
                acts.push(Act::Answer(exchange, None));
            }
            return acts;
        }
        let early = self.broken(Mutant::ReceiptBeforeCommit);
        let (inputs, answer) = self.stage(now, write, witness);
        if early && self.dies == Some(Point::AfterJournal) {
            acts.extend(answer);
            self.die();
            return acts;
        }
        if self.dies_at(Point::AfterJournal) {
            return acts;
        }
        if let Some(Act::Answer(_, Some(receipt))) = &answer {
            witness.answered(receipt);
        }
        acts.extend(answer);
        if self.dies_at(Point::AfterAnswer) {
            return acts;
        }
        for input in inputs {
            self.apply(now, input);
        }
        self.hasten(witness);
        if !self.dies_at(Point::AfterApply) {
            self.settle(witness, &mut acts);
        }
        acts
    }

    /// The first transaction.
    fn stage(
        &mut self,
        now: Timestamp,
        write: Write,
        witness: &mut Witness,
    ) -> (Vec<Input>, Option<Act>) {
        let (input, answer) = match write {
            Write::Batch(exchange, batch) => {
                if self.broken(Mutant::ReceiptBeforeCommit)
                    && self.dies == Some(Point::AfterJournal)
                {
                    let highest_seq = batch.highest_seq().unwrap_or(0);
                    witness.promised(&batch.agent, batch.incarnation, highest_seq);
                    let receipt = Receipt { highest_seq, now_ms: now.ms(), ..Receipt::default() };
                    return (Vec::new(), Some(Act::Answer(exchange, Some(receipt))));
                }
                let (input, receipt) = self.accept(now, *batch, witness);
                (Some(input), Some(Act::Answer(exchange, Some(receipt))))
            }
            Write::Act(input) => (Some(input), None),
            Write::Reload(watch) => {
                let live = self.live.as_mut().unwrap();
                live.force = Force::new((*watch).clone());
                (Some(Input::Reconfigure { watch }), None)
            }
            Write::Attempted(key, attempted) => (self.attempted(key, &attempted, witness), None),
        };
        let Some(input) = input else { return (Vec::new(), answer) };
        witness.journaled(&input);
        let engine = &self.live.as_ref().unwrap().engine;
        let inputs = self.wrapper.inputs(now, engine, input);
        self.kept.journal.extend(inputs.iter().map(|input| (now, input.clone())));
        (inputs, answer)
    }

    /// A broken collector lets notices leave before they are committed.
    fn hasten(&self, witness: &mut Witness) {
        let hasty = self.broken(Mutant::ActBeforeCommit);
        for (_, effect) in self.live.iter().filter(|_| hasty).flat_map(|live| &live.pending) {
            if let Effect::Notify(notice) = effect {
                witness.leaves(notice);
            }
        }
    }

    fn accept(&mut self, now: Timestamp, batch: Batch, witness: &mut Witness) -> (Input, Receipt) {
        let series = (batch.agent.clone(), batch.incarnation);
        let known = self.kept.cursors.get(&series).copied().unwrap_or(0);
        let cursor = if self.broken(Mutant::DuplicatesCount) { 0 } else { known };
        let (agent, region) = (batch.agent.clone(), batch.region.clone());
        let (alarms, gaps) = (batch.alarms.clone(), batch.gaps.clone());
        let live = self.live.as_mut().unwrap();
        let accepted = ingest::accept(batch, cursor, &live.force.assigned, now);
        let highest_seq = accepted.highest_seq.max(known);
        for gap in gaps {
            let missing = gap.from_seq..=gap.to_seq;
            let of = |seq| (agent.clone(), series.1, seq);
            self.kept.excused.extend(missing.map(of));
        }
        for rejected in &accepted.rejected {
            self.kept.excused.insert((agent.clone(), series.1, rejected.seq));
        }
        witness.accepted(now, &agent, series.1, &region, &accepted.results);
        for result in &accepted.results {
            if let Some(result) = self.wrapper.stored(now, result) {
                let key = (agent.clone(), series.1, result.seq);
                self.kept.results.entry(key).or_insert(result);
            }
        }
        self.kept.cursors.insert(series.clone(), highest_seq);
        witness.promised(&agent, series.1, highest_seq);
        let (_, assignment) = live.force.assignment(&agent, &region);
        let receipt =
            Receipt { highest_seq, now_ms: now.ms(), assignment, rejected: accepted.rejected };
        let results = self.wrapper.taken(now, accepted.results);
        (Input::Batch { agent, region, results, alarms }, receipt)
    }

    fn attempted(
        &mut self,
        key: NoticeKey,
        attempted: &Attempted,
        witness: &mut Witness,
    ) -> Option<Input> {
        let forgets = self.broken(Mutant::DeliveriesForgotten);
        let row = self.kept.notices.get_mut(&key).filter(|row| row.waits)?;
        self.stirred = true;
        row.attempts += 1;
        row.waits = matches!(attempted, Attempted::Retry { .. }) || forgets;
        self.live.as_mut()?.claims.remove(&key);
        match attempted {
            Attempted::Delivered => {
                witness.confirmed(&key);
                Some(Input::Delivered { notice: key })
            }
            Attempted::Undeliverable { why } => {
                witness.confirmed(&key);
                Some(Input::Undeliverable { notice: key, why: why.clone() })
            }
            Attempted::Retry { at, .. } => {
                row.due = *at;
                None
            }
            Attempted::Unwanted => None,
        }
    }

    /// What an agent works on, and its tag.
    pub fn assignment(
        &mut self,
        agent: &AgentName,
        region: &Region,
    ) -> Option<(model::wire::Assignment, String)> {
        let (assignment, tag) = self.live.as_mut()?.force.assignment(agent, region);
        Some(((*assignment).clone(), tag))
    }

    /// Notices that are due and belong to nobody, now claimed.
    pub fn claim(&mut self, now: Timestamp) -> Vec<Claimed> {
        let again = self.broken(Mutant::OldNoticesAgain);
        let Some(live) = &mut self.live else { return Vec::new() };
        live.claims.retain(|_, until| *until > now);
        let due = |row: &&Row| (row.waits || again) && row.due <= now;
        let mut claimed = Vec::new();
        for row in self.kept.notices.values().filter(due) {
            let key = &row.notice.key;
            if !live.claims.contains_key(key) {
                live.claims.insert(key.clone(), now + CLAIM_LASTS);
                claimed.push(Claimed { notice: row.notice.clone(), attempts: row.attempts });
            }
        }
        claimed.sort_by_key(|one| one.notice.due);
        claimed
    }

    /// Whether anything is left to be sent.
    pub fn waiting(&self) -> usize {
        self.kept.notices.values().filter(|row| row.waits).count()
    }

    /// The engine as the whole journal gives it, through its written form, with its effects.
    fn replay(&self, until: Timestamp) -> (Engine, Vec<Effect>) {
        let mut engine = Engine::default();
        let mut effects = Vec::new();
        for (at, input) in &self.kept.journal {
            let written = serde_json::to_vec(input).unwrap();
            effects.extend(engine.handle(*at, serde_json::from_slice(&written).unwrap()));
        }
        effects.extend(engine.handle(until, Input::Tick));
        (engine, effects)
    }

    /// The replayed engine and the live one as bytes, at the same time, with all effects.
    pub fn replayed(&self) -> Option<(Vec<u8>, Vec<u8>, Vec<Effect>)> {
        let live = self.live.as_ref().filter(|live| live.pending.is_empty())?;
        let (engine, effects) = self.replay(live.now);
        let mut present = live.engine.clone();
        present.handle(live.now, Input::Tick);
        Some((bytes(&engine), bytes(&present), effects))
    }
}
