//! Commands that change nothing, and the checks of those that do.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::engine::{Engine, Input};
use model::incident::{IncidentId, State};
use model::time::Timestamp;

use super::group::Write;
use super::{Core, Use};
use crate::handle::{Caller, Claimed, Command, CoreView, Refusal, Reply};
use crate::store::reader::Question;
use crate::store::{incident, outbox};
use crate::token;

/// The longest note, bytes.
const NOTE_BYTES_MAX: usize = 4096;
/// Tokens whose use is remembered between writes.
const USED_MAX: usize = 100_000;

/// Sends an answer; nobody waiting for it any more is no fault.
fn tell<T>(reply: Reply<T>, with: Result<T, Refusal>) {
    let _ = reply.send(with);
}

/// The incident that a person's input is about; none for other inputs.
const fn about(input: &Input) -> Option<IncidentId> {
    match input {
        Input::Acknowledge { incident, .. }
        | Input::Resolve { incident, .. }
        | Input::Note { incident, .. } => Some(*incident),
        _ => None,
    }
}

impl Core {
    /// Answers what can be answered at once; gives back what must be written.
    pub(super) fn answer(&mut self, command: Command) -> Option<Write> {
        match command {
            Command::Authenticate(token, reply) => tell(reply, self.holder(&token)),
            Command::Assignment(agent, region, reply) => {
                tell(reply, Ok(self.force.assignment(&agent, &region)));
            }
            Command::View(reply) => tell(reply, Ok(self.look())),
            Command::Incident(id, reply) => match self.engine.incident(id) {
                Some(incident) => tell(reply, Ok(incident.clone())),
                None => self.ask(Question::Incident(id, reply)),
            },
            Command::Incidents(query, reply) => self.ask(Question::Incidents(query, reply)),
            Command::Results(query, reply) => self.ask(Question::Results(query, reply)),
            Command::Statement(service, period, reply) => {
                let (watch, now) = (Arc::clone(&self.force.watch), self.advance());
                self.ask(Question::Statement(watch, now, service, period, reply));
            }
            Command::Claim(most, reply) => tell(reply, self.claim(most)),
            Command::Ready(reply) => tell(reply, self.ready()),
            Command::Ingest(caller, batch, reply) => {
                return Some(Write::Ingest(caller, batch, reply));
            }
            Command::Act(input, reply) => match self.permit(&input) {
                Ok(id) => return Some(Write::Act(id, *input, reply)),
                Err(refusal) => tell(reply, Err(refusal)),
            },
            Command::Reload(watch, reply) => match *watch {
                Ok(watch) => return Some(Write::Reload(Box::new(watch), reply)),
                Err(fault) => {
                    tracing::warn!(fault, "the configuration file was refused");
                    self.reload_fault = Some(fault);
                    self.view = None;
                    tell(reply, Ok(()));
                }
            },
            Command::Attempted(key, attempted, reply) => {
                return Some(Write::Attempted(key, attempted, reply));
            }
        }
        None
    }

    fn ask(&mut self, question: Question) {
        if !self.readers.ask(question) {
            self.counters.reader_busy += 1;
        }
    }

    fn holder(&mut self, token: &str) -> Result<Option<Caller>, Refusal> {
        let holder = token::holder(&self.store.db, token).map_err(|fault| {
            tracing::error!(%fault, "tokens cannot be read");
            Refusal::Unwritable(fault.to_string())
        })?;
        Ok(holder.map(|(id, caller)| {
            let minute = token::minute((self.clock)());
            if self.used.len() >= USED_MAX {
                self.used.clear();
            }
            let used = self.used.entry(id).or_insert(Use { minute, written: false });
            if used.minute != minute {
                *used = Use { minute, written: false };
            }
            caller
        }))
    }

    /// Whether a person's input can be taken now.
    fn permit(&self, input: &Input) -> Result<IncidentId, Refusal> {
        let Some(id) = about(input) else {
            return Err(Refusal::Invalid("this is not something a person does".into()));
        };
        if let Input::Note { text, .. } = input {
            if text.trim().is_empty() {
                return Err(Refusal::Invalid("text: a note must not be empty".into()));
            }
            if text.len() > NOTE_BYTES_MAX {
                return Err(Refusal::Invalid(format!(
                    "text: a note has at most {NOTE_BYTES_MAX} bytes, this has {}",
                    text.len()
                )));
            }
        }
        let over = || Refusal::Conflict(format!("incident {} is resolved", id.0));
        let Some(held) = self.engine.incident(id) else {
            return match incident::incident(&self.store.db, id) {
                Ok(Some(_)) => Err(over()),
                Ok(None) => Err(Refusal::NotFound(format!("incident {}", id.0))),
                Err(fault) => Err(Refusal::Unwritable(fault.to_string())),
            };
        };
        if held.state == State::Resolved && !matches!(input, Input::Note { .. }) {
            return Err(over());
        }
        Ok(id)
    }

    fn claim(&mut self, most: usize) -> Result<Vec<Claimed>, Refusal> {
        let now = self.advance();
        self.claims.claim(&self.store.db, now, most).map_err(|fault| {
            tracing::error!(%fault, "the outbox cannot be read");
            Refusal::Unwritable(fault.to_string())
        })
    }

    fn ready(&self) -> Result<(), Refusal> {
        match &self.fault {
            Some(fault) => Err(Refusal::Unwritable(fault.clone())),
            None => Ok(()),
        }
    }

    /// All that is live, as of now.
    fn look(&mut self) -> Arc<CoreView> {
        let now = self.advance();
        self.tick(now);
        self.settle();
        // What takes time to gather is kept until it changes; the counters are always fresh.
        let kept = self.view.take().filter(|_| self.fault.is_none());
        let mut view = match (kept, &self.fault) {
            (Some(view), _) => Arc::unwrap_or_clone(view),
            (None, None) => self.gathered(&self.engine),
            (None, Some(_)) => {
                // The engine stands still; what nobody hears of any more must not look well.
                let mut engine = self.engine.clone();
                engine.handle(now, Input::Tick);
                self.gathered(&engine)
            }
        };
        view.counters = self.counters(now);
        let view = Arc::new(view);
        self.view = Some(Arc::clone(&view));
        view
    }

    fn gathered(&self, engine: &Engine) -> CoreView {
        CoreView {
            probes: engine.probes(),
            agents: engine.agents(),
            latest: self.newest.all(),
            open: engine.open().into_iter().cloned().collect(),
            counters: Vec::new(),
            reloaded: self.reloaded,
            reload_fault: self.reload_fault.clone(),
            watch: Some(Arc::clone(&self.force.watch)),
        }
    }

    fn counters(&self, now: Timestamp) -> Vec<(&'static str, String, u64)> {
        let mut counters = self.counters.list();
        let (tally, cost) = (self.handle.tally(), self.store.cost);
        let age = |since: Timestamp| u64::try_from((now - since).ms()).unwrap_or(0);
        let count = |name, value| (name, String::new(), value);
        counters.extend([
            ("refused_total", "busy".into(), tally.busy.load(Ordering::Relaxed)),
            count("outbox_restarts_total", tally.outbox_restarts.load(Ordering::Relaxed)),
            count("commits_total", cost.commits),
            count("commit_us_total", cost.commit_us),
            count("commit_failures_total", cost.failures),
            count("journal_position", self.position),
            count("effects_waiting", self.pending.len() as u64),
            count("snapshot_age_ms", age(self.snapshot.at)),
            // Zero when it cannot be read; the fault shows in `ready`.
            count("outbox_depth", outbox::depth(&self.store.db).unwrap_or(0)),
        ]);
        counters
    }
}
