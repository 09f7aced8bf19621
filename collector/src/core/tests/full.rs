//! A disk that is full: nothing is lost, nothing is half done, and it ends without a restart.

use std::collections::BTreeMap;

use model::wire::Order;

use super::{Bench, START, result};
use crate::handle::{Command, IncidentQuery, Refusal, ResultQuery};
use model::name::ProbeName;
use model::time::Timestamp;

/// Lets the store grow no further than it is.
fn fill(bench: &mut Bench) {
    let db = &bench.core().store.db;
    let pages: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let _: i64 =
        db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get(0)).unwrap();
}

fn empty(bench: &mut Bench) {
    let db = &bench.core().store.db;
    let _: i64 = db.query_row("PRAGMA max_page_count = 1000000", [], |row| row.get(0)).unwrap();
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_ends_without_a_restart() {
    let mut bench = Bench::new();
    bench.ingest("eu", vec![result("shop", "eu", 1, START, true)]).unwrap();
    fill(&mut bench);
    // Small rows fit into pages that are there; sooner or later one does not.
    let mut seq = 1;
    let refusal = loop {
        seq += 1;
        let mut large = result("shop", "eu", seq, START + i64::try_from(seq).unwrap(), true);
        large.detail = "x".repeat(300);
        match bench.ingest("eu", vec![large]) {
            Ok(receipt) => assert_eq!(receipt.highest_seq, seq),
            Err(refusal) => break refusal,
        }
        assert!(seq < 1000, "the disk is never full");
    };
    assert!(matches!(&refusal, Refusal::Unwritable(why) if why.contains("full")), "{refusal}");
    assert!(matches!(bench.ask(Command::Ready), Err(Refusal::Unwritable(_))));
    assert!(bench.counter("refused_total", "unwritable") > 0);
    let (live, rebuilt) = bench.engines();
    assert_eq!(live, rebuilt, "something was applied that is not in the journal");
    let query = ResultQuery {
        probe: ProbeName::new("shop").unwrap(),
        from: Timestamp::from_ms(START),
        to: Timestamp::from_ms(START + 100_000),
        after: None,
        limit: 1000,
    };
    let page = bench.ask(|reply| Command::Results(query.clone(), reply)).unwrap();
    assert_eq!(page.results.len() as u64, seq - 1);
    bench.ask(|reply| Command::Incidents(IncidentQuery::default(), reply)).unwrap();

    empty(&mut bench);
    bench.at(2000);
    bench.core().idle();
    bench.ask(Command::Ready).unwrap();
    let again = result("shop", "eu", seq, START, true);
    assert_eq!(bench.ingest("eu", vec![again]).unwrap().highest_seq, seq);
    let page = bench.ask(|reply| Command::Results(query, reply)).unwrap();
    assert_eq!(page.results.len() as u64, seq);
    let (live, rebuilt) = bench.engines();
    assert_eq!(live, rebuilt);
}

#[test]
fn effects_that_cannot_be_committed_wait_and_orders_are_given_once_and_only_after() {
    let mut bench = Bench::new();
    let mut orders = bench.handle.orders();
    for place in super::REGIONS {
        bench.ingest(place, vec![result("shop", place, 1, START, true)]).unwrap();
    }
    while orders.try_recv().is_ok() {}
    bench.at(60_000);
    let suspect = result("shop", "eu", 2, START + 60_000, false);
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    let batch = Box::new(super::batch("eu", vec![suspect]));
    let command = Command::Ingest(super::caller("eu"), batch, reply);
    let core = bench.core();
    let write = core.answer(command).into_iter().collect();
    let now = core.advance();
    let staged = core.stage(now, write);
    core.decide(now, staged);
    assert_eq!(answer.try_recv().unwrap().unwrap().highest_seq, 2);
    core.store.db.pragma_update(None, "query_only", true).unwrap();
    core.settle();
    assert!(!core.pending.is_empty() && core.fault.is_some());
    assert!(orders.try_recv().is_err(), "an order was given before it was durable");
    assert!(matches!(bench.ingest("us", Vec::new()), Err(Refusal::Unwritable(_))));

    bench.core().store.db.pragma_update(None, "query_only", false).unwrap();
    bench.ingest("us", Vec::new()).unwrap();
    assert!(bench.core().pending.is_empty());
    let mut given = BTreeMap::new();
    while let Ok((region, order)) = orders.try_recv() {
        if let Order::ProbeNow { .. } = order {
            *given.entry(region.to_string()).or_insert(0) += 1;
        }
    }
    assert_eq!(given, BTreeMap::from([("ap".to_owned(), 1), ("us".to_owned(), 1)]));
}

#[test]
fn while_nobody_can_be_heard_the_view_says_unknown_and_no_silence_is_held_against_anybody() {
    let mut bench = Bench::new();
    for place in super::REGIONS {
        let results = vec![result("shop", place, 1, START, true)];
        bench.ingest(place, results).unwrap();
    }
    let word = |bench: &mut Bench| {
        let view = bench.ask(Command::View).unwrap();
        view.probes[0].verdict.word()
    };
    assert_eq!(word(&mut bench), "up");
    bench.core().store.db.pragma_update(None, "query_only", true).unwrap();
    bench.ingest("eu", Vec::new()).unwrap_err();
    bench.at(3_600_000);
    bench.core().idle();
    assert_eq!(word(&mut bench), "unknown");
    bench.core().store.db.pragma_update(None, "query_only", false).unwrap();
    bench.at(3_602_000);
    bench.core().idle();
    let view = bench.ask(Command::View).unwrap();
    assert!(view.agents.iter().all(|agent| !agent.silent), "{:?}", view.agents);
    let (live, rebuilt) = bench.engines();
    assert_eq!(live, rebuilt);
}
