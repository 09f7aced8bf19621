//! Claims and attempts.

use model::time::{Millis, Timestamp};

use super::{Bench, START, result};
use crate::handle::{Attempted, Claimed, Command, Refusal};
use model::incident::NoticeKey;

/// A bench on which `local` is down and one notice is due.
fn down() -> Bench {
    let mut bench = Bench::new();
    for (seq, second) in [(1, 30), (2, 60), (3, 70), (4, 80), (5, 90)] {
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
    // Nobody falls silent meanwhile.
    bench.at(130_000);
    bench.ingest("eu", Vec::new()).unwrap();
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
    let mut short = super::watch();
    short.retention = Millis::from_secs(86_400);
    bench.ask(|reply| Command::Reload(Box::new(Ok(short)), reply)).unwrap();
    bench.at(3 * 86_400_000);
    for _ in 0..10 {
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

#[test]
fn the_end_never_overtakes_the_beginning_not_even_after_a_crash() {
    let mut bench = down();
    let first = claim(&mut bench).remove(0).notice.key;
    let at = Timestamp::from_ms(START + 400_000);
    attempted(&mut bench, &first, Attempted::Retry { at, why: "HTTP 500".into() }).unwrap();
    bench.crash();
    for (seq, second) in [(6, 100), (7, 110)] {
        bench.at(second * 1000);
        bench.ingest("eu", vec![result("local", "eu", seq, START + second * 1000, true)]).unwrap();
    }
    let keys = |claimed: Vec<Claimed>| -> Vec<String> {
        let keys = claimed.into_iter().map(|claimed| claimed.notice.key.0);
        // The silence of the agent is told meanwhile.
        keys.filter(|key| key.starts_with("1/")).collect()
    };
    assert_eq!(keys(claim(&mut bench)), [""; 0], "the end waits for the beginning");
    bench.at(400_000);
    assert_eq!(keys(claim(&mut bench)), std::slice::from_ref(&first.0));
    attempted(&mut bench, &first, Attempted::Delivered).unwrap();
    assert_eq!(keys(claim(&mut bench)), ["1/1/0/0/resolved/mail"]);
}

#[test]
fn a_contact_that_hangs_and_a_notice_that_is_broken_hold_up_nobody_else() {
    let mut bench = down();
    let mut notice = claim(&mut bench).remove(0).notice;
    bench.crash();
    bench
        .core()
        .store
        .write(|step, _| {
            for (number, contact) in (100..120).flat_map(|n| [(n, "boss"), (n, "mail")]) {
                notice.key = NoticeKey(format!("{number}/1/0/1/triggered/{contact}"));
                notice.contact = model::name::ContactName::new(contact).unwrap();
                crate::store::outbox::put(step, &notice)?;
            }
            step.execute("UPDATE notice SET body = '{' WHERE key LIKE '100/%'", []).unwrap();
            Ok(())
        })
        .unwrap();
    let claimed = bench.ask(|reply| Command::Claim(64, reply)).unwrap();
    let to = |name: &str| claimed.iter().filter(|c| c.notice.contact.as_str() == name).count();
    let most = crate::store::outbox::CONTACT_CLAIMS_MAX;
    assert_eq!((to("mail"), to("boss")), (most - 1, most - 1), "one of each is broken");
    assert_eq!(bench.ask(|reply| Command::Claim(64, reply)).unwrap(), []);
}
