//! Wires core, outbox and http together and runs them.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::config::Watch;
use model::secret::Resolver;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::core::{self, Setup};
use crate::handle::{Caller, Handle, Refusal, Role};
use crate::links::Links;
use crate::store::{self, Doing as _};
use crate::token::{self, Grant};
use crate::{clock, http, outbox};

/// How a program on this machine finds and enters the collector: a file of mode 0600.
pub const CLIENT_FILE: &str = "client.json";
/// The name of the token in [`CLIENT_FILE`].
pub const CLIENT_TOKEN: &str = "local";
/// Rest between a panic of the outbox and its next start.
const OUTBOX_REST: Duration = Duration::from_secs(1);

/// What a collector is started with.
pub struct Options {
    /// The store; made with mode 0700 if missing.
    pub data: PathBuf,
    /// Bound already, so that the caller knows the address.
    pub listener: TcpListener,
    /// The configuration.
    pub watch: Watch,
    /// Later configurations, or why the file was refused.
    pub reloads: mpsc::Receiver<Result<Watch, String>>,
    /// Reads the environment and files for secrets of contacts and smtp.
    pub resolve: Resolver,
    /// Told once when requests are served.
    pub ready: oneshot::Sender<()>,
}

/// Why a collector could not start or go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

impl From<store::Error> for Error {
    fn from(fault: store::Error) -> Self {
        Self(fault.to_string())
    }
}

/// What [`CLIENT_FILE`] holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Client {
    url: String,
    token: String,
}

/// Runs until `stop`; then finishes what was accepted and closes the store.
///
/// # Errors
/// The store cannot be opened, is newer than this program, or is in use by another collector; the
/// listener or the core failed for good.
pub async fn run(options: Options, stop: CancellationToken) -> Result<(), Error> {
    let Options { data, listener, watch, reloads, resolve, ready } = options;
    let address = listener.local_addr().map_err(|fault| Error(format!("no address: {fault}")))?;
    let base = watch.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let base = base.trim_end_matches('/').to_owned();

    let (handle, commands) = Handle::new();
    let core_stop = CancellationToken::new();
    // Whichever way this function is left, the core ends.
    let _guard = core_stop.clone().drop_guard();
    let setup = Setup {
        data: data.clone(),
        watch,
        handle: handle.clone(),
        commands,
        clock: Arc::new(clock::now),
        stop: core_stop.clone(),
    };
    let mut ended = core::start(setup).await?;

    let key = prepare(&data, address).await?;
    let links = Links::new(key, base);
    let around = stop.child_token();
    let outbox = tokio::spawn(keep_sending(handle.clone(), links.clone(), resolve, around.clone()));
    let reloading = tokio::spawn(forward(handle.clone(), reloads, around.clone()));
    let mut serving = tokio::spawn(http::serve(listener, handle, links, around.clone()));
    let _ = ready.send(());
    tracing::info!(%address, "the collector runs");

    let mut core_end = None;
    let served = tokio::select! {
        end = &mut ended => {
            core_end = Some(end);
            around.cancel();
            serving.await
        }
        served = &mut serving => served,
    };
    around.cancel();
    // Those who ask the core end first, so that it has the last word of each.
    let _ = tokio::join!(outbox, reloading);
    core_stop.cancel();
    let core_end = match core_end {
        Some(end) => end,
        None => ended.await,
    };
    core_end.map_err(|_| Error("the core's thread is gone".into()))??;
    match served {
        Ok(Ok(())) if stop.is_cancelled() => Ok(()),
        Ok(Ok(())) => Err(Error("the server or the core ended by itself: see the log".into())),
        Ok(Err(fault)) => Err(Error(format!("cannot serve {address}: {fault}"))),
        Err(fault) => Err(Error(format!("the server ended: {fault}"))),
    }
}

/// The key of links and the file for programs on this machine; touches the disk.
async fn prepare(data: &Path, address: SocketAddr) -> Result<[u8; 32], Error> {
    let data = data.to_owned();
    let work = move || {
        let db = store::connect(&data)?;
        let key = store::link_key(&db)?;
        write_client(&db, &data, address, clock::now())?;
        Ok::<_, store::Error>(key)
    };
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|fault| Error(format!("the start failed: {fault}")))??)
}

/// Writes [`CLIENT_FILE`]; its token stays the same for as long as it is valid.
fn write_client(
    db: &rusqlite::Connection,
    data: &Path,
    address: SocketAddr,
    now: Timestamp,
) -> Result<(), store::Error> {
    let path = data.join(CLIENT_FILE);
    let known = std::fs::read(&path).ok();
    let known = known.and_then(|json| serde_json::from_slice::<Client>(&json).ok());
    let valid = match &known {
        Some(client) => match token::holder(db, &client.token)? {
            Some((_, Caller::Person { role: Role::Admin, .. })) => true,
            Some(_) | None => false,
        },
        None => false,
    };
    let token = match known.filter(|_| valid) {
        Some(client) => client.token,
        None => {
            // The secret of an older one is lost: it must not stay valid.
            db.execute(
                "UPDATE token SET revoked_ms = ?2 WHERE name = ?1 AND revoked_ms IS NULL \
                 AND region IS NULL",
                (CLIENT_TOKEN, now.ms()),
            )
            .doing("revoke the local token")?;
            let grant = Grant::Person { name: CLIENT_TOKEN.into(), role: Role::Admin };
            token::insert(db, &grant, now)?
        }
    };
    // A program on this machine reaches a collector that listens everywhere at the loopback.
    let host = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => format!("127.0.0.1:{}", v4.port()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => format!("[::1]:{}", v6.port()),
        other => other.to_string(),
    };
    let client = Client { url: format!("http://{host}"), token };
    write_private(&path, &serde_json::to_vec(&client).unwrap_or_default())
        .map_err(|source| store::Error::Disk { what: "write", path, source })
}

/// Writes a file that its owner alone may read; it is whole or not there.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    // A left-over could have another mode.
    let _ = std::fs::remove_file(&beside);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

/// Runs the outbox until `stop`, again after a panic: notices must go out.
async fn keep_sending(handle: Handle, links: Links, resolve: Resolver, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let run = outbox::run(handle.clone(), links.clone(), Arc::clone(&resolve), stop.clone());
        if let Err(fault) = tokio::spawn(run).await {
            tracing::error!(%fault, "the outbox panicked and is started again");
            handle.tally().outbox_restarts.fetch_add(1, Ordering::Relaxed);
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(OUTBOX_REST) => {}
        }
    }
}

/// Gives the core every later configuration. One that cannot be stored now is tried again until it is
/// or a newer one comes.
async fn forward(
    handle: Handle,
    mut reloads: mpsc::Receiver<Result<Watch, String>>,
    stop: CancellationToken,
) {
    let mut waiting: Option<Result<Watch, String>> = None;
    loop {
        if let Some(watch) = &waiting {
            match handle.reload(Box::new(watch.clone())).await {
                Err(Refusal::Busy | Refusal::Unwritable(_)) => {}
                _ => waiting = None,
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            next = reloads.recv() => match next {
                Some(next) => waiting = Some(next),
                // Nobody will send another; what waits is still owed.
                None if waiting.is_none() => return,
                None => tokio::time::sleep(OUTBOX_REST).await,
            },
            () = tokio::time::sleep(OUTBOX_REST), if waiting.is_some() => {}
        }
    }
}

#[cfg(test)]
mod tests;
