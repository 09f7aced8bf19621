//! Webhooks to a real receiver.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use model::incident::Event;
use serde_json::{Value, json};

use super::{SECRET, send};
use crate::fake::notice;
use crate::notify::{Done, Fault};

type Seen = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A receiver that keeps what it gets; `/status/{code}` answers so.
pub async fn receiver() -> (String, Seen) {
    let seen = Seen::default();
    let keep = |State(seen): State<Seen>, headers: HeaderMap, body: String| async move {
        seen.lock().unwrap().push((headers, body));
        StatusCode::NO_CONTENT
    };
    let answer = |axum::extract::Path(code): axum::extract::Path<u16>| async move {
        let status = StatusCode::from_u16(code).unwrap();
        let headers = [("location", "/keep"), ("retry-after", "7")];
        (status, headers, format!("the body says {SECRET}")).into_response() as Response
    };
    let router = Router::new()
        .route("/keep", post(keep).get(keep))
        .route("/status/{code}", post(answer))
        .with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, seen)
}

#[tokio::test]
async fn what_is_sent_is_the_interface_signed_and_keyed() {
    let (base, seen) = receiver().await;
    let parameters = json!({
        "url": format!("{base}/keep"),
        "secret": "${env:HOOK_SECRET}",
        "headers": { "Authorization": "Bearer ${env:HOOK_SECRET}" },
    });
    let notice = notice(Event::Triggered, "ops-hook");
    send("webhook", parameters, None, &notice, &Done::default()).await.unwrap();
    let (headers, body) = seen.lock().unwrap().pop().unwrap();
    assert_eq!(headers["idempotency-key"], notice.key.0.as_str());
    assert_eq!(headers["authorization"], "Bearer hunter2");
    assert_eq!(headers["content-type"], "application/json");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(headers["x-watchpost-signature"], format!("sha256={hex}").as_str());
    let sent: Value = serde_json::from_str(&body).unwrap();
    let down = json!({ "vote": "down", "reason": "status: HTTP 503, wanted 200 to 299" });
    let want = json!({
        "version": 1,
        "event": "triggered",
        "incident": {
            "id": 482,
            "key": "http:shop:down",
            "service": "web-shop",
            "probe": "shop",
            "severity": "critical",
            "state": "triggered",
            "started_ms": 1_795_486_061_000_i64,
            "resolved_ms": null,
            "summary": "shop is down in 2 of 3 regions: HTTP 503, wanted 200 to 299",
            "regions": {
                "eu-central": down,
                "us-east": down,
                "ap-south": { "vote": "unknown", "reason": "silent since 01:51" },
            },
        },
        "notice": { "key": "482/1/1/1/triggered/ops-hook", "step": 1, "contact": "ops-hook" },
        "links": {
            "collector": "https://watch.example",
            "acknowledge": "https://watch.example/n/TOKEN",
            "runbook": "https://wiki.example/shop?a=1&b=2",
        },
    });
    assert_eq!(sent, want);
}

#[tokio::test]
async fn answers_are_sorted_into_later_and_never_and_are_not_quoted() {
    let (base, seen) = receiver().await;
    let later = |code: u16| Fault::Later {
        why: format!("HTTP {code} with a reply of 21 bytes"),
        after: Some(std::time::Duration::from_secs(7)),
    };
    let never = |code: u16| Fault::never(format!("HTTP {code} with a reply of 21 bytes"));
    for (code, want) in [
        (200, Ok(())),
        (202, Ok(())),
        (500, Err(later(500))),
        (503, Err(later(503))),
        (429, Err(later(429))),
        (408, Err(later(408))),
        (400, Err(never(400))),
        (401, Err(never(401))),
        (410, Err(never(410))),
        (
            307,
            Err(Fault::never(
                "HTTP 307 with a reply of 21 bytes: redirects are not followed, configure the final address",
            )),
        ),
    ] {
        let parameters = json!({ "url": format!("{base}/status/{code}") });
        let notice = notice(Event::Triggered, "ops-hook");
        let got = send("webhook", parameters, None, &notice, &Done::default()).await;
        assert_eq!(got, want, "{code}");
    }
    assert!(seen.lock().unwrap().is_empty(), "no redirect was followed");
}

#[tokio::test]
async fn what_cannot_be_reached_or_looked_up_is_tried_again_without_a_word_of_the_secret() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    for (parameters, says) in [
        (json!({ "url": format!("http://{address}/hunter2") }), "no connection"),
        (json!({ "url": "${env:MISSING}" }), "env:MISSING is not set"),
        (json!({ "url": "http://[::1]:1/", "secret": "${file:/no}" }), "file:/no is not set"),
    ] {
        let notice = notice(Event::Triggered, "ops-hook");
        let fault = send("webhook", parameters, None, &notice, &Done::default()).await.unwrap_err();
        assert!(matches!(fault, Fault::Later { .. }), "{fault:?}");
        let text = format!("{fault:?} {fault}");
        assert!(text.contains(says) && !text.contains(SECRET), "{text}");
    }
}
