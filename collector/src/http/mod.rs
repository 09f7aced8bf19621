//! What the collector answers over HTTP.
//!
//! [`routes`] is the one table of routes: method, path and who may. Every request passes, from the
//! outside in: [`listen`] (connections, heads), the layers of [`routes`] (panics, headers, counting),
//! [`guard`] (who calls), and then its route.

mod acts;
mod agents;
mod guard;
mod health;
mod link;
mod listen;
mod problem;
mod query;
mod routes;
#[cfg(test)]
mod tests;
mod views;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::handle::Handle;
use crate::links::Links;

/// How long requests that run at the stop may still take.
pub const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Batches whose bodies may be in memory at once; more agents are asked to come again.
pub const BATCHES_AT_ONCE_MAX: usize = 64;

/// What every route may use.
#[derive(Clone)]
struct Edge {
    handle: Handle,
    links: Links,
    batches: Arc<Semaphore>,
    stop: CancellationToken,
}

/// Serves until `stop`, then finishes running requests within [`STOP_WITHIN`].
///
/// # Errors
/// The listener fails for good.
pub async fn serve(
    listener: TcpListener,
    handle: Handle,
    links: Links,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let edge = Edge {
        handle,
        links,
        batches: Arc::new(Semaphore::new(BATCHES_AT_ONCE_MAX)),
        stop: stop.clone(),
    };
    let counted = edge.handle.clone();
    listen::serve(listener, routes::router(edge), counted, stop).await
}
