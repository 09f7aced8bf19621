//! http and redirects: which are followed, how, and what goes along.

use serde_json::json;

use crate::servers::{Server, answer, scripted};
use crate::{attempt, kind, look, said};

/// `/go/STATUS/PATH` redirects to `/PATH`; `/to?URL` redirects to the URL; all else is 200.
async fn server() -> Server {
    scripted(|request| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        if let Some(rest) = path.strip_prefix("/go/") {
            let (status, to) = rest.split_once('/').unwrap();
            return answer(&format!("{status} Go"), &format!("Location: /{to}\r\n"), "moved");
        }
        match path.strip_prefix("/to?") {
            Some(to) => answer("302 Go", &format!("Location: {to}\r\n"), ""),
            None => answer("200 OK", "", "there"),
        }
    })
    .await
}

#[tokio::test]
async fn redirects_are_followed_with_the_right_method() {
    let server = server().await;
    for (method, status, second) in [
        ("GET", 301, "GET /end HTTP/1.1"),
        ("HEAD", 303, "HEAD /end HTTP/1.1"),
        ("POST", 301, "GET /end HTTP/1.1"),
        ("POST", 302, "GET /end HTTP/1.1"),
        ("PUT", 302, "PUT /end HTTP/1.1"),
        ("PUT", 303, "GET /end HTTP/1.1"),
        ("POST", 307, "POST /end HTTP/1.1"),
        ("POST", 308, "POST /end HTTP/1.1"),
    ] {
        let url = server.url(&format!("/go/{status}/end"));
        let mut parameters = json!({"url": url, "method": method,
            "headers": {"Content-Type": "text/x"}});
        if !matches!(method, "GET" | "HEAD") {
            parameters["body"] = json!("payload");
        }
        let finding = look("http", parameters).await;
        assert_eq!(said(&finding), "passed");
        assert_eq!(finding.values["redirects"], 1);
        assert_eq!(finding.evidence.unwrap().redirects, [server.url("/end")]);
        let last = server.seen().pop().unwrap();
        assert_eq!(last.lines().next(), Some(second), "{method} {status}");
        let carried = second.starts_with('P');
        assert_eq!(last.ends_with("payload"), carried, "{method} {status}");
        if method == "POST" && !carried {
            assert!(!last.contains("content-type"), "{last}");
        }
    }
}

#[tokio::test]
async fn redirects_end_somewhere() {
    let server = server().await;
    let chain = format!("/{}end", "go/302/".repeat(10));
    for (parameters, verdict) in [
        (json!({"url": server.url(&chain)}), "passed".to_owned()),
        (
            json!({"url": server.url("/go/302/x"), "follow_redirects": 0, "status": 302}),
            "passed".into(),
        ),
        (
            json!({"url": server.url("/go/302/x"), "follow_redirects": 0}),
            "status: status 302 Found, wanted 200-299".into(),
        ),
        (
            json!({"url": server.url("/go/302/go/302/x"), "follow_redirects": 1}),
            "redirect: more than 1 redirects".into(),
        ),
        (
            json!({"url": server.url("/to?/to?/to?")}),
            "redirect: redirects go round in a loop".into(),
        ),
        (json!({"url": server.url(&format!("/to?{}", server.url("/a%0d")))}), "passed".into()),
        (
            json!({"url": server.url("/to?ftp://a/")}),
            "redirect: the redirect 302 Found leads to `ftp:`, which is not http or https".into(),
        ),
        (
            json!({"url": server.url("/to?http://")}),
            "redirect: the redirect 302 Found leads to no valid URL".into(),
        ),
        (
            json!({"url": server.url("/to?http://169.254.169.254/x")}),
            "connect: after a redirect to http://169.254.169.254/x: 169.254.169.254 is a cloud's"
                .into(),
        ),
    ] {
        let finding = look("http", parameters.clone()).await;
        assert!(said(&finding).starts_with(&verdict), "{parameters}: {}", said(&finding));
    }
}

#[tokio::test]
async fn a_loop_is_found_at_once() {
    let server = scripted(|request| {
        let to = if request.starts_with("GET /a") { "/b" } else { "/a" };
        answer("302 Go", &format!("Location: {to}\r\n"), "")
    })
    .await;
    let finding = look("http", json!({"url": server.url("/a")})).await;
    assert!(said(&finding).starts_with("redirect: redirects go round in a loop: back to"));
    assert_eq!(server.seen().len(), 2);
    assert_eq!(finding.evidence.unwrap().redirects, [server.url("/b"), server.url("/a")]);
}

#[tokio::test]
async fn nothing_secret_goes_to_another_origin() {
    let (own, other) = (server().await, server().await);
    let away = own.url(&format!("/to?http://x:y@{}/seen", other.at));
    let secrets = [("env:P", "hunter2")];
    for (credentials, right) in [
        (json!({"basic_auth": {"username": "u", "password": "${env:P}"}}), "authorization: "),
        (json!({"bearer_token": "${env:P}"}), "authorization: "),
        (json!({"headers": {"Authorization": "${env:P}"}}), "authorization: "),
        (json!({"headers": {"X-Api-Key": "${env:P}", "Cookie": "a=${env:P}"}}), "x-api-key: "),
    ] {
        let mut parameters = json!({"url": away, "headers": {"Accept": "text/x"}});
        for (key, value) in credentials.as_object().unwrap() {
            match (parameters.get_mut(key), value.as_object()) {
                (Some(there), Some(more)) => {
                    there.as_object_mut().unwrap().extend(more.clone());
                }
                _ => parameters[key] = value.clone(),
            }
        }
        let finding = kind("http", parameters).look(&attempt(crate::TIMEOUT, &secrets)).await;
        assert_eq!(said(&finding), "passed");
        assert!(own.seen().pop().unwrap().contains(right));
        let leaked = other.seen().pop().unwrap();
        for secret in ["authorization", "hunter2", "x-api-key", "cookie"] {
            assert!(!leaked.contains(secret), "{leaked}");
        }
        assert!(leaked.contains("accept: text/x"), "{leaked}");
        assert!(leaked.contains(&format!("host: {}", other.at)), "{leaked}");
    }
}

#[tokio::test]
async fn a_body_is_not_carried_to_another_origin() {
    let other = server().await;
    let to = format!("http://{}/", other.at);
    let own = scripted(move |_| answer("307 Go", &format!("Location: {to}\r\n"), "")).await;
    let finding = look("http", json!({"url": own.url("/"), "method": "POST", "body": "b"})).await;
    assert!(said(&finding).contains("the body is not sent there"), "{}", said(&finding));
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_back_home_is_asked_with_credentials_again() {
    let own = server().await;
    let back = format!("http://{}/home", own.at);
    let other = scripted(move |_| answer("302 Go", &format!("Location: {back}\r\n"), "")).await;
    let url = own.url(&format!("/to?{}", other.url("/")));
    let finding = look("http", json!({"url": url, "bearer_token": "t"})).await;
    assert_eq!(said(&finding), "passed");
    let with: Vec<_> = own.seen().iter().map(|seen| seen.contains("Bearer t")).collect();
    assert_eq!(with, [true, true]);
}
