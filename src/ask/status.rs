//! What every probe says now.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use serde::Deserialize;

use crate::arguments::{Format, Status};
use crate::client::{self, Client};
use crate::exit::{DONE, Done};
use crate::out::{self, Tinted, Tone};

/// One probe of `GET /api/v1/probes`.
#[derive(Deserialize)]
struct ProbeNow {
    name: String,
    kind: String,
    verdict: String,
    partial: bool,
    since_ms: i64,
    regions: BTreeMap<String, RegionNow>,
}

/// One region's say.
#[derive(Deserialize)]
struct RegionNow {
    vote: String,
    reason: Option<String>,
}

/// What `GET /api/v1/self` says about the collector.
#[derive(Deserialize)]
struct Own {
    now_ms: i64,
    #[serde(default)]
    reload_fault: Option<String>,
    #[serde(default)]
    agents: Vec<AgentNow>,
}

/// One agent.
#[derive(Deserialize)]
struct AgentNow {
    name: String,
    region: String,
    heard_ms: i64,
    silent: bool,
}

/// One open incident, as far as it is shown here.
#[derive(Deserialize)]
struct Open {
    id: u64,
    probe: Option<String>,
    state: String,
}

/// What must be known before the table is believed, a sentence each.
fn cautions(own: &Own) -> Vec<String> {
    let fault = own.reload_fault.iter().map(|fault| {
        let first = fault.lines().next().unwrap_or_default();
        format!(
            "the configuration file has problems, an older one is in force: {first} \
             (`watchpost check` shows all)"
        )
    });
    let silent = own.agents.iter().filter(|agent| agent.silent).map(|agent| {
        let ago = out::length(own.now_ms - agent.heard_ms);
        format!("agent {} in {} is silent since {ago}", agent.name, agent.region)
    });
    let none = (own.agents.is_empty()).then(|| "no agent was heard yet".to_owned());
    fault.chain(silent).chain(none).map(|text| out::clean(&text)).collect()
}

/// A sentence for each region that is asked of a probe and for which no agent speaks.
fn unheard(own: &Own, probes: &[ProbeNow]) -> Vec<String> {
    if own.agents.is_empty() {
        return Vec::new();
    }
    let asked: BTreeSet<&str> =
        probes.iter().flat_map(|probe| probe.regions.keys()).map(String::as_str).collect();
    let speaks = |region: &str| own.agents.iter().any(|agent| agent.region == region);
    let regions = asked.into_iter().filter(|region| !speaks(region));
    regions.map(|region| out::clean(&format!("no agent is heard in {region}"))).collect()
}

fn row(probe: &ProbeNow, now_ms: i64, open: &[Open]) -> Vec<Tinted> {
    let verdict =
        if probe.partial { format!("{} (partial)", probe.verdict) } else { probe.verdict.clone() };
    let since = format!(
        "{} ({})",
        out::instant(probe.since_ms),
        out::length(now_ms.saturating_sub(probe.since_ms))
    );
    let regions: Vec<String> = probe
        .regions
        .iter()
        .map(|(region, now)| match &now.reason {
            Some(reason) => format!("{region} {} ({reason})", now.vote),
            None => format!("{region} {}", now.vote),
        })
        .collect();
    let incidents: Vec<String> = open
        .iter()
        .filter(|incident| incident.probe.as_ref() == Some(&probe.name))
        .map(|incident| format!("#{} {}", incident.id, incident.state))
        .collect();
    let incident = if incidents.is_empty() { "-".to_owned() } else { incidents.join(", ") };
    vec![
        out::plain(&probe.name),
        out::plain(&probe.kind),
        (verdict, super::tone(&probe.verdict, probe.partial)),
        out::plain(since),
        out::plain(regions.join(", ")),
        (incident, if incidents.is_empty() { Tone::Plain } else { Tone::Bad }),
    ]
}

/// `watchpost status`.
pub async fn run(order: Status) -> Done {
    let client = Client::find(&order.place)?;
    let own: Own = client::read(&client.get(&["self"], &[]).await?)?;
    let probes = client.get(&["probes"], &[]).await?;
    if order.format == Format::Json {
        // stdout is for the program that reads it; people see stderr.
        for caution in cautions(&own) {
            let _ = writeln!(std::io::stderr(), "caution: {caution}");
        }
        super::verbatim(&probes)?;
        return Ok(DONE);
    }
    let probes: Vec<ProbeNow> = client::read(&probes)?;
    let query = [("state", "open"), ("limit", "1000")];
    let open: Vec<Open> = client::read(&client.get(&["incidents"], &query).await?)?;
    let mut text: String = cautions(&own)
        .into_iter()
        .chain(unheard(&own, &probes))
        .map(|caution| format!("caution: {caution}\n"))
        .collect();
    let rows = probes.iter().map(|probe| row(probe, own.now_ms, &open)).collect();
    text.push_str(&out::table(&["PROBE", "KIND", "VERDICT", "SINCE", "REGIONS", "INCIDENT"], rows));
    out::print(&text)?;
    Ok(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_who_says_what_and_which_incident_is_open() {
        let probe: ProbeNow = client::read(
            r#"{"name":"shop","kind":"http","verdict":"up","partial":true,"since_ms":0,"later":1,
                "regions":{"eu":{"vote":"up","reason":null,"last_ms":1},
                           "us":{"vote":"down","reason":"connect: refused","last_ms":null}}}"#,
        )
        .unwrap();
        let open: Vec<Open> = client::read(
            r#"[{"id":3,"probe":"shop","state":"triggered"},{"id":4,"probe":null,"state":"triggered"}]"#,
        )
        .unwrap();
        let texts: Vec<String> =
            row(&probe, 65_000, &open).into_iter().map(|cell| cell.0).collect();
        assert_eq!(
            texts,
            [
                "shop",
                "http",
                "up (partial)",
                "1970-01-01 00:00:00Z (1m05s)",
                "eu up, us down (connect: refused)",
                "#3 triggered"
            ]
        );
    }

    #[test]
    fn a_region_for_which_no_agent_speaks_is_named() {
        let probes: Vec<ProbeNow> = client::read(
            r#"[{"name":"shop","kind":"http","verdict":"up","partial":false,"since_ms":0,
                 "regions":{"eu":{"vote":"up","reason":null},"us":{"vote":"unknown","reason":null}}}]"#,
        )
        .unwrap();
        for (agents, want) in [
            (
                r#"{"name":"a","region":"eu","heard_ms":0,"silent":false}"#,
                &["no agent is heard in us"][..],
            ),
            ("", &[]),
        ] {
            let own = client::read(&format!(r#"{{"now_ms":0,"agents":[{agents}]}}"#)).unwrap();
            assert_eq!(unheard(&own, &probes), want);
        }
    }

    #[test]
    fn what_makes_the_table_doubtful_is_said() {
        for (json, want) in [
            (
                r#"{"now_ms":60000,"agents":[{"name":"a","region":"eu","heard_ms":0,"silent":false}]}"#,
                &[][..],
            ),
            (
                r#"{"now_ms":60000,"agents":[{"name":"a","region":"eu","heard_ms":0,"silent":true}]}"#,
                &["agent a in eu is silent since 1m00s"],
            ),
            (
                r#"{"now_ms":0,"agents":[],"reload_fault":"line\u001b 1\nmore"}"#,
                &[
                    "the configuration file has problems, an older one is in force: line 1 (`watchpost check` shows all)",
                    "no agent was heard yet",
                ],
            ),
        ] {
            assert_eq!(cautions(&client::read(json).unwrap()), want);
        }
    }
}
