//! Every route for every caller, methods, headers, queries.

use axum::routing::MethodFilter;

use super::{running, verdict};
use crate::handle::{Refusal, Role};
use crate::http::guard::Who;
use crate::http::routes::ROUTES;
use crate::metrics::table::{PANICS, REFUSALS, REQUESTS};

const TOKENS: [Option<&str>; 6] =
    [None, Some("forged"), Some("agent"), Some("viewer"), Some("responder"), Some("admin")];

/// What the guard must say; `None`: let through.
fn wanted(who: Who, token: Option<&str>) -> Option<(u16, &'static str)> {
    let rank = |token| match token {
        "viewer" => Some(Role::Viewer),
        "responder" => Some(Role::Responder),
        "admin" => Some(Role::Admin),
        _ => None,
    };
    match (who, token) {
        (Who::Anybody, _) => None,
        (_, None) => Some((401, "no_token")),
        (_, Some("forged")) => Some((401, "bad_token")),
        (Who::Agent, Some("agent")) => None,
        (Who::Person(least), Some(token)) if rank(token).is_some_and(|has| has >= least) => None,
        _ => Some((403, "forbidden")),
    }
}

#[tokio::test]
async fn every_route_lets_through_whom_the_table_says_and_nobody_else() {
    let edge = running().await;
    for route in ROUTES {
        for token in TOKENS {
            let method = if route.method == MethodFilter::GET { "GET" } else { "POST" };
            let path = route.path.replace("{id}", "482").replace("{token}", "forged");
            let answer = edge.ask(method, &path, token).send().await.unwrap();
            let got = verdict(answer).await;
            let guard = ["no_token", "bad_token", "forbidden"].contains(&got.1.as_str());
            let got = guard.then_some((got.0, got.1.as_str()));
            assert_eq!(got, wanted(route.who, token), "{method} {path} as {token:?}");
        }
    }
    for token in [Some("agent"), Some("viewer"), Some("admin")] {
        let path = "/api/v1/probes";
        let by_query = format!("{path}?token={}", token.unwrap());
        assert_eq!(verdict(edge.ask("GET", &by_query, None).send().await.unwrap()).await.0, 401);
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_no_cookie() {
    let edge = running().await;
    let paths = ROUTES.iter().map(|route| route.path.replace("{id}", "482"));
    for path in paths.chain(["/nothing".to_owned(), "/ping/key".to_owned()]) {
        let answer = edge.ask("GET", &path, Some("admin")).send().await.unwrap();
        let headers = answer.headers();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(headers.get(name).map(|got| got.to_str().unwrap()), Some(value), "{path}");
        }
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(headers.get("set-cookie").is_none(), "{path}");
        assert!(headers.get("access-control-allow-origin").is_none(), "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_404_and_a_wrong_method_is_405_with_allow() {
    let edge = running().await;
    for (method, path, status, allow) in [
        ("GET", "/", 404, None),
        ("GET", "/ping/some-key", 404, None),
        ("POST", "/ping/some-key/fail", 404, None),
        ("DELETE", "/api/v1/probes", 405, Some("GET,HEAD")),
        ("GET", "/v1/results", 405, Some("POST")),
        ("PUT", "/n/x", 405, Some("GET,HEAD,POST")),
        ("TRACE", "/healthz", 405, Some("GET,HEAD")),
        ("HEAD", "/healthz", 200, None),
    ] {
        let answer = edge.ask(method, path, Some("admin")).send().await.unwrap();
        let allowed = answer.headers().get("allow").map(|got| got.to_str().unwrap().to_owned());
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        assert_eq!(allowed.as_deref(), allow, "{method} {path}");
        if status != 200 {
            let (_, code) = verdict(answer).await;
            assert_eq!(code, if status == 404 { "not_found" } else { "method" }, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_question_is_checked_and_the_error_says_what_would_be_right() {
    let edge = running().await;
    for (path, status, says) in [
        ("/api/v1/results", 400, "`probe` is missing"),
        ("/api/v1/results?probe=a%20b", 400, "`probe` is wrong"),
        ("/api/v1/results?probe=shop&from=yesterday", 400, "RFC 3339"),
        ("/api/v1/results?probe=shop&from=5&to=5", 400, "earlier"),
        ("/api/v1/results?probe=shop&limit=0", 400, "1 to 10000"),
        ("/api/v1/results?probe=shop&limit=10001", 400, "1 to 10000"),
        ("/api/v1/results?probe=shop&limit=x", 400, "query"),
        ("/api/v1/results?probe=shop&form=5", 400, "unknown field"),
        (
            "/api/v1/results?probe=shop&from=2026-11-24T00:00:00Z&to=2026-11-25T00:00:00+01:00",
            200,
            "",
        ),
        ("/api/v1/results?probe=shop&from=1&to=2&limit=10000", 200, ""),
        ("/api/v1/incidents?state=closed", 400, "open, triggered"),
        ("/api/v1/incidents?limit=1001", 400, "1 to 1000"),
        ("/api/v1/incidents?before=x", 400, "query"),
        ("/api/v1/incidents?state=open&before=483&limit=1", 200, ""),
        ("/api/v1/incidents/x", 404, "digits"),
        ("/api/v1/incidents/-1", 404, "digits"),
        ("/api/v1/incidents/%ff", 404, "digits"),
        ("/api/v1/incidents/7", 404, "incident 7 was not found"),
        ("/api/v1/statements", 400, "`service` is missing"),
        ("/api/v1/statements?service=nope", 404, "service nope was not found"),
        ("/api/v1/statements?service=web-shop&period=2026-10", 200, ""),
    ] {
        let answer = edge.ask("GET", path, Some("viewer")).send().await.unwrap();
        let got = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        assert_eq!(got, status, "{path}: {text}");
        assert!(text.contains(says), "{path}: {text}");
    }
}

#[tokio::test]
async fn views_have_the_agreed_shape() {
    let edge = running().await;
    let mut got = String::new();
    for path in [
        "/api/v1/probes",
        "/api/v1/services",
        "/api/v1/incidents?state=open",
        "/api/v1/incidents/482",
        "/api/v1/results?probe=shop&from=1795486061000&to=1795486062000",
    ] {
        let answer = edge.ask("GET", path, Some("viewer")).send().await.unwrap();
        if path.contains("results") {
            assert_eq!(answer.headers()["x-next-after"], "place-2");
        }
        got.push_str(&format!("{path}\n{}\n", answer.text().await.unwrap()));
    }
    expect_test::expect_file!["views.txt"].assert_eq(&got);
    let about: serde_json::Value =
        edge.ask("GET", "/api/v1/self", Some("viewer")).send().await.unwrap().json().await.unwrap();
    assert_eq!(about["open_incidents"], 1);
    assert_eq!(about["agents"][0]["name"], "eu-1");
    let statement =
        edge.ask("GET", "/api/v1/statements?service=web-shop&period=2026-10", Some("viewer"));
    let statement: serde_json::Value = statement.send().await.unwrap().json().await.unwrap();
    assert_eq!(statement["service"], "web-shop");
    assert_eq!(statement["period"], "2026-10");
    assert_eq!(statement["objective_ppm"], 999_000);
    assert_eq!(statement["period_ms"], 60_000);
}

#[tokio::test]
async fn a_responder_acts_under_the_name_of_the_token() {
    let edge = running().await;
    for (path, body, status) in [
        ("note", "", 400),
        ("note", "{\"text\":\" \"}", 400),
        ("note", "{\"txt\":\"x\"}", 400),
        ("note", "{", 400),
        ("note", "{\"text\":\"looking\"}", 200),
        ("acknowledge", "{}", 200),
        ("acknowledge", "{\"who\":\"mallory\"}", 400),
        ("resolve", "{\"reason\":\"rolled back\"}", 200),
        ("acknowledge", "", 409),
    ] {
        let path = format!("/api/v1/incidents/482/{path}");
        let answer = edge.ask("POST", &path, Some("responder")).body(body);
        assert_eq!(verdict(answer.send().await.unwrap()).await.0, status, "{path} {body}");
    }
    let huge = format!("{{\"text\":\"{}\"}}", "x".repeat(70_000));
    let answer = edge.ask("POST", "/api/v1/incidents/482/note", Some("responder")).body(huge);
    assert_eq!(verdict(answer.send().await.unwrap()).await, (413, "oversized".into()));
    let acts = format!("{:?}", edge.core.known().acts);
    assert_eq!(acts.matches("who: \"rea\"").count(), 5, "{acts}");
    assert!(acts.contains("rolled back") && !acts.contains("mallory"), "{acts}");
}

#[tokio::test]
async fn health_tells_a_stuck_core_from_one_that_cannot_write() {
    let edge = running().await;
    for (refuse, healthy, ready) in [
        (None, 200, 200),
        (Some(Refusal::Unwritable("disk full".into())), 200, 503),
        (Some(Refusal::Busy), 200, 503),
        (Some(Refusal::Stopping), 503, 503),
    ] {
        edge.core.known().refuse = refuse.clone();
        let health = edge.ask("GET", "/healthz", None).send().await.unwrap();
        assert_eq!(verdict(health).await.0, healthy, "{refuse:?}");
        let answer = edge.ask("GET", "/readyz", None).send().await.unwrap();
        assert_eq!(verdict(answer).await.0, ready, "{refuse:?}");
    }
    edge.core.known().stuck = true;
    let health = edge.ask("GET", "/healthz", None).send().await.unwrap();
    assert_eq!(verdict(health).await, (503, "stuck".into()));
    let metrics = edge.ask("GET", "/metrics", None).send().await.unwrap();
    assert_eq!(metrics.status(), 200, "what goes wrong can still be seen");
    let text = metrics.text().await.unwrap();
    assert!(text.contains("watchpost_core_up 0\n"), "{text}");
}

#[tokio::test]
async fn a_panic_is_answered_counted_and_ends_nothing() {
    use tower::ServiceExt;
    let edge = running().await;
    let panics = axum::Router::new().route(
        "/boom",
        axum::routing::get(|| async {
            if true {
                panic!("a secret plan");
            }
        }),
    );
    let state = crate::http::Edge {
        handle: edge.handle.clone(),
        links: edge.links.clone(),
        batches: std::sync::Arc::new(tokio::sync::Semaphore::new(1)),
        stop: edge.stop.clone(),
    };
    let router = crate::http::routes::layered(panics, state);
    let request = axum::http::Request::get("/boom").body(axum::body::Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 500);
    assert!(answer.headers().contains_key("content-security-policy"));
    let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
    assert!(!String::from_utf8_lossy(&body).contains("secret plan"));
    let counted = edge.handle.counted();
    assert_eq!(counted.value(&PANICS, &["http"]), 1);
    assert_eq!(counted.value(&REFUSALS, &["panic"]), 1);
    assert_eq!(counted.value(&REQUESTS, &["/boom", "GET", "500"]), 1);
}
