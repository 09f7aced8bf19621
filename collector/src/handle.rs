//! The door to the running collector: what http, notifiers and the program ask of it.
//!
//! [`Handle`] is cheap to clone. Each method sends one [`Command`] to the core and waits for its
//! answer; the core alone owns the decisions and the writing half of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::config::Watch;
use model::engine::{AgentView, Input, ProbeView};
use model::incident::{Incident, IncidentId, Notice, NoticeKey, State};
use model::name::{AgentName, ProbeName, Region, ServiceName};
use model::report::Statement;
use model::result::ProbeResult;
use model::time::Timestamp;
use model::wire::{Assignment, Batch, Order, Receipt};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};

use crate::metrics::Counted;

/// Commands that may wait for the core; more are refused with [`Refusal::Busy`].
pub const COMMANDS_MAX: usize = 1024;

/// Who calls, after the token was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// An agent; it may speak for itself and its region only.
    Agent {
        /// Its name.
        agent: AgentName,
        /// Where it runs.
        region: Region,
    },
    /// A person or program.
    Person {
        /// The token's name.
        name: String,
        /// What it may do.
        role: Role,
    },
}

/// What a person or program may do; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Acknowledges, resolves, notes.
    Responder,
    /// All.
    Admin,
}

/// Why the collector did not do what was asked. The word is the counter's label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too much is waiting: try again later.
    #[error("busy: try again in a second")]
    Busy,
    /// The store cannot write now; reads go on.
    #[error("the store cannot write: {0}")]
    Unwritable(String),
    /// The batch names another agent or region than its token.
    #[error("{0}")]
    NotYours(String),
    /// There is no such thing.
    #[error("{0} was not found")]
    NotFound(String),
    /// It cannot be done in this state.
    #[error("{0}")]
    Conflict(String),
    /// The question is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The collector is stopping or its core has failed.
    #[error("the collector is stopping")]
    Stopping,
}

/// Which incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentQuery {
    /// Only these; all when none.
    pub state: Option<State>,
    /// With a smaller number than this, newest first.
    pub before: Option<IncidentId>,
    /// At most so many, 1 to 1000.
    pub limit: u32,
}

/// Which results: of one probe, `from` <= slot < `to`, in (slot, region, agent, seq) order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultQuery {
    /// Of which probe.
    pub probe: ProbeName,
    /// First slot.
    pub from: Timestamp,
    /// First slot after it.
    pub to: Timestamp,
    /// Continue after this, as given by the page before.
    pub after: Option<String>,
    /// At most so many, 1 to 10000.
    pub limit: u32,
}

/// A result as it is stored, with the agent that found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResult {
    /// Who.
    pub agent: AgentName,
    /// Which spool of that agent.
    pub incarnation: u64,
    /// What.
    pub result: ProbeResult,
}

/// A page of results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultPage {
    /// In order.
    pub results: Vec<StoredResult>,
    /// Where the next page begins; none when this is the last.
    pub next: Option<String>,
}

/// The newest result of one probe in one region, and the agent it came from.
pub type Latest = Arc<StoredResult>;

/// Everything `/metrics` shows of the core, taken in one instant.
#[derive(Clone, Debug, Default)]
pub struct CoreView {
    /// Probes in configuration order.
    pub probes: Vec<ProbeView>,
    /// Agents by name.
    pub agents: Vec<AgentView>,
    /// Newest result per probe and region.
    pub latest: Vec<Latest>,
    /// Open incidents by number.
    pub open: Vec<Incident>,
    /// Counters of the core: name (without the `watchpost_` prefix), label, value.
    pub counters: Vec<(&'static str, String, u64)>,
    /// When the configuration in force was loaded.
    pub reloaded: Timestamp,
    /// What was wrong with the file at the last attempt to load it, if it was refused.
    pub reload_fault: Option<String>,
    /// The configuration in force.
    pub watch: Option<Arc<Watch>>,
}

/// A notice that is claimed for sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// What to send.
    pub notice: Notice,
    /// Attempts made before this one.
    pub attempts: u32,
}

/// How an attempt to send ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// The contact's side took it.
    Delivered,
    /// Not now: try again at that time.
    Retry {
        /// When.
        at: Timestamp,
        /// Why, without secrets.
        why: String,
    },
    /// Given up.
    Undeliverable {
        /// Why, without secrets.
        why: String,
    },
}

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// One question or order to the core, with where the answer goes.
pub enum Command {
    /// Who holds this token? `None`: nobody, or it was revoked.
    Authenticate(String, Reply<Option<Caller>>),
    /// Store this batch durably, then answer.
    Ingest(Caller, Box<Batch>, Reply<Receipt>),
    /// What an agent works on, and its tag.
    Assignment(AgentName, Region, Reply<(Arc<Assignment>, String)>),
    /// Acknowledge, resolve or note; answered when it is durable and applied.
    Act(Box<Input>, Reply<Incident>),
    /// This is the configuration from now on; `Err`: the file was wrong, keep the old one.
    Reload(Box<Result<Watch, String>>, Reply<()>),
    /// All that is live.
    View(Reply<Arc<CoreView>>),
    /// Incidents, newest first.
    Incidents(IncidentQuery, Reply<Vec<Incident>>),
    /// One incident, open or not.
    Incident(IncidentId, Reply<Incident>),
    /// Stored results.
    Results(ResultQuery, Reply<ResultPage>),
    /// The statement of a service over a period such as `2026-10`; none: the one that runs now.
    Statement(ServiceName, Option<String>, Reply<Box<Statement>>),
    /// Up to so many due notices, claimed for 60 s.
    Claim(usize, Reply<Vec<Claimed>>),
    /// What became of a claimed notice.
    Attempted(NoticeKey, Attempted, Reply<()>),
    /// Is all well? The error says what is not.
    Ready(Reply<()>),
}

/// What happens around the core and is counted there for everybody.
#[derive(Debug, Default)]
pub struct Tally {
    /// Commands refused because too many waited.
    pub busy: AtomicU64,
    /// Times that the outbox was started again after a panic.
    pub outbox_restarts: AtomicU64,
}

/// The door to the core.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    orders: broadcast::Sender<(Region, Order)>,
    due: Arc<Notify>,
    counted: Arc<Counted>,
    tally: Arc<Tally>,
}

impl Handle {
    /// A door and the core's end of it.
    pub fn new() -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let (orders, _) = broadcast::channel(COMMANDS_MAX);
        let (due, counted, tally) = (Arc::default(), Arc::default(), Arc::default());
        (Self { commands, orders, due, counted, tally }, receiver)
    }

    /// What is counted outside the core.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.commands.try_send(command(reply)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                self.tally.busy.fetch_add(1, Ordering::Relaxed);
                Refusal::Busy
            }
            mpsc::error::TrySendError::Closed(_) => Refusal::Stopping,
        })?;
        answer.await.map_err(|_| Refusal::Stopping)?
    }

    /// Orders as they are given, for every region: a reader filters its own.
    pub fn orders(&self) -> broadcast::Receiver<(Region, Order)> {
        self.orders.subscribe()
    }

    /// Gives an order to the agents of a region that listen now. The core calls this.
    pub fn give(&self, region: Region, order: Order) {
        // Nobody listening is no fault: the schedule suffices.
        let _ = self.orders.send((region, order));
    }

    /// Says that a notice may be due now. The core calls this after it has written notices down; a
    /// call that nobody waits for is remembered once.
    pub fn wake_outbox(&self) {
        self.due.notify_one();
    }

    /// Waits for [`Handle::wake_outbox`]. For the one outbox.
    pub async fn due(&self) {
        self.due.notified().await;
    }

    /// What the edge counts, for `/metrics`.
    pub fn counted(&self) -> &Counted {
        &self.counted
    }
}

macro_rules! questions {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) -> $answer:ty = $command:ident;)*) => {
        impl Handle { $(
            $(#[$doc])*
            ///
            /// # Errors
            /// A [`Refusal`] that says why not.
            pub async fn $name(&self, $($argument: $kind),*) -> Result<$answer, Refusal> {
                self.ask(|reply| Command::$command($($argument,)* reply)).await
            }
        )* }
    };
}

questions! {
    /// Who holds this token.
    authenticate(token: String) -> Option<Caller> = Authenticate;
    /// Stores a batch; the receipt means that it is durable.
    ingest(caller: Caller, batch: Box<Batch>) -> Receipt = Ingest;
    /// What an agent works on, and its tag.
    assignment(agent: AgentName, region: Region) -> (Arc<Assignment>, String) = Assignment;
    /// Acknowledges, resolves or notes.
    act(input: Box<Input>) -> Incident = Act;
    /// Puts a configuration in force, or records why it was refused.
    reload(watch: Box<Result<Watch, String>>) -> () = Reload;
    /// All that is live.
    view() -> Arc<CoreView> = View;
    /// Incidents, newest first.
    incidents(query: IncidentQuery) -> Vec<Incident> = Incidents;
    /// One incident.
    incident(id: IncidentId) -> Incident = Incident;
    /// Stored results.
    results(query: ResultQuery) -> ResultPage = Results;
    /// A statement.
    statement(service: ServiceName, period: Option<String>) -> Box<Statement> = Statement;
    /// Claims due notices.
    claim(most: usize) -> Vec<Claimed> = Claim;
    /// Records an attempt.
    attempted(notice: NoticeKey, attempted: Attempted) -> () = Attempted;
    /// Whether all is well.
    ready() -> () = Ready;
}
