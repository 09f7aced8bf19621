//! Tokens of agents, people and programs: made, listed, revoked beside a running collector.

use anyhow::{Context as _, anyhow};
use collector::clock;
use collector::token::{self, Grant, Listed};
use model::time::Timestamp;
use serde::Serialize;

use crate::arguments::{Format, Role, TokenAdd, TokenCommand};
use crate::exit::{DONE, Done, Failure};
use crate::out;

/// A token as programs read it.
#[derive(Serialize)]
struct Row {
    id: String,
    agent: Option<String>,
    region: Option<String>,
    name: Option<String>,
    role: Option<&'static str>,
    created_ms: i64,
    last_used_ms: Option<i64>,
    revoked_ms: Option<i64>,
}

impl From<Listed> for Row {
    fn from(listed: Listed) -> Self {
        let (agent, region, name, role) = match listed.grant {
            Grant::Agent { agent, region } => {
                (Some(agent.as_str().to_owned()), Some(region.as_str().to_owned()), None, None)
            }
            Grant::Person { name, role } => (None, None, Some(name), Some(role.word())),
        };
        Self {
            id: listed.id,
            agent,
            region,
            name,
            role,
            created_ms: listed.created.ms(),
            last_used_ms: listed.last_used.map(Timestamp::ms),
            revoked_ms: listed.revoked.map(Timestamp::ms),
        }
    }
}

impl From<Role> for collector::handle::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Responder => Self::Responder,
            Role::Admin => Self::Admin,
        }
    }
}

/// `watchpost token`.
pub fn run(command: TokenCommand) -> Done {
    match command {
        TokenCommand::Add(order) => add(order),
        TokenCommand::List { data, format } => {
            let listed = token::list(&data).map_err(|error| anyhow!(error))?;
            let rows: Vec<Row> = listed.into_iter().map(Row::from).collect();
            match format {
                Format::Json => {
                    out::line(&serde_json::to_string(&rows).context("cannot write JSON")?)?;
                }
                Format::Table => out::print(&table(rows))?,
            }
            Ok(DONE)
        }
        TokenCommand::Revoke { which, data } => {
            let count =
                token::revoke(&data, &which, clock::now()).map_err(|error| anyhow!(error))?;
            let tokens = if count == 1 { "token" } else { "tokens" };
            out::line(&format!("{count} {tokens} revoked"))?;
            Ok(DONE)
        }
    }
}

fn add(order: TokenAdd) -> Done {
    let grant = match (order.agent, order.region, order.name, order.role) {
        (Some(agent), Some(region), None, None) => Grant::Agent { agent, region },
        (None, None, Some(name), Some(role)) => Grant::Person { name, role: role.into() },
        _ => {
            return Err(Failure::Usage(
                "a token is for --agent NAME --region NAME, or for --name NAME --role ROLE".into(),
            ));
        }
    };
    let secret = token::add(&order.data, &grant, clock::now()).map_err(|error| anyhow!(error))?;
    // Alone on stdout, so that a script can take it.
    out::line(&secret)?;
    Ok(DONE)
}

fn table(rows: Vec<Row>) -> String {
    let rows = rows.into_iter().map(|row| {
        let (whose, may) = match (row.agent, row.region, row.name, row.role) {
            (Some(agent), Some(region), ..) => (format!("agent {agent}"), format!("in {region}")),
            (_, _, Some(name), Some(role)) => (name, role.to_owned()),
            _ => ("-".into(), "-".into()),
        };
        // The store keeps it to the minute.
        let used = row.last_used_ms.map_or_else(|| "-".into(), out::minute);
        let state = match row.revoked_ms {
            Some(ms) => (format!("revoked {}", out::instant(ms)), out::Tone::Odd),
            None => ("valid".into(), out::Tone::Good),
        };
        vec![
            out::plain(row.id),
            out::plain(whose),
            out::plain(may),
            out::plain(out::instant(row.created_ms)),
            out::plain(used),
            state,
        ]
    });
    out::table(&["ID", "WHOSE", "MAY", "MADE", "LAST USED", "STATE"], rows.collect())
}
