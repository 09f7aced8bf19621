//! Claims and attempts.

use model::time::{Millis, Timestamp};

use super::{Bench, START, result};
use crate::handle::{Attempted, Claimed, Command, Refusal};
use model::incident::NoticeKey;

/// A bench on which `local` is down and one notice is due.
fn down() -> Bench {
    let mut bench = Bench::new();
    for (seq, second) in [(1, 0), (2, 60), (3, 70), (4, 80), (5, 90)] {
        bench.at(second * 1000);
        let found = result("local", "eu", seq, START + second * 1000, seq == 1);
        bench.ingest("eu", vec![found]).unwrap();
    }
    bench
}

fn claim(bench: &mut Bench) -> Vec<Claimed> {
    bench.ask(|reply| Command::Claim(10, reply)).unwrap()
}

fn attempted(bench: &mut Bench, key: &NoticeKey, what: Attempted) -> Result<(), Refusal> {
    bench.ask(|reply| Command::Attempted(key.clone(), what, reply))
}

#[test]
fn a_claim_lasts_a_minute_and_a_retry_waits_for_its_time() {
    let mut bench = down();
    let first = claim(&mut bench);
    assert_eq!(first.len(), 1, "{first:?}");
    let key = first[0].notice.key.clone();
    assert_eq!(first[0].attempts, 0);
    bench.at(149_000);
    assert_eq!(claim(&mut bench), []);
    bench.at(150_000);
    assert_eq!(claim(&mut bench)[0].notice.key, key, "the claim is over");
    let at = Timestamp::from_ms(START + 160_000);
    attempted(&mut bench, &key, Attempted::Retry { at, why: "no route".into() }).unwrap();
    bench.at(159_999);
    assert_eq!(claim(&mut bench), []);
    bench.at(160_000);
    let again = claim(&mut bench);
    assert_eq!((&again[0].notice.key, again[0].attempts), (&key, 1));
    // After a crash nothing is claimed.
    bench.crash();
    assert_eq!(claim(&mut bench)[0].notice.key, key);
    let rows = bench.counter("journal_position", "");
    attempted(&mut bench, &key, Attempted::Delivered).unwrap();
    assert_eq!(bench.counter("journal_position", ""), rows + 1);
    // Told twice, it is journaled once and not sent again.
    attempted(&mut bench, &key, Attempted::Delivered).unwrap();
    assert_eq!(bench.counter("journal_position", ""), rows + 1);
    assert_eq!(bench.counter("outbox_depth", ""), 0);
    let missing = attempted(&mut bench, &NoticeKey("x".into()), Attempted::Delivered);
    assert_eq!(missing, Err(Refusal::NotFound("notice x".into())));
    let attempts = bench.dump().iter().filter(|line| line.contains("\"attempt\"")).count();
    assert_eq!(attempts, 2);
}

#[test]
fn a_notice_that_was_given_up_is_journaled_and_is_not_claimed_again() {
    let mut bench = down();
    let key = claim(&mut bench)[0].notice.key.clone();
    attempted(&mut bench, &key, Attempted::Undeliverable { why: "gone".into() }).unwrap();
    let (live, rebuilt) = bench.engines();
    assert_eq!(live, rebuilt);
    bench.at(100_000);
    assert!(claim(&mut bench).iter().all(|claimed| claimed.notice.key != key));
}

#[test]
fn old_notices_and_their_attempts_are_removed_with_the_results() {
    let mut bench = down();
    let key = claim(&mut bench)[0].notice.key.clone();
    attempted(&mut bench, &key, Attempted::Delivered).unwrap();
    let keep = super::watch().retention + Millis::from_secs(2 * 86_400);
    bench.at(keep.ms());
    for _ in 0..100 {
        bench.core().idle();
        let later = bench.clock.load(std::sync::atomic::Ordering::Relaxed) + 60_000;
        bench.at(later - START);
    }
    let dump = bench.dump();
    for sort in ["attempt", "result", "cursor"] {
        let left = dump.iter().filter(|line| line.contains(&format!("Text(\"{sort}\")"))).count();
        assert_eq!(left, 0, "{sort}");
    }
    assert!(!dump.iter().any(|line| line.contains(&key.0) && line.contains("\"notice\"")));
    assert!(dump.iter().any(|line| line.contains("\"incident\"")), "incidents are kept");
}
