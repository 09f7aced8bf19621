//! The accept loop: how many connections, how slow, how big their heads; and how it ends.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::STOP_WITHIN;
use crate::handle::Handle;
use crate::metrics::table::CONNECTIONS;

/// Connections at once.
pub const CONNECTIONS_MAX: usize = 2048;
/// Connections at once from one address.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 64;
/// Connections at once from this machine, where a reverse proxy or many agents may sit.
pub const CONNECTIONS_LOOPBACK_MAX: usize = 1024;
/// A connection's first request must be there within this.
pub const FIRST_REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// A connection without a request is closed after this.
pub const IDLE_MAX: Duration = Duration::from_secs(75);
/// The largest head of a request, bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The most header fields of a request.
pub const HEAD_FIELDS_MAX: usize = 64;
/// HTTP/2 requests at once on one connection.
const STREAMS_MAX: u32 = 64;
/// Resets that a peer may have pending on an HTTP/2 connection.
const RESETS_PENDING_MAX: usize = 20;
/// Resets that a peer's faults may cause on an HTTP/2 connection.
const RESETS_LOCAL_MAX: usize = 128;
/// Wait after the listener could not accept: it is usually out of file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Faults of the listener in a row after which it is given up.
const ACCEPT_FAULTS_MAX: u32 = 600;

pub async fn serve(
    listener: TcpListener,
    router: Router,
    handle: Handle,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let graceful = GracefulShutdown::new();
    let seats = Seats::default();
    let mut faults = 0;
    let ended = loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break Ok(()),
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if faults < ACCEPT_FAULTS_MAX => {
                if faults == 0 {
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                faults += 1;
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                continue;
            }
            Err(error) => break Err(error),
        };
        faults = 0;
        match seats.take(address.ip()) {
            Ok(seat) => {
                handle.counted().count(&CONNECTIONS, &["accepted"]);
                let watcher = graceful.watcher();
                tokio::spawn(one(stream, router.clone(), handle.clone(), watcher, seat));
            }
            Err(word) => handle.counted().count(&CONNECTIONS, &[word]),
        }
    };
    drop(listener);
    if timeout(STOP_WITHIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
    }
    ended
}

async fn one(
    stream: TcpStream,
    router: Router,
    handle: Handle,
    watcher: hyper_util::server::graceful::Watcher,
    seat: Seat,
) {
    // Answers are small and somebody waits for each.
    let _ = stream.set_nodelay(true);
    let busy = Busy::default();
    let counter = busy.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let running = counter.begin();
        let router = router.clone();
        async move {
            // A request runs until the last byte of its answer is handed over.
            let answer: Response<Body> = router.oneshot(request.map(Body::new)).await?;
            Ok::<_, std::convert::Infallible>(answer.map(|body| {
                body.map_frame(move |frame| {
                    let _ = &running;
                    frame
                })
            }))
        }
    });
    let builder = builder();
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let served = watcher.watch(connection);
    tokio::select! {
        // Whatever the peer did wrong, it has been answered or is gone.
        ended = served => if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended badly");
        },
        () = busy.idle() => handle.counted().count(&CONNECTIONS, &["idle"]),
    }
    drop(seat);
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Runs while a kept connection waits as well, so it cannot be shorter than that.
        .header_read_timeout(IDLE_MAX)
        .max_headers(HEAD_FIELDS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(RESETS_LOCAL_MAX);
    builder
}

/// How many requests run on a connection, and since when none does.
#[derive(Clone)]
struct Busy(Arc<watch::Sender<(usize, Instant)>>);

impl Default for Busy {
    fn default() -> Self {
        let first = Instant::now() + FIRST_REQUEST_WITHIN;
        Self(Arc::new(watch::Sender::new((0, first))))
    }
}

/// A request that runs.
struct Running(Busy);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.send_modify(|(running, until)| {
            *running = running.saturating_sub(1);
            *until = Instant::now() + IDLE_MAX;
        });
    }
}

impl Busy {
    fn begin(&self) -> Running {
        self.0.send_modify(|(running, _)| *running += 1);
        Running(self.clone())
    }

    /// Waits until no request has run for too long.
    async fn idle(&self) {
        let mut changes = self.0.subscribe();
        loop {
            let (running, until) = *changes.borrow_and_update();
            let over = async {
                match running {
                    0 => sleep_until(until).await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => return,
                _ = changes.changed() => {}
            }
        }
    }
}

/// Who sits on how many connections.
#[derive(Clone, Default)]
struct Seats(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection's place; freed when dropped.
struct Seat {
    seats: Seats,
    address: IpAddr,
}

impl Seats {
    /// A place for one more connection, or the word for why not.
    fn take(&self, address: IpAddr) -> Result<Seat, &'static str> {
        let address = address.to_canonical();
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= CONNECTIONS_MAX {
            return Err("too_many");
        }
        let most = if address.is_loopback() {
            CONNECTIONS_LOOPBACK_MAX
        } else {
            CONNECTIONS_PER_ADDRESS_MAX
        };
        let count = taken.entry(address).or_default();
        if *count >= most {
            return Err("too_many_from_address");
        }
        *count += 1;
        drop(taken);
        Ok(Seat { seats: self.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_limited_in_all_and_per_address_and_come_back() {
        let seats = Seats::default();
        let from = |last: u8| IpAddr::from([192, 0, 2, last]);
        let mine: Vec<Seat> =
            (0..CONNECTIONS_PER_ADDRESS_MAX).map(|_| seats.take(from(1)).unwrap()).collect();
        assert_eq!(seats.take(from(1)).err(), Some("too_many_from_address"));
        let other = seats.take(from(2)).unwrap();
        drop(mine);
        drop(seats.take(from(1)).unwrap());
        drop(other);
        assert!(seats.0.lock().unwrap().is_empty(), "every seat came back");

        let mut all = Vec::new();
        for last in 0..=255 {
            for _ in 0..CONNECTIONS_PER_ADDRESS_MAX {
                all.extend(seats.take(from(last)).ok());
            }
        }
        assert_eq!(all.len(), CONNECTIONS_MAX);
        assert_eq!(seats.take(IpAddr::from([127, 0, 0, 1])).err(), Some("too_many"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_only_while_no_request_runs() {
        let busy = Busy::default();
        let begun = Instant::now();
        let first = busy.begin();
        let second = busy.begin();
        let waits = tokio::spawn({
            let busy = busy.clone();
            async move { busy.idle().await }
        });
        tokio::time::sleep(IDLE_MAX * 10).await;
        assert!(!waits.is_finished(), "a long answer is no idleness");
        drop(first);
        tokio::time::sleep(IDLE_MAX * 10).await;
        assert!(!waits.is_finished(), "the second still runs");
        drop(second);
        waits.await.unwrap();
        assert_eq!(begun.elapsed(), IDLE_MAX * 21);

        let silent = Busy::default();
        let begun = Instant::now();
        silent.idle().await;
        assert_eq!(begun.elapsed(), FIRST_REQUEST_WITHIN);
    }
}
