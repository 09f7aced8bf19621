use model::name::AgentName;
use model::result::Clock;

use super::*;
use crate::core::tests::{START, batch, result, watch};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

fn take(batch: Batch, cursor: u64) -> Accepted {
    accept(batch, cursor, &Assigned::from(&watch()), Timestamp::from_ms(START))
}

fn seqs(results: &[ProbeResult]) -> Vec<u64> {
    results.iter().map(|result| result.seq).collect()
}

fn codes(rejected: &[Rejected]) -> Vec<(u64, &str)> {
    rejected.iter().map(|one| (one.seq, &*one.code)).collect()
}

#[test]
fn each_result_is_judged_by_itself() {
    let clock = |offset_ms| Some(Clock { offset_ms, error_ms: 1 });
    for (probe, place, at, offset, want) in [
        ("shop", "eu", START, None, None),
        ("gone", "eu", START, None, Some("unknown_probe")),
        ("local", "us", START, None, Some("wrong_region")),
        ("shop", "eu", START + 5 * MINUTE, None, None),
        ("shop", "eu", START + 5 * MINUTE + 1, None, Some("future")),
        // An agent whose clock is ten minutes ahead, and which knows it.
        ("shop", "eu", START + 10 * MINUTE, clock(-10 * MINUTE), None),
        ("shop", "eu", START, clock(10 * MINUTE), Some("future")),
        ("shop", "eu", START - 180 * DAY, None, None),
        ("shop", "eu", START - 180 * DAY - 1, None, Some("too_old")),
        ("shop", "eu", i64::MIN, clock(i64::MIN), Some("too_old")),
        ("shop", "eu", i64::MAX, clock(i64::MAX), Some("future")),
    ] {
        let mut one = result(probe, place, 1, at, true);
        one.clock = offset;
        let accepted = take(batch(place, vec![one]), 0);
        let got = accepted.rejected.first().map(|rejected| &*rejected.code);
        assert_eq!(got, want, "{probe} {place} {at} {offset:?}");
        assert_eq!(accepted.results.is_empty(), want.is_some());
        assert_eq!(accepted.highest_seq, 1, "what is refused is refused for good");
    }
}

#[test]
fn a_result_of_another_region_in_the_batch_is_refused() {
    let accepted = take(batch("eu", vec![result("shop", "us", 1, START, true)]), 0);
    assert_eq!(codes(&accepted.rejected), [(1, "wrong_region")]);
}

#[test]
fn known_results_are_skipped_and_the_others_come_in_order() {
    let results = [3, 9, 5, 5, 4, u64::MAX].map(|seq| result("shop", "eu", seq, START, true));
    let accepted = take(batch("eu", results.into()), 3);
    assert_eq!(seqs(&accepted.results), [4, 5, 9]);
    assert_eq!(codes(&accepted.rejected), [(u64::MAX, "unreadable")]);
    assert_eq!((accepted.duplicates, accepted.highest_seq), (2, 9));
}

#[test]
fn an_unreadable_result_costs_only_itself_and_is_passed() {
    for (places, readable, cursor, rejected, highest) in [
        (&[0, 3][..], &[11, 12][..], 9, &[10, 13][..], 13),
        (&[1], &[10, 12], 9, &[11], 12),
        // Sent again: nothing of it is news.
        (&[0, 3], &[11, 12], 13, &[], 13),
        // Nothing of it can be read: it follows what is confirmed.
        (&[0, 1], &[], 9, &[10, 11], 11),
    ] {
        let mut sent = batch(
            "eu",
            readable.iter().map(|seq| result("shop", "eu", *seq, START, true)).collect(),
        );
        sent.unreadable = places.iter().map(|place| (*place, "no outcome".into())).collect();
        let accepted = take(sent, cursor);
        let got: Vec<u64> = accepted.rejected.iter().map(|one| one.seq).collect();
        assert_eq!(got, rejected, "{places:?} {readable:?} {cursor}");
        assert_eq!(accepted.highest_seq, highest);
    }
}

#[test]
fn an_incarnation_that_is_too_large_is_refused() {
    let (agent, region) = (AgentName::new("eu-1").unwrap(), Region::new("eu").unwrap());
    let caller = Caller::Agent { agent, region };
    let mut sent = batch("eu", Vec::new());
    assert_eq!(permit(&caller, &sent), Ok(()));
    sent.incarnation = 1 << 53;
    assert!(matches!(permit(&caller, &sent), Err(Refusal::Invalid(_))));
}
