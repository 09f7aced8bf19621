//! One run: connect, send, receive until what is expected has come.

use memchr::memmem;
use model::result::{Reason, VoidReason};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::params::Params;
use crate::probe::fields::{Address, Pattern};
use crate::probe::text::{self, Masks};
use crate::probe::{Attempt, Fault, Finding, Trace, slower_than};
use crate::secret::Secrets;
use crate::tls;

/// How much is received and searched, in bytes.
const RECEIVED_BYTES_MAX: usize = 64 * 1024;
/// How much of what was received is quoted in a sentence, in bytes.
const QUOTED_BYTES_MAX: usize = 80;

/// Connects and judges within the attempt's timeout.
pub(super) async fn look(params: &Params, attempt: &Attempt) -> Finding {
    let mut trace = Trace::begin();
    let asking = ask(params, attempt, &mut trace);
    let ended = tokio::time::timeout(attempt.timeout, asking).await.ok();
    trace.end(ended, attempt.timeout, &Masks::of(&attempt.secrets))
}

/// What must come.
enum Expected<'a> {
    Nothing,
    Text(Vec<u8>),
    Match(&'a Pattern),
}

impl Expected<'_> {
    fn is_met(&self, received: &[u8]) -> bool {
        match self {
            Self::Nothing => true,
            Self::Text(text) => memmem::find(received, text).is_some(),
            Self::Match(pattern) => pattern.matches(received),
        }
    }

    fn wanted(&self) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Text(text) => quoted(text),
            Self::Match(pattern) => format!("a match of `{pattern}`"),
        }
    }
}

async fn ask(params: &Params, attempt: &Attempt, trace: &mut Trace) -> Result<(), Fault> {
    let secrets = &attempt.secrets;
    let address = secrets.fill(params.address.written()).ok_or_else(Fault::unreleased)?;
    let (host, port) = Address::split(&address).map_err(|error| {
        Fault::void(VoidReason::Secret, format!("with its secrets filled in, the address {error}"))
    })?;
    let send = params.send.as_ref().map(|text| bytes(text, secrets)).transpose()?;
    let expected = match (&params.expect, &params.expect_matches) {
        (Some(text), _) => Expected::Text(bytes(text, secrets)?),
        (None, Some(pattern)) => Expected::Match(pattern),
        (None, None) => Expected::Nothing,
    };
    let stream = trace.dial(&host, port, params.ip, attempt.timeout).await?;
    match &params.tls.0 {
        None => talk(stream, send, &expected, trace).await?,
        Some(tls_params) => {
            trace.phase("tls");
            let wish = tls::Wish { params: tls_params, host: &host, alpn: &[], own: true };
            let (facts, ended) = tls::connect(stream, wish).await;
            trace.rest();
            trace.tls_facts(&facts);
            talk(ended?, send, &expected, trace).await?;
        }
    }
    slower_than(params.max_time, trace.elapsed())
}

/// A text with its secrets and escapes; a backslash in a secret is a backslash.
fn bytes(text: &str, secrets: &Secrets) -> Result<Vec<u8>, Fault> {
    let filled = text::fill_with(text, secrets, |value| value.replace('\\', "\\\\"));
    let filled = filled.ok_or_else(Fault::unreleased)?;
    text::unescape(&filled).map_err(|error| Fault::void(VoidReason::Secret, error))
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    send: Option<Vec<u8>>,
    expected: &Expected<'_>,
    trace: &mut Trace,
) -> Result<(), Fault> {
    let ended = async {
        if let Some(text) = send {
            trace.phase("first_byte");
            let sent = async {
                stream.write_all(&text).await?;
                stream.flush().await
            };
            sent.await.map_err(|error| broken(&error, &trace.body))?;
        }
        if !matches!(expected, Expected::Nothing) {
            trace.phase("first_byte");
            receive(&mut stream, expected, trace).await?;
        }
        Ok(())
    };
    let ended = ended.await;
    trace.rest();
    ended
}

async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    expected: &Expected<'_>,
    trace: &mut Trace,
) -> Result<(), Fault> {
    loop {
        let before = trace.body.len();
        let room = RECEIVED_BYTES_MAX.saturating_sub(before);
        if room == 0 {
            return Err(unmet(expected, &trace.body, "so far"));
        }
        let room = u64::try_from(room).unwrap_or(u64::MAX);
        let read = (&mut *stream).take(room).read_buf(&mut trace.body).await;
        let read = read.map_err(|error| broken(&error, &trace.body))?;
        let received = i64::try_from(trace.body.len()).unwrap_or(i64::MAX);
        trace.values.insert("received_bytes".to_owned(), received);
        if read == 0 {
            return Err(match before {
                0 => Fault::failed(
                    Reason::Protocol,
                    "the server closed the connection without sending anything",
                ),
                _ => unmet(expected, &trace.body, "before it closed the connection"),
            });
        }
        if before == 0 {
            trace.phase("transfer");
        }
        if expected.is_met(&trace.body) {
            return Ok(());
        }
    }
}

fn unmet(expected: &Expected<'_>, received: &[u8], when: &str) -> Fault {
    let (seen, wanted) = (quoted(received), expected.wanted());
    Fault::failed(Reason::Body, format!("the server sent {seen} {when}, wanted {wanted}"))
}

fn broken(error: &std::io::Error, received: &[u8]) -> Fault {
    if let Some(fault) = tls::from_chain(error) {
        return fault;
    }
    let when = if received.is_empty() { "before it answered" } else { "in the middle of the answer" };
    let says = match error.kind() {
        std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe => "reset",
        _ => "broke",
    };
    Fault::failed(Reason::Protocol, format!("the server {says} the connection {when}"))
        .with_error(error)
}

/// The beginning of what was received, with control characters written out.
fn quoted(seen: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(seen).into_owned();
    let length = text.len();
    model::result::cut(&mut text, QUOTED_BYTES_MAX);
    let more = if text.len() < length { "…" } else { "" };
    format!("`{}{more}`", text.escape_debug())
}
