//! The JSON views of `GET /api/v1`.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use model::config::{Needs, Objective, Period, Service, Watch};
use model::engine::ProbeView;
use model::incident::Incident;
use model::quorum::{Verdict, combine};
use model::time::Timestamp;
use serde_json::{Map, Value, json};

use super::Edge;
use super::problem::Problem;
use super::query::{self, At, Which, at};
use crate::clock::now;
use crate::handle::{Caller, CoreView, Refusal, Role, StoredResult};

/// Where the next page of results begins.
const NEXT_AFTER: HeaderName = HeaderName::from_static("x-next-after");

/// `GET /api/v1/self`
pub async fn about(State(edge): State<Edge>) -> Result<Json<Value>, Problem> {
    let view = edge.handle.view().await?;
    let agents: Vec<Value> = view
        .agents
        .iter()
        .map(|agent| {
            json!({
                "name": agent.name,
                "region": agent.region,
                "heard_ms": agent.heard,
                "silent": agent.silent,
            })
        })
        .collect();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now_ms": now(),
        "reloaded_ms": view.reloaded,
        "reload_fault": view.reload_fault,
        "agents": agents,
        "open_incidents": view.open.len(),
    })))
}

/// `GET /api/v1/probes`
pub async fn probes(State(edge): State<Edge>) -> Result<Json<Value>, Problem> {
    let view = edge.handle.view().await?;
    Ok(Json(view.probes.iter().map(probe).collect()))
}

fn probe(probe: &ProbeView) -> Value {
    let regions: Map<String, Value> = probe
        .regions
        .iter()
        .map(|(region, says)| {
            let says = json!({ "vote": says.vote, "reason": says.reason, "last_ms": says.last });
            (region.to_string(), says)
        })
        .collect();
    json!({
        "name": probe.name,
        "kind": probe.kind,
        "verdict": probe.verdict.word(),
        "partial": probe.verdict.partial(),
        "since_ms": probe.since,
        "regions": regions,
        "incident": probe.incident,
        "paused": probe.paused,
    })
}

/// `GET /api/v1/services`
pub async fn services(State(edge): State<Edge>) -> Result<Json<Value>, Problem> {
    let view = edge.handle.view().await?;
    let watch = watch(&view)?;
    Ok(Json(watch.services.iter().map(|one| service(one, &view)).collect()))
}

fn watch(view: &CoreView) -> Result<&Watch, Problem> {
    // Only while the collector starts is there no configuration.
    view.watch.as_deref().ok_or_else(|| Refusal::Busy.into())
}

fn service(service: &Service, view: &CoreView) -> Value {
    let probes: Vec<(Timestamp, Verdict)> = service
        .probes
        .iter()
        .map(|name| match view.probes.iter().find(|probe| probe.name == *name) {
            Some(probe) => (probe.since, probe.verdict),
            None => (view.reloaded, Verdict::Unknown),
        })
        .collect();
    let (verdict, since) = stands(service.needs, &probes);
    let needs = match service.needs {
        Needs::All => json!("all"),
        Needs::Any => json!("any"),
        Needs::AtLeast(least) => json!(least),
    };
    let objective = service.objective.as_ref().map(|objective| {
        json!({
            "target_ppm": objective.target_ppm,
            "period": period(objective),
            "time_zone": objective.zone,
        })
    });
    json!({
        "name": service.name,
        "verdict": verdict.word(),
        "partial": verdict.partial(),
        "since_ms": since,
        "needs": needs,
        "probes": service.probes,
        "objective": objective,
    })
}

fn period(objective: &Objective) -> String {
    match objective.period {
        Period::Month => "month".into(),
        Period::Quarter => "quarter".into(),
        Period::Year => "year".into(),
        Period::Days(days) => format!("{days}d"),
    }
}

/// A service's verdict and since when it surely holds: the earliest flip of a probe after which the
/// verdict follows whatever the probes that flipped later said before.
fn stands(needs: Needs, probes: &[(Timestamp, Verdict)]) -> (Verdict, Timestamp) {
    let verdict = combine(needs, probes.iter().map(|(_, verdict)| *verdict));
    let latest = probes.iter().map(|(since, _)| *since).max().unwrap_or_default();
    if verdict == Verdict::Unknown {
        return (verdict, latest);
    }
    let held_at = |at: Timestamp| {
        let then = probes
            .iter()
            .map(|(since, verdict)| if *since <= at { *verdict } else { Verdict::Unknown });
        combine(needs, then).word() == verdict.word()
    };
    let flips = probes.iter().map(|(since, _)| *since);
    let since = flips.filter(|at| held_at(*at)).min().unwrap_or(latest);
    (verdict, since)
}

/// `GET /api/v1/incidents`
pub async fn incidents(
    State(edge): State<Edge>,
    asked: Result<Query<query::Incidents>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(asked) = asked?;
    let incidents: Vec<Incident> = match asked.read()? {
        Which::Stored(query) => edge.handle.incidents(query).await?,
        Which::Open { before, limit } => {
            let view = edge.handle.view().await?;
            let newest_first = view.open.iter().rev();
            let earlier = newest_first.filter(|one| before.is_none_or(|before| one.id < before));
            earlier.take(limit).cloned().collect()
        }
    };
    Ok(Json(incidents.iter().map(|one| Value::Object(incident_short(one))).collect()))
}

/// `GET /api/v1/incidents/{id}`
pub async fn incident(State(edge): State<Edge>, path: At) -> Result<Json<Value>, Problem> {
    let incident = edge.handle.incident(at(path)?).await?;
    Ok(Json(incident_whole(&incident)))
}

fn incident_short(incident: &Incident) -> Map<String, Value> {
    let short = json!({
        "id": incident.id,
        "key": incident.key,
        "state": incident.state.word(),
        "severity": incident.severity.word(),
        "probe": incident.probe,
        "service": incident.service,
        "started_ms": incident.started,
        "resolved_ms": incident.resolved,
        "summary": incident.summary,
    });
    match short {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// All of an incident.
pub fn incident_whole(incident: &Incident) -> Value {
    let timeline: Vec<Value> = incident
        .timeline
        .iter()
        .map(|entry| {
            json!({ "at_ms": entry.at, "what": entry.what, "who": entry.who, "text": entry.text })
        })
        .collect();
    let mut whole = incident_short(incident);
    for (name, value) in [
        ("triggered_ms", json!(incident.triggered)),
        ("policy", json!(incident.policy)),
        ("owner", json!(incident.owner)),
        ("owned_until_ms", json!(incident.owned_until)),
        ("runbook", json!(incident.runbook)),
        ("regions", json!(incident.regions)),
        ("timeline", Value::Array(timeline)),
    ] {
        whole.insert(name.to_owned(), value);
    }
    Value::Object(whole)
}

/// `GET /api/v1/results`
pub async fn results(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    asked: Result<Query<query::Results>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked?;
    let page = edge.handle.results(asked.read(now())?).await?;
    // Evidence quotes what the target answered: only for those who may act on it.
    let evidence = matches!(caller, Caller::Person { role, .. } if role >= Role::Responder);
    let results: Vec<Value> = page.results.iter().map(|one| result(one, evidence)).collect();
    let mut answer = Json(results).into_response();
    if let Some(next) = page.next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        answer.headers_mut().insert(NEXT_AFTER, next);
    }
    Ok(answer)
}

fn result(stored: &StoredResult, evidence: bool) -> Value {
    let result = &stored.result;
    let phases: Map<String, Value> =
        result.phases.iter().map(|phase| (phase.name.clone(), json!(phase.us))).collect();
    let mut value = json!({
        "probe": result.probe,
        "region": result.region,
        "agent": stored.agent,
        "incarnation": stored.incarnation,
        "seq": result.seq,
        "slot_ms": result.slot,
        "started_ms": result.started,
        "interval_ms": result.interval,
        "outcome": result.outcome.word(),
        "reason": result.outcome.reason(),
        "detail": result.detail,
        "attempts": result.attempts,
        "duration_us": result.duration_us,
        "phases_us": phases,
        "values": result.values,
        "clock_offset_ms": result.clock.map(|clock| clock.offset_ms),
    });
    if evidence && let Some(fields) = value.as_object_mut() {
        fields.insert("evidence".to_owned(), json!(result.evidence));
    }
    value
}

/// `GET /api/v1/statements`
pub async fn statements(
    State(edge): State<Edge>,
    asked: Result<Query<query::Statements>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(asked) = asked?;
    let (name, named) = asked.read()?;
    let view = edge.handle.view().await?;
    let service = watch(&view)?.services.iter().find(|service| service.name == name);
    let service = service.ok_or_else(|| Refusal::NotFound(format!("service {name}")))?;
    let objective = service.objective.as_ref();
    let period = match (&named, objective) {
        (Some(named), _) => Some(named.clone()),
        (None, Some(objective)) => {
            model::calendar::running(objective.period, &objective.zone, now())
                .ok()
                .map(|(_, _, name)| name)
        }
        (None, None) => None,
    };
    let statement = edge.handle.statement(name.clone(), named).await?;
    let mut value = serde_json::to_value(&*statement).map_err(|error| {
        tracing::error!(%error, service = %name, "a statement cannot be written as JSON");
        Problem::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "statement",
            "the statement cannot be written: see the collector's log",
        )
    })?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("service".into(), json!(name));
        fields.insert("period".into(), json!(period));
        fields
            .insert("objective_ppm".into(), json!(objective.map(|objective| objective.target_ppm)));
        fields.insert("time_zone".into(), json!(objective.map(|objective| &objective.zone)));
        // So that a reader can tell how much of the period is still to come.
        fields.insert("now_ms".into(), json!(now().ms()));
    }
    Ok(Json(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_stands_since_its_verdict_follows_from_what_is_known() {
        const UP: Verdict = Verdict::Up { partial: false };
        const DOWN: Verdict = Verdict::Down;
        for (needs, probes, want) in [
            (Needs::All, &[(10, UP), (20, UP)][..], 20),
            (Needs::All, &[(10, DOWN), (20, UP)], 10),
            (Needs::All, &[(10, UP), (20, DOWN)], 20),
            (Needs::Any, &[(10, UP), (20, DOWN)], 10),
            (Needs::Any, &[(10, DOWN), (20, DOWN)], 20),
            (Needs::AtLeast(2), &[(10, UP), (30, UP), (20, UP)], 20),
            (Needs::All, &[(10, UP), (20, Verdict::Unknown)], 20),
        ] {
            let probes: Vec<_> =
                probes.iter().map(|(at, verdict)| (Timestamp::from_ms(*at), *verdict)).collect();
            assert_eq!(stands(needs, &probes).1, Timestamp::from_ms(want), "{needs:?} {probes:?}");
        }
    }
}
