//! The loop that gives the machine its inputs, one clock reading each, and does what it says.

mod report;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use model::name::AgentName;
use model::wire::{Alarm, Batch, Order};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::remote::{Fetched, Remote};
use super::spooler::{Spooler, Status};
use super::work::{Kinds, ReadKind, Tagged};
use super::{Error, Options, Trust, attempts, duration, now, serve, wall};
use crate::clock::Now;
use crate::disk::{Folder, make_folder, try_lock};
use crate::machine::{Effect, Input, Machine, RunId};
use crate::policy::{self, Pins, Policy, read_rules};
use crate::spool::{Limits, Spool};

pub(super) use report::Report;

/// Running probes get so long to end by themselves when the agent stops.
pub(super) const STOP_WAIT: Duration = Duration::from_secs(5);
/// The last batch gets so long.
const LAST_SEND_WAIT: Duration = Duration::from_secs(5);
/// The most events that wait for the loop.
const EVENTS_MAX: usize = 4096;
/// How often the file of pins is looked at for what was approved.
const PINS_EVERY: Duration = Duration::from_secs(2);

/// What reaches the loop.
pub(super) enum Event {
    Input(Box<Input>),
    /// A new assignment with what can be run.
    Assigned(Box<Input>, Kinds),
    /// From the stream of orders of this number.
    Orders(u64, Box<Input>),
    Report(oneshot::Sender<Report>),
}

/// Everything that an agent is.
struct Driver {
    options: Options,
    read: ReadKind,
    machine: Machine,
    kinds: Kinds,
    events: mpsc::Sender<Event>,
    spooler: Spooler,
    status: watch::Receiver<Status>,
    remote: Remote,
    begun: Instant,
    tasks: BTreeMap<RunId, Vec<AbortHandle>>,
    orders: (u64, Option<AbortHandle>),
    /// Failed results in the spool that the machine knows of.
    failed: u64,
    /// Results for which not even the spool's queue had room.
    lost: u64,
    /// When a receipt last came.
    receipt: Option<Instant>,
    sending: bool,
}

/// Opens what lies on disk and runs until `stop`.
pub(super) async fn run(
    options: Options,
    read: ReadKind,
    stop: CancellationToken,
) -> Result<(), Error> {
    let begun = Instant::now();
    let disk = |what, path: PathBuf| move |source| Error::Disk { what, path, source };
    make_folder(&options.data).map_err(disk("cannot make the folder", options.data.clone()))?;
    let lock = options.data.join("agent.lock");
    let _held =
        try_lock(&lock).map_err(disk("another agent may use this folder; cannot lock", lock))?;
    let policy = policy(&options)?;
    let remote = Remote::new(&options)?;
    let place = options.data.join("spool");
    let folder = Folder::open(&place).map_err(disk("cannot open the folder", place.clone()))?;
    let spool = Spool::open(Box::new(folder), Limits::default(), draw)
        .map_err(disk("cannot open the spool in", place))?;
    let (spooler, status) = Spooler::start(spool, options.record.clone())?;
    let (events, queue) = mpsc::channel(EVENTS_MAX);
    let mut side = tokio::task::JoinSet::new();
    if let Some(address) = options.listen {
        side.spawn(serve::serve(address, events.clone()).await?);
    }
    if options.trust == Trust::FirstUse {
        side.spawn(watch_pins(options.data.clone(), events.clone()));
    }
    let machine = Machine::new(now(begun), options.region.clone(), policy, draw());
    tracing::info!(region = %options.region, collector = %options.collector, "agent started");
    let mut driver = Driver {
        options,
        read,
        machine,
        kinds: Kinds::new(),
        events,
        spooler,
        status,
        remote,
        begun,
        tasks: BTreeMap::new(),
        orders: (0, None),
        failed: 0,
        lost: 0,
        receipt: None,
        sending: false,
    };
    driver.work(queue, stop).await;
    tracing::info!("agent stopped");
    Ok(())
}

/// A number below 2^53.
fn draw() -> u64 {
    rand::random::<u64>() % model::wire::NUMBER_BOUND
}

fn policy(options: &Options) -> Result<Policy, Error> {
    let mut own = vec!["env:WATCHPOST_".to_owned()];
    if let Ok(data) = options.data.canonicalize() {
        own.push(format!("file:{}", data.display()));
    }
    match &options.trust {
        Trust::Itself => Ok(Policy::itself()),
        Trust::FirstUse => Ok(Policy::first_use(policy::load(&options.data)?, own)),
        Trust::Policy(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| Error::Disk {
                what: "cannot read the policy",
                path: path.clone(),
                source,
            })?;
            let rules = read_rules(&text)
                .map_err(|fault| Error::Other(format!("{}: {fault}", path.display())))?;
            Ok(Policy::rules(rules, own))
        }
    }
}

/// Looks at the file of pins, which `watchpost agent approve` changes beside a running agent.
async fn watch_pins(folder: PathBuf, events: mpsc::Sender<Event>) {
    let mut known = Pins::default();
    loop {
        tokio::time::sleep(PINS_EVERY).await;
        let folder = folder.clone();
        let read = tokio::task::spawn_blocking(move || policy::load(&folder)).await;
        match read {
            Ok(Ok(pins)) if pins != known => {
                known = pins.clone();
                if events.send(Event::Input(Box::new(Input::Approved(pins)))).await.is_err() {
                    return;
                }
            }
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the pins of secrets cannot be read"),
        }
    }
}

impl Driver {
    async fn work(&mut self, mut queue: mpsc::Receiver<Event>, stop: CancellationToken) {
        if let Some(known) = Tagged::load(&self.options.data) {
            let (input, kinds) = known.understand(&self.read, false);
            self.kinds = kinds;
            self.feed(input).await;
        }
        let mut limit = None;
        loop {
            let deadline = self.machine.next_deadline(now(self.begun));
            let tick = deadline.map(|mono| self.begun + duration(mono));
            tokio::select! {
                event = queue.recv() => match event {
                    Some(event) => self.take(event).await,
                    None => return,
                },
                Ok(()) = self.status.changed() => self.spooled().await,
                () = until(tick) => self.feed(Input::Tick).await,
                () = until(limit) => break,
                () = stop.cancelled(), if limit.is_none() => {
                    limit = Some(Instant::now() + STOP_WAIT);
                    self.feed(Input::Stop).await;
                }
            }
            if limit.is_some() && self.machine.runs() == 0 && !self.sending {
                break;
            }
        }
        self.end().await;
    }

    /// Ends what still runs, writes what was found, and tries once more to send.
    async fn end(&mut self) {
        self.tasks.values().flatten().chain(&self.orders.1).for_each(AbortHandle::abort);
        self.spooler.flush().await;
        let Some(agent) = self.machine.agent().cloned() else { return };
        let last = async {
            let portion = self.spooler.portion(model::wire::BATCH_RESULTS_MAX).await?;
            if portion.results.is_empty() {
                return None;
            }
            let gaps = portion.gaps.clone();
            let batch = self.batch(agent, portion, Vec::new());
            let receipt = self.remote.post(&batch).await.ok()?;
            self.spooler.acknowledge(receipt.highest_seq, gaps).await
        };
        if tokio::time::timeout(LAST_SEND_WAIT, last).await.is_err() {
            tracing::warn!("the collector did not answer the last batch; the spool keeps it");
        }
        self.spooler.flush().await;
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Input(input) => self.feed(*input).await,
            Event::Assigned(input, kinds) => {
                self.kinds = kinds;
                tracing::info!(probes = self.kinds.len(), "assignment taken");
                self.feed(*input).await;
            }
            Event::Orders(number, input) => {
                if number == self.orders.0 {
                    self.feed(*input).await;
                }
            }
            Event::Report(reply) => {
                let _ = reply.send(report::report(self));
            }
        }
    }

    async fn spooled(&mut self) {
        let status = *self.status.borrow_and_update();
        let urgent = status.failed > self.failed;
        self.failed = status.failed;
        self.feed(Input::Spooled { waiting: status.waiting, urgent }).await;
    }

    /// One input, one reading of the clocks, and then what the machine says.
    async fn feed(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            match &input {
                Input::Received { .. } => {
                    self.receipt = Some(Instant::now());
                    self.sending = false;
                }
                Input::SendFailed { .. } => self.sending = false,
                _ => {}
            }
            let effects = self.machine.handle(now(self.begun), input);
            for effect in effects {
                if let Some(approved) = self.perform(effect).await {
                    next = Some(approved);
                }
            }
        }
        self.tasks.retain(|_, list| {
            list.retain(|task| !task.is_finished());
            !list.is_empty()
        });
    }

    async fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Attempt { run, probe, timeout, secrets } => {
                let kind = self.kinds.get(&probe).cloned()?;
                let resolve = Arc::clone(&self.options.resolve);
                let attempt = attempts::attempt(run, kind, duration(timeout), secrets, resolve);
                self.spawn(run, attempt);
            }
            Effect::TryAnchors { run, anchors, timeout } => {
                let read = Arc::clone(&self.read);
                self.spawn(run, attempts::try_anchors(run, anchors, duration(timeout), read));
            }
            Effect::End { run } => {
                self.tasks.remove(&run).iter().flatten().for_each(AbortHandle::abort);
            }
            Effect::Spool(result) => {
                tracing::debug!(probe = %result.probe, outcome = result.outcome.word(),
                    reason = result.outcome.reason(), detail = result.detail, "run over");
                if !self.spooler.add(result, self.machine.agent().cloned()) {
                    self.lost += 1;
                    tracing::error!("the disk does not keep up with the spool; a result is lost");
                }
            }
            Effect::Send { agent, results_max, alarms } => self.send(agent, results_max, alarms),
            Effect::DropOldest => {
                tracing::error!("the collector will never take the oldest result; it is dropped");
                self.spooler.drop_oldest();
            }
            Effect::Fetch { tag } => self.fetch(tag),
            Effect::OpenOrders => self.open_orders(),
            Effect::CloseOrders => {
                tracing::warn!("the stream of orders is silent; it is opened anew");
                self.orders.1.take().iter().for_each(AbortHandle::abort);
            }
            Effect::SavePins(pins) => return self.save_pins(pins).await,
        }
        None
    }

    fn spawn(&mut self, run: RunId, work: impl Future<Output = Input> + Send + 'static) {
        let events = self.events.clone();
        let task = tokio::spawn(async move {
            let _ = events.send(Event::Input(Box::new(work.await))).await;
        });
        self.tasks.entry(run).or_default().push(task.abort_handle());
    }

    fn batch(&self, agent: AgentName, portion: crate::spool::Portion, alarms: Vec<Alarm>) -> Batch {
        Batch {
            agent,
            region: self.options.region.clone(),
            incarnation: self.spooler.incarnation,
            version: env!("CARGO_PKG_VERSION").into(),
            sent: wall(),
            waiting: portion.waiting,
            gaps: portion.gaps,
            alarms,
            results: portion.results,
            unreadable: BTreeMap::new(),
        }
    }

    fn send(&mut self, agent: AgentName, results_max: usize, alarms: Vec<Alarm>) {
        self.sending = true;
        let (spooler, remote, events) =
            (self.spooler.clone(), self.remote.clone(), self.events.clone());
        let empty = self.batch(agent, crate::spool::Portion::default(), alarms);
        let begun = self.begun;
        tokio::spawn(async move {
            let portion = spooler.portion(results_max).await.unwrap_or_default();
            let (results, gaps) = (portion.results.len(), portion.gaps.clone());
            let sent: Now = now(begun);
            let batch = Batch {
                sent: sent.wall,
                waiting: portion.waiting,
                gaps: portion.gaps,
                results: portion.results,
                ..empty
            };
            let input = match remote.post(&batch).await {
                Ok(receipt) => {
                    let taken = spooler.acknowledge(receipt.highest_seq, gaps).await;
                    let (progressed, waiting) = taken.unwrap_or((true, batch.waiting));
                    Input::Received { sent, results, progressed, waiting, receipt }
                }
                Err(fault) => Input::SendFailed { results, fault },
            };
            let _ = events.send(Event::Input(Box::new(input))).await;
        });
    }

    fn fetch(&self, tag: Option<String>) {
        let (remote, events, read) =
            (self.remote.clone(), self.events.clone(), Arc::clone(&self.read));
        let (data, region) = (self.options.data.clone(), self.options.region.clone());
        tokio::spawn(async move {
            let event = match remote.fetch(tag.as_deref()).await {
                Ok(Fetched::Unchanged) => Event::Input(Box::new(Input::Unchanged)),
                Err(fault) => Event::Input(Box::new(Input::FetchFailed(fault))),
                Ok(Fetched::New(tagged)) => {
                    if tagged.assignment.region != region {
                        tracing::error!(token = %tagged.assignment.region, started = %region,
                            "this agent's token is for another region than it was started with");
                    }
                    let kept = tagged.clone();
                    let saved = tokio::task::spawn_blocking(move || kept.save(&data)).await;
                    if let Ok(Err(error)) = saved {
                        tracing::warn!(%error, "the assignment is not kept for the next start");
                    }
                    let (input, kinds) = tagged.understand(&read, true);
                    Event::Assigned(Box::new(input), kinds)
                }
            };
            let _ = events.send(event).await;
        });
    }

    fn open_orders(&mut self) {
        let number = self.orders.0 + 1;
        let (remote, events) = (self.remote.clone(), self.events.clone());
        let task = tokio::spawn(async move {
            if let Ok(mut orders) = remote.orders().await {
                let _ = events.send(orders_event(number, Input::OrdersOpened)).await;
                while let Some(order) = orders.next().await {
                    // A word of a newer collector: the stream lives, there is nothing to do.
                    let order = order.unwrap_or(Order::Alive);
                    let _ = events.send(orders_event(number, Input::Order(order))).await;
                }
            }
            let _ = events.send(orders_event(number, Input::OrdersEnded)).await;
        });
        let old = std::mem::replace(&mut self.orders, (number, Some(task.abort_handle())));
        old.1.iter().for_each(AbortHandle::abort);
    }

    /// Pins are on disk before a secret that they release is used.
    async fn save_pins(&self, pins: Pins) -> Option<Input> {
        let folder = self.options.data.clone();
        let saved = tokio::task::spawn_blocking(move || policy::save(&folder, &pins)).await;
        match saved {
            Ok(Ok(both)) => Some(Input::Approved(both)),
            Ok(Err(error)) => {
                tracing::error!(%error, "the pins of secrets are kept in memory only");
                None
            }
            Err(_) => None,
        }
    }
}

fn orders_event(number: u64, input: Input) -> Event {
    Event::Orders(number, Box::new(input))
}

/// Waits for an instant; for ever if there is none.
async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
