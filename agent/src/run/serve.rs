//! `/metrics` and `/healthz` of an agent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::Error;
use super::driver::{Event, Report};
use crate::metrics;

/// The most connections at once.
const CONNECTIONS_MAX: usize = 32;
/// Limit of a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection lives at most so long.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);

/// Begins to serve; ends when the task is ended.
pub(super) async fn serve(
    address: SocketAddr,
    events: mpsc::Sender<Event>,
) -> Result<impl Future<Output = ()>, Error> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Error::Other(format!("cannot listen on {address}: {error}")))?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "serving /metrics and /healthz");
    }
    Ok(accept(listener, events))
}

async fn accept(listener: TcpListener, events: mpsc::Sender<Event>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let events = events.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let events = events.clone();
                async move { Ok::<_, Infallible>(answer(&request, &events).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answer);
            let _ = tokio::time::timeout(CONNECTION_LIFE, connection).await;
            drop(permit);
        });
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

async fn answer(
    request: &Request<Incoming>,
    events: &mpsc::Sender<Event>,
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".into());
    }
    let path = request.uri().path();
    if !matches!(path, "/metrics" | "/healthz") {
        return text(StatusCode::NOT_FOUND, "/metrics or /healthz\n".into());
    }
    let (reply, report) = oneshot::channel();
    let asked = events.send(Event::Report(reply)).await.is_ok();
    let Some(Report { figures, unwell }) = (if asked { report.await.ok() } else { None }) else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into());
    };
    match (path, unwell) {
        ("/healthz", None) => text(StatusCode::OK, "ok\n".into()),
        ("/healthz", Some(why)) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        _ => match metrics::render(&figures) {
            Ok(body) => text(StatusCode::OK, body),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
    }
}
