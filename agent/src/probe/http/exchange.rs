//! One request and its answer, on a connection of its own.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use model::result::{EVIDENCE_BODY_BYTES_MAX, Reason};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use url::Url;

use super::params::{self, Params};
use super::plan::Plan;
use super::redirect::{Hop, is_redirect};
use crate::probe::{Fault, Trace, chain};
use crate::tls;

/// How much of a body is read and judged, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;
/// How large the head of an answer may be, in bytes, and how many headers it may have.
const HEAD_BYTES_MAX: usize = 256 * 1024;
const HEADERS_MAX: usize = 256;
/// How long the body of an answer with an unwanted status is waited for: it is evidence only.
const UNWANTED_BODY_WITHIN: Duration = Duration::from_secs(1);

/// An answer. What was read of its body is in the trace.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// How the body ended.
    pub(super) body: BodyEnd,
}

/// How a body ended.
pub(super) enum BodyEnd {
    /// All of it was read.
    Whole,
    /// It is longer than what is read.
    Longer,
    /// It was not read.
    Unread,
    /// It broke off.
    Broken(Fault),
}

/// A connection, plain or inside TLS.
type Io = Either<TcpStream, TlsStream<TcpStream>>;

/// Makes one request. `follow`: a redirect is followed, so its body is not read.
///
/// # Errors
/// There is no answer, and why.
pub(super) async fn exchange(
    params: &Params,
    plan: &Plan,
    hop: &Hop,
    follow: bool,
    timeout: Duration,
    trace: &mut Trace,
) -> Result<Answer, Fault> {
    let (io, h2) = open(params, plan, hop, timeout, trace).await?;
    let request = request(plan, hop, h2)?;
    trace.phase("first_byte");
    let io = TokioIo::new(io);
    if h2 {
        // The tasks of the connection end with this set, whatever becomes of the run.
        let tasks = Arc::new(Mutex::new(JoinSet::new()));
        let (mut sender, connection) = http2::Builder::new(Tasks(Arc::downgrade(&tasks)))
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .handshake(io)
            .await
            .map_err(|error| broken(&error, "before an answer"))?;
        let work = async {
            let answer = sender.send_request(request).await;
            finish(answer, params, follow, trace).await
        };
        drive(connection, work).await
    } else {
        let (mut sender, connection) = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .max_header_size(HEAD_BYTES_MAX)
            .handshake(io)
            .await
            .map_err(|error| broken(&error, "before an answer"))?;
        let work = async {
            let answer = sender.send_request(request).await;
            finish(answer, params, follow, trace).await
        };
        drive(connection, work).await
    }
}

/// A connection to where the hop leads, and whether HTTP/2 is spoken on it.
async fn open(
    params: &Params,
    plan: &Plan,
    hop: &Hop,
    timeout: Duration,
    trace: &mut Trace,
) -> Result<(Io, bool), Fault> {
    let bare = host(&hop.url);
    let port = hop.url.port_or_known_default().unwrap_or_default();
    let (to, to_port) = match plan.connect_to.as_ref().filter(|_| hop.own) {
        Some((host, port)) => (host.as_str(), *port),
        None => (bare.as_str(), port),
    };
    let stream = trace.dial(to, to_port, params.ip, timeout).await?;
    if hop.url.scheme() == "http" {
        return Ok((Either::Left(stream), params.http_version == params::Version::Http2));
    }
    let alpn: &[&[u8]] = match params.http_version {
        params::Version::Any => &[b"h2", b"http/1.1"],
        params::Version::Http11 => &[b"http/1.1"],
        params::Version::Http2 => &[b"h2"],
    };
    trace.phase("tls");
    let wish = tls::Wish { params: &params.tls, host: &bare, alpn, own: hop.own };
    let (facts, ended) = tls::connect(stream, wish).await;
    trace.rest();
    trace.tls_facts(&facts);
    let stream = ended?;
    let h2 = facts.alpn.as_deref() == Some("h2");
    if !h2 && params.http_version == params::Version::Http2 {
        return Err(Fault::failed(Reason::Protocol, "the server does not offer HTTP/2"));
    }
    Ok((Either::Right(stream), h2))
}

/// The URL's host, an IPv6 address without its brackets.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

fn request(plan: &Plan, hop: &Hop, h2: bool) -> Result<Request<Full<Bytes>>, Fault> {
    let unusable = || Fault::failed(Reason::Redirect, format!("{} cannot be asked for", hop.url));
    let mut path = hop.url.path().to_owned();
    if let Some(query) = hop.url.query() {
        path.push('?');
        path.push_str(query);
    }
    let path = PathAndQuery::try_from(path).map_err(|_| unusable())?;
    let mut authority = hop.url.host_str().unwrap_or_default().to_owned();
    if let Some(port) = hop.url.port() {
        authority.push_str(&format!(":{port}"));
    }
    let mut authority = HeaderValue::from_str(&authority).map_err(|_| unusable())?;
    if let Some(host) = plan.host.as_ref().filter(|_| hop.own) {
        authority = host.clone();
    }
    let mut headers = plan.headers(hop.own, hop.body);
    let uri = if h2 {
        Uri::builder().scheme(hop.url.scheme()).authority(authority.as_bytes()).path_and_query(path)
    } else {
        headers.insert(header::HOST, authority);
        Uri::builder().path_and_query(path)
    };
    let uri = uri.build().map_err(|_| unusable())?;
    let body = if hop.body { plan.body.clone() } else { Bytes::new() };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = hop.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    *request.version_mut() = if h2 { Version::HTTP_2 } else { Version::HTTP_11 };
    Ok(request)
}

/// Works while the connection is driven beside it. When the connection ends first, what it has
/// received is still there to be worked on.
async fn drive<T>(connection: impl Future, work: impl Future<Output = T>) -> T {
    let mut connection = std::pin::pin!(connection.fuse());
    let mut work = std::pin::pin!(work);
    let mut open = true;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = &mut connection, if open => open = false,
        }
    }
}

async fn finish(
    answer: Result<Response<Incoming>, hyper::Error>,
    params: &Params,
    follow: bool,
    trace: &mut Trace,
) -> Result<Answer, Fault> {
    let (head, body) = answer.map_err(|error| broken(&error, "before an answer"))?.into_parts();
    trace.phase("transfer");
    trace.values.insert("http_status_code".to_owned(), i64::from(head.status.as_u16()));
    trace.values.insert("http_version".to_owned(), version_number(head.version));
    trace.seen.status_line = Some(format!("{:?} {}", head.version, head.status));
    trace.seen.headers = super::judge::shown(&head.headers);
    trace.body.clear();
    let wanted = params.status.contains(head.status.as_u16());
    let end = if follow && is_redirect(head.status, &head.headers) {
        BodyEnd::Unread
    } else if wanted {
        receive(body, BODY_BYTES_MAX, &mut trace.body).await
    } else {
        let receiving = receive(body, EVIDENCE_BODY_BYTES_MAX, &mut trace.body);
        tokio::time::timeout(UNWANTED_BODY_WITHIN, receiving).await.unwrap_or(BodyEnd::Longer)
    };
    trace.rest();
    let bytes = i64::try_from(trace.body.len()).unwrap_or(i64::MAX);
    trace.values.insert("body_bytes".to_owned(), bytes);
    Ok(Answer { status: head.status, headers: head.headers, body: end })
}

async fn receive(mut body: Incoming, limit: usize, into: &mut Vec<u8>) -> BodyEnd {
    while let Some(frame) = body.frame().await {
        match frame {
            Err(error) => return BodyEnd::Broken(broken(&error, "in the middle of the body")),
            Ok(frame) => {
                let Some(part) = frame.data_ref() else { continue };
                let room = limit.saturating_sub(into.len());
                into.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
                if part.len() > room {
                    return BodyEnd::Longer;
                }
            }
        }
    }
    BodyEnd::Whole
}

fn version_number(version: Version) -> i64 {
    match version {
        Version::HTTP_09 => 9,
        Version::HTTP_10 => 10,
        Version::HTTP_2 => 20,
        Version::HTTP_3 => 30,
        _ => 11,
    }
}

/// The fault of an exchange that broke.
fn broken(error: &hyper::Error, when: &str) -> Fault {
    // An alert may come this late: a TLS 1.3 server looks at the client certificate after the
    // client has done its part.
    if let Some(fault) = tls::from_chain(error) {
        return fault;
    }
    let below = chain(error).join(": ");
    let says = if error.is_parse_too_large() {
        format!("the head of the answer is too large: more than {HEAD_BYTES_MAX} bytes or \
                 {HEADERS_MAX} headers")
    } else if error.is_parse_version_h2() {
        "the server speaks HTTP/2 without having been asked: write http_version: 2".to_owned()
    } else if error.is_parse() {
        format!("the answer is not valid HTTP: {below}")
    } else if is_reset(error) {
        format!("the server reset the connection {when}")
    } else if error.is_incomplete_message() || error.is_closed() || is_eof(error) {
        format!("the server closed the connection {when}")
    } else {
        format!("the exchange broke {when}: {below}")
    };
    Fault::failed(Reason::Protocol, says).with_error(error)
}

fn io_kind(error: &hyper::Error) -> Option<std::io::ErrorKind> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

fn is_reset(error: &hyper::Error) -> bool {
    use std::io::ErrorKind as Kind;
    matches!(io_kind(error), Some(Kind::ConnectionReset | Kind::BrokenPipe))
}

fn is_eof(error: &hyper::Error) -> bool {
    io_kind(error) == Some(std::io::ErrorKind::UnexpectedEof)
}

/// Where hyper's HTTP/2 puts its tasks: a set that is dropped with the run and ends them.
#[derive(Clone)]
struct Tasks(Weak<Mutex<JoinSet<()>>>);

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.spawn(task.map(|_| ()));
        }
    }
}
