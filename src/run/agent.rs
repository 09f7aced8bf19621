//! One agent, and the approval of what it refused.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ::agent::policy;
use ::agent::run::{Options, Trust};
use anyhow::{Context as _, anyhow};
use tokio::signal::unix::{SignalKind, signal};
use url::{Host, Url};

use crate::arguments::{self, AgentCommand, AgentRun};
use crate::exit::{DONE, Done, Failure};
use crate::run::stop::Stop;
use crate::run::{self, supervisor};
use crate::{out, secrets};

/// The variable that holds a token where no file does.
pub const TOKEN: &str = "WATCHPOST_TOKEN";

/// Whether `url` stays on this host.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

fn token(file: Option<&Path>) -> Result<String, Failure> {
    let Some(path) = file else {
        return secrets::environment(TOKEN).filter(|token| !token.trim().is_empty()).ok_or_else(
            || {
                Failure::Usage(format!(
                    "an agent needs its token: --token-file FILE, or ${TOKEN}; \
                     `watchpost token add` makes one on the collector's host"
                ))
            },
        );
    };
    let text = secrets::read(&path.to_string_lossy())
        .map_err(|why| anyhow!("the token file {}: {why}", path.display()))?;
    if std::fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o077 != 0) {
        tracing::warn!(file = %path.display(), "others on this host can read the token: chmod 600");
    }
    Ok(text)
}

/// `watchpost agent`.
pub async fn run(order: arguments::Agent) -> Done {
    match (order.command, order.run) {
        (Some(AgentCommand::Approve { reference, data }), _) => {
            approve(&data, reference.as_deref())
        }
        (None, Some(order)) => watch(order).await,
        (None, None) => Err(Failure::Usage(
            "an agent needs --collector URL, --region NAME and --data DIR".into(),
        )),
    }
}

/// Without a reference, shows what was refused; with one, lets it go where it was asked for. A running
/// agent sees that by itself.
fn approve(data: &Path, reference: Option<&str>) -> Done {
    let Some(reference) = reference else {
        let pending = policy::pending(data).map_err(anyhow::Error::from)?;
        if pending.is_empty() {
            out::line("nothing was refused")?;
        } else {
            out::print(&refusals(pending))?;
        }
        return Ok(DONE);
    };
    let approved = policy::approve(data, Some(reference)).map_err(anyhow::Error::from)?;
    if approved.is_empty() {
        return Err(anyhow!(
            "no refusal of {reference} waits in {}; `watchpost agent approve --data DIR` lists them",
            data.display()
        )
        .into());
    }
    out::print(&refusals(approved))?;
    Ok(DONE)
}

/// Which secret was asked for by what, where it would go, and why it did not.
fn refusals(refused: Vec<policy::Refused>) -> String {
    let rows = refused.into_iter().map(|refused| {
        let to = refused.asked.destination;
        let tls = if to.tls { "" } else { ", without TLS" };
        vec![
            out::plain(refused.asked.reference.0),
            out::plain(refused.probe.as_str()),
            out::plain(format!("{} {}:{}{tls}", to.kind, to.host, to.port)),
            out::plain(refused.asked.field),
            out::plain(refused.why),
        ]
    });
    out::table(&["SECRET", "PROBE", "DESTINATION", "FIELD", "WHY REFUSED"], rows.collect())
}

async fn watch(order: AgentRun) -> Done {
    let token = token(order.token_file.as_deref())?.trim().to_owned();
    if order.collector.scheme() == "http" && !is_loopback(&order.collector) {
        tracing::warn!("the token and every result travel unprotected: use https:// between hosts");
    }
    run::private_folder(&order.data)?;
    let stop = Stop::listen()?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::info!("SIGHUP: nothing to read again, the collector says what to run");
        }
    });
    let options = Options {
        collector: order.collector,
        collector_ca: order.collector_ca,
        region: order.region,
        data: order.data,
        token,
        trust: order.policy.map_or(Trust::FirstUse, Trust::Policy),
        resolve: secrets::resolver(),
        listen: order.listen,
        record: order.record,
    };
    tokio::spawn(supervisor::watchdog(stop.demanded.clone()));
    supervisor::ready();
    let asked = stop.asked.clone();
    stop.unless_demanded(async {
        match ::agent::run::run(options, asked).await {
            Ok(()) => Ok(DONE),
            Err(error) => Err(anyhow!(error).context("the agent failed").into()),
        }
    })
    .await
}
