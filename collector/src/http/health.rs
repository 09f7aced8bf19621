//! `/metrics`, `/healthz`, `/readyz`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::time::timeout;

use super::Edge;
use super::problem::Problem;
use crate::clock::now;
use crate::handle::Refusal;
use crate::metrics::exposition;

/// How long the core may take to answer before it counts as stuck.
pub const CORE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// The core's view and the edge's counters; only the latter when the core does not answer, so that
/// what goes wrong can still be seen.
pub async fn metrics(State(edge): State<Edge>) -> Result<Response, Problem> {
    let view = timeout(CORE_ANSWERS_WITHIN, edge.handle.view()).await.ok().and_then(Result::ok);
    let text = exposition(edge.handle.counted(), view.as_deref(), now()).map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "metrics",
            "the metrics cannot be written: see the collector's log",
        )
    })?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// Whether the process is alive: the core answers, whatever it says.
pub async fn healthz(State(edge): State<Edge>) -> Result<Response, Problem> {
    match ask(&edge).await? {
        Err(Refusal::Stopping) => Err(Refusal::Stopping.into()),
        _ => Ok(well()),
    }
}

/// Whether all is well: the store can be written too.
pub async fn readyz(State(edge): State<Edge>) -> Result<Response, Problem> {
    match ask(&edge).await? {
        Ok(()) => Ok(well()),
        Err(refusal) => {
            // Whatever the word is, whoever asks here must get 503.
            let problem = Problem::from(refusal);
            Err(Problem { status: StatusCode::SERVICE_UNAVAILABLE, ..problem })
        }
    }
}

async fn ask(edge: &Edge) -> Result<Result<(), Refusal>, Problem> {
    timeout(CORE_ANSWERS_WITHIN, edge.handle.ready()).await.map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stuck", "the core did not answer within 2 s")
    })
}

fn well() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}
