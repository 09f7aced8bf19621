//! Panics of this program: always logged, and reported to Sentry where a DSN is given.

use std::panic::PanicHookInfo;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use sentry::protocol::{Event, Map};

use crate::exit::Failure;

/// How long a report may hold up the end of the program.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// What looks like a secret, and what is written in its place.
static SECRETS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\bwp[at]_[0-9A-Za-z]{8}_[0-9A-Za-z]+", "[token]"),
        (r"(?i)\b(bearer|basic)\s+[0-9A-Za-z+/=._~-]{8,}", "$1 [hidden]"),
        (r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s@]+@", "$1[hidden]@"),
        (r"(?i)\b([a-z][a-z0-9+.-]*://[^\s?]+)\?\S+", "$1?[hidden]"),
        (
            r#"(?i)\b(password|passwd|secret|token|api[_-]?key)(["']?\s*[:=]\s*["']?)[^\s,;"']+"#,
            "$1$2[hidden]",
        ),
        (r"[0-9A-Za-z._%+-]+@[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)+", "[address]"),
    ]
    .into_iter()
    .filter_map(|(pattern, with)| Some((Regex::new(pattern).ok()?, with)))
    .collect()
});

/// `text` without anything that looks like a secret or names a person.
fn scrub(text: &str) -> String {
    SECRETS.iter().fold(text.to_owned(), |text, (pattern, with)| {
        pattern.replace_all(&text, *with).into_owned()
    })
}

/// Leaves in a report what is needed to find the fault: message, stack, version, system.
fn scrub_event(mut event: Event<'static>) -> Event<'static> {
    event.user = None;
    event.request = None;
    event.server_name = None;
    event.breadcrumbs = Vec::new().into();
    event.extra = Map::new();
    event.message = event.message.as_deref().map(scrub);
    for exception in &mut event.exception.values {
        exception.value = exception.value.as_deref().map(scrub);
    }
    event
}

/// Logs every panic from now on and, with a DSN, reports it. Call it before there are threads and
/// keep what it gives until the end: dropping it sends what still waits.
pub fn watch(dsn: Option<&str>) -> Result<Option<sentry::ClientInitGuard>, Failure> {
    // The default hook would print a backtrace into the log.
    std::panic::set_hook(Box::new(|_| {}));
    let reports = match dsn.map(str::trim).filter(|dsn| !dsn.is_empty()) {
        None => None,
        Some(dsn) => Some(report(dsn)?),
    };
    // Logged before it is reported: the report may wait for a network that is gone.
    let reporting = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        log(panic);
        reporting(panic);
    }));
    Ok(reports)
}

fn report(dsn: &str) -> Result<sentry::ClientInitGuard, Failure> {
    let dsn: sentry::types::Dsn = dsn.parse().map_err(|error| {
        Failure::Usage(format!("the Sentry DSN cannot be read: {error}; see --sentry-dsn"))
    })?;
    let options = sentry::ClientOptions::new()
        .release(concat!("watchpost@", env!("CARGO_PKG_VERSION")))
        .send_default_pii(false)
        .max_breadcrumbs(0)
        .shutdown_timeout(FLUSH_MAX)
        .before_send(|event| Some(scrub_event(event)));
    Ok(sentry::init((dsn, options)))
}

fn log(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let said = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(
        place,
        thread = thread.name().unwrap_or("unnamed"),
        "the program has a fault, please report it: {}",
        scrub(&said)
    );
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn secrets_and_persons_are_taken_out_of_reports() {
        for (text, want) in [
            ("nothing here", "nothing here"),
            ("got wpt_abcdefgh_0123456789abcdef now", "got [token] now"),
            ("Authorization: Bearer abcdef123456", "Authorization: Bearer [hidden]"),
            ("postgres://monitor:pw@db/orders", "postgres://[hidden]@db/orders"),
            ("GET https://x.example/a?key=1 failed", "GET https://x.example/a?[hidden] failed"),
            ("password=hunter2, next", "password=[hidden], next"),
            (r#"{"token": "abc"}"#, r#"{"token": "[hidden]"}"#),
            ("the token expired", "the token expired"),
            ("mail to ops@example.com", "mail to [address]"),
        ] {
            assert_eq!(scrub(text), want);
        }
        assert_eq!(SECRETS.len(), 6, "a pattern does not compile");
    }

    /// Takes one HTTP request and gives its head and body.
    fn receive(listener: &TcpListener) -> (String, String) {
        let (mut peer, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(peer.try_clone().unwrap());
        let mut head = String::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    #[test]
    fn a_panic_reaches_sentry_without_its_secret() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dsn = format!("http://key@{}/7", listener.local_addr().unwrap());
        let receiver = std::thread::spawn(move || receive(&listener));
        let reports = watch(Some(&dsn)).unwrap();
        let fault = std::thread::spawn(|| panic!("no room for wpa_abcdefgh_0123456789 today"));
        assert!(fault.join().is_err());
        let (head, body) = receiver.join().unwrap();
        drop(reports);
        // Back to the hook that prints, for the assertions.
        let _ = std::panic::take_hook();
        assert!(head.starts_with("POST /api/7/envelope/ "), "{head}");
        assert!(body.contains("no room for [token] today"), "{body}");
        assert!(body.contains(concat!("watchpost@", env!("CARGO_PKG_VERSION"))), "{body}");
        assert!(!body.contains("wpa_") && !body.contains("server_name"), "{body}");
        assert!(body.contains("stacktrace"), "{body}");
    }

    #[test]
    fn a_wrong_dsn_is_a_usage_error_and_an_empty_one_is_none() {
        assert!(matches!(watch(Some("not a dsn")), Err(Failure::Usage(_))));
        assert!(watch(Some("")).unwrap().is_none());
        assert!(watch(None).unwrap().is_none());
    }
}
