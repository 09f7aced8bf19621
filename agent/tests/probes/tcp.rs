//! tcp against servers that talk, and servers that do not.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::servers::{Server, Then, greeting, nobody, raw, silent};
use crate::{attempt, kind, look, said};

/// Answers every line with `got: LINE`.
async fn echo() -> Server {
    raw(Arc::default(), |mut stream| async move {
        let mut buffer = [0; 256];
        while let Ok(read) = stream.read(&mut buffer).await {
            if read == 0 {
                return;
            }
            let _ = stream.write_all(b"got: ").await;
            let _ = stream.write_all(&buffer[..read]).await;
        }
    })
    .await
}

#[tokio::test]
async fn conversations_are_judged() {
    let echo = echo().await;
    let banner = greeting(b"220 mail ready\r\n".to_vec(), Then::Hold).await;
    let rude = greeting(b"554 go away\r\n".to_vec(), Then::Close).await;
    let shut = greeting(Vec::new(), Then::Close).await;
    for (server, wish, verdict) in [
        (&echo, json!({}), "passed"),
        (&shut, json!({}), "passed"),
        (&echo, json!({"send": "PING"}), "passed"),
        (&echo, json!({"send": "PING\\r\\n\\x41", "expect": "got: PING\\r\\nA"}), "passed"),
        (&echo, json!({"send": "${env:P}", "expect": "${env:P}"}), "passed"),
        (&banner, json!({"expect_matches": "^220 "}), "passed"),
        (&banner, json!({"expect": "ready", "max_time": "20s", "ip": 4}), "passed"),
        (
            &rude,
            json!({"expect": "220"}),
            "body: the server sent `554 go away\\r\\n` before it closed the connection, wanted `220`",
        ),
        (
            &shut,
            json!({"expect": "220"}),
            "protocol: the server closed the connection without sending anything",
        ),
        (&banner, json!({"ip": 6}), "dns: 127.0.0.1 has no IPv6 address"),
    ] {
        let mut parameters = json!({"address": server.at.to_string()});
        parameters.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
        let attempt = attempt(crate::TIMEOUT, &[("env:P", "a\\b")]);
        let finding = kind("tcp", parameters).look(&attempt).await;
        assert_eq!(said(&finding), verdict, "{wish}");
    }
}

#[tokio::test]
async fn what_does_not_come_times_out_and_is_shown() {
    let banner = greeting(b"220 mail\r\n".to_vec(), Then::Hold).await;
    let parameters = json!({"address": banner.at.to_string(), "expect": "ready"});
    let finding = kind("tcp", parameters).look(&attempt(Duration::from_millis(300), &[])).await;
    assert_eq!(said(&finding), "timeout: timed out after 300ms while receiving the answer");
    assert_eq!(finding.evidence.unwrap().body.as_deref(), Some("220 mail\r\n"));
    assert_eq!(finding.values["received_bytes"], 10);
}

#[tokio::test]
async fn an_endless_answer_is_read_up_to_its_limit() {
    let server = greeting(vec![b'x'; 1 << 20], Then::Hold).await;
    let finding = look("tcp", json!({"address": server.at.to_string(), "expect": "y"})).await;
    assert!(said(&finding).starts_with("body: the server sent `xxx"), "{}", said(&finding));
    assert_eq!(finding.values["received_bytes"], 64 * 1024);
}

#[tokio::test]
async fn a_reset_and_a_refusal_are_told_apart() {
    let at = nobody().await;
    let finding = look("tcp", json!({"address": at.to_string()})).await;
    assert_eq!(said(&finding), format!("connect: connection refused by {at}"));
    let server = greeting(b"a".to_vec(), Then::Reset).await;
    let finding = look("tcp", json!({"address": server.at.to_string(), "expect": "b"})).await;
    let reset = ["protocol: the server reset the connection", "body: the server sent `a`"];
    assert!(reset.iter().any(|says| said(&finding).starts_with(says)), "{}", said(&finding));
}

#[tokio::test]
async fn a_slow_answer_is_slow_although_it_is_right() {
    let (server, _told) = silent().await;
    let late = raw(Arc::default(), |mut stream| async move {
        // The delay is what is tested, and longer than what is wanted.
        let _ = tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await;
        let _ = stream.write_all(b"at last").await;
        std::future::pending().await
    })
    .await;
    let parameters = json!({"address": late.at.to_string(), "expect": "last", "max_time": "10ms"});
    let finding = look("tcp", parameters).await;
    assert!(said(&finding).starts_with("slow: took "), "{}", said(&finding));
    let finding = look("tcp", json!({"address": server.at.to_string(), "max_time": "20s"})).await;
    assert_eq!(said(&finding), "passed");
}
