//! A core for tests: answers every question from what the test put in, and keeps what it was told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use model::config::{
    Contact, DownWhen, Needs, Objective, Opaque, Period, Probe, Service, Severity,
};
use model::config::{Smtp, Watch};
use model::engine::{AgentView, Input, ProbeView, RegionView};
use model::incident::{Event, Incident, IncidentId, Notice, NoticeKey, RegionSays, State};
use model::name::{AgentName, ContactName, PolicyName, ProbeName, Region, ServiceName};
use model::quorum::Verdict;
use model::report::{Terms, statement};
use model::result::{Clock, Outcome, Phase, ProbeResult};
use model::time::{Millis, Timestamp};
use model::vote::Vote;
use model::wire::{Assignment, Batch, Receipt};
use serde_json::{Value, json};

use crate::handle::{
    Attempted, Caller, Claimed, Command, CoreView, Handle, Refusal, ResultPage, Role, StoredResult,
};

/// 2026-11-24T02:07:41Z, when the tests' trouble began.
pub const BEGAN: Timestamp = Timestamp::from_ms(1_795_486_061_000);

/// What the core knows and was told.
#[derive(Default)]
pub struct Known {
    pub callers: BTreeMap<String, Caller>,
    pub incidents: BTreeMap<u64, Incident>,
    pub view: CoreView,
    pub due: VecDeque<Claimed>,
    pub attempted: Vec<(NoticeKey, Attempted)>,
    pub batches: Vec<Batch>,
    pub acts: Vec<Input>,
    /// Answers everything with this.
    pub refuse: Option<Refusal>,
    /// Never answers.
    pub stuck: bool,
}

#[derive(Clone, Default)]
pub struct Fake(Arc<Mutex<Known>>);

impl Fake {
    /// A core that knows one probe, one open incident and a token for everybody.
    pub fn start() -> (Self, Handle) {
        let fake = Self::default();
        {
            let mut known = fake.known();
            known.callers = callers();
            known.incidents.insert(482, incident());
            known.view = view();
        }
        let (handle, mut commands) = Handle::new();
        let core = fake.clone();
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Some(command) = commands.recv().await {
                if core.known().stuck {
                    unanswered.push(command);
                } else {
                    core.answer(command);
                }
            }
        });
        (fake, handle)
    }

    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    fn answer(&self, command: Command) {
        let mut known = self.known();
        let refused = known.refuse.clone();
        macro_rules! say {
            ($reply:expr, $answer:expr) => {{
                let answer = match refused {
                    Some(refusal) => Err(refusal),
                    None => $answer,
                };
                let _ = $reply.send(answer);
            }};
        }
        match command {
            // Whoever is refused should be refused for what he asks, not at the door.
            Command::Authenticate(token, reply) => {
                let _ = reply.send(Ok(known.callers.get(&token).cloned()));
            }
            Command::Ingest(caller, batch, reply) => say!(reply, known.ingest(&caller, *batch)),
            Command::Assignment(agent, region, reply) => {
                let assignment =
                    Assignment { agent, region, probes: Vec::new(), anchors: Vec::new() };
                say!(reply, Ok((Arc::new(assignment), "tag-1".to_owned())));
            }
            Command::Act(input, reply) => say!(reply, known.act(*input)),
            Command::Reload(_, reply) => say!(reply, Ok(())),
            Command::View(reply) => say!(reply, Ok(Arc::new(known.view.clone()))),
            Command::Incidents(query, reply) => {
                let found = known.incidents.values().rev();
                let found = found.filter(|one| query.state.is_none_or(|state| one.state == state));
                say!(reply, Ok(found.cloned().collect()));
            }
            Command::Incident(id, reply) => say!(reply, known.incident(id).map(|one| one.clone())),
            Command::Results(query, reply) => {
                let page = ResultPage {
                    results: vec![stored(query.from, Outcome::Passed)],
                    next: Some("place-2".to_owned()),
                };
                say!(reply, Ok(page));
            }
            Command::Statement(_, _, reply) => {
                let terms = Terms {
                    needs: Needs::All,
                    target_ppm: 999_000,
                    grace: Millis::from_secs(10),
                    min_outage: Millis::ZERO,
                    notice: Millis::ZERO,
                    credits: Vec::new(),
                    windows: Vec::new(),
                };
                let made = statement(&terms, Vec::new(), BEGAN, BEGAN + Millis::from_secs(60));
                say!(reply, Ok(Box::new(made)));
            }
            Command::Claim(most, reply) => {
                let count = known.due.len().min(most);
                let claimed: Vec<Claimed> = known.due.drain(..count).collect();
                say!(reply, Ok(claimed));
            }
            Command::Attempted(key, attempted, reply) => {
                known.attempted.push((key, attempted));
                say!(reply, Ok(()));
            }
            Command::Ready(reply) => say!(reply, Ok(())),
        }
    }
}

impl Known {
    fn incident(&mut self, id: IncidentId) -> Result<&mut Incident, Refusal> {
        let missing = || Refusal::NotFound(format!("incident {}", id.0));
        self.incidents.get_mut(&id.0).ok_or_else(missing)
    }

    fn ingest(&mut self, caller: &Caller, batch: Batch) -> Result<Receipt, Refusal> {
        let Caller::Agent { agent, region } = caller else {
            return Err(Refusal::NotYours("no agent".into()));
        };
        if batch.agent != *agent || batch.region != *region {
            return Err(Refusal::NotYours("the batch names another agent or region".into()));
        }
        let highest_seq = batch.results.iter().map(|result| result.seq).max().unwrap_or(0);
        self.batches.push(batch);
        Ok(Receipt { highest_seq, ..Receipt::default() })
    }

    fn act(&mut self, input: Input) -> Result<Incident, Refusal> {
        self.acts.push(input.clone());
        match input {
            Input::Acknowledge { incident, who } => {
                let incident = self.incident(incident)?;
                if incident.state == State::Resolved {
                    return Err(Refusal::Conflict("it is resolved".into()));
                }
                incident.state = State::Acknowledged;
                incident.owner = Some(who);
                incident.owned_until = Some(BEGAN + Millis::from_secs(1800));
                Ok(incident.clone())
            }
            Input::Resolve { incident, .. } => {
                let incident = self.incident(incident)?;
                incident.state = State::Resolved;
                incident.resolved = Some(BEGAN + Millis::from_secs(999));
                Ok(incident.clone())
            }
            Input::Note { incident, .. } => self.incident(incident).map(|one| one.clone()),
            other => Err(Refusal::Invalid(format!("{other:?}"))),
        }
    }
}

fn callers() -> BTreeMap<String, Caller> {
    let agent = Caller::Agent {
        agent: AgentName::new("eu-1").unwrap(),
        region: Region::new("eu-central").unwrap(),
    };
    let person = |name: &str, role| Caller::Person { name: name.into(), role };
    BTreeMap::from([
        ("agent".into(), agent),
        ("viewer".into(), person("vic", Role::Viewer)),
        ("responder".into(), person("rea", Role::Responder)),
        ("admin".into(), person("ada", Role::Admin)),
    ])
}

/// An open incident, seen down from two of three regions.
pub fn incident() -> Incident {
    let says = |vote, reason: Option<&str>| RegionSays { vote, reason: reason.map(Into::into) };
    let status = "status: HTTP 503, wanted 200 to 299";
    Incident {
        id: IncidentId(482),
        key: "http:shop:down".into(),
        state: State::Triggered,
        severity: Severity::Critical,
        probe: Some(ProbeName::new("shop").unwrap()),
        service: Some(ServiceName::new("web-shop").unwrap()),
        policy: Some(PolicyName::new("ops").unwrap()),
        started: BEGAN,
        triggered: BEGAN + Millis::from_secs(8),
        resolved: None,
        summary: "shop is down in 2 of 3 regions: HTTP 503, wanted 200 to 299".into(),
        regions: BTreeMap::from([
            (Region::new("eu-central").unwrap(), says(Vote::Down, Some(status))),
            (Region::new("us-east").unwrap(), says(Vote::Down, Some(status))),
            (Region::new("ap-south").unwrap(), says(Vote::Unknown, Some("silent since 01:51"))),
        ]),
        owner: None,
        owned_until: None,
        runbook: Some("https://wiki.example/shop?a=1&b=2".into()),
        timeline: Vec::new(),
    }
}

/// A notice of that incident.
pub fn notice(event: Event, contact: &str) -> Notice {
    let mut incident = incident();
    if event == Event::Resolved {
        incident.state = State::Resolved;
        incident.resolved = Some(BEGAN + Millis::from_secs(999));
        incident.owner = Some("Mara Lindqvist".into());
        for says in incident.regions.values_mut() {
            *says = RegionSays { vote: Vote::Up, reason: None };
        }
    }
    if event == Event::Acknowledged {
        incident.state = State::Acknowledged;
        incident.owner = Some("Mara Lindqvist".into());
        incident.owned_until = Some(BEGAN + Millis::from_secs(1800));
    }
    let next = (BEGAN + Millis::from_secs(308), vec![ContactName::new("on-call").unwrap()]);
    Notice {
        key: NoticeKey(format!("482/1/1/1/{}/{contact}", event.word())),
        event,
        contact: ContactName::new(contact).unwrap(),
        step: 1,
        due: BEGAN + Millis::from_secs(8),
        next: (incident.state == State::Triggered).then_some(next),
        incident,
    }
}

/// A result of the one probe.
pub fn stored(started: Timestamp, outcome: Outcome) -> StoredResult {
    let phase = |name: &str, us| Phase { name: name.into(), us };
    StoredResult {
        agent: AgentName::new("eu-1").unwrap(),
        incarnation: 7,
        result: ProbeResult {
            probe: ProbeName::new("shop").unwrap(),
            region: Region::new("eu-central").unwrap(),
            seq: 9,
            slot: started,
            started,
            interval: Millis::from_secs(60),
            outcome,
            detail: String::new(),
            attempts: 1,
            duration_us: 120_000,
            phases: vec![
                phase("dns", 2000),
                phase("connect", 18_000),
                phase("tls", 20_000),
                phase("first_byte", 70_000),
                phase("transfer", 10_000),
            ],
            values: BTreeMap::from([
                ("http_status_code".into(), 200),
                ("http_version".into(), 20),
                ("certificate_expiry_s".into(), 1_800_000_000),
                ("tls_version".into(), 13),
            ]),
            clock: Some(Clock { offset_ms: 3, error_ms: 1 }),
            evidence: None,
        },
    }
}

/// A contact of the configuration.
pub fn contact(name: &str, word: &str, parameters: Value) -> Contact<Opaque> {
    let notifier = Opaque { word: word.into(), parameters };
    Contact { name: ContactName::new(name).unwrap(), notifier }
}

pub fn watch(contacts: Vec<Contact<Opaque>>, smtp: Option<Smtp>) -> Watch {
    let url = "https://user:hunter2@shop.example/cart?token=hunter2#x";
    let shop = ProbeName::new("shop").unwrap();
    Watch {
        regions: vec![Region::new("eu-central").unwrap()],
        probes: vec![Probe {
            name: shop.clone(),
            kind: Opaque { word: "http".into(), parameters: json!({ "url": url }) },
            every: Millis::from_secs(60),
            timeout: Millis::from_secs(10),
            regions: vec![Region::new("eu-central").unwrap()],
            down_when: DownWhen::Majority,
            policy: None,
            labels: BTreeMap::new(),
            severity: Severity::Critical,
            paused: false,
            depends_on: Vec::new(),
            runbook: None,
        }],
        services: vec![Service {
            name: ServiceName::new("web-shop").unwrap(),
            needs: Needs::All,
            probes: vec![shop],
            objective: Some(Objective {
                target_ppm: 999_000,
                period: Period::Month,
                zone: "Europe/Berlin".into(),
                notice: Millis::ZERO,
                grace: Millis::from_secs(10),
                min_outage: Millis::ZERO,
                credits: Vec::new(),
            }),
        }],
        contacts,
        policies: Vec::new(),
        anchors: Vec::new(),
        maintenance: Vec::new(),
        smtp,
        public_url: None,
        retention: Millis::from_secs(86_400),
    }
}

fn view() -> CoreView {
    let region = Region::new("eu-central").unwrap();
    let says =
        RegionView { vote: Vote::Down, reason: Some("status: HTTP 503".into()), last: Some(BEGAN) };
    CoreView {
        probes: vec![ProbeView {
            name: ProbeName::new("shop").unwrap(),
            kind: "http".into(),
            verdict: Verdict::Down,
            since: BEGAN,
            regions: BTreeMap::from([(region.clone(), says)]),
            incident: Some(IncidentId(482)),
            paused: false,
        }],
        agents: vec![AgentView {
            name: AgentName::new("eu-1").unwrap(),
            region,
            heard: BEGAN,
            silent: false,
        }],
        latest: Vec::new(),
        open: vec![incident()],
        counters: vec![
            ("results_accepted_total", String::new(), 12),
            ("results_rejected_total", "future".into(), 2),
            ("evaluation_lag_ms", String::new(), 1500),
        ],
        reloaded: BEGAN,
        reload_fault: None,
        watch: Some(Arc::new(watch(vec![contact("ops-log", "log", json!({}))], None))),
    }
}
