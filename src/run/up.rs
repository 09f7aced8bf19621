//! Collector and one agent in one process: the way to begin, and enough for one host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ::agent::run::{Options, Trust};
use ::collector::clock;
use ::collector::token::Grant;
use anyhow::{Context as _, anyhow};
use model::name::{AgentName, Region};
use url::Url;

use crate::arguments::Up;
use crate::exit::{DONE, Done, Failure};
use crate::run::collector::{self, Running};
use crate::run::stop::Stop;
use crate::run::{self, own_token, supervisor};
use crate::{out, secrets};

/// The region of an agent that was given none.
const REGION: &str = "local";

/// Where the collector is reached from this host.
fn from_here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The region to speak for: the one asked for, else `local`; it must be configured.
fn region(asked: Option<Region>, configured: &[Region], file: &Path) -> Result<Region, Failure> {
    let given = asked.is_some();
    let region = match asked {
        Some(region) => region,
        None => Region::new(REGION).map_err(Failure::Usage)?,
    };
    if configured.contains(&region) {
        return Ok(region);
    }
    let names: Vec<&str> = configured.iter().map(Region::as_str).collect();
    let (names, file) = (names.join(", "), file.display());
    Err(Failure::Usage(if given {
        format!("{file} has no region `{region}`; it has {names}")
    } else {
        format!(
            "{file} has the regions {names} and no `{REGION}`: say with --region NAME which of them \
             the agent here speaks for"
        )
    }))
}

/// `watchpost up`.
pub async fn run(order: Up) -> Done {
    let stop = Stop::listen()?;
    let loaded = collector::load(&order.config)?;
    let region = region(order.region, &loaded.0.regions, &order.config)?;
    let mut collector =
        Running::start(order.config, loaded, order.data.clone(), order.listen).await?;
    stop.unless_demanded(async {
        collector.ready().await?;
        let here = from_here(collector.address);
        let agent = options(here, region, &order.data, order.record)?;
        out::line(&format!(
            "Watchpost is at http://{here}\nSee what it finds: watchpost status --data {}",
            order.data.display()
        ))?;
        supervisor::ready();
        both(&mut collector, agent, &stop).await
    })
    .await
}

/// The agent within: it trusts itself, because both halves read one configuration file.
fn options(
    collector: SocketAddr,
    region: Region,
    data: &Path,
    record: Option<PathBuf>,
) -> Result<Options, Failure> {
    let home = data.join("agent");
    run::private_folder(&home)?;
    let agent = AgentName::new(REGION).map_err(Failure::Usage)?;
    let grant = Grant::Agent { agent, region: region.clone() };
    let token = own_token::get(data, &home.join("token"), &grant, clock::now())?;
    let url = Url::parse(&format!("http://{collector}")).context("the collector's address")?;
    Ok(Options {
        collector: url,
        collector_ca: None,
        region,
        data: home,
        token,
        trust: Trust::Itself,
        resolve: secrets::resolver(),
        listen: None,
        record,
    })
}

/// Runs both until one of them ends or the end is asked for: then the agent first, so that the
/// collector still takes its last results.
async fn both(collector: &mut Running, options: Options, stop: &Stop) -> Done {
    let asked = stop.asked.child_token();
    let agent = tokio::spawn(::agent::run::run(options, asked.clone()));
    tokio::pin!(agent);
    let mut early = None;
    let ended = tokio::select! {
        end = &mut agent => end,
        end = collector.ended() => {
            early = Some(end);
            asked.cancel();
            agent.await
        }
    };
    collector.stop.cancel();
    let collected = match early {
        Some(end) => end,
        None => collector.ended().await,
    };
    collected?;
    match ended {
        Ok(Ok(())) => Ok(DONE),
        Ok(Err(error)) => Err(anyhow!(error).context("the agent failed").into()),
        Err(_) => Err(anyhow!("the agent's task died; the log says where").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_speaks_for_a_region_that_is_configured() {
        let names = |list: &[&str]| -> Vec<Region> {
            list.iter().map(|name| Region::new(name).unwrap()).collect()
        };
        for (asked, configured, want) in [
            (None, &["local"][..], Ok("local")),
            (None, &["eu", "local"], Ok("local")),
            (Some("eu"), &["eu", "us"], Ok("eu")),
            (Some("ap"), &["eu", "us"], Err("no region `ap`; it has eu, us")),
            (None, &["eu", "us"], Err("regions eu, us and no `local`")),
        ] {
            let asked = asked.map(|name| Region::new(name).unwrap());
            match (region(asked, &names(configured), Path::new("probes.yaml")), want) {
                (Ok(region), Ok(wanted)) => assert_eq!(region.as_str(), wanted),
                (Err(Failure::Usage(said)), Err(part)) => assert!(said.contains(part), "{said}"),
                (got, _) => panic!("{configured:?}: {got:?}"),
            }
        }
    }

    #[test]
    fn an_address_for_everybody_is_reached_by_loopback() {
        for (bound, here) in [
            ("127.0.0.1:8420", "127.0.0.1:8420"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:2", "[::1]:2"),
            ("10.0.0.7:3", "10.0.0.7:3"),
        ] {
            assert_eq!(from_here(bound.parse().unwrap()).to_string(), here);
        }
    }
}
