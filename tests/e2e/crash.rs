//! The collector dies again and again under load, and agents die in between: nothing that was
//! spooled is lost or counted twice, nobody is told twice, and the statement can be recomputed from
//! what the agents wrote down themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{Lab, TARGET, eventually, now_ms};
use crate::outage::CONFIG;

/// Besides the shop, so many probes run every second from each region.
const LOAD: usize = 24;

fn config() -> String {
    let mut probes = String::from("services:\n");
    let mut load = String::new();
    for number in 0..LOAD {
        writeln!(
            load,
            "  - name: load-{number}\n    tcp: {{ address: \"10.231.0.2:8081\" }}\n    every: 1s\n    timeout: 1s"
        )
        .expect("a string");
    }
    load.push_str(&probes);
    probes = load;
    CONFIG.replace("services:\n", &probes)
}

async fn pass(seconds: u64) {
    // Time itself is what this test needs: the collector stays away for a minute.
    let from = tokio::time::Instant::now();
    let long = Duration::from_secs(seconds);
    eventually("time passes", long * 2, || async { (from.elapsed() >= long).then_some(()) }).await;
}

/// What the agents wrote down: `agent/seq` of everything spooled, and the rows of the shop.
fn recorded(lab: &Lab) -> (BTreeSet<String>, Vec<Value>) {
    let (mut ids, mut shop) = (BTreeSet::new(), BTreeMap::new());
    let mut incarnations = BTreeSet::new();
    for region in ["eu", "us", "ap"] {
        let text = std::fs::read_to_string(lab.path(&format!("{region}.jsonl"))).expect("a record");
        for line in text.lines() {
            let mut row: Value = serde_json::from_str(line).expect("JSON");
            let id = row["id"].as_str().expect("an id").to_owned();
            let parts: Vec<&str> = id.split('/').collect();
            incarnations.insert((parts[0].to_owned(), parts[1].to_owned()));
            ids.insert(format!("{}/{}", parts[0], parts[2]));
            let probe = row.as_object_mut().and_then(|row| row.remove("probe")).expect("a probe");
            if probe == "shop" {
                shop.insert(id, row);
            }
        }
    }
    assert_eq!(incarnations.len(), 3, "a restart keeps the spool: {incarnations:?}");
    (ids, shop.into_values().collect())
}

/// `agent/seq` of everything that the collector has, with how often.
fn stored(lab: &Lab) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let loads = (0..LOAD).map(|number| format!("load-{number}"));
    for probe in loads.chain(["shop".to_owned()]) {
        let mut after = String::new();
        loop {
            let path = format!("/api/v1/results?probe={probe}&from=0&limit=1000{after}");
            let (head, body) = lab.get_with_head(&path);
            let rows: Value = serde_json::from_str(&body).expect("results");
            for row in rows.as_array().expect("rows") {
                let id = format!("{}/{}", row["agent"].as_str().expect("an agent"), row["seq"]);
                *found.entry(id).or_default() += 1;
            }
            let next = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("x-next-after").then(|| value.trim().to_owned())
            });
            match next {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nobody_is_told_twice_when_programs_die() {
    let mut lab = Lab::new(&["eu", "us", "ap"]);
    lab.write("probes.yaml", &config());
    lab.start_receivers();
    lab.start_nginx("target", &format!("{TARGET}:8080"));
    lab.start_nginx("load", &format!("{TARGET}:8081"));
    lab.start_nginx("anchor", "10.231.0.3:7000");
    lab.start_collector();
    for region in ["eu", "us", "ap"] {
        lab.start_agent(region);
    }
    let limit = Duration::from_secs(60);
    lab.verdict("shop", "up", false, limit).await;

    for round in 0..3 {
        pass(8).await;
        if round == 1 {
            lab.stop("target");
            lab.verdict("shop", "down", false, limit).await;
            // A notice that is on its way when the collector dies goes again under the same key; one
            // whose delivery is written down never does, and that is what is counted here.
            delivered(&lab).await;
        }
        lab.kill("collector");
        pass(25).await;
        let region = ["eu", "us", "ap"][round];
        lab.kill(&format!("agent-{region}"));
        pass(10).await;
        lab.start_agent(region);
        pass(25).await;
        lab.start_collector();
        if round == 1 {
            lab.verdict("shop", "down", false, limit).await;
            lab.start_nginx("target", &format!("{TARGET}:8080"));
        }
        lab.verdict("shop", "up", false, limit).await;
    }
    caught_up(&lab).await;
    for region in ["eu", "us", "ap"] {
        assert_eq!(lab.stop(&format!("agent-{region}")), Some(0), "the agent of {region}");
    }
    everything_is_there_once(&lab);
    people_were_told_once(&lab).await;
    the_statement_is_the_same_from_the_agents_own_record(&lab);
    assert_eq!(lab.stop("collector"), Some(0));
}

/// Waits until the deliveries of the first step are in the incident's story.
async fn delivered(lab: &Lab) {
    eventually("the first step is delivered", Duration::from_secs(30), || async {
        let incident = lab.try_ask(&["incident", "show", "1"])?;
        let entries = incident["timeline"].as_array()?.iter();
        (entries.filter(|entry| entry["what"] == "delivered").count() >= 2).then_some(())
    })
    .await;
}

/// Waits until the collector has what each agent measured lately: results come in the order in which
/// they were spooled, so nothing older is left behind them.
async fn caught_up(lab: &Lab) {
    eventually("the collector has caught up", Duration::from_secs(60), || async {
        let status = lab.try_ask(&["status"])?;
        let row = status.as_array()?.iter().find(|row| row["name"] == "load-0")?.clone();
        let fresh = |says: &Value| says["last_ms"].as_i64() > Some(now_ms() - 4000);
        row["regions"].as_object()?.values().all(fresh).then_some(())
    })
    .await;
}

fn everything_is_there_once(lab: &Lab) {
    let (spooled, _) = recorded(lab);
    let stored = stored(lab);
    let twice: Vec<_> = stored.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "stored more than once: {twice:?}");
    let there: BTreeSet<String> = stored.into_keys().collect();
    let lost: Vec<_> = spooled.difference(&there).take(9).collect();
    let unknown: Vec<_> = there.difference(&spooled).take(9).collect();
    let left = spooled.difference(&there).count();
    assert!(lost.is_empty(), "{left} spooled, but not stored: {lost:?}");
    assert!(unknown.is_empty(), "stored, but never spooled: {unknown:?}");
    assert!(spooled.len() > 3 * LOAD * 60, "there was load: {}", spooled.len());
}

async fn people_were_told_once(lab: &Lab) {
    let limit = Duration::from_secs(20);
    eventually("the end is told", limit, || async {
        let hooks = lab.received("hooks");
        hooks.iter().any(|row| row["body"]["event"] == "resolved").then_some(())
    })
    .await;
    let incidents = lab.ask(&["incidents"]);
    let about_shop: Vec<&Value> =
        incidents.as_array().expect("a list").iter().filter(|i| i["probe"] == "shop").collect();
    assert_eq!(about_shop.len(), 1, "{about_shop:?}");
    assert_eq!(incidents.as_array().map(Vec::len), Some(1), "{incidents}");
    let keys = lab.received("hooks");
    let keys: Vec<&str> =
        keys.iter().filter_map(|row| row["body"]["notice"]["key"].as_str()).collect();
    let once: BTreeSet<&str> = keys.iter().copied().collect();
    assert_eq!(once.len(), keys.len(), "told twice: {keys:?}");
}

fn the_statement_is_the_same_from_the_agents_own_record(lab: &Lab) {
    let stated = lab.ask(&["report", "--service", "web-shop"]);
    let (_, shop) = recorded(lab);
    let mut lines = String::new();
    for row in &shop {
        writeln!(lines, "{row}").expect("a string");
    }
    let observations = lab.write("observations.jsonl", &lines);
    let contract = json!({
        "regions": ["eu", "us", "ap"], "grace_ms": 10_000, "target_ppm": 999_000,
        "min_outage_ms": 0, "notice_ms": 0, "maintenance": [],
        "period": {"from": stated["period_from"], "to": stated["period_to"]},
        "credits_ppm_percent": [],
    });
    let contract = lab.write("contract.json", &contract.to_string());
    let text = lab.run(&[
        "report",
        "--observations",
        observations.to_str().expect("a path"),
        "--contract",
        contract.to_str().expect("a path"),
        "--format",
        "json",
    ]);
    let offline: Value = serde_json::from_str(&text).expect("JSON");
    for (key, value) in offline.as_object().expect("an object") {
        assert_eq!(&stated[key], value, "{key}");
    }
    assert!(offline["down_ms"].as_i64() > Some(30_000), "there was an outage: {offline}");
}
