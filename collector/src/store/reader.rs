//! Answers questions about what is stored, on threads of their own, so that they never hold up
//! ingest. One thread reads pages, the other reckons statements, which may take long.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use model::config::Watch;
use model::incident::{Incident, IncidentId};
use model::name::ServiceName;
use model::report::Statement;
use model::time::Timestamp;
use rusqlite::Connection;

use super::{Error, incident};
use crate::handle::{IncidentQuery, Refusal, Reply, ResultPage, ResultQuery};
use crate::{history, statement};

/// Questions that may wait for one thread; more are refused with [`Refusal::Busy`].
const QUESTIONS_MAX: usize = 256;

/// What can be asked.
pub(crate) enum Question {
    /// Incidents, newest first.
    Incidents(IncidentQuery, Reply<Vec<Incident>>),
    /// One incident that the engine does not hold.
    Incident(IncidentId, Reply<Incident>),
    /// Stored results.
    Results(ResultQuery, Reply<ResultPage>),
    /// A statement under this configuration at this time.
    Statement(Arc<Watch>, Timestamp, ServiceName, Option<String>, Reply<Box<Statement>>),
}

/// The two threads.
pub(crate) struct Readers {
    pages: SyncSender<Question>,
    statements: SyncSender<Question>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts them on a store that exists.
    pub(crate) fn start(data: &Path) -> Result<Self, Error> {
        let (pages, questions) = sync_channel(QUESTIONS_MAX);
        let first = spawn("reader", super::connect_reading(data)?, questions)?;
        let (statements, questions) = sync_channel(QUESTIONS_MAX);
        let second = spawn("statements", super::connect_reading(data)?, questions)?;
        Ok(Self { pages, statements, threads: vec![first, second] })
    }

    /// Asks; false if too many questions wait, in which case the asker was told.
    pub(crate) fn ask(&self, question: Question) -> bool {
        let thread = match question {
            Question::Statement(..) => &self.statements,
            _ => &self.pages,
        };
        let Err(refused) = thread.try_send(question) else { return true };
        let (std::sync::mpsc::TrySendError::Full(question)
        | std::sync::mpsc::TrySendError::Disconnected(question)) = refused;
        question.refuse(Refusal::Busy);
        false
    }

    /// Lets what was asked be answered and ends the threads.
    pub(crate) fn stop(self) {
        let Self { pages, statements, threads } = self;
        drop((pages, statements));
        for thread in threads {
            // A panic of a question is caught in the thread itself.
            let _ = thread.join();
        }
    }
}

fn spawn(
    name: &str,
    db: Connection,
    questions: Receiver<Question>,
) -> Result<JoinHandle<()>, Error> {
    let work = move || {
        for question in questions {
            // The asker learns of a panic because its reply is dropped.
            if catch_unwind(AssertUnwindSafe(|| question.answer(&db))).is_err() {
                tracing::error!("a question about the store panicked");
            }
        }
    };
    std::thread::Builder::new().name(name.into()).spawn(work).map_err(|source| Error::Disk {
        what: "start a thread to read",
        path: "the store".into(),
        source,
    })
}

/// Sends an answer; nobody waiting for it any more is no fault.
fn tell<T>(reply: Reply<T>, answer: Result<Result<T, Refusal>, Error>) {
    let answer = answer.unwrap_or_else(|fault| {
        tracing::error!(%fault, "the store cannot be read");
        Err(Refusal::Unwritable(fault.to_string()))
    });
    let _ = reply.send(answer);
}

impl Question {
    fn refuse(self, refusal: Refusal) {
        match self {
            Self::Incidents(_, reply) => tell(reply, Ok(Err(refusal))),
            Self::Incident(_, reply) => tell(reply, Ok(Err(refusal))),
            Self::Results(_, reply) => tell(reply, Ok(Err(refusal))),
            Self::Statement(.., reply) => tell(reply, Ok(Err(refusal))),
        }
    }

    fn answer(self, db: &Connection) {
        match self {
            Self::Incidents(query, reply) => {
                tell(reply, incident::incidents(db, &query).map(Ok));
            }
            Self::Incident(id, reply) => {
                let missing = || Refusal::NotFound(format!("incident {}", id.0));
                tell(reply, incident::incident(db, id).map(|found| found.ok_or_else(missing)));
            }
            Self::Results(query, reply) => {
                let page = history::page(db, &query);
                tell(reply, page.map(|page| page.map_err(Refusal::Invalid)));
            }
            Self::Statement(watch, now, service, period, reply) => {
                let made = statement::statement(db, &watch, &service, period.as_deref(), now);
                tell(reply, made.map(|made| made.map(Box::new)));
            }
        }
    }
}
