//! The collector over HTTP: batches, the assignment, the stream of orders. Only the agent's own
//! traffic; probes never go this way.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use model::time::Millis;
use model::wire::{Assignment, BATCH_PACKED_BYTES_MAX, Batch, CONTENT_TYPE_PACKED, Order, Receipt};
use url::Url;

use super::work::Tagged;
use super::{Error, Options};
use crate::uplink::Fault;

/// Limit of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit of a batch or an assignment, all in all.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest receipt, bytes.
const RECEIPT_BYTES_MAX: usize = 1024 * 1024;
/// The largest assignment, bytes.
const ASSIGNMENT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The longest line of the stream of orders, bytes.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// How hard batches are pressed.
const ZSTD_LEVEL: i32 = 3;

/// The client of one collector.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    client: reqwest::Client,
    results: Url,
    assignment: Url,
    orders: Url,
}

/// The answer to a fetch.
pub(super) enum Fetched {
    New(Tagged),
    Unchanged,
}

fn authority(path: &Path) -> Result<Vec<reqwest::Certificate>, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Disk {
        what: "cannot read the certificate authorities in",
        path: path.into(),
        source,
    })?;
    let list = reqwest::Certificate::from_pem_bundle(&bytes)
        .map_err(|fault| Error::Other(format!("{}: {fault}", path.display())))?;
    if list.is_empty() {
        return Err(Error::Other(format!("{} has no certificate in PEM", path.display())));
    }
    Ok(list)
}

impl Remote {
    /// Prepares; connects to nothing yet.
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let mut token = HeaderValue::from_str(&format!("Bearer {}", options.token.trim()))
            .map_err(|_| Error::Other("the token has characters that no token has".into()))?;
        token.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, token);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("watchpost-agent/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT);
        if let Some(path) = &options.collector_ca {
            builder = builder.tls_certs_only(authority(path)?);
        }
        let client = builder
            .build()
            .map_err(|fault| Error::Other(format!("cannot prepare for the collector: {fault}")))?;
        let mut base = options.collector.clone();
        if !matches!(base.scheme(), "http" | "https") {
            return Err(Error::Other(format!("{base} is not an http or https URL")));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let place = |path| base.join(path).map_err(|fault| Error::Other(fault.to_string()));
        Ok(Self {
            client,
            results: place("v1/results")?,
            assignment: place("v1/assignment")?,
            orders: place("v1/orders")?,
        })
    }

    /// Sends a batch.
    pub(super) async fn post(&self, batch: &Batch) -> Result<Receipt, Fault> {
        let packed = zstd::bulk::compress(&batch.to_protobuf(), ZSTD_LEVEL).map_err(|error| {
            tracing::error!(%error, "cannot pack a batch");
            Fault::Unreachable
        })?;
        if packed.len() > BATCH_PACKED_BYTES_MAX {
            return Err(Fault::Malformed);
        }
        let request = self
            .client
            .post(self.results.clone())
            .header(CONTENT_TYPE, CONTENT_TYPE_PACKED)
            .timeout(REQUEST_TIMEOUT)
            .body(packed);
        let answer = request.send().await.map_err(|error| unreachable("send a batch", &error))?;
        if let Some(fault) = fault("a batch", &answer) {
            return Err(fault);
        }
        let body = body(answer, RECEIPT_BYTES_MAX).await?;
        serde_json::from_slice(&body).map_err(|error| {
            tracing::warn!(%error, "the collector's receipt cannot be read");
            Fault::Unreachable
        })
    }

    /// Fetches the assignment unless it still has this tag.
    pub(super) async fn fetch(&self, tag: Option<&str>) -> Result<Fetched, Fault> {
        let mut request = self.client.get(self.assignment.clone()).timeout(REQUEST_TIMEOUT);
        if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(&format!("\"{tag}\"")).ok()) {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let answer =
            request.send().await.map_err(|error| unreachable("fetch the assignment", &error))?;
        if answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(Fetched::Unchanged);
        }
        if let Some(fault) = fault("the assignment", &answer) {
            return Err(fault);
        }
        let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
        let tag = plain_tag(tag.unwrap_or_default());
        let body = body(answer, ASSIGNMENT_BYTES_MAX).await?;
        let assignment: Assignment = serde_json::from_slice(&body).map_err(|error| {
            tracing::warn!(%error, "the assignment cannot be read");
            Fault::Malformed
        })?;
        Ok(Fetched::New(Tagged { tag, assignment }))
    }

    /// Opens the stream of orders.
    pub(super) async fn orders(&self) -> Result<impl Stream<Item = Option<Order>> + use<>, Fault> {
        let answer =
            tokio::time::timeout(REQUEST_TIMEOUT, self.client.get(self.orders.clone()).send())
                .await
                .map_err(|_| Fault::Unreachable)?
                .map_err(|error| unreachable("open the stream of orders", &error))?;
        match fault("the stream of orders", &answer) {
            Some(fault) => Err(fault),
            None => Ok(lines(answer.bytes_stream().map(Result::ok))),
        }
    }
}

/// A tag without its quotes and its mark of weakness, as a receipt has it.
pub(super) fn plain_tag(tag: &str) -> String {
    tag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

/// Orders from JSON lines; None for one that this agent does not know. Ends at a line that is too
/// long and at an error.
fn lines(
    pieces: impl Stream<Item = Option<Bytes>> + Unpin,
) -> impl Stream<Item = Option<Order>> + Unpin {
    let state = (pieces, Vec::<u8>::new());
    Box::pin(futures_util::stream::unfold(state, |(mut pieces, mut buffer)| async move {
        loop {
            if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                let order = serde_json::from_slice(&line)
                    .inspect_err(|error| tracing::debug!(%error, "an order is not understood"))
                    .ok();
                return Some((order, (pieces, buffer)));
            }
            if buffer.len() > LINE_BYTES_MAX {
                tracing::warn!("a line of the stream of orders is too long; it is closed");
                return None;
            }
            buffer.extend_from_slice(&pieces.next().await??);
        }
    }))
}

fn unreachable(what: &str, error: &reqwest::Error) -> Fault {
    tracing::warn!(error = chain(error), "cannot {what}");
    Fault::Unreachable
}

/// The error and its causes in one line; reqwest's own text has the URL, which holds no secret.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What a status other than success means.
fn fault(what: &str, answer: &reqwest::Response) -> Option<Fault> {
    let status = answer.status();
    if status.is_success() {
        return None;
    }
    let fault = match status.as_u16() {
        401 | 403 => {
            tracing::error!(%status, "the collector refuses this agent's token for {what}");
            return Some(Fault::Unauthorised);
        }
        429 | 503 => {
            let after = answer.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok());
            let seconds = after.and_then(|after| after.trim().parse::<u32>().ok());
            Fault::Busy { wait: seconds.map(|seconds| Millis::from_secs(seconds.into())) }
        }
        400 | 411 | 413 | 415 | 422 => Fault::Malformed,
        _ => Fault::Unreachable,
    };
    tracing::warn!(%status, "the collector does not take {what}");
    Some(fault)
}

async fn body(answer: reqwest::Response, bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece.map_err(|error| unreachable("read an answer", &error))?);
        if body.len() > bytes_max {
            tracing::warn!("an answer of the collector is larger than {bytes_max} bytes");
            return Err(Fault::Unreachable);
        }
    }
    Ok(body)
}
