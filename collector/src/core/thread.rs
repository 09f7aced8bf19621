//! The core's thread: gathers commands into groups and fires deadlines.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use model::config::Watch;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::group::Write;
use super::{Clock, Core};
use crate::handle::{Command, Handle};
use crate::store::Error;

/// How long a group waits for more after its first write.
const GROUP_WAIT: Duration = Duration::from_millis(20);
/// The most writes in one group.
const GROUP_MAX: usize = 512;

/// What the core is started with.
pub(crate) struct Setup {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// The configuration.
    pub(crate) watch: Watch,
    /// Through it orders are given.
    pub(crate) handle: Handle,
    /// The core's end of the handle.
    pub(crate) commands: mpsc::Receiver<Command>,
    /// Reads the time.
    pub(crate) clock: Clock,
    /// Ends the core after all who ask it have ended.
    pub(crate) stop: CancellationToken,
}

/// Starts the core's thread. Answers when the store is open and the engine stands; the receiver tells
/// how the core ended.
///
/// # Errors
/// The store cannot be opened, or the thread cannot be started.
pub(crate) async fn start(setup: Setup) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
    let (opened, open) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let work = move || {
        let run = AssertUnwindSafe(|| work(setup, opened));
        let outcome = catch_unwind(run).unwrap_or_else(|_| {
            // An engine that panicked half way is not to be trusted; a new start rebuilds it.
            tracing::error!("the core panicked");
            Err(Error::Other("the core panicked: see the log".into()))
        });
        let _ = end.send(outcome);
    };
    std::thread::Builder::new().name("core".into()).spawn(work).map_err(|source| Error::Disk {
        what: "start the thread of",
        path: "core".into(),
        source,
    })?;
    match open.await {
        Ok(()) => Ok(ended),
        // It ended before it stood, and says why.
        Err(_) => match ended.await {
            Ok(Err(fault)) => Err(fault),
            _ => Err(Error::Other("the core ended before it stood".into())),
        },
    }
}

fn work(setup: Setup, opened: oneshot::Sender<()>) -> Result<(), Error> {
    let mut commands = setup.commands;
    let timers = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let timers = timers.map_err(|source| Error::Disk {
        what: "make the timers of",
        path: "core".into(),
        source,
    })?;
    let mut core = Core::open(&setup.data, setup.watch, setup.handle, setup.clock)?;
    let _ = opened.send(());
    timers.block_on(drive(&mut core, &mut commands, &setup.stop));
    core.close()
}

async fn drive(core: &mut Core, commands: &mut mpsc::Receiver<Command>, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            first = commands.recv() => match first {
                Some(first) => gather(core, commands, first).await,
                None => break,
            },
            () = sleep(core.rest()) => {}
        }
        core.idle();
    }
    // Nothing new is let in; what waits is finished.
    commands.close();
    while let Some(first) = commands.recv().await {
        gather(core, commands, first).await;
    }
}

/// Answers a question at once; gathers writes for a moment and does them together.
async fn gather(core: &mut Core, commands: &mut mpsc::Receiver<Command>, first: Command) {
    let Some(write) = core.answer(first) else { return };
    let mut writes = vec![write];
    let end = Instant::now() + GROUP_WAIT;
    while writes.len() < GROUP_MAX && !writes.last().is_some_and(Write::ends_group) {
        match timeout_at(end, commands.recv()).await {
            Ok(Some(command)) => writes.extend(core.answer(command)),
            Ok(None) | Err(_) => break,
        }
    }
    core.group(writes);
}
