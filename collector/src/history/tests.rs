use super::*;
use crate::core::tests::{START, result};
use crate::store::Store;

const HOUR: i64 = 3_600_000;

fn agent(name: &str) -> AgentName {
    AgentName::new(name).unwrap()
}

fn query(after: Option<String>, limit: u32) -> ResultQuery {
    let probe = ProbeName::new("shop").unwrap();
    let (from, to) = (Timestamp::from_ms(START), Timestamp::from_ms(START + 10 * HOUR));
    ResultQuery { probe, from, to, after, limit }
}

fn stored(store: &mut Store, rows: &[(&str, &str, u64, i64)]) {
    store
        .write(|step, names| {
            for (place, who, seq, at) in rows {
                let one = result("shop", place, *seq, START + at, true);
                put(step, names, &agent(who), 7, &one)?;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn pages_follow_slot_region_agent_and_seq_and_join_without_a_seam() {
    let data = tempfile::tempdir().unwrap();
    let mut store = Store::open(data.path()).unwrap();
    // Names get their numbers in another order than the alphabet's.
    let rows = [
        ("us", "z", 1, 0),
        ("eu", "z", 1, 0),
        ("eu", "b", 2, 0),
        ("eu", "b", 1, 0),
        ("ap", "c", 1, HOUR),
        ("us", "a", 2, HOUR),
        ("ap", "c", 2, 10 * HOUR),
    ];
    stored(&mut store, &rows);
    let line = |one: &StoredResult| {
        let r = &one.result;
        format!("{} {} {} {}", (r.slot.ms() - START) / HOUR, r.region, one.agent, r.seq)
    };
    let want = ["0 eu b 1", "0 eu b 2", "0 eu z 1", "0 us z 1", "1 ap c 1", "1 us a 2"];
    for limit in 1..=7 {
        let (mut lines, mut after) = (Vec::new(), None);
        loop {
            let page = page(&store.db, &query(after, limit)).unwrap().unwrap();
            assert!(page.results.len() <= limit as usize);
            lines.extend(page.results.iter().map(line));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(lines, want, "{limit} a page");
    }
    for wrong in ["", "x", "1/eu/b/7", "1/eu/b/7/1/2", "1/-/b/7/1"] {
        let refused = page(&store.db, &query(Some(wrong.into()), 1)).unwrap();
        assert!(refused.is_err(), "{wrong}");
    }
    let mut none = query(None, 1);
    none.probe = ProbeName::new("other").unwrap();
    assert_eq!(page(&store.db, &none).unwrap().unwrap(), ResultPage::default());
}

#[test]
fn a_result_is_stored_once_and_read_back_whole() {
    let data = tempfile::tempdir().unwrap();
    let mut store = Store::open(data.path()).unwrap();
    let mut one = result("shop", "eu", 1, START, false);
    one.clock = Some(model::result::Clock { offset_ms: -3, error_ms: 2 });
    one.values.insert("http_status_code".into(), 503);
    one.phases.push(model::result::Phase { name: "dns".into(), us: 12 });
    let written = store
        .write(|step, names| Ok([0, 0].map(|_| put(step, names, &agent("a"), 7, &one).unwrap())))
        .unwrap();
    assert_eq!(written, [true, false]);
    let page = page(&store.db, &query(None, 10)).unwrap().unwrap();
    assert_eq!(page.results, [StoredResult { agent: agent("a"), incarnation: 7, result: one }]);
}

#[test]
fn the_newest_result_of_each_region_is_found() {
    let data = tempfile::tempdir().unwrap();
    let mut store = Store::open(data.path()).unwrap();
    stored(
        &mut store,
        &[("eu", "a", 1, 0), ("eu", "a", 2, HOUR), ("us", "b", 1, 0), ("ap", "c", 1, 0)],
    );
    let regions = ["eu", "us", "sa"].map(|name| Region::new(name).unwrap());
    let probe = ProbeName::new("shop").unwrap();
    let mut found: Vec<(String, u64)> = latest(&store.db, &probe, &regions)
        .unwrap()
        .into_iter()
        .map(|one| (one.result.region.to_string(), one.result.seq))
        .collect();
    found.sort();
    assert_eq!(found, [("eu".to_owned(), 2), ("us".to_owned(), 1)]);
}

#[test]
fn results_are_kept_for_whole_days_and_removed_a_slice_at_a_time() {
    let data = tempfile::tempdir().unwrap();
    let mut store = Store::open(data.path()).unwrap();
    let rows: Vec<_> =
        (0..72).map(|hour| ("eu", "a", u64::try_from(hour + 1).unwrap(), hour * HOUR)).collect();
    stored(&mut store, &rows);
    let now = Timestamp::from_ms(START + 61 * HOUR);
    let before = kept_from(now, Millis::from_secs(86_400));
    assert_eq!(before, Timestamp::from_ms(START + 24 * HOUR));
    let mut retirement = Retirement::default();
    let mut slices = 0;
    while store.write(|step, _| retirement.slice(step, before)).unwrap() {
        slices += 1;
    }
    assert_eq!(slices, 24);
    assert!(retirement.is_done(before));
    let left: (i64, i64) = store
        .db
        .query_row("SELECT count(*), min(slot_ms) FROM result", [], |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap();
    assert_eq!(left, (48, START + 24 * HOUR));
}
