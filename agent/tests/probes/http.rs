//! http against scripted servers: what is sent, and how every answer is judged.

use std::time::Duration;

use serde_json::json;

use crate::servers::{Then, answer, greeting, nobody, scripted};
use crate::{attempt, kind, look, said};

#[tokio::test]
async fn a_right_answer_passes_with_phases_and_values() {
    let server = scripted(|_| answer("200 OK", "", "a Cart b")).await;
    let finding =
        look("http", json!({"url": server.url("/x?y=1#z"), "body_contains": "Cart"})).await;
    assert_eq!(said(&finding), "passed");
    let phases: Vec<_> = finding.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(phases, ["dns", "connect", "first_byte", "transfer"]);
    for (name, value) in
        [("http_status_code", 200), ("http_version", 11), ("redirects", 0), ("body_bytes", 8)]
    {
        assert_eq!(finding.values[name], value, "{name}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "GET /x?y=1 HTTP/1.1\r\nuser-agent: Watchpost/{version}\r\naccept: */*\r\n\
         accept-encoding: identity\r\nhost: {}\r\n\r\n",
        server.at
    );
    assert_eq!(server.seen(), [expected]);
}

#[tokio::test]
async fn a_run_keeps_evidence_of_what_did_not_pass_alone() {
    let server = scripted(|_| answer("200 OK", "Server: x\r\nSet-Cookie: a\r\n", "hello")).await;
    let passes = kind("http", json!({"url": server.url("/")}));
    assert_eq!(passes.run(&attempt(crate::TIMEOUT, &[])).await.evidence, None);
    let fails = kind("http", json!({"url": server.url("/"), "status": 201}));
    let evidence = fails.run(&attempt(crate::TIMEOUT, &[])).await.evidence.unwrap();
    assert_eq!(evidence.addresses, [server.at.to_string()]);
    assert_eq!(evidence.status_line.as_deref(), Some("HTTP/1.1 200 OK"));
    assert_eq!(
        evidence.headers,
        [("content-length".into(), "5".into()), ("server".into(), "x".into())]
    );
    assert_eq!(evidence.body.as_deref(), Some("hello"));
}

#[tokio::test]
async fn what_is_configured_is_sent() {
    let server = scripted(|_| answer("200 OK", "", "")).await;
    let parameters = json!({
        "url": server.url("/"), "method": "post", "body": "a=1",
        "headers": {"Host": "other.example", "X-Api-Key": "k", "User-Agent": "me"},
        "basic_auth": {"username": "u", "password": "p"},
    });
    assert_eq!(said(&look("http", parameters).await), "passed");
    let seen = server.seen()[0].clone();
    for line in [
        "POST / HTTP/1.1\r\n",
        "host: other.example\r\n",
        "x-api-key: k\r\n",
        "user-agent: me\r\n",
        "authorization: Basic dTpw\r\n",
        "content-length: 3\r\n",
        "\r\n\r\na=1",
    ] {
        assert!(seen.contains(line), "{line:?} in {seen:?}");
    }
    for (parameters, line) in [
        (json!({"url": server.url("/"), "bearer_token": "t"}), "authorization: Bearer t\r\n"),
        (
            json!({"url": format!("http://u:p%40@{}/", server.at)}),
            "authorization: Basic dTpwQA==\r\n",
        ),
        (
            json!({"url": "http://shop.example/", "connect_to": server.at.to_string()}),
            "host: shop.example\r\n",
        ),
        (json!({"url": server.url("/"), "method": "HEAD"}), "HEAD / HTTP/1.1\r\n"),
    ] {
        assert_eq!(said(&look("http", parameters).await), "passed");
        let seen = server.seen().pop().unwrap();
        assert!(seen.contains(line), "{line:?} in {seen:?}");
    }
}

#[tokio::test]
async fn every_answer_is_judged() {
    let body = r#"{"state":"ok","n":3,"list":[1,2.0],"none":null}"#;
    let server = scripted(move |_| {
        answer("200 OK", "X-Cache: HIT, miss\r\nX-Cache: second\r\nEmpty:\r\n", body)
    })
    .await;
    for (wish, verdict) in [
        (json!({"status": 200}), "passed"),
        (json!({"status": ["300-399", 201]}), "status: status 200 OK, wanted 300-399, 201"),
        (json!({"body_contains": "\"ok\""}), "passed"),
        (json!({"body_contains": "well"}), "body: the body does not hold `well`"),
        (json!({"body_excludes": "well"}), "passed"),
        (json!({"body_excludes": "state"}), "body: the body holds `state`"),
        (json!({"body_matches": "\"n\":[0-9]"}), "passed"),
        (json!({"body_matches": "^n"}), "body: the body does not match `^n`"),
        (json!({"body_equals": body}), "passed"),
        (json!({"body_equals": "{}"}), "body: the body is `{\\\"state\\\""),
        (json!({"response_headers": {"x-cache": "HIT"}}), "passed"),
        (json!({"response_headers": {"X-Cache": {"equals": "second"}}}), "passed"),
        (json!({"response_headers": {"X-Cache": {"matches": "^sec"}}}), "passed"),
        (json!({"response_headers": {"empty": {"present": true}}}), "passed"),
        (json!({"response_headers": {"no": {"absent": true}}}), "passed"),
        (
            json!({"response_headers": {"X-Cache": {"equals": "HIT"}}}),
            "header: the header X-Cache is `HIT, miss`, `second`, wanted `HIT`",
        ),
        (
            json!({"response_headers": {"No": "x"}}),
            "header: the header No is missing, wanted text with",
        ),
        (
            json!({"response_headers": {"empty": {"absent": true}}}),
            "header: the header empty is ``",
        ),
        (json!({"json": [{"pointer": "/state", "equals": "ok"}]}), "passed"),
        (json!({"json": [{"pointer": "/n", "equals": 3.0, "min": 3, "max": 3}]}), "passed"),
        (json!({"json": [{"pointer": "/list", "equals": [1.0, 2]}]}), "passed"),
        (json!({"json": [{"pointer": "/none"}, {"pointer": "/no", "absent": true}]}), "passed"),
        (json!({"json": [{"pointer": "/state", "matches": "^o"}]}), "passed"),
        (json!({"json": [{"pointer": "/none", "equals": null}]}), "passed"),
        (
            json!({"json": [{"pointer": "/n", "min": 4}]}),
            "body: in the JSON, /n is `3`, wanted at least 4",
        ),
        (json!({"json": [{"pointer": "/state", "max": 4}]}), "body: in the JSON, /state is"),
        (
            json!({"json": [{"pointer": "/no"}]}),
            "body: in the JSON, /no is missing, wanted a value",
        ),
        (json!({"max_time": "20s"}), "passed"),
    ] {
        let mut parameters = json!({"url": server.url("/")});
        parameters.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
        let finding = look("http", parameters).await;
        assert!(said(&finding).starts_with(verdict), "{wish}: {}", said(&finding));
    }
}

#[tokio::test]
async fn refused_credentials_are_told_from_an_unwanted_status() {
    let server = scripted(|_| answer("401 Unauthorized", "", "")).await;
    let asked = json!({"url": server.url("/"), "bearer_token": "t"});
    assert!(said(&look("http", asked).await).starts_with("auth: the server refused"));
    let asked = json!({"url": server.url("/")});
    assert_eq!(said(&look("http", asked).await), "status: status 401 Unauthorized, wanted 200-299");
}

#[tokio::test]
async fn broken_answers_are_told_apart() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let large = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: b\r\n".repeat(300));
    let huge = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "b".repeat(300_000));
    let closed = "protocol: the server closed the connection";
    for (bytes, then, verdict) in [
        (format!("{chunked}0\r\n\r\n"), Then::Hold, "passed".to_owned()),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                .to_owned(),
            Then::Hold,
            "passed".to_owned(),
        ),
        ("HTTP/1.0 200 OK\r\n\r\nto the end".to_owned(), Then::Close, "passed".to_owned()),
        (String::new(), Then::Close, format!("{closed} before an answer")),
        ("HTTP/1.1 200".to_owned(), Then::Close, format!("{closed} before an answer")),
        (chunked.to_owned(), Then::Close, format!("{closed} in the middle of the body")),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello".to_owned(),
            Then::Close,
            format!("{closed} in the middle of the body"),
        ),
        ("HTTP/1.1 200".to_owned(), Then::Reset, "protocol: the server ".to_owned()),
        ("SSH-2.0-OpenSSH\r\n".to_owned(), Then::Hold, "protocol: the answer is not valid".to_owned()),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n".to_owned(),
            Then::Hold,
            "protocol: the answer is not valid".to_owned(),
        ),
        (large, Then::Close, "protocol: the head of the answer is too large".to_owned()),
        (huge, Then::Close, "protocol: the head of the answer is too large".to_owned()),
        (
            "HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\nhe".to_owned(),
            Then::Close,
            "status: status 500".to_owned(),
        ),
    ] {
        let server = scripted(move |_| (bytes.clone().into_bytes(), then)).await;
        let finding = look("http", json!({"url": server.url("/")})).await;
        assert!(said(&finding).starts_with(&verdict), "{verdict} but {}", said(&finding));
    }
}

#[tokio::test]
async fn a_long_body_is_judged_by_what_is_read_of_it() {
    let server = scripted(|_| answer("200 OK", "", &"x".repeat(3 << 20))).await;
    for (wish, verdict) in [
        (json!({}), "passed"),
        (json!({"body_contains": "y"}), "body: the body does not hold `y` in its first MiB"),
        (json!({"json": [{"pointer": "/a"}]}), "body: the body is longer than 1048576 bytes"),
    ] {
        let mut parameters = json!({"url": server.url("/")});
        parameters.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
        let finding = look("http", parameters).await;
        assert!(said(&finding).starts_with(verdict), "{}", said(&finding));
        assert_eq!(finding.values["body_bytes"], 1 << 20);
    }
}

#[tokio::test]
async fn a_timeout_names_what_was_going_on() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel".to_vec();
    for (bytes, doing) in [
        (Vec::new(), "waiting for the first byte"),
        (b"HTTP/1.1 200 OK\r\n".to_vec(), "waiting for the first byte"),
        (head, "receiving the answer"),
    ] {
        let server = greeting(bytes, Then::Hold).await;
        let kind = kind("http", json!({"url": server.url("/")}));
        let finding = kind.look(&attempt(Duration::from_millis(300), &[])).await;
        assert_eq!(said(&finding), format!("timeout: timed out after 300ms while {doing}"));
    }
}

#[tokio::test]
async fn no_connection_is_told_with_its_address() {
    let at = nobody().await;
    let finding = look("http", json!({"url": format!("http://{at}/")})).await;
    assert_eq!(said(&finding), format!("connect: connection refused by {at}"));
    let finding = look("http", json!({"url": "http://169.254.169.254/latest/"})).await;
    assert_eq!(
        said(&finding),
        "connect: 169.254.169.254 is a cloud's metadata service: no probe may reach it"
    );
    let finding = look("http", json!({"url": "http://[::ffff:a9fe:a9fe]/"})).await;
    assert!(said(&finding).contains("no probe may reach it"), "{}", said(&finding));
}

#[tokio::test]
async fn localhost_works_without_any_network() {
    let server = scripted(|_| answer("200 OK", "", "")).await;
    let url = format!("http://localhost:{}/", server.at.port());
    let finding = look("http", json!({"url": url, "ip": 4})).await;
    assert_eq!(said(&finding), "passed");
    // Both addresses are tried; nothing listens on ::1.
    assert_eq!(said(&look("http", json!({"url": url})).await), "passed");
}

#[tokio::test]
async fn released_secrets_are_sent_and_never_shown() {
    let echo = scripted(|request| answer("500 Oh", "Server: s3cr+t\r\n", request)).await;
    let secrets = [("env:T", "s3cr+t"), ("file:/run/p", "p@ss/word")];
    let attempt = attempt(crate::TIMEOUT, &secrets);
    for parameters in [
        json!({"url": echo.url("/?t=${env:T}"), "bearer_token": "${file:/run/p}"}),
        json!({"url": format!("http://u:${{file:/run/p}}@{}/${{env:T}}", echo.at)}),
        json!({"url": echo.url("/"), "headers": {"x": "${env:T}"},
               "basic_auth": {"username": "u", "password": "${file:/run/p}"}}),
        json!({"url": echo.url("/"), "method": "PUT", "body": "${env:T}",
               "headers": {"Authorization": "Token ${file:/run/p}"}}),
    ] {
        let finding = kind("http", parameters).look(&attempt).await;
        let request = echo.seen().pop().unwrap();
        assert!(request.contains("s3cr+t"), "{request}");
        let right = ["Bearer p@ss/word", "Token p@ss/word", "Basic dTpwQHNzL3dvcmQ="];
        assert!(right.iter().any(|right| request.contains(right)), "{request}");
        let shown = format!("{finding:?}");
        for hidden in ["s3cr+t", "p@ss/word", "dTpwQHNzL3dvcmQ"] {
            assert!(!shown.contains(hidden), "{hidden} in {shown}");
        }
        assert!(shown.contains("***"), "{shown}");
    }
}

#[tokio::test]
async fn a_secret_that_is_not_released_makes_the_run_void() {
    let server = scripted(|_| answer("200 OK", "", "")).await;
    for field in ["bearer_token", "body", "body_contains"] {
        let finding = look("http", json!({"url": server.url("/"), field: "${env:NO}"})).await;
        assert!(said(&finding).starts_with("secret: "), "{field}: {}", said(&finding));
    }
}
