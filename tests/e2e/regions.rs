//! What one region alone sees, and what nobody sees.

use std::time::Duration;

use crate::lab::{ANCHOR, TARGET, eventually};
use crate::outage::{CONFIG, running};

const LIMIT: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn a_region_cut_off_from_the_target_alone_is_partial_and_pages_nobody() {
    let lab = running(CONFIG).await;
    lab.cut("ap", TARGET);
    let row = lab.verdict("shop", "up", true, LIMIT).await;
    assert_eq!(row["regions"]["ap"]["vote"], "down");
    // Two more intervals of failures make no difference.
    eventually("ap has failed three times", LIMIT, || async {
        let results = lab.get("/api/v1/results?probe=shop&from=0&limit=10000");
        (results.matches("\"failed\"").count() >= 3).then_some(())
    })
    .await;
    assert_eq!(lab.ask(&["incidents"]).as_array().map(Vec::len), Some(0));
    assert!(lab.received("hooks").is_empty() && lab.received("mails").is_empty());
    lab.heal("ap", TARGET);
    lab.verdict("shop", "up", false, LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_anchors_fail_too_has_no_vote() {
    let lab = running(CONFIG).await;
    lab.cut("ap", ANCHOR);
    lab.cut("ap", TARGET);
    eventually("ap is void: isolated", LIMIT, || async {
        let results = lab.get("/api/v1/results?probe=shop&from=0&limit=10000");
        let rows: serde_json::Value = serde_json::from_str(&results).ok()?;
        let void = |row: &&serde_json::Value| row["outcome"] == "void" && row["region"] == "ap";
        let found = rows.as_array()?.iter().find(void)?.clone();
        assert_eq!(found["reason"], "isolated");
        Some(())
    })
    .await;
    let row = lab.verdict("shop", "up", false, LIMIT).await;
    assert_eq!(row["regions"]["ap"]["vote"], "unknown");
    assert_eq!(lab.ask(&["incidents"]).as_array().map(Vec::len), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_agents_killed_is_unknown_and_one_incident_about_the_agents() {
    let mut lab = running(CONFIG).await;
    for region in ["eu", "us", "ap"] {
        lab.kill(&format!("agent-{region}"));
    }
    let limit = Duration::from_secs(90);
    lab.verdict("shop", "unknown", false, limit).await;
    eventually("all three are known to be silent", limit, || async {
        let incidents = lab.ask(&["incidents"]);
        let summary = incidents[0]["summary"].as_str()?.to_owned();
        summary.contains("all 3 agents are silent").then_some(())
    })
    .await;
    let incidents = lab.ask(&["incidents"]);
    let incidents = incidents.as_array().expect("a list");
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    assert_eq!(incidents[0]["key"], "agents:all:silent");
    assert!(incidents[0]["probe"].is_null());
    let told = lab.received("hooks");
    assert!(told.iter().all(|row| row["body"]["incident"]["key"] == "agents:all:silent"));
}
