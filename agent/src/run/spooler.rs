//! The spool on its own thread, since every call waits for the disk.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use model::name::AgentName;
use model::result::{Outcome, ProbeResult};
use model::wire::Gap;
use tokio::sync::{oneshot, watch};

use super::{Error, wall};
use crate::spool::{Dropped, Portion, Spool};

/// The most jobs that wait for the disk.
const JOBS_MAX: usize = 10_000;
/// The most results that one fsync covers.
const GROUP_MAX: usize = 1000;
/// What the disk refused is tried again so often.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// What others may know of the spool.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Status {
    /// Durable results without a receipt.
    pub(super) waiting: u64,
    /// Failed results made durable since the start.
    pub(super) failed: u64,
    /// Bytes on disk.
    pub(super) bytes: u64,
    /// What was lost since the start.
    pub(super) dropped: Dropped,
    /// Writes that failed since the start.
    pub(super) faults: u64,
    /// Results that wait in memory for the disk.
    pub(super) unwritten: usize,
}

enum Job {
    Add(Box<ProbeResult>, Option<AgentName>),
    Portion(usize, oneshot::Sender<Portion>),
    Acknowledge(u64, Vec<Gap>, oneshot::Sender<(bool, u64)>),
    DropOldest,
    Flush(oneshot::Sender<()>),
}

/// The door to the spool's thread; the thread ends when the last door is dropped.
#[derive(Clone)]
pub(super) struct Spooler {
    jobs: SyncSender<Job>,
    /// The series of seq.
    pub(super) incarnation: u64,
}

/// A batch's results take at most so many bytes before it is packed.
const PORTION_BYTES_MAX: usize = model::wire::BATCH_PACKED_BYTES_MAX / 4 * 3;

impl Spooler {
    /// Starts the thread.
    pub(super) fn start(
        spool: Spool,
        record: Option<PathBuf>,
    ) -> Result<(Self, watch::Receiver<Status>), Error> {
        let record = match record {
            Some(path) => {
                let open =
                    OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(
                        |source| Error::Disk { what: "cannot open", path: path.clone(), source },
                    )?;
                Some((path, open))
            }
            None => None,
        };
        let incarnation = spool.incarnation();
        let (jobs, queue) = sync_channel(JOBS_MAX);
        let (tell, status) = watch::channel(Status::default());
        let thread = Thread { spool, record, tell, failed: 0, added: Vec::new() };
        std::thread::Builder::new()
            .name("spool".into())
            .spawn(move || thread.work(&queue))
            .map_err(|error| Error::Other(format!("cannot start the spool's thread: {error}")))?;
        Ok((Self { jobs, incarnation }, status))
    }

    /// Queues a result. False when there is no room: the disk has not answered for long.
    pub(super) fn add(&self, result: Box<ProbeResult>, agent: Option<AgentName>) -> bool {
        self.give(Job::Add(result, agent))
    }

    fn give(&self, job: Job) -> bool {
        match self.jobs.try_send(job) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// The oldest results.
    pub(super) async fn portion(&self, results_max: usize) -> Option<Portion> {
        let (reply, answer) = oneshot::channel();
        if !self.give(Job::Portion(results_max, reply)) {
            return None;
        }
        answer.await.ok()
    }

    /// Takes a receipt: whether it covers something that waited, and what waits now.
    pub(super) async fn acknowledge(
        &self,
        highest_seq: u64,
        told: Vec<Gap>,
    ) -> Option<(bool, u64)> {
        let (reply, answer) = oneshot::channel();
        if !self.give(Job::Acknowledge(highest_seq, told, reply)) {
            return None;
        }
        answer.await.ok()
    }

    /// Drops the oldest result as a gap.
    pub(super) fn drop_oldest(&self) {
        self.give(Job::DropOldest);
    }

    /// Returns when everything given before is on disk, as far as the disk takes it.
    pub(super) async fn flush(&self) {
        let (reply, answer) = oneshot::channel();
        if self.give(Job::Flush(reply)) {
            let _ = answer.await;
        }
    }
}

struct Thread {
    spool: Spool,
    record: Option<(PathBuf, File)>,
    tell: watch::Sender<Status>,
    failed: u64,
    /// Failed results that were added and are not yet synced.
    added: Vec<Outcome>,
}

impl Thread {
    fn work(mut self, queue: &Receiver<Job>) {
        self.publish();
        loop {
            let first = match queue.recv_timeout(RETRY_EVERY) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => {
                    self.sync();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            // Whatever waits already shares one fsync; other jobs see what was added before them.
            let mut next = Some(first);
            while let Some(job) = next.take() {
                match job {
                    Job::Add(result, agent) => {
                        self.add(*result, agent.as_ref());
                        if self.added.len() < GROUP_MAX {
                            next = queue.try_recv().ok();
                        }
                    }
                    other => {
                        self.sync();
                        self.serve(other);
                    }
                }
            }
            self.sync();
        }
        self.sync();
    }

    fn add(&mut self, mut result: ProbeResult, agent: Option<&AgentName>) {
        self.spool.add(wall(), &mut result);
        self.added.push(result.outcome);
        if let Some((path, file)) = &mut self.record {
            let line = observation(&result, agent, self.spool.incarnation());
            if let Err(error) = file.write_all(line.as_bytes()) {
                tracing::warn!(path = %path.display(), %error, "cannot record a result");
            }
        }
    }

    fn sync(&mut self) {
        self.spool.sync(wall());
        if self.spool.unwritten() == 0 {
            let failed = |outcome: &&Outcome| matches!(outcome, Outcome::Failed(_));
            self.failed += self.added.iter().filter(failed).count() as u64;
            self.added.clear();
        } else if self.added.len() > GROUP_MAX {
            self.added.drain(..self.added.len() - GROUP_MAX);
        }
        self.publish();
    }

    fn serve(&mut self, job: Job) {
        match job {
            Job::Add(result, agent) => self.add(*result, agent.as_ref()),
            Job::Portion(results_max, reply) => {
                let _ = reply.send(self.spool.portion(results_max, PORTION_BYTES_MAX));
            }
            Job::Acknowledge(highest_seq, told, reply) => {
                let progressed = self.spool.acknowledge(highest_seq, &told);
                let _ = reply.send((progressed, self.spool.waiting()));
            }
            Job::DropOldest => self.spool.drop_oldest(),
            Job::Flush(reply) => {
                let _ = reply.send(());
            }
        }
    }

    fn publish(&self) {
        self.tell.send_if_modified(|status| {
            let now = Status {
                waiting: self.spool.waiting(),
                failed: self.failed,
                bytes: self.spool.bytes(),
                dropped: self.spool.dropped,
                faults: self.spool.faults,
                unwritten: self.spool.unwritten(),
            };
            let news = (now.waiting, now.failed, now.faults, now.unwritten)
                != (status.waiting, status.failed, status.faults, status.unwritten);
            *status = now;
            news
        });
    }
}

/// The result as a line of the offline statement's observations.
fn observation(result: &ProbeResult, agent: Option<&AgentName>, incarnation: u64) -> String {
    let outcome = match result.accounted() {
        Outcome::Passed => "up",
        Outcome::Failed(_) => "down",
        Outcome::Void(_) => "void",
    };
    let agent = agent.map_or("unnamed", AgentName::as_str);
    let line = serde_json::json!({
        "id": format!("{agent}/{incarnation}/{}", result.seq),
        "probe": result.probe,
        "region": result.region,
        "t": result.started,
        "outcome": outcome,
        "interval_ms": result.interval,
    });
    format!("{line}\n")
}
