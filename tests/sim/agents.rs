//! What reaches an agent, what it does, and its exchanges with the collector.

use std::collections::BTreeMap;

use agent::machine::{Effect, Input, RunId};
use agent::probe::Finding;
use agent::uplink::Fault;
use model::name::ProbeName;
use model::result::{Outcome, Reason};
use model::time::{Millis, Timestamp};
use model::wire::{Batch, Order, Receipt};

use crate::mutants::Mutant;
use crate::station::{Flight, assigned};
use crate::store::Write;
use crate::truth::{Health, Uplink};
use crate::world::{Answered, Asked, ToAgent, What, World};

/// What a target that answers takes, and an anchor.
const ANSWER: Millis = Millis::from_ms(40);
/// How long an agent waits for the answer to a request.
const REQUEST_TIMEOUT: Millis = Millis::from_secs(30);
/// The most bytes of results in a batch.
const PORTION_BYTES_MAX: usize = 3 << 20;

impl World {
    fn post_agent(&mut self, at: Timestamp, agent: usize, event: ToAgent) {
        let life = self.stations[agent].life;
        self.post(at, What::Agent(agent, life, event));
    }

    /// Starts an agent's program if it does not run.
    pub fn start_agent(&mut self, agent: usize) {
        if self.stations[agent].program.is_none() {
            for input in self.stations[agent].start(self.now) {
                self.give(agent, input, None);
            }
            if self.broken(Mutant::TimersBreed) {
                self.breed(agent);
            }
        }
    }

    fn breed(&mut self, agent: usize) {
        let soon = self.now + Millis::from_ms(400);
        self.post_agent(soon, agent, ToAgent::Told(Box::new(Input::Tick)));
    }

    /// Something reaches an agent, if it lives and its host is awake.
    pub fn reach_agent(&mut self, agent: usize, life: u64, event: ToAgent) {
        let station = &self.stations[agent];
        if station.life != life || station.program.is_none() {
            return;
        }
        if station.asleep_until > self.now {
            return self.post(station.asleep_until, What::Agent(agent, life, event));
        }
        match event {
            ToAgent::Wake(number) => {
                let program = self.stations[agent].program.as_mut().unwrap();
                if program.wake.is_some_and(|(_, current)| current == number) {
                    program.wake = None;
                    self.give(agent, Input::Tick, None);
                }
            }
            ToAgent::Told(input) => {
                if matches!(*input, Input::Tick) {
                    // Only a broken one is told the time; its timer makes the next.
                    self.breed(agent);
                }
                let run = match &*input {
                    Input::AnchorsTried { run, .. } => Some(*run),
                    _ => None,
                };
                self.give(agent, *input, run);
            }
            ToAgent::Attempted { run, probe, begun, health } => {
                self.attempted(agent, run, &probe, begun, health);
            }
            ToAgent::Sync => self.sync(agent),
            ToAgent::Answer(exchange, answer) => {
                if self.unanswered.remove(&exchange) {
                    self.answered(agent, exchange, answer);
                }
            }
            ToAgent::Order(stream, order) => {
                if self.stations[agent].program.as_ref().unwrap().stream == stream {
                    self.give(agent, Input::Order(order), None);
                }
            }
            ToAgent::Ended(stream) => {
                if self.stations[agent].program.as_ref().unwrap().stream == stream {
                    self.give(agent, Input::OrdersEnded, None);
                }
            }
        }
    }

    /// The machine takes an input; its effects reach the world.
    fn give(&mut self, agent: usize, input: Input, run: Option<RunId>) {
        let station = &mut self.stations[agent];
        let reading = station.clocks.read(self.now);
        let Some(program) = &mut station.program else { return };
        let began = run.and_then(|run| program.runs.get(&run).copied()).unwrap_or(self.now);
        let effects = program.machine.handle(reading, input);
        for effect in effects {
            self.perform(agent, effect, began);
        }
        let station = &mut self.stations[agent];
        let Some(program) = &mut station.program else { return };
        let Some(due) = program.machine.next_deadline(reading) else { return };
        let at = station.clocks.instant(due).max(self.now + Millis::from_ms(1));
        if program.wake.is_none_or(|(planned, _)| at < planned) {
            self.last_exchange += 1;
            let number = self.last_exchange;
            program.wake = Some((at, number));
            self.post_agent(at, agent, ToAgent::Wake(number));
        }
    }

    fn perform(&mut self, agent: usize, effect: Effect, began: Timestamp) {
        match effect {
            Effect::Attempt { run, probe, timeout, .. } => {
                let region = self.stations[agent].region.clone();
                let health = self.truth.seen(&probe, &region, self.now);
                let program = self.stations[agent].program.as_mut().unwrap();
                program.runs.entry(run).or_insert(self.now);
                let begun = self.now;
                let length = if health == Health::Silent { timeout } else { ANSWER };
                let event = ToAgent::Attempted { run, probe, begun, health };
                self.post_agent(self.now + length, agent, event);
            }
            Effect::TryAnchors { run, anchors, timeout } => {
                let isolated = self.truth.uplink_at(&self.stations[agent].region, self.now)
                    == Uplink::Isolated;
                let tried = anchors.len();
                let answered = if isolated { 0 } else { tried };
                let length = if isolated { timeout } else { ANSWER };
                let input = Box::new(Input::AnchorsTried { run, answered, tried });
                self.post_agent(self.now + length, agent, ToAgent::Told(input));
            }
            Effect::End { run } => {
                self.stations[agent].program.as_mut().unwrap().runs.remove(&run);
            }
            Effect::Spool(mut result) => {
                let station = &mut self.stations[agent];
                if let Some(incarnation) = station.spool(self.now, &mut result) {
                    let (name, takes) = (station.name.clone(), station.sync_takes);
                    self.witness.spooled(&name, incarnation, began, &result);
                    self.post_agent(self.now + takes, agent, ToAgent::Sync);
                }
            }
            Effect::Send { results_max, alarms, .. } => self.send(agent, results_max, alarms),
            Effect::DropOldest => {
                self.stations[agent].program.as_mut().unwrap().spool.drop_oldest();
                self.sync(agent);
            }
            Effect::Fetch { tag } => {
                self.ask(agent, Asked::Fetch(tag));
            }
            Effect::OpenOrders => {
                let exchange = self.ask(agent, Asked::Open);
                self.stations[agent].program.as_mut().unwrap().stream = exchange;
            }
            Effect::CloseOrders => self.stations[agent].program.as_mut().unwrap().stream = 0,
            Effect::SavePins(_) => {}
        }
        self.power(agent);
    }

    /// An agent whose disk went dark is dead.
    fn power(&mut self, agent: usize) {
        let station = &mut self.stations[agent];
        if station.disk.dark() {
            station.crash();
            let life = station.life;
            self.post(
                self.now + Millis::from_secs(5),
                What::Trouble(crate::faults::Trouble::StartAgent(agent, life)),
            );
        }
    }

    fn attempted(
        &mut self,
        agent: usize,
        run: RunId,
        probe: &ProbeName,
        begun: Timestamp,
        health: Health,
    ) {
        let station = &self.stations[agent];
        // A target that was well at the beginning is asked again at the end.
        let seen = match health {
            Health::Well => self.truth.seen(probe, &station.region, self.now),
            other => other,
        };
        let outcome = match seen {
            Health::Well => Outcome::Passed,
            Health::Refuses => Outcome::Failed(Reason::Connect),
            Health::Silent => Outcome::Failed(Reason::Timeout),
        };
        let finding = Finding {
            outcome,
            detail: outcome.reason().unwrap_or_default().into(),
            phases: Vec::new(),
            values: BTreeMap::new(),
            evidence: None,
        };
        let duration_us = (self.now - begun).ms().unsigned_abs() * 1000;
        let lag = station.lag(begun);
        self.give(agent, Input::Attempted { run, finding, duration_us, lag }, Some(run));
    }

    fn sync(&mut self, agent: usize) {
        let news = self.stations[agent].sync(self.now);
        self.power(agent);
        if let Some(input) = news {
            self.give(agent, input, None);
        }
    }

    fn send(&mut self, agent: usize, results_max: usize, alarms: Vec<model::wire::Alarm>) {
        let forgets = self.broken(Mutant::GapsForgotten);
        let station = &mut self.stations[agent];
        let sent = station.clocks.read(self.now);
        let program = station.program.as_mut().unwrap();
        let mut portion = program.spool.portion(results_max, PORTION_BYTES_MAX);
        if forgets {
            portion.gaps.clear();
        }
        let mut batch = Batch {
            agent: station.name.clone(),
            region: station.region.clone(),
            incarnation: program.spool.incarnation(),
            version: "1".into(),
            sent: sent.wall,
            waiting: portion.waiting,
            gaps: portion.gaps.clone(),
            alarms,
            results: portion.results,
            unreadable: BTreeMap::new(),
        };
        self.witness.sent(&batch.agent, batch.incarnation, &batch.results);
        if self.collector.wrapper.mutant == Some(Mutant::ResultsRestamped) {
            batch.results.iter_mut().for_each(|result| result.started = sent.wall);
        }
        let results = batch.results.len();
        let exchange = self.ask(agent, Asked::Batch(Box::new(batch)));
        let flight = Flight { exchange, sent, results, gaps: portion.gaps };
        self.stations[agent].program.as_mut().unwrap().flight = Some(flight);
    }

    /// Begins an exchange: the message leaves, and at the latest after the timeout it has failed.
    fn ask(&mut self, agent: usize, asked: Asked) -> u64 {
        self.last_exchange += 1;
        let exchange = self.last_exchange;
        self.unanswered.insert(exchange);
        let failed = ToAgent::Answer(exchange, Answered::Failed(Fault::Unreachable));
        self.post_agent(self.now + REQUEST_TIMEOUT, agent, failed);
        let life = self.stations[agent].life;
        let arrivals = self.stations[agent].out.send(self.now);
        for at in arrivals {
            let asked = match &asked {
                Asked::Batch(batch) => Asked::Batch(batch.clone()),
                Asked::Fetch(tag) => Asked::Fetch(tag.clone()),
                Asked::Open => Asked::Open,
            };
            self.post(at, What::Asked { agent, life, exchange, asked });
        }
        exchange
    }

    fn answer(&mut self, agent: usize, life: u64, exchange: u64, answer: Answered) {
        // An answer is never there twice: it comes on the connection of the request.
        if let Some(at) = self.stations[agent].back.send(self.now).into_iter().next() {
            self.post(at, What::Agent(agent, life, ToAgent::Answer(exchange, answer)));
        }
    }

    /// A message reaches the collector, or the host on which it is dead.
    pub fn reach_collector(&mut self, agent: usize, life: u64, exchange: u64, asked: Asked) {
        if self.collector.live.is_none() {
            let refused = Answered::Failed(Fault::Unreachable);
            return self.answer(agent, life, exchange, refused);
        }
        let (name, region) =
            (self.stations[agent].name.clone(), self.stations[agent].region.clone());
        match asked {
            Asked::Batch(batch) => {
                // Through the bytes of the wire.
                let batch = Batch::from_protobuf(&batch.to_protobuf()).unwrap();
                self.asking = Some((agent, life));
                self.write(Write::Batch(exchange, Box::new(batch)));
            }
            Asked::Fetch(known) => {
                let Some((assignment, tag)) = self.collector.assignment(&name, &region) else {
                    return;
                };
                let answer = if known.as_ref() == Some(&tag) {
                    Answered::Unchanged
                } else {
                    Answered::Assignment(tag, Box::new(assignment))
                };
                self.answer(agent, life, exchange, answer);
            }
            Asked::Open => {
                self.streams.insert(agent, (life, exchange));
                self.answer(agent, life, exchange, Answered::Opened);
            }
        }
    }

    /// The collector answers a batch.
    pub fn answer_batch(&mut self, exchange: u64, receipt: Option<Receipt>) {
        let Some((agent, life)) = self.asking else { return };
        let answer = match receipt {
            Some(receipt) => Answered::Receipt(Box::new(receipt)),
            None => Answered::Failed(Fault::Busy { wait: None }),
        };
        self.answer(agent, life, exchange, answer);
    }

    /// An order goes out on the stream of an agent, if there is one.
    pub fn order_agent(&mut self, agent: usize, order: Order) {
        let Some((life, stream)) = self.streams.get(&agent).copied() else { return };
        match self.stations[agent].back.send(self.now).into_iter().next() {
            Some(at) => self.post(at, What::Agent(agent, life, ToAgent::Order(stream, order))),
            // What is lost on a stream is lost with all that follows.
            None => drop(self.streams.remove(&agent)),
        }
    }

    /// Ends every stream of orders, as a collector that dies does.
    pub fn end_streams(&mut self) {
        for (agent, (life, stream)) in std::mem::take(&mut self.streams) {
            if let Some(at) = self.stations[agent].back.send(self.now).into_iter().next() {
                self.post(at, What::Agent(agent, life, ToAgent::Ended(stream)));
            }
        }
    }

    fn answered(&mut self, agent: usize, exchange: u64, answer: Answered) {
        let forgets = self.broken(Mutant::UnsentForgotten);
        let station = &mut self.stations[agent];
        let program = station.program.as_mut().unwrap();
        let flight = program.flight.take_if(|flight| flight.exchange == exchange);
        let input = match (answer, flight) {
            (Answered::Receipt(receipt), Some(flight)) => {
                let progressed = program.spool.acknowledge(receipt.highest_seq, &flight.gaps);
                let waiting = program.spool.waiting();
                let (sent, results, receipt) = (flight.sent, flight.results, *receipt);
                Input::Received { sent, results, progressed, waiting, receipt }
            }
            (Answered::Failed(fault), Some(flight)) => {
                if forgets {
                    program.spool.acknowledge(u64::MAX, &[]);
                }
                Input::SendFailed { results: flight.results, fault }
            }
            (Answered::Assignment(tag, assignment), None) => {
                station.assignment = Some((tag.clone(), (*assignment).clone()));
                assigned(tag, *assignment, true)
            }
            (Answered::Unchanged, None) => Input::Unchanged,
            (Answered::Opened, None) if program.stream == exchange => Input::OrdersOpened,
            (Answered::Failed(_), None) if program.stream == exchange => Input::OrdersEnded,
            (Answered::Failed(fault), None) => Input::FetchFailed(fault),
            (Answered::Receipt(_) | Answered::Opened, None) => return,
            (Answered::Assignment(..) | Answered::Unchanged | Answered::Opened, Some(_)) => return,
        };
        self.give(agent, input, None);
        self.power(agent);
    }
}
