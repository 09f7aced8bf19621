//! What agents ask: taking their batches, giving them work and orders.

use std::convert::Infallible;
use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use futures_util::Stream;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::name::Region;
use model::wire::{
    BATCH_PACKED_BYTES_MAX, BATCH_UNPACKED_BYTES_MAX, Batch, CONTENT_TYPE_PACKED, Order, Receipt,
};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::Edge;
use super::guard::token;
use super::problem::Problem;
use crate::handle::{Caller, Refusal};
use crate::metrics::table::ORDERS_LOST;

/// How long the body of a batch may take to arrive.
pub const BODY_WITHIN: Duration = Duration::from_secs(30);
/// How often a stream of orders says that it lives, and its token is looked at again.
pub const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// The largest window that a compressed batch may ask for: 2^24 = 16 MiB.
const WINDOW_LOG_MAX: u32 = 24;

/// How a batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Packed,
    Json,
}

impl Form {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let written = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = written.and_then(|text| text.split(';').next()).map_or("", str::trim);
        let encoded = headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        if !encoded && essence.eq_ignore_ascii_case(CONTENT_TYPE_PACKED) {
            return Ok(Self::Packed);
        }
        if !encoded && essence.eq_ignore_ascii_case("application/json") {
            return Ok(Self::Json);
        }
        Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media_type",
            format!(
                "send Content-Type: {CONTENT_TYPE_PACKED} or application/json, without Content-Encoding"
            ),
        ))
    }

    const fn bytes_max(self) -> usize {
        match self {
            Self::Packed => BATCH_PACKED_BYTES_MAX,
            Self::Json => BATCH_UNPACKED_BYTES_MAX,
        }
    }
}

/// `POST /v1/results`: the receipt means that the batch is durable.
pub async fn results(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<Receipt>, Problem> {
    let form = Form::of(request.headers())?;
    let _place = edge.batches.try_acquire().map_err(|_| Problem::from(Refusal::Busy))?;
    let body = body(request.into_body(), form.bytes_max()).await?;
    let reading = tokio::task::spawn_blocking(move || read(form, &body));
    let batch = match reading.await {
        Ok(batch) => batch?,
        // A panic goes where all panics of requests go.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => return Err(Refusal::Stopping.into()),
        },
    };
    Ok(Json(edge.handle.ingest(caller, Box::new(batch)).await?))
}

async fn body(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let collected = timeout(BODY_WITHIN, Limited::new(body, bytes_max).collect()).await;
    let collected = collected.map_err(|_| {
        let message = format!("the body did not arrive within {} s", BODY_WITHIN.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, "slow_body", message)
    })?;
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Problem::oversized(format!("a batch has at most {bytes_max} bytes as it is sent")))
        }
        Err(_) => Err(Problem::malformed("the body ended early")),
    }
}

fn read(form: Form, body: &[u8]) -> Result<Batch, Problem> {
    let read = match form {
        Form::Json => Batch::from_json(body),
        Form::Packed => Batch::from_protobuf(&unpack(body)?),
    };
    read.map_err(|malformed| Problem::malformed(malformed.0))
}

/// Takes the compression off; whatever the bytes claim, no more than the limit is ever made.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, Problem> {
    let broken = |_| Problem::malformed("the body is not whole zstd");
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(broken)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(broken)?;
    let mut bytes = Vec::new();
    let most = u64::try_from(BATCH_UNPACKED_BYTES_MAX).unwrap_or(u64::MAX);
    decoder.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() > BATCH_UNPACKED_BYTES_MAX {
        let message = format!("a batch has at most {BATCH_UNPACKED_BYTES_MAX} bytes unpacked");
        return Err(Problem::oversized(message));
    }
    Ok(bytes)
}

fn of_agent(caller: Caller) -> Result<(model::name::AgentName, Region), Problem> {
    match caller {
        Caller::Agent { agent, region } => Ok((agent, region)),
        Caller::Person { .. } => {
            Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "this needs an agent's token"))
        }
    }
}

/// `GET /v1/assignment`: the work, or 304 when the agent has it already.
pub async fn assignment(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (agent, region) = of_agent(caller)?;
    let (assignment, tag) = edge.handle.assignment(agent, region).await?;
    let quoted = format!("\"{tag}\"");
    let etag = HeaderValue::from_str(&quoted).map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "tag", "the assignment's tag is unusable")
    })?;
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known
        .flat_map(|list| list.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == "*" || one == quoted);
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    Ok(([(ETAG, etag)], Json(&*assignment)).into_response())
}

/// `GET /v1/orders`: an open stream of JSON lines.
pub async fn orders(
    State(edge): State<Edge>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (_, region) = of_agent(caller.clone())?;
    let token = token(&headers)?.to_owned();
    let mut alive = interval(ALIVE_EVERY);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let orders = edge.handle.orders();
    let stream = Open { edge, caller, token, region, orders, alive, begun: false }.lines();
    let body = Body::from_stream(stream);
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// An open stream of orders.
struct Open {
    edge: Edge,
    caller: Caller,
    token: String,
    region: Region,
    orders: Receiver<(Region, Order)>,
    alive: Interval,
    /// The first line was sent.
    begun: bool,
}

impl Open {
    fn lines(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures_util::stream::unfold(self, |mut open| async {
            let line = open.next().await?;
            Some((Ok(line), open))
        })
    }

    /// The next line; none when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let stop = self.edge.stop.clone();
            let order = tokio::select! {
                () = stop.cancelled() => return None,
                _ = self.alive.tick() => {
                    if self.begun && !self.may_go_on().await {
                        return None;
                    }
                    self.begun = true;
                    Order::Alive
                }
                received = self.orders.recv() => match received {
                    Ok((region, order)) if region == self.region => order,
                    Ok(_) => continue,
                    Err(RecvError::Lagged(lost)) => {
                        // Orders only hasten what the schedule does anyway.
                        self.edge.handle.counted().add(&ORDERS_LOST, &[], lost);
                        continue;
                    }
                    Err(RecvError::Closed) => return None,
                },
            };
            let mut line = serde_json::to_vec(&order).ok()?;
            line.push(b'\n');
            return Some(line.into());
        }
    }

    /// Whether the token still stands for the same caller. A core that is busy is no revocation.
    async fn may_go_on(&self) -> bool {
        match self.edge.handle.authenticate(self.token.clone()).await {
            Ok(caller) => caller.as_ref() == Some(&self.caller),
            Err(Refusal::Stopping) => false,
            Err(_) => true,
        }
    }
}
