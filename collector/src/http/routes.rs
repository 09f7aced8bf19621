//! The one table of routes, and the layers around all of them.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;

use super::guard::{self, Who};
use super::problem::{Problem, RefusedBecause};
use super::{Edge, acts, agents, health, link, views};
use crate::handle::{Handle, Role};
use crate::metrics::table::{PANICS, REFUSALS, REQUESTS};

/// The largest body of a request that is no batch, bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long an answer's head may take to be there; a stream of orders then goes on.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// One route.
pub struct Route {
    /// The method; `GET` answers `HEAD` too.
    pub method: MethodFilter,
    /// The path, with `{…}` for what varies.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    serve: fn(MethodFilter) -> MethodRouter<Edge>,
}

const VIEWER: Who = Who::Person(Role::Viewer);
const RESPONDER: Who = Who::Person(Role::Responder);

const fn route(
    method: MethodFilter,
    path: &'static str,
    who: Who,
    serve: fn(MethodFilter) -> MethodRouter<Edge>,
) -> Route {
    Route { method, path, who, serve }
}

/// Every route there is.
pub const ROUTES: &[Route] = &[
    route(MethodFilter::POST, "/v1/results", Who::Agent, |m| on(m, agents::results)),
    route(MethodFilter::GET, "/v1/assignment", Who::Agent, |m| on(m, agents::assignment)),
    route(MethodFilter::GET, "/v1/orders", Who::Agent, |m| on(m, agents::orders)),
    route(MethodFilter::GET, "/api/v1/self", VIEWER, |m| on(m, views::about)),
    route(MethodFilter::GET, "/api/v1/probes", VIEWER, |m| on(m, views::probes)),
    route(MethodFilter::GET, "/api/v1/services", VIEWER, |m| on(m, views::services)),
    route(MethodFilter::GET, "/api/v1/incidents", VIEWER, |m| on(m, views::incidents)),
    route(MethodFilter::GET, "/api/v1/incidents/{id}", VIEWER, |m| on(m, views::incident)),
    route(MethodFilter::GET, "/api/v1/results", VIEWER, |m| on(m, views::results)),
    route(MethodFilter::GET, "/api/v1/statements", VIEWER, |m| on(m, views::statements)),
    route(MethodFilter::POST, "/api/v1/incidents/{id}/acknowledge", RESPONDER, |m| {
        on(m, acts::acknowledge)
    }),
    route(MethodFilter::POST, "/api/v1/incidents/{id}/resolve", RESPONDER, |m| {
        on(m, acts::resolve)
    }),
    route(MethodFilter::POST, "/api/v1/incidents/{id}/note", RESPONDER, |m| on(m, acts::note)),
    route(MethodFilter::GET, "/n/{token}", Who::Anybody, |m| on(m, link::show)),
    route(MethodFilter::POST, "/n/{token}", Who::Anybody, |m| on(m, link::press)),
    route(MethodFilter::GET, "/metrics", Who::Anybody, |m| on(m, health::metrics)),
    route(MethodFilter::GET, "/healthz", Who::Anybody, |m| on(m, health::healthz)),
    route(MethodFilter::GET, "/readyz", Who::Anybody, |m| on(m, health::readyz)),
];

/// All routes with all layers.
pub fn router(edge: Edge) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let guard = middleware::from_fn_with_state((edge.clone(), route.who), guard::pass);
        router = router.route(route.path, (route.serve)(route.method).route_layer(guard));
    }
    layered(router, edge)
}

/// The layers, inside out: bodies, panics, counting, headers.
pub fn layered(router: Router<Edge>, edge: Edge) -> Router {
    let handle = edge.handle.clone();
    let for_panics = handle.clone();
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(move |panic| panicked(&for_panics, panic)))
        .layer(middleware::from_fn_with_state(handle, count))
        .layer(middleware::map_response(headers))
        .with_state(edge)
}

async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address")
}

/// axum adds the header `Allow`.
async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "this address does not take that method: see the header Allow",
    )
}

fn panicked(handle: &Handle, panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text");
    handle.counted().count(&PANICS, &["http"]);
    tracing::error!(panic = text, "a request panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "panic",
        "this is a fault of Watchpost; it is in the collector's log",
    )
    .into_response()
}

fn too_slow() -> Response {
    let message = format!("there was no answer within {} s", ANSWER_WITHIN.as_secs());
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stuck", message).into_response()
}

async fn count(State(handle): State<Handle>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        // A caller must not be able to make new series.
        _ => "other",
    };
    let answer = match timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => too_slow(),
    };
    let route = path.as_ref().map_or("none", MatchedPath::as_str);
    handle.counted().count(&REQUESTS, &[route, method, answer.status().as_str()]);
    if let Some(RefusedBecause(code)) = answer.extensions().get() {
        handle.counted().count(&REFUSALS, &[code]);
        tracing::debug!(route, method, code, status = answer.status().as_u16(), "refused");
    }
    answer
}

/// The headers of every answer; a route may have set its own policy.
const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
    (CACHE_CONTROL, "no-store"),
];

async fn headers(mut answer: Response) -> Response {
    for (name, value) in HEADERS {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    answer
}
