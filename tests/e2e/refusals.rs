//! What the running collector refuses, how it says so, what it counts, and what it keeps all the same.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

const JSON: &str = "application/json";
const PACKED: &str = model::wire::CONTENT_TYPE_PACKED;

struct Collector {
    process: Child,
    folder: tempfile::TempDir,
    url: String,
    client: Client,
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Collector {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("probes.yaml");
        let text = "version: 1\nregions: [eu, us]\nprobes:\n  - name: shop\n    tcp: { address: \"127.0.0.1:9\" }\n  \
                    - name: only-us\n    tcp: { address: \"127.0.0.1:9\" }\n    regions: [us]\n";
        std::fs::write(&config, text).expect("a file");
        let mut process = Command::new(env!("CARGO_BIN_EXE_watchpost"))
            .args(["collector", "--listen", "127.0.0.1:0", "--config"])
            .arg(config)
            .arg("--data")
            .arg(folder.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.path().join("log")).expect("a log"))
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("output"));
        output.read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ").expect("the address").to_owned();
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { process, folder, url, client }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn watchpost(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_watchpost"))
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    async fn post(&self, token: Option<&str>, kind: &str, body: Vec<u8>) -> (StatusCode, Value) {
        let mut request = self.client.post(format!("{}/v1/results", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response =
            request.header(CONTENT_TYPE, kind).body(body).send().await.expect("an answer");
        let status = response.status();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The value of a counter in `/metrics`.
    async fn count(&self, series: &str) -> u64 {
        let metrics =
            self.client.get(format!("{}/metrics", self.url)).send().await.expect("metrics");
        let text = metrics.text().await.expect("text");
        let line = text.lines().find(|line| line.starts_with(series));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    }
}

fn now_ms() -> i64 {
    let since = std::fs::metadata("/proc/self").and_then(|m| m.modified()).expect("a clock");
    let since = since.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("fits")
}

fn result(seq: u64, probe: &str, started_ms: i64) -> Value {
    json!({"probe": probe, "seq": seq, "slot_ms": started_ms, "started_ms": started_ms,
        "interval_ms": 60_000, "outcome": "passed", "duration_us": 900, "phases_us": {"connect": 900}})
}

fn batch(agent: &str, region: &str, results: &[Value]) -> Vec<u8> {
    json!({"agent": agent, "region": region, "incarnation": 7, "sent_ms": now_ms(), "results": results})
        .to_string()
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_may_not_come_in_gets_a_typed_and_counted_answer() {
    let collector = Collector::start();
    let token = collector.watchpost(&["token", "add", "--agent", "eu-1", "--region", "eu"]);
    let revoked = collector.watchpost(&["token", "add", "--agent", "eu-2", "--region", "eu"]);
    let viewer = collector.watchpost(&["token", "add", "--name", "tv", "--role", "viewer"]);
    let good = || batch("eu-1", "eu", &[result(1, "shop", now_ms())]);
    let (status, _) = collector.post(Some(&revoked), JSON, batch("eu-2", "eu", &[])).await;
    assert_eq!(status, StatusCode::OK, "it is good until it is revoked");
    collector.watchpost(&["token", "revoke", "eu-2"]);

    let zeros = vec![0_u8; 64 * 1024 * 1024];
    let bomb = zstd::bulk::compress(&zeros, 19).expect("a bomb");
    assert!(bomb.len() < 64 * 1024, "a bomb is small: {}", bomb.len());
    let whole = zstd::bulk::compress(&[10, 3, b'e', b'u', b'-'], 3).expect("a piece");
    for (what, token, kind, body, status, code) in [
        ("no token", None, JSON, good(), 401, "unauthorised"),
        ("a wrong token", Some("wpa_12345678_nonsense"), JSON, good(), 401, "unauthorised"),
        (
            "a revoked token",
            Some(revoked.as_str()),
            JSON,
            batch("eu-2", "eu", &[]),
            401,
            "unauthorised",
        ),
        ("a person's token", Some(viewer.as_str()), JSON, good(), 403, "forbidden"),
        ("another agent", Some(token.as_str()), JSON, batch("us-1", "eu", &[]), 403, "not_yours"),
        ("another region", Some(&token), JSON, batch("eu-1", "us", &[]), 403, "not_yours"),
        ("too many bytes", Some(&token), PACKED, vec![1; 5 * 1024 * 1024], 413, "oversized"),
        ("a bomb", Some(&token), PACKED, bomb, 413, "oversized"),
        ("half a protobuf", Some(&token), PACKED, whole, 400, "malformed"),
        ("no zstd", Some(&token), PACKED, b"plain".to_vec(), 400, "malformed"),
        ("JSON of another shape", Some(&token), JSON, b"{\"agent\":[]}".to_vec(), 400, "malformed"),
        ("half a JSON", Some(&token), JSON, b"{\"agent\":".to_vec(), 400, "malformed"),
        ("another content", Some(&token), "text/plain", good(), 415, "media_type"),
    ] {
        let series = format!("watchpost_http_refusals_total{{code=\"{code}\"}}");
        let before = collector.count(&series).await;
        let (got, answer) = collector.post(token, kind, body).await;
        assert_eq!(got.as_u16(), status, "{what}: {answer}");
        assert_eq!(answer["error"]["code"], code, "{what}: {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|m| !m.is_empty()), "{what}");
        assert_eq!(collector.count(&series).await, before + 1, "{what} is counted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_good_results_of_a_mixed_batch_are_kept_once_and_the_others_are_named() {
    let collector = Collector::start();
    let token = collector.watchpost(&["token", "add", "--agent", "eu-1", "--region", "eu"]);
    let now = now_ms();
    let day = 86_400_000;
    let mut odd = result(7, "shop", now);
    odd["outcome"] = "splendid".into();
    let mut foreign = result(8, "shop", now);
    foreign["region"] = "us".into();
    let results = [
        result(1, "shop", now - 60_000),
        result(2, "no-such-probe", now),
        result(3, "only-us", now),
        result(4, "shop", now + 10 * 60_000),
        result(5, "shop", now - 181 * day),
        result(6, "shop", now - 179 * day),
        odd,
        foreign,
        result(9, "shop", now),
    ];
    for round in 0..2 {
        let (status, receipt) =
            collector.post(Some(&token), JSON, batch("eu-1", "eu", &results)).await;
        assert_eq!(status, StatusCode::OK, "{receipt}");
        assert_eq!(receipt["highest_seq"], 9);
        let rejected = receipt["rejected"].as_array().expect("a list");
        let codes: Vec<(u64, &str)> = rejected
            .iter()
            .map(|one| (one["seq"].as_u64().unwrap_or(0), one["code"].as_str().unwrap_or("")))
            .collect();
        let want = [
            (2, "unknown_probe"),
            (3, "wrong_region"),
            (4, "future"),
            (5, "too_old"),
            (7, "unreadable"),
            (8, "wrong_region"),
        ];
        if round == 0 {
            let mut codes = codes.clone();
            codes.sort_unstable();
            assert_eq!(codes, want);
        }
    }
    for (code, times) in [("unknown_probe", 1), ("wrong_region", 2), ("future", 1), ("too_old", 1)]
    {
        let series = format!("watchpost_results_rejected_total{{code=\"{code}\"}}");
        assert!(collector.count(&series).await >= times, "{code} is counted");
    }
    let client: Value = serde_json::from_slice(
        &std::fs::read(collector.data().join("client.json")).expect("a file"),
    )
    .expect("JSON");
    let stored = collector
        .client
        .get(format!("{}/api/v1/results?probe=shop&from=0", collector.url))
        .bearer_auth(client["token"].as_str().expect("a token"))
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    let stored: Value = serde_json::from_str(&stored).expect("JSON");
    let seqs: Vec<u64> =
        stored.as_array().expect("rows").iter().filter_map(|row| row["seq"].as_u64()).collect();
    assert_eq!(seqs, [6, 1, 9], "in slot order, each once");
}
