//! What agents send and are sent: batches good and bad, work, orders.

use std::time::Duration;

use futures_util::StreamExt;
use model::name::{AgentName, ProbeName, Region};
use model::time::Timestamp;
use model::wire::{BATCH_UNPACKED_BYTES_MAX, Batch, CONTENT_TYPE_PACKED, Order};

use super::{Running, running, verdict};
use crate::handle::Refusal;
use crate::metrics::table::{REFUSALS, REQUESTS};

fn batch(agent: &str, region: &str) -> Batch {
    Batch {
        agent: AgentName::new(agent).unwrap(),
        region: Region::new(region).unwrap(),
        incarnation: 7,
        version: "0.1.0".into(),
        sent: Timestamp::from_ms(1_795_486_061_000),
        waiting: 0,
        gaps: Vec::new(),
        alarms: Vec::new(),
        results: vec![
            crate::fake::stored(
                Timestamp::from_ms(1_795_486_061_000),
                model::result::Outcome::Passed,
            )
            .result,
        ],
        unreadable: Default::default(),
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

async fn send(edge: &Running, kind: &str, body: Vec<u8>) -> (u16, String) {
    let request = edge.ask("POST", "/v1/results", Some("agent")).header("content-type", kind);
    verdict(request.body(body).send().await.unwrap()).await
}

#[tokio::test]
async fn a_batch_is_taken_packed_or_as_json_and_all_else_is_refused_by_its_word() {
    let edge = running().await;
    let mine = batch("eu-1", "eu-central");
    let good = packed(&mine.to_protobuf());
    let json = "application/json; charset=utf-8";
    let bomb = packed(&vec![0; BATCH_UNPACKED_BYTES_MAX + 1]);
    assert!(bomb.len() < 100_000, "a bomb is small");
    let huge = packed(&mine.to_protobuf()).repeat(100_000);
    for (name, kind, body, want) in [
        ("packed", CONTENT_TYPE_PACKED, good.clone(), (200, "")),
        ("json", json, mine.to_json(), (200, "")),
        ("no kind", "", good.clone(), (415, "media_type")),
        ("other kind", "application/x-protobuf", good.clone(), (415, "media_type")),
        ("bomb", CONTENT_TYPE_PACKED, bomb, (413, "oversized")),
        ("huge", CONTENT_TYPE_PACKED, huge, (413, "oversized")),
        ("huge json", json, vec![b' '; BATCH_UNPACKED_BYTES_MAX + 1], (413, "oversized")),
        ("cut", CONTENT_TYPE_PACKED, good[..good.len() - 3].to_vec(), (400, "malformed")),
        ("empty", CONTENT_TYPE_PACKED, Vec::new(), (400, "malformed")),
        ("not zstd", CONTENT_TYPE_PACKED, mine.to_protobuf(), (400, "malformed")),
        ("not protobuf", CONTENT_TYPE_PACKED, packed(b"\xff\xff\xff"), (400, "malformed")),
        ("not json", json, b"{\"agent\":".to_vec(), (400, "malformed")),
        (
            "other agent",
            CONTENT_TYPE_PACKED,
            packed(&batch("eu-2", "eu-central").to_protobuf()),
            (403, "not_yours"),
        ),
        (
            "other region",
            CONTENT_TYPE_PACKED,
            packed(&batch("eu-1", "us-east").to_protobuf()),
            (403, "not_yours"),
        ),
    ] {
        let got = send(&edge, kind, body).await;
        assert_eq!((got.0, got.1.as_str()), want, "{name}");
    }
    assert_eq!(edge.core.known().batches, vec![mine.clone(), mine], "nothing refused was stored");
    let counted = edge.handle.counted();
    for (code, count) in [("oversized", 3), ("malformed", 5), ("media_type", 2), ("not_yours", 2)] {
        assert_eq!(counted.value(&REFUSALS, &[code]), count, "{code}");
    }
    assert_eq!(counted.value(&REQUESTS, &["/v1/results", "POST", "200"]), 2);
}

#[tokio::test]
async fn a_second_coding_on_top_is_refused() {
    let edge = running().await;
    let body = packed(&batch("eu-1", "eu-central").to_protobuf());
    let request = edge.ask("POST", "/v1/results", Some("agent"));
    let request = request.header("content-type", CONTENT_TYPE_PACKED);
    let answer = request.header("content-encoding", "gzip").body(body).send().await.unwrap();
    assert_eq!(verdict(answer).await, (415, "media_type".into()));
}

#[tokio::test]
async fn what_the_core_refuses_has_a_fitting_status_and_says_when_to_come_again() {
    let edge = running().await;
    for (refusal, status, code, again) in [
        (Refusal::Busy, 429, "busy", Some("1")),
        (Refusal::Unwritable("disk full".into()), 503, "unwritable", Some("5")),
        (Refusal::Stopping, 503, "stopping", Some("5")),
        (Refusal::Invalid("seq 0".into()), 400, "invalid", None),
    ] {
        edge.core.known().refuse = Some(refusal);
        let request = edge.ask("POST", "/v1/results", Some("agent"));
        let request = request.header("content-type", "application/json");
        let body = batch("eu-1", "eu-central").to_json();
        let answer = request.body(body).send().await.unwrap();
        let after = answer.headers().get("retry-after").map(|got| got.to_str().unwrap().to_owned());
        assert_eq!(after.as_deref(), again, "{code}");
        assert_eq!(verdict(answer).await, (status, code.into()));
    }
}

#[tokio::test]
async fn an_agent_that_has_the_assignment_is_told_so() {
    let edge = running().await;
    let first = edge.ask("GET", "/v1/assignment", Some("agent")).send().await.unwrap();
    assert_eq!(first.headers()["etag"], "\"tag-1\"");
    let work: serde_json::Value = first.json().await.unwrap();
    assert_eq!(work["agent"], "eu-1");
    for (known, status) in [
        ("\"tag-1\"", 304),
        ("W/\"tag-1\"", 304),
        ("\"old\", \"tag-1\"", 304),
        ("*", 304),
        ("\"old\"", 200),
        ("tag-1", 200),
    ] {
        let request = edge.ask("GET", "/v1/assignment", Some("agent"));
        let answer = request.header("if-none-match", known).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{known}");
        assert_eq!(answer.headers()["etag"], "\"tag-1\"");
    }
}

#[tokio::test]
async fn orders_come_as_lines_for_the_agents_region_only_until_the_collector_stops() {
    let edge = running().await;
    let answer = edge.ask("GET", "/v1/orders", Some("agent")).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let mut lines = answer.bytes_stream();
    assert_eq!(lines.next().await.unwrap().unwrap(), "{\"order\":\"alive\"}\n");
    let order = |name: &str| Order::ProbeNow { probe: ProbeName::new(name).unwrap() };
    edge.handle.give(Region::new("us-east").unwrap(), order("theirs"));
    edge.handle.give(Region::new("eu-central").unwrap(), order("ours"));
    let line = lines.next().await.unwrap().unwrap();
    assert_eq!(line, "{\"order\":\"probe_now\",\"probe\":\"ours\"}\n");
    edge.stop.cancel();
    assert!(lines.next().await.is_none(), "the stream ends with the collector");
    edge.served.await.unwrap().unwrap();
}

/// The stream itself on virtual time: no socket, since a paused clock and real I/O do not mix.
#[tokio::test(start_paused = true)]
async fn a_stream_of_orders_ends_when_its_token_is_revoked() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let (core, handle) = crate::fake::Fake::start();
    let edge = crate::http::Edge {
        handle,
        links: crate::links::Links::new([5; 32], String::new()),
        batches: std::sync::Arc::new(tokio::sync::Semaphore::new(1)),
        stop: Default::default(),
    };
    let request = axum::http::Request::get("/v1/orders").header("authorization", "Bearer agent");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let answer = crate::http::routes::router(edge).oneshot(request).await.unwrap();
    let mut body = answer.into_body();
    let begun = tokio::time::Instant::now();
    for beat in 0..3 {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, "{\"order\":\"alive\"}\n");
        assert_eq!(begun.elapsed(), Duration::from_secs(15) * beat);
    }
    core.known().callers.clear();
    assert!(body.frame().await.is_none());
    assert_eq!(begun.elapsed(), Duration::from_secs(45));
}
