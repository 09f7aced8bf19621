//! Heads that are too big or never end, and stopping.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::running;
use crate::http::listen::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX};

async fn raw(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close before it has read all.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_head_beyond_the_limits_is_refused() {
    let edge = running().await;
    let fields = |count: usize, bytes: usize| {
        let field = format!("x: {}\r\n", "y".repeat(bytes));
        format!(
            "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{}\r\n",
            field.repeat(count)
        )
    };
    for (name, request, status) in [
        ("small", fields(1, 1), "HTTP/1.1 200 OK"),
        ("many fields", fields(HEAD_FIELDS_MAX - 2, 1), "HTTP/1.1 200 OK"),
        (
            "too many fields",
            fields(HEAD_FIELDS_MAX + 1, 1),
            "HTTP/1.1 431 Request Header Fields Too Large",
        ),
        (
            "too many bytes",
            fields(1, HEAD_BYTES_MAX * 2),
            "HTTP/1.1 431 Request Header Fields Too Large",
        ),
        ("no HTTP", "hello\r\n\r\n".to_owned(), "HTTP/1.1 400 Bad Request"),
    ] {
        assert_eq!(raw(edge.address, &request).await, status, "{name}");
    }
}

#[tokio::test]
async fn a_stop_ends_the_listener_and_idle_connections() {
    let edge = running().await;
    let mut idle = TcpStream::connect(edge.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 15];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    edge.stop.cancel();
    edge.served.await.unwrap().unwrap();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(TcpStream::connect(edge.address).await.is_err(), "nobody listens any more");
}
