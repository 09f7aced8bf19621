//! Both forms of a batch: what is read, what is refused, what is cut.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::result::{Clock, Evidence, Outcome, Phase, ProbeResult, Reason, VoidReason};

fn result(seq: u64) -> ProbeResult {
    ProbeResult {
        probe: ProbeName::new("shop").unwrap(),
        region: Region::new("eu").unwrap(),
        seq,
        slot: Timestamp::from_ms(1_700_000_000_000),
        started: Timestamp::from_ms(1_700_000_000_007),
        interval: Millis::from_secs(60),
        outcome: Outcome::Passed,
        detail: String::new(),
        attempts: 1,
        duration_us: 1234,
        phases: vec![Phase { name: "tls".into(), us: 2 }, Phase { name: "dns".into(), us: 1 }],
        values: [("http_status_code".to_string(), 200)].into(),
        clock: Some(Clock { offset_ms: -3, error_ms: 1 }),
        evidence: None,
    }
}

fn batch(results: Vec<ProbeResult>) -> Batch {
    Batch {
        agent: AgentName::new("a1").unwrap(),
        region: Region::new("eu").unwrap(),
        incarnation: 7,
        version: "0.1.0".into(),
        sent: Timestamp::from_ms(1_700_000_001_000),
        waiting: 0,
        gaps: vec![],
        alarms: vec![],
        results,
        unreadable: BTreeMap::new(),
    }
}

/// The batch as each form reads it back.
fn through(sent: &Batch) -> [Batch; 2] {
    [Batch::from_protobuf(&sent.to_protobuf()).unwrap(), Batch::from_json(&sent.to_json()).unwrap()]
}

#[test]
fn a_result_that_cannot_be_read_is_named_and_the_others_are_kept() {
    type Spoil = fn(&mut ProbeResult);
    let rows: [(&str, Spoil); 9] = [
        ("seq begins at 1", |result| result.seq = 0),
        ("seq must be below 2^53", |result| result.seq = NUMBER_BOUND),
        ("started must lie between", |result| result.started = Timestamp::from_ms(-1)),
        ("slot must lie between", |result| result.slot = Timestamp::MAX),
        ("interval must be above 0", |result| result.interval = Millis::ZERO),
        ("attempts must be 1", |result| result.attempts = 0),
        ("at most 32 values", |result| {
            result.values = (0..33).map(|n| (format!("v{n}"), n)).collect();
        }),
        ("name of a value", |result| result.values = [("a b".to_string(), 1)].into()),
        ("name of a phase", |result| result.phases = vec![Phase { name: String::new(), us: 1 }]),
    ];
    for (says, spoil) in rows {
        let mut bad = result(2);
        spoil(&mut bad);
        let sent = batch(vec![result(1), bad, result(3)]);
        for got in through(&sent) {
            assert_eq!(got.results, [result(1), result(3)], "{says}");
            assert_eq!(got.unreadable.keys().copied().collect::<Vec<_>>(), [1], "{says}");
            assert!(got.unreadable[&1].contains(says), "{says}: {}", got.unreadable[&1]);
        }
    }
}

#[test]
fn unknown_words_cost_one_result_and_unknown_fields_none() {
    let text = String::from_utf8(batch(vec![result(1), result(2)]).to_json()).unwrap();
    for (from, to, says) in [
        ("\"seq\":2", "\"seq\":2,\"invented\":[1]", None),
        ("\"agent\"", "\"invented\":{},\"agent\"", None),
        (
            "\"passed\",\"reason\":null,\"attempts\":1,\"duration_us\":1234,\"phases_us\":{\"tls\":2,\"dns\":1},\"values\":{\"http_status_code\":200},\"clock\":{\"offset_ms\":-3,\"error_ms\":1}}]",
            "\"better\"}]",
            Some("not an outcome"),
        ),
        ("\"seq\":2", "\"seq\":\"2\"", Some("invalid type")),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let got = Batch::from_json(changed.as_bytes()).unwrap();
        match says {
            None => assert_eq!(got.results.len(), 2, "{to}"),
            Some(says) => {
                assert_eq!(got.results, [result(1)], "{to}");
                assert!(got.unreadable[&1].contains(says), "{}", got.unreadable[&1]);
            }
        }
    }
}

#[test]
fn a_wrong_head_refuses_the_batch_with_its_place() {
    for (from, to, says) in [
        ("\"a1\"", "\"a 1\"", "not a name"),
        ("\"agent\":\"a1\",", "", "agent"),
        ("\"incarnation\":7", "\"incarnation\":9007199254740992", "incarnation"),
        ("\"sent_ms\":1", "\"sent_ms\":-1", "sent_ms"),
        ("\"results\":[", "\"results\":7,\"x\":[", "at most 1000"),
    ] {
        let text = String::from_utf8(batch(vec![]).to_json()).unwrap();
        let fault = Batch::from_json(text.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(fault.0.contains(says), "{says}: {fault}");
    }
    for bytes in [&b""[..], b"\xff", b"\x0a\x05ab"] {
        assert!(Batch::from_protobuf(bytes).is_err());
    }
}

#[test]
fn more_results_than_a_batch_may_have_are_refused() {
    let sent = batch((1..=1001).map(result).collect());
    assert!(Batch::from_protobuf(&sent.to_protobuf()).unwrap_err().0.contains("at most 1000"));
    assert!(Batch::from_json(&sent.to_json()).unwrap_err().0.contains("at most 1000"));
    let empty_fields = [0x4a, 0].repeat(1_000_000);
    assert!(Batch::from_protobuf(&empty_fields).unwrap_err().0.contains("fields"));
}

#[test]
fn text_for_people_is_cut_to_its_bounds() {
    let mut long = result(1);
    long.outcome = Outcome::Failed(Reason::Body);
    long.detail = "é".repeat(1000);
    long.evidence = Some(Evidence {
        addresses: vec!["1".repeat(1000); 100],
        body: Some("x".repeat(100_000)),
        ..Evidence::default()
    });
    let mut bounded = long.clone();
    bound(&mut bounded);
    for got in through(&batch(vec![long])) {
        assert_eq!(got.results, [bounded.clone()]);
    }
    assert_eq!(bounded.detail.len(), 300);
    assert_eq!(bounded.evidence.unwrap().body.unwrap().len(), 2048);
}

#[test]
fn the_highest_seq_counts_unreadable_results_at_the_end() {
    for (good, bad, highest) in [
        (&[1u64, 2, 3][..], &[][..], Some(3)),
        (&[1, 2], &[2], Some(3)),
        (&[1, 3], &[1], Some(3)),
        (&[1], &[1, 2], Some(3)),
        (&[], &[0], None),
        (&[], &[], None),
    ] {
        let mut got = batch(good.iter().copied().map(result).collect());
        got.unreadable = bad.iter().map(|place| (*place, String::new())).collect();
        assert_eq!(got.highest_seq(), highest, "{good:?} {bad:?}");
    }
}

#[test]
fn a_clock_that_is_off_by_more_than_five_seconds_makes_it_void_for_the_accounts() {
    for (offset, accounted) in [
        (Some(5000), Outcome::Passed),
        (Some(-5000), Outcome::Passed),
        (Some(5001), Outcome::Void(VoidReason::Clock)),
        (Some(i64::MIN), Outcome::Void(VoidReason::Clock)),
        (None, Outcome::Passed),
    ] {
        let mut one = result(1);
        one.clock = offset.map(|offset_ms| Clock { offset_ms, error_ms: 0 });
        assert_eq!(one.accounted(), accounted, "{offset:?}");
    }
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Passed),
        proptest::sample::select(Reason::ALL).prop_map(Outcome::Failed),
        proptest::sample::select(VoidReason::ALL).prop_map(Outcome::Void),
    ]
}

prop_compose! {
    fn results()(
        region in "[a-c]{1,2}", slot in 0..253_402_300_799_999i64, interval in 1..86_400_000i64,
        outcome in outcomes(), detail in "\\PC{0,40}", attempts in 1..1000u32,
        duration_us in 0..NUMBER_BOUND, phases in proptest::collection::btree_map("[a-z_]{1,8}", 0..NUMBER_BOUND, 0..5),
        values in proptest::collection::btree_map("[a-z_]{1,8}", any::<i64>(), 0..5),
        clock in proptest::option::of((any::<i64>(), any::<i64>())),
        texts in proptest::collection::vec("\\PC{0,20}", 0..4), body in proptest::option::of("\\PC{0,100}"),
    ) -> ProbeResult {
        ProbeResult {
            region: Region::new(&region).unwrap(), slot: Timestamp::from_ms(slot), outcome, detail,
            interval: Millis::from_ms(interval), attempts, duration_us, values,
            phases: phases.into_iter().map(|(name, us)| Phase { name, us }).collect(),
            clock: clock.map(|(offset_ms, error_ms)| Clock { offset_ms, error_ms }),
            evidence: body.map(|body| Evidence {
                addresses: texts.clone(), headers: texts.iter().map(|t| ("h".into(), t.clone())).collect(),
                errors: texts, body: Some(body), ..Evidence::default()
            }),
            ..result(1)
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(list in proptest::collection::vec(results(), 0..8)) {
        let mut list = list;
        for (seq, one) in (1u64..).zip(&mut list) { one.seq = seq; }
        let mut sent = batch(list);
        sent.gaps = vec![Gap { from_seq: 1, to_seq: 2, why: "spool full".into() }];
        sent.alarms = vec![Alarm::SecretCleared { probe: result(1).probe, secret: "env:A".into() }];
        for got in through(&sent) {
            prop_assert_eq!(&got, &sent);
        }
        for one in &sent.results {
            prop_assert_eq!(&result_from_protobuf(&result_to_protobuf(one)).unwrap(), one);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Batch::from_protobuf(&bytes);
        let _ = Batch::from_json(&bytes);
        let _ = result_from_protobuf(&bytes);
    }

    #[test]
    fn a_flipped_byte_never_makes_it_panic(place in 0..1000usize, to in any::<u8>()) {
        let sent = batch(vec![result(1), result(2)]);
        for (mut bytes, protobuf) in [(sent.to_protobuf(), true), (sent.to_json(), false)] {
            let place = place % bytes.len();
            bytes[place] = to;
            let _ = if protobuf { Batch::from_protobuf(&bytes) } else { Batch::from_json(&bytes) };
        }
    }
}
