//! The core driven step by step in virtual time, on a real store.

mod agents;
mod crash;
mod full;
mod outbox;
mod threads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::config::{
    Contact, DownWhen, Needs, Objective, Opaque, Period, Policy, Probe, Service, Severity, Step,
    Watch,
};
use model::engine::{Engine, Input};
use model::name::{AgentName, ContactName, PolicyName, ProbeName, Region, ServiceName};
use model::result::{Outcome, ProbeResult, Reason};
use model::time::{Millis, Timestamp};
use model::wire::{Batch, Receipt};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::group::Write;
use super::{Clock, Core, open};
use crate::handle::{Caller, Command, Handle, Refusal, Reply};
use crate::store;

pub(crate) const REGIONS: [&str; 3] = ["ap", "eu", "us"];
/// Midnight of a day in 2026.
pub(crate) const START: i64 = 1_780_272_000_000;

pub(crate) fn agent(region: &str) -> AgentName {
    AgentName::new(&format!("{region}-1")).unwrap()
}

pub(crate) fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

pub(crate) fn probe(name: &str, regions: &[&str]) -> Probe<Opaque> {
    Probe {
        name: ProbeName::new(name).unwrap(),
        kind: Opaque {
            word: "http".into(),
            parameters: serde_json::json!({ "url": "https://x.example/", "secret": "${env:KEY}" }),
        },
        every: Millis::from_secs(60),
        timeout: Millis::from_secs(10),
        regions: regions.iter().map(|name| region(name)).collect(),
        down_when: DownWhen::Majority,
        policy: None,
        labels: BTreeMap::new(),
        severity: Severity::Critical,
        paused: false,
        depends_on: Vec::new(),
        runbook: None,
    }
}

/// Probes `shop` and `blog` in three regions, `local` in one; service `web` of `shop` with a day's
/// objective, `free` without one; two contacts in one policy.
pub(crate) fn watch() -> Watch {
    let contact = |name: &str| Contact {
        name: ContactName::new(name).unwrap(),
        notifier: Opaque { word: "log".into(), parameters: serde_json::json!({}) },
    };
    let service = |name: &str, objective| Service {
        name: ServiceName::new(name).unwrap(),
        needs: Needs::All,
        probes: vec![ProbeName::new("shop").unwrap()],
        objective,
    };
    let objective = Objective {
        target_ppm: 990_000,
        period: Period::Days(1),
        zone: "UTC".into(),
        notice: Millis::ZERO,
        grace: Millis::from_secs(10),
        min_outage: Millis::ZERO,
        credits: Vec::new(),
    };
    Watch {
        regions: REGIONS.iter().map(|name| region(name)).collect(),
        probes: vec![
            probe("shop", &REGIONS),
            probe("blog", &["us", "eu", "ap"]),
            probe("local", &["eu"]),
        ],
        services: vec![service("web", Some(objective)), service("free", None)],
        contacts: ["mail", "boss"].map(contact).into(),
        policies: vec![Policy {
            name: PolicyName::new("ops").unwrap(),
            steps: vec![
                Step { after: Millis::ZERO, notify: vec![ContactName::new("mail").unwrap()] },
                Step {
                    after: Millis::from_secs(120),
                    notify: vec![ContactName::new("boss").unwrap()],
                },
            ],
            repeat: 1,
            repeat_every: Millis::from_secs(1800),
        }],
        retention: Millis::from_secs(180 * 86_400),
        ..Watch::default()
    }
}

pub(crate) fn result(name: &str, place: &str, seq: u64, at: i64, up: bool) -> ProbeResult {
    ProbeResult {
        probe: ProbeName::new(name).unwrap(),
        region: region(place),
        seq,
        slot: Timestamp::from_ms(at),
        started: Timestamp::from_ms(at),
        interval: Millis::from_secs(60),
        outcome: if up { Outcome::Passed } else { Outcome::Failed(Reason::Connect) },
        detail: if up { String::new() } else { "connection refused".into() },
        attempts: 1,
        duration_us: 1500,
        phases: Vec::new(),
        values: BTreeMap::new(),
        clock: None,
        evidence: None,
    }
}

pub(crate) fn batch(place: &str, results: Vec<ProbeResult>) -> Batch {
    Batch {
        agent: agent(place),
        region: region(place),
        incarnation: 7,
        version: "0.1.0".into(),
        sent: Timestamp::from_ms(START),
        waiting: 0,
        gaps: Vec::new(),
        alarms: Vec::new(),
        results,
        unreadable: BTreeMap::new(),
    }
}

pub(crate) fn caller(place: &str) -> Caller {
    Caller::Agent { agent: agent(place), region: region(place) }
}

/// A core on a folder of its own, with a clock that the test sets.
pub(super) struct Bench {
    pub(super) data: TempDir,
    pub(super) clock: Arc<AtomicI64>,
    pub(super) handle: Handle,
    core: Option<Core>,
    /// Kept, so that the handle stays open.
    _commands: tokio::sync::mpsc::Receiver<Command>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let (handle, commands) = Handle::new();
        let clock = Arc::new(AtomicI64::new(START));
        let data = tempfile::tempdir().unwrap();
        let mut bench = Self { data, clock, handle, core: None, _commands: commands };
        bench.open(watch());
        bench
    }

    pub(super) fn open(&mut self, watch: Watch) {
        let clock = Arc::clone(&self.clock);
        let clock: Clock = Arc::new(move || Timestamp::from_ms(clock.load(Ordering::Relaxed)));
        let core = Core::open(self.data.path(), watch, self.handle.clone(), clock).unwrap();
        // Durability is not what is tested here; without it there are thousands of steps a second.
        core.store.db.pragma_update(None, "synchronous", "OFF").unwrap();
        self.core = Some(core);
    }

    pub(super) fn core(&mut self) -> &mut Core {
        self.core.as_mut().unwrap()
    }

    /// Ends the core without a word, as a crash does, and starts it again.
    pub(super) fn crash(&mut self) {
        self.core = None;
        self.open(watch());
    }

    pub(super) fn close(&mut self) {
        self.core.take().unwrap().close().unwrap();
    }

    pub(super) fn at(&self, ms: i64) {
        self.clock.store(START + ms, Ordering::Relaxed);
    }

    /// One command in a group of its own.
    pub(super) fn ask<T>(
        &mut self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        let core = self.core();
        let writes: Vec<Write> = core.answer(command(reply)).into_iter().collect();
        core.group(writes);
        answer.blocking_recv().unwrap()
    }

    pub(super) fn ingest(
        &mut self,
        place: &str,
        results: Vec<ProbeResult>,
    ) -> Result<Receipt, Refusal> {
        let (caller, batch) = (caller(place), Box::new(batch(place, results)));
        self.ask(|reply| Command::Ingest(caller, batch, reply))
    }

    pub(super) fn act(&mut self, input: Input) -> Result<model::incident::Incident, Refusal> {
        self.ask(|reply| Command::Act(Box::new(input), reply))
    }

    /// The value of a counter.
    pub(super) fn counter(&mut self, name: &str, label: &str) -> u64 {
        let view = self.ask(Command::View).unwrap();
        let found = view.counters.iter().find(|(n, l, _)| *n == name && l == label);
        found.unwrap_or_else(|| panic!("no counter {name} {label}")).2
    }

    /// The live engine, and the engine that the journal gives, both at the same time and as JSON.
    pub(super) fn engines(&mut self) -> (String, String) {
        let json = |engine: &Engine| serde_json::to_string(engine).unwrap();
        let core = self.core();
        let now = core.advance();
        core.tick(now);
        core.settle();
        let db = store::connect_reading(self.data.path()).unwrap();
        let mut rebuilt = open::rebuild(&db).unwrap().engine;
        // Both have seen the same time, whether or not anything was due.
        let mut live = self.core().engine.clone();
        rebuilt.handle(now, Input::Tick);
        live.handle(now, Input::Tick);
        (json(&live), json(&rebuilt))
    }

    /// Everything that was decided and stored, as text.
    pub(super) fn dump(&self) -> Vec<String> {
        let db = store::connect_reading(self.data.path()).unwrap();
        let mut lines = Vec::new();
        for text in [
            "SELECT 'flip', effect, name.text, at_ms, was, became FROM flip JOIN name ON name.id = probe",
            "SELECT 'incident', id, state, body FROM incident",
            "SELECT 'notice', key, due_ms, state, attempts, body FROM notice",
            "SELECT 'result', p.text, slot_ms, r.text, incarnation, seq FROM result \
             JOIN name AS p ON p.id = probe JOIN name AS r ON r.id = region ORDER BY 2, 3, 4",
            "SELECT 'cursor', name.text, incarnation, highest_seq FROM cursor JOIN name ON name.id = agent",
            "SELECT 'attempt', key, at_ms, outcome FROM notice_attempt",
        ] {
            let mut find = db.prepare(text).unwrap();
            let columns = find.column_count();
            let rows = find.query_map([], |row| {
                let cell = |n| row.get::<_, rusqlite::types::Value>(n).map(|v| format!("{v:?}"));
                (0..columns).map(cell).collect::<Result<Vec<_>, _>>()
            });
            lines.extend(rows.unwrap().map(|row| row.unwrap().join(" ")));
        }
        lines
    }
}
