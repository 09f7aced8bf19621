//! Servers that answer, or do not, in every way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running server; it ends when dropped.
pub struct Server {
    pub at: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    /// The requests so far, as they came.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// What follows an answer.
#[derive(Clone, Copy)]
pub enum Then {
    Close,
    Hold,
    Reset,
}

/// Reads a request of HTTP/1 (head, and as much body as it announces) and writes what `answer`
/// says for it, byte for byte.
pub async fn scripted(answer: impl Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static) -> Server {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (answer, log) = (Arc::new(answer), seen.clone());
    raw(seen, move |mut stream| {
        let (answer, log) = (answer.clone(), log.clone());
        async move {
            let request = read_request(&mut stream).await;
            let (bytes, then) = answer(&request);
            log.lock().unwrap().push(request);
            let _ = stream.write_all(&bytes).await;
            finish(stream, then).await;
        }
    })
    .await
}

/// Writes at once, whatever comes.
pub async fn greeting(bytes: Vec<u8>, then: Then) -> Server {
    raw(Arc::default(), move |mut stream| {
        let bytes = bytes.clone();
        async move {
            let _ = stream.write_all(&bytes).await;
            finish(stream, then).await;
        }
    })
    .await
}

/// What a silent server tells of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// The other side has sent something.
    Asked,
    /// It has gone.
    Gone,
}

/// Accepts, says nothing, and tells what the other side does.
pub async fn silent() -> (Server, tokio::sync::mpsc::UnboundedReceiver<Told>) {
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    let server = raw(Arc::default(), move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut buffer = [0; 4096];
            while matches!(stream.read(&mut buffer).await, Ok(read) if read > 0) {
                let _ = tell.send(Told::Asked);
            }
            let _ = tell.send(Told::Gone);
        }
    })
    .await;
    (server, told)
}

/// An address where nothing listens: it was free a moment ago.
pub async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

pub async fn raw<F: Future<Output = ()> + Send + 'static>(
    seen: Arc<Mutex<Vec<String>>>,
    serve: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream));
        }
    });
    Server { at, seen, task }
}

async fn finish(mut stream: TcpStream, then: Then) {
    match then {
        Then::Close => {
            let _ = stream.shutdown().await;
            let mut rest = [0; 1024];
            while matches!(stream.read(&mut rest).await, Ok(read) if read > 0) {}
        }
        Then::Hold => std::future::pending().await,
        Then::Reset => stream.set_zero_linger().unwrap(),
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0_usize) {
                return text;
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return text;
        }
    }
}

/// An answer with a length.
pub fn answer(status: &str, headers: &str, body: &str) -> (Vec<u8>, Then) {
    let text =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len());
    (text.into_bytes(), Then::Close)
}
