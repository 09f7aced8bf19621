//! What callers write into queries, read into types.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use model::incident::{IncidentId, State};
use model::name::{ProbeName, ServiceName};
use model::time::{Millis, Timestamp};
use serde::Deserialize;

use super::problem::Problem;
use crate::handle::{IncidentQuery, ResultQuery};

/// Incidents on one page at most, and when nothing else is asked for.
const INCIDENTS_MAX: u32 = 1000;
const INCIDENTS_USUAL: u32 = 100;
/// Results on one page at most, and when nothing else is asked for.
const RESULTS_MAX: u32 = 10_000;
const RESULTS_USUAL: u32 = 1000;
/// How far back results go when no `from` is given.
const RESULTS_SPAN: Millis = Millis::from_secs(24 * 3600);
/// The longest place to continue at, bytes.
const AFTER_BYTES_MAX: usize = 256;
/// The longest name of a period, bytes.
const PERIOD_BYTES_MAX: usize = 32;

/// The query of `GET /api/v1/incidents`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incidents {
    state: Option<String>,
    before: Option<u64>,
    limit: Option<u32>,
}

/// Which incidents are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that the core can look up.
    Stored(IncidentQuery),
    /// Triggered and acknowledged ones, newest first.
    Open {
        /// With a smaller number than this.
        before: Option<IncidentId>,
        /// At most so many.
        limit: usize,
    },
}

impl Incidents {
    /// Checks it.
    ///
    /// # Errors
    /// Says which part is wrong and what would be right.
    pub fn read(self) -> Result<Which, Problem> {
        let limit = limit(self.limit, INCIDENTS_USUAL, INCIDENTS_MAX)?;
        let before = self.before.map(IncidentId);
        let state = match self.state.as_deref() {
            None => None,
            Some("triggered") => Some(State::Triggered),
            Some("acknowledged") => Some(State::Acknowledged),
            Some("resolved") => Some(State::Resolved),
            Some("open") => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                return Ok(Which::Open { before, limit });
            }
            Some(other) => {
                return Err(Problem::invalid(format!(
                    "`state` is `{}`: use open, triggered, acknowledged or resolved",
                    shown(other)
                )));
            }
        };
        Ok(Which::Stored(IncidentQuery { state, before, limit }))
    }
}

/// The query of `GET /api/v1/results`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    probe: Option<String>,
    from: Option<String>,
    to: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

impl Results {
    /// Checks it; without `to` up to `now`, without `from` the day before `to`.
    ///
    /// # Errors
    /// Says which part is wrong and what would be right.
    pub fn read(self, now: Timestamp) -> Result<ResultQuery, Problem> {
        let probe = self.probe.ok_or_else(|| Problem::invalid("`probe` is missing: name one"))?;
        let probe = ProbeName::new(&probe)
            .map_err(|why| Problem::invalid(format!("`probe` is wrong: {why}")))?;
        let to = match &self.to {
            Some(text) => instant("to", text)?,
            // The newest result counts too.
            None => now + Millis::from_ms(1),
        };
        let from = match &self.from {
            Some(text) => instant("from", text)?,
            None => to - RESULTS_SPAN,
        };
        if from >= to {
            return Err(Problem::invalid("`from` must be earlier than `to`"));
        }
        if self.after.as_ref().is_some_and(|after| after.len() > AFTER_BYTES_MAX) {
            return Err(Problem::invalid(
                "`after` is wrong: give what the header X-Next-After of the page before said",
            ));
        }
        let limit = limit(self.limit, RESULTS_USUAL, RESULTS_MAX)?;
        Ok(ResultQuery { probe, from, to, after: self.after, limit })
    }
}

/// The query of `GET /api/v1/statements`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statements {
    service: Option<String>,
    period: Option<String>,
}

impl Statements {
    /// Checks it.
    ///
    /// # Errors
    /// Says which part is wrong and what would be right.
    pub fn read(self) -> Result<(ServiceName, Option<String>), Problem> {
        let service =
            self.service.ok_or_else(|| Problem::invalid("`service` is missing: name one"))?;
        let service = ServiceName::new(&service)
            .map_err(|why| Problem::invalid(format!("`service` is wrong: {why}")))?;
        if self.period.as_ref().is_some_and(|name| name.len() > PERIOD_BYTES_MAX) {
            return Err(Problem::invalid("`period` is wrong: write 2026-10, 2026-Q4 or 2026"));
        }
        Ok((service, self.period))
    }
}

fn limit(asked: Option<u32>, usual: u32, most: u32) -> Result<u32, Problem> {
    match asked {
        None => Ok(usual),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::invalid(format!("`limit` is {limit}: use 1 to {most}"))),
    }
}

fn instant(name: &str, text: &str) -> Result<Timestamp, Problem> {
    if let Ok(ms) = text.parse::<i64>() {
        return Ok(Timestamp::from_ms(ms));
    }
    // `+` of an offset arrives as a space when the caller did not escape it.
    let text = text.replace(' ', "+");
    text.parse::<jiff::Timestamp>()
        .map(|instant| Timestamp::from_ms(instant.as_millisecond()))
        .map_err(|_| {
            Problem::invalid(format!(
                "`{name}` is `{}`: write milliseconds since 1970 or RFC 3339 such as 2026-11-24T02:07:41Z",
                shown(&text)
            ))
        })
}

fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

/// The number of an incident in a path, as it comes.
pub type At = Result<Path<String>, PathRejection>;

/// The number of an incident in a path.
///
/// # Errors
/// 404: it is no number, so there is no such incident.
pub fn at(path: At) -> Result<IncidentId, Problem> {
    let Path(text) = path?;
    text.parse().map(IncidentId).map_err(|_| {
        Problem::new(StatusCode::NOT_FOUND, "not_found", "the number of an incident is digits")
    })
}
