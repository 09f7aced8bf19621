//! The collector, alone or as the greater part of `up`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use model::config::Watch;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::arguments;
use crate::exit::{DONE, Done, Failure};
use crate::run::reload::{self, Reloads};
use crate::run::stop::Stop;
use crate::run::{self, supervisor};
use crate::{out, secrets};

/// A collector that was started.
pub struct Running {
    /// Where it serves.
    pub address: SocketAddr,
    /// Ends it gracefully.
    pub stop: CancellationToken,
    end: JoinHandle<Result<(), ::collector::run::Error>>,
    ready: Option<oneshot::Receiver<()>>,
}

/// Loads the configuration and refuses it as a whole if anything is wrong.
pub fn load(path: &Path) -> Result<(Watch, reload::Mark), Failure> {
    // Before the file is read: a change in between is seen at the first look.
    let mark = reload::mark(path);
    let real = run::load(path, &secrets::resolver()).map_err(Failure::Configuration)?;
    Ok((run::watch(real), mark))
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                ": another program has it; stop that one or choose another with --listen"
            }
            std::io::ErrorKind::PermissionDenied => {
                ": ports below 1024 are reserved; choose another with --listen"
            }
            _ => "",
        };
        anyhow!(error).context(format!("cannot listen on {address}{hint}")).into()
    })
}

impl Running {
    /// Starts a collector whose configuration follows the file it came from.
    pub async fn start(
        config: PathBuf,
        (watch, mark): (Watch, reload::Mark),
        data: PathBuf,
        listen: SocketAddr,
    ) -> Result<Self, Failure> {
        run::private_folder(&data)?;
        let listener = bind(listen).await?;
        let address = listener.local_addr().context("cannot read the bound address")?;
        let (to, reloads) = mpsc::channel(reload::RELOADS_MAX);
        let (served, ready) = oneshot::channel();
        let stop = CancellationToken::new();
        let resolve = secrets::resolver();
        let again = Reloads::new(config, resolve.clone(), mark, to)?;
        let options =
            ::collector::run::Options { data, listener, watch, reloads, resolve, ready: served };
        let end = tokio::spawn(::collector::run::run(options, stop.clone()));
        tokio::spawn(again.run(stop.clone()));
        tokio::spawn(supervisor::watchdog(stop.clone()));
        Ok(Self { address, stop, end, ready: Some(ready) })
    }

    /// Waits until requests are served.
    pub async fn ready(&mut self) -> Result<(), Failure> {
        let Some(ready) = self.ready.take() else { return Ok(()) };
        if ready.await.is_ok() {
            return Ok(());
        }
        // It went away without being ready: its end says why.
        self.ended().await?;
        Err(anyhow!("the collector ended before it served requests").into())
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Result<(), Failure> {
        match (&mut self.end).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(anyhow!(error).context("the collector failed").into()),
            Err(_) => Err(anyhow!("the collector's task died; the log says where").into()),
        }
    }
}

/// `watchpost collector`.
pub async fn run(order: arguments::Collector) -> Done {
    if order.database.is_some() {
        return Err(Failure::Usage(
            "--database: this build keeps its store in a SQLite file in the data folder and cannot \
             use PostgreSQL; leave the option out"
                .into(),
        ));
    }
    let stop = Stop::listen()?;
    let loaded = load(&order.config)?;
    let mut collector = Running::start(order.config, loaded, order.data, order.listen).await?;
    stop.unless_demanded(async {
        collector.ready().await?;
        out::line(&format!("listening on http://{}", collector.address))?;
        supervisor::ready();
        tokio::select! {
            end = collector.ended() => return end.map(|()| DONE),
            () = stop.asked.cancelled() => collector.stop.cancel(),
        }
        collector.ended().await.map(|()| DONE)
    })
    .await
}
