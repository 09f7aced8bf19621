//! Who may: the token of the `Authorization` header, and what its holder is allowed.

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Edge;
use super::problem::Problem;
use crate::handle::{Caller, Role};

/// The longest token that is looked at, bytes.
const TOKEN_BYTES_MAX: usize = 256;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody; the route itself may ask for more, such as a signed link.
    Anybody,
    /// An agent.
    Agent,
    /// A person or program with at least this role.
    Person(Role),
}

/// Lets a request through to its route if its caller may use it; the route finds the [`Caller`] in
/// the request's extensions.
pub async fn pass(
    State((edge, who)): State<(Edge, Who)>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&edge, who, request.headers()).await {
        Ok(None) => next.run(request).await,
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn caller(edge: &Edge, who: Who, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
    if who == Who::Anybody {
        return Ok(None);
    }
    let token = token(headers)?;
    let caller = edge.handle.authenticate(token.to_owned()).await?.ok_or_else(unknown)?;
    let may = match (&caller, who) {
        (_, Who::Anybody) => true,
        (Caller::Agent { .. }, Who::Agent) => true,
        (Caller::Person { role, .. }, Who::Person(least)) => *role >= least,
        (Caller::Agent { .. }, Who::Person(_)) | (Caller::Person { .. }, Who::Agent) => false,
    };
    if may { Ok(Some(caller)) } else { Err(forbidden(&caller, who)) }
}

/// The token of the header; of no other place, since addresses end in logs.
pub fn token(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = || {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "no_token",
            "send the header `Authorization: Bearer TOKEN`",
        )
    };
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or_else(missing)?;
    if values.next().is_some() {
        return Err(missing());
    }
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(missing());
    }
    if token.len() > TOKEN_BYTES_MAX { Err(unknown()) } else { Ok(token) }
}

fn unknown() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "bad_token", "the token is unknown or was revoked")
}

fn forbidden(caller: &Caller, who: Who) -> Problem {
    let message = match (caller, who) {
        (Caller::Agent { .. }, _) => "an agent's token is good for /v1 only".to_owned(),
        (_, Who::Person(Role::Admin)) => "this needs the role admin".to_owned(),
        (_, Who::Person(_)) => "this needs the role responder or admin".to_owned(),
        _ => "this needs an agent's token".to_owned(),
    };
    Problem::new(StatusCode::FORBIDDEN, "forbidden", message)
}
