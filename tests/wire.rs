//! The wire of version 1: what an old agent or collector sends is read for ever.
//!
//! Each golden batch stands in `tests/wire/v1` as NAME.pb (protobuf, not compressed), as NAME.json,
//! and as NAME.txt, the value that both decode to. The files are never changed; a new version of the
//! format adds new ones beside them. `WATCHPOST_GOLDEN=write` makes those that are missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use model::name::{AgentName, ProbeName, Region};
use model::result::{Clock, Evidence, Outcome, Phase, ProbeResult, Reason, VoidReason};
use model::time::{Millis, Timestamp};
use model::wire::{Alarm, Batch, Gap, Receipt, Rejected};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/v1")
}

fn batch(results: Vec<ProbeResult>) -> Batch {
    Batch {
        agent: AgentName::new("fra-1").unwrap(),
        region: Region::new("eu-central").unwrap(),
        incarnation: 4_503_599_627_370_497,
        version: "0.1.0".into(),
        sent: Timestamp::from_ms(1_793_491_201_500),
        waiting: 0,
        gaps: vec![],
        alarms: vec![],
        results,
        unreadable: BTreeMap::new(),
    }
}

fn result(seq: u64, outcome: Outcome) -> ProbeResult {
    ProbeResult {
        probe: ProbeName::new("shop").unwrap(),
        region: Region::new("eu-central").unwrap(),
        seq,
        slot: Timestamp::from_ms(1_793_491_200_000),
        started: Timestamp::from_ms(1_793_491_200_003),
        interval: Millis::from_secs(60),
        outcome,
        detail: String::new(),
        attempts: 1,
        duration_us: 84_211,
        phases: [("dns", 1200), ("connect", 9800), ("tls", 21_000), ("first_byte", 50_211)]
            .map(|(name, us)| Phase { name: name.into(), us })
            .into(),
        values: [("http_status_code".into(), 200)].into(),
        clock: Some(Clock { offset_ms: -12, error_ms: 7 }),
        evidence: None,
    }
}

fn failed() -> ProbeResult {
    ProbeResult {
        detail: "status 503, wanted 200-299".into(),
        attempts: 2,
        values: [("http_status_code".into(), 503), ("certificate_expiry_s".into(), -5)].into(),
        clock: None,
        evidence: Some(Evidence {
            addresses: vec!["192.0.2.7:443".into(), "[2001:db8::7]:443".into()],
            status_line: Some("HTTP/1.1 503 Service Unavailable".into()),
            headers: vec![("server".into(), "nginx".into()), ("retry-after".into(), "5".into())],
            body: Some("<h1>Überlastet</h1>\n\u{fffd}".into()),
            certificate: Some("CN=shop.example, issuer CN=R11".into()),
            redirects: vec!["https://shop.example/cart".into()],
            errors: vec!["status".into(), "503 is not in 200-299".into()],
        }),
        ..result(41, Outcome::Failed(Reason::Status))
    }
}

/// The golden batches as today's program would write them.
fn golden() -> Vec<(&'static str, Batch)> {
    let reasons = Reason::ALL.iter().map(|reason| Outcome::Failed(*reason));
    let voids = VoidReason::ALL.iter().map(|reason| Outcome::Void(*reason));
    let outcomes = [Outcome::Passed].into_iter().chain(reasons).chain(voids);
    let every = (1..).zip(outcomes).map(|(seq, outcome)| result(seq, outcome)).collect();
    let probe = || ProbeName::new("orders-db").unwrap();
    let secret = || String::from("env:ORDERS_DB_PASSWORD");
    let told = Batch {
        waiting: 12,
        gaps: vec![
            Gap { from_seq: 3, to_seq: 40, why: "spool full".into() },
            Gap { from_seq: 42, to_seq: 42, why: "refused by the collector".into() },
        ],
        alarms: vec![
            Alarm::SecretRefused { probe: probe(), secret: secret(), detail: "pinned".into() },
            Alarm::SecretCleared { probe: probe(), secret: secret() },
        ],
        ..batch(vec![])
    };
    let moved =
        ProbeResult { region: Region::new("us-east").unwrap(), ..result(9, Outcome::Passed) };
    vec![
        ("heartbeat", batch(vec![])),
        ("every-outcome", batch(every)),
        ("evidence", batch(vec![failed()])),
        ("gaps-and-alarms", told),
        ("another-region", batch(vec![moved])),
    ]
}

#[test]
fn golden_batches_are_read_for_ever() {
    for (name, value) in golden() {
        let file = |end: &str| folder().join(format!("{name}.{end}"));
        if std::env::var_os("WATCHPOST_GOLDEN").is_some() && !file("txt").exists() {
            fs::create_dir_all(folder()).unwrap();
            fs::write(file("pb"), value.to_protobuf()).unwrap();
            fs::write(file("json"), value.to_json()).unwrap();
            fs::write(file("txt"), format!("{value:#?}\n")).unwrap();
        }
        let expected = fs::read_to_string(file("txt")).unwrap();
        let packed = Batch::from_protobuf(&fs::read(file("pb")).unwrap()).unwrap();
        let json = Batch::from_json(&fs::read(file("json")).unwrap()).unwrap();
        assert_eq!(format!("{packed:#?}\n"), expected, "{name}.pb");
        assert_eq!(format!("{json:#?}\n"), expected, "{name}.json");
        // Today's encoders still say the same.
        assert_eq!(packed, value, "{name}");
        assert_eq!(Batch::from_protobuf(&value.to_protobuf()).unwrap(), packed, "{name}");
        assert_eq!(Batch::from_json(&value.to_json()).unwrap(), packed, "{name}");
    }
}

#[test]
fn a_batch_of_a_newer_version_is_read_without_what_is_new() {
    let value = golden().remove(1).1;
    let mut packed = value.to_protobuf();
    // Field 100 of the head: 5 bytes nobody here knows.
    packed.extend_from_slice(&[0xa2, 0x06, 5, 1, 2, 3, 4, 5]);
    assert_eq!(Batch::from_protobuf(&packed).unwrap(), value);
    let json = String::from_utf8(value.to_json()).unwrap();
    let newer = json.replacen("{\"agent\"", "{\"future\":{\"a\":[1]},\"agent\"", 1);
    let newer = newer.replace("\"seq\":", "\"future\":null,\"seq\":");
    assert_eq!(Batch::from_json(newer.as_bytes()).unwrap(), value);
}

#[test]
fn a_receipt_of_version_1_is_read_for_ever() {
    let old = r#"{"highest_seq":41,"now_ms":1793491201600,"assignment":"b7","future":1}"#;
    let receipt: Receipt = serde_json::from_str(old).unwrap();
    assert_eq!((receipt.highest_seq, receipt.rejected), (41, vec![]));
    let old = r#"{"highest_seq":1,"now_ms":1,"assignment":"","rejected":[{"seq":1,"code":"future","detail":"x"}]}"#;
    let receipt: Receipt = serde_json::from_str(old).unwrap();
    let rejected = Rejected { seq: 1, code: "future".into(), detail: "x".into() };
    assert_eq!(receipt.rejected, [rejected]);
}
