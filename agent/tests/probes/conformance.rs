//! What every kind must keep, run over the whole list of kinds.

use std::time::Duration;

use model::config::Word;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use agent::probe::{Kind, PHASES};
use model::result::{DETAIL_BYTES_MAX, EVIDENCE_BODY_BYTES_MAX, Outcome, Reason, VALUES_MAX};

use crate::servers::{Then, Told, greeting, nobody, silent};
use crate::{attempt, kind, said};

/// Parameters of each kind that ask the server at `at` and wait for its answer. A new kind is added
/// here.
fn asking(word: &str, at: std::net::SocketAddr) -> Vec<Value> {
    match word {
        "http" => vec![
            json!({"url": format!("http://{at}/")}),
            json!({"url": format!("http://{at}/"), "http_version": 2}),
            json!({"url": format!("https://{at}/")}),
        ],
        "tcp" => vec![
            json!({"address": at.to_string(), "send": "a", "expect": "b"}),
            json!({"address": at.to_string(), "tls": true}),
        ],
        _ => panic!("say here how {word} asks a server"),
    }
}

#[tokio::test]
async fn every_kind_honours_its_timeout() {
    for word in Kind::words() {
        let (server, _told) = silent().await;
        for parameters in asking(word, server.at) {
            let attempt = attempt(Duration::from_millis(200), &[]);
            let running = kind(word, parameters.clone());
            let finding =
                tokio::time::timeout(crate::TIMEOUT, running.run(&attempt)).await.unwrap();
            assert_eq!(finding.outcome, Outcome::Failed(Reason::Timeout), "{parameters}");
            let doing = PHASES.iter().any(|(_, doing)| finding.detail.ends_with(doing));
            assert!(doing, "{parameters}: {}", finding.detail);
        }
    }
}

#[tokio::test]
async fn every_kind_tells_a_refused_connection() {
    for word in Kind::words() {
        let at = nobody().await;
        for parameters in asking(word, at) {
            let finding = kind(word, parameters).run(&attempt(crate::TIMEOUT, &[])).await;
            assert_eq!(said(&finding), format!("connect: connection refused by {at}"));
        }
    }
}

#[tokio::test]
async fn every_kind_frees_its_sockets_when_it_is_dropped() {
    for word in Kind::words() {
        let (server, mut told) = silent().await;
        for parameters in asking(word, server.at) {
            let kind = kind(word, parameters.clone());
            let attempt = attempt(crate::TIMEOUT, &[]);
            tokio::select! {
                biased;
                finding = kind.run(&attempt) => panic!("{parameters} ended: {}", said(&finding)),
                asked = told.recv() => assert_eq!(asked, Some(Told::Asked)),
            }
            // The run is dropped by now; how often it had sent something does not matter.
            let gone = async { while told.recv().await != Some(Told::Gone) {} };
            let gone = tokio::time::timeout(crate::TIMEOUT, gone).await;
            assert_eq!(gone, Ok(()), "{parameters}");
        }
    }
}

#[tokio::test]
async fn every_kind_refuses_unknown_fields_and_reads_what_it_wrote() {
    let at = nobody().await;
    for word in Kind::words() {
        for parameters in asking(word, at) {
            let opaque = kind(word, parameters.clone()).opaque();
            let again = Kind::read(word, opaque.parameters.clone()).unwrap().opaque();
            assert_eq!(again, opaque);
            let mut unknown = parameters;
            unknown["no_such_field"] = json!(1);
            let error = Kind::read(word, unknown).unwrap_err().to_string();
            assert!(error.contains("unknown field `no_such_field`"), "{word}: {error}");
        }
    }
}

#[tokio::test]
async fn every_kind_names_the_secrets_that_it_uses() {
    for word in Kind::words() {
        let at = nobody().await;
        let mut parameters = asking(word, at).remove(0);
        let (place, value) = match *word {
            "http" => ("bearer_token", "${env:S}"),
            "tcp" => ("send", "${env:S}"),
            _ => panic!("say here where {word} takes a secret"),
        };
        assert!(kind(word, parameters.clone()).uses().is_empty());
        parameters[place] = json!(value);
        let used = kind(word, parameters.clone()).uses();
        assert_eq!(used.len(), 1, "{word}");
        assert_eq!((used[0].reference.0.as_str(), used[0].field.as_str()), ("env:S", place));
        assert_eq!(used[0].destination.kind, *word);
        assert_eq!(
            (used[0].destination.host.as_str(), used[0].destination.port),
            ("127.0.0.1", at.port())
        );
        // Without it the run says nothing about the target.
        let finding = kind(word, parameters).run(&attempt(crate::TIMEOUT, &[])).await;
        assert!(said(&finding).starts_with("secret: "), "{}", said(&finding));
    }
}

/// Bytes that are nearly right, or not at all.
fn garbage(random: &mut StdRng) -> Vec<u8> {
    const SEEDS: [&[u8]; 6] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLocation: /x\r\n\r\nhello",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        &[0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 128, 0, 4, 0, 1, 0, 0, 0, 5, 0, 255, 255, 255],
        &[22, 3, 3, 0, 80, 2, 0, 0, 76, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        b"220 ready\r\n",
    ];
    let mut bytes = SEEDS[random.random_range(0..SEEDS.len())].to_vec();
    for _ in 0..random.random_range(0..8) {
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..3) {
            0 => bytes[at] = random.random(),
            1 => bytes.insert(at, random.random()),
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

#[tokio::test]
async fn every_kind_survives_whatever_a_server_says() {
    const SEED: u64 = 20_261_124;
    const ROUNDS: usize = 60;
    let mut random = StdRng::seed_from_u64(SEED);
    for word in Kind::words() {
        for round in 0..ROUNDS {
            let bytes = garbage(&mut random);
            let server = greeting(bytes.clone(), Then::Close).await;
            for parameters in asking(word, server.at) {
                let finding =
                    kind(word, parameters.clone()).look(&attempt(crate::TIMEOUT, &[])).await;
                let place = || format!("seed {SEED}, round {round}, {parameters}, {bytes:?}");
                assert!(finding.detail.len() <= DETAIL_BYTES_MAX, "{}", place());
                assert!(finding.values.len() <= VALUES_MAX, "{}", place());
                assert_eq!(finding.outcome == Outcome::Passed, finding.detail.is_empty());
                let body = finding.evidence.unwrap().body.unwrap_or_default();
                assert!(body.len() <= EVIDENCE_BODY_BYTES_MAX, "{}", place());
            }
        }
    }
}
