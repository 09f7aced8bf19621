//! The text for Prometheus, and its documentation.

use std::io::Write;
use std::process::{Command, Stdio};

use model::result::{Outcome, Reason, VoidReason};
use model::time::Millis;

use super::table::{ALL, PANICS, REQUESTS, Sort};
use super::{Counted, exposition};
use crate::fake::{BEGAN, Fake, stored};

/// A scrape of the fake core's view with one result of that outcome, `later_s` after it.
async fn scrape(outcome: Outcome, later_s: i64) -> String {
    let (fake, handle) = Fake::start();
    fake.known().view.latest = vec![stored(BEGAN, outcome).into()];
    let view = handle.view().await.unwrap();
    let counted = handle.counted();
    counted.count(&REQUESTS, &["/healthz", "GET", "200"]);
    exposition(counted, Some(&view), BEGAN + Millis::from_secs(later_s)).unwrap()
}

#[tokio::test]
async fn a_scrape_shows_the_names_of_blackbox_exporter_and_our_own() {
    let text = scrape(Outcome::Passed, 1).await;
    expect_test::expect_file!["scrape.txt"].assert_eq(&text);
    assert!(!text.contains("hunter2"), "a target's secret is no label");
}

#[tokio::test]
async fn only_what_is_known_now_has_a_series() {
    const SERIES: &str = "probe_success{";
    for (outcome, later_s, value) in [
        (Outcome::Passed, 130, Some("1")),
        (Outcome::Failed(Reason::Status), 130, Some("0")),
        (Outcome::Passed, 131, None),
        (Outcome::Void(VoidReason::Isolated), 1, None),
    ] {
        let text = scrape(outcome, later_s).await;
        let line = text.lines().find(|line| line.starts_with(SERIES));
        let got = line.and_then(|line| line.rsplit(' ').next());
        assert_eq!(got, value, "{outcome:?} after {later_s} s");
    }
    let (fake, handle) = Fake::start();
    fake.known().view.latest = vec![stored(BEGAN, Outcome::Passed).into()];
    fake.known().view.probes.clear();
    let view = handle.view().await.unwrap();
    let text = exposition(handle.counted(), Some(&view), BEGAN).unwrap();
    assert!(!text.contains("\"shop\""), "a removed probe's series stop: {text}");
}

#[tokio::test]
async fn everything_that_is_shown_stands_in_the_table() {
    let text = scrape(Outcome::Failed(Reason::Body), 1).await;
    for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(ALL.iter().any(|metric| metric.name == name), "{name}");
    }
    let counted = Counted::default();
    for metric in ALL.iter().filter(|metric| metric.sort == Sort::Counter) {
        assert!(counted.counters.contains_key(metric.name), "{} counts", metric.name);
    }
    counted.count(&PANICS, &["http"]);
    assert_eq!(counted.value(&PANICS, &["http"]), 1);
}

#[tokio::test]
async fn promtool_finds_nothing_wrong() {
    let text = scrape(Outcome::Passed, 1).await;
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool =
        spawned.expect("promtool is missing: tests/run installs what the tests need");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_documentation_is_the_table() {
    let mut page = String::from(
        "# Metrics\n\n`GET /metrics` of the collector. Made from the table in \
         `collector/src/metrics/table.rs`;\n`UPDATE_EXPECT=1 cargo test -p collector` writes it \
         anew.\n\nNames without the prefix `watchpost_` are those of blackbox_exporter; their label \
         `instance` is the target without\nname, password, query and fragment.\n\n\
         | name | type | labels | meaning |\n| --- | --- | --- | --- |\n",
    );
    for metric in ALL {
        let sort = if metric.sort == Sort::Gauge { "gauge" } else { "counter" };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        page.push_str(&format!("| `{}` | {sort} | {labels} | {} |\n", metric.name, metric.help));
    }
    expect_test::expect_file!["../../../docs/metrics.md"].assert_eq(&page);
}
