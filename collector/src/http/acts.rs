//! What people do to incidents: `POST /api/v1/incidents/{id}/…`.

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::{Extension, Json};
use bytes::Bytes;
use model::engine::Input;
use model::incident::Incident;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Edge;
use super::problem::Problem;
use super::query::{At, at};
use super::views::incident_whole;
use crate::handle::Caller;

/// The longest note, bytes.
pub const NOTE_BYTES_MAX: usize = 4096;

type Sent = Result<Bytes, BytesRejection>;
type Answer = Result<Json<Value>, Problem>;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resolve {
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    text: Option<String>,
}

/// `POST /api/v1/incidents/{id}/acknowledge`
pub async fn acknowledge(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    path: At,
    sent: Sent,
) -> Answer {
    let incident = at(path)?;
    let Nothing {} = read(sent)?;
    act(&edge, Input::Acknowledge { incident, who: who(caller) }).await.map(shown)
}

/// `POST /api/v1/incidents/{id}/resolve`; a reason is kept as a note.
pub async fn resolve(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    path: At,
    sent: Sent,
) -> Answer {
    let incident = at(path)?;
    let Resolve { reason } = read(sent)?;
    let who = who(caller);
    if let Some(reason) = reason {
        let text = checked("reason", reason)?;
        act(&edge, Input::Note { incident, who: who.clone(), text }).await?;
    }
    act(&edge, Input::Resolve { incident, who }).await.map(shown)
}

/// `POST /api/v1/incidents/{id}/note`
pub async fn note(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    path: At,
    sent: Sent,
) -> Answer {
    let incident = at(path)?;
    let Note { text } = read(sent)?;
    let text = text.ok_or_else(|| Problem::invalid("`text` is missing: send {\"text\":\"…\"}"))?;
    let text = checked("text", text)?;
    act(&edge, Input::Note { incident, who: who(caller), text }).await.map(shown)
}

fn read<T: DeserializeOwned + Default>(sent: Sent) -> Result<T, Problem> {
    let sent = sent?;
    if sent.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&sent)
        .map_err(|error| Problem::malformed(format!("the body is not the JSON wanted: {error}")))
}

fn checked(name: &str, text: String) -> Result<String, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::invalid(format!("`{name}` is empty: say what happened")));
    }
    if text.len() > NOTE_BYTES_MAX {
        return Err(Problem::invalid(format!("`{name}` has more than {NOTE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn who(caller: Caller) -> String {
    match caller {
        Caller::Person { name, .. } => name,
        Caller::Agent { agent, .. } => agent.to_string(),
    }
}

async fn act(edge: &Edge, input: Input) -> Result<Incident, Problem> {
    Ok(edge.handle.act(Box::new(input)).await?)
}

fn shown(incident: Incident) -> Json<Value> {
    Json(incident_whole(&incident))
}
