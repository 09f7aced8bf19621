//! From a stopped nginx to one page, and from a started one to a word to everyone who was told.

use std::time::Duration;

use serde_json::Value;

use crate::lab::{COLLECTOR, Lab, TARGET, eventually};

pub const CONFIG: &str = r#"
version: 1
regions: [eu, us, ap]
defaults: { every: 5s, timeout: 2s }
probes:
  - name: shop
    http: { url: "http://10.231.0.2:8080/", body_contains: "all is well" }
    runbook: https://wiki.example/shop
services:
  - name: web-shop
    probes: [shop]
    objective: { availability: 99.9%, period: month, time_zone: Europe/Berlin }
contacts:
  - name: ops-mail
    email: { to: [ops@example.com] }
  - name: ops-hook
    webhook: { url: "http://10.231.0.1:9000/ops", secret: "${env:HOOK_SECRET}" }
  - name: boss-hook
    webhook: { url: "http://10.231.0.1:9000/boss" }
policies:
  - name: ops
    steps:
      - notify: [ops-mail, ops-hook]
      - after: 8s
        notify: [boss-hook]
    repeat: 0
    repeat_every: 4s
anchors: ["tcp://10.231.0.3:7000"]
smtp: { server: "10.231.0.1:2525", from: watchpost@example.com, security: none }
"#;

/// Three agents, a collector, the target, the anchor and the receivers; the shop is up.
pub async fn running(config: &str) -> Lab {
    let mut lab = Lab::new(&["eu", "us", "ap"]);
    lab.write("probes.yaml", config);
    lab.start_receivers();
    lab.start_nginx("target", &format!("{TARGET}:8080"));
    lab.start_nginx("anchor", "10.231.0.3:7000");
    lab.start_collector();
    for region in ["eu", "us", "ap"] {
        lab.start_agent(region);
    }
    lab.verdict("shop", "up", false, Duration::from_secs(30)).await;
    eventually("all regions vote up", Duration::from_secs(30), || async {
        let status = lab.ask(&["status"]);
        let regions = status[0]["regions"].as_object()?.clone();
        (regions.len() == 3 && regions.values().all(|r| r["vote"] == "up")).then_some(())
    })
    .await;
    lab
}

fn now_ms() -> i64 {
    let since = std::fs::metadata("/proc/self").and_then(|m| m.modified()).expect("a clock");
    let since = since.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("fits")
}

fn hooks<'a>(rows: &'a [Value], path: &str, event: &str) -> Vec<&'a Value> {
    rows.iter().filter(|row| row["path"] == path && row["body"]["event"] == event).collect()
}

/// The quorum's start by the results themselves: when the second region began to fail.
fn second_failure(lab: &Lab, from: i64) -> i64 {
    let results: Value = serde_json::from_str(
        &lab.get(&format!("/api/v1/results?probe=shop&from={}&limit=1000", from - 60_000)),
    )
    .expect("results");
    let mut first: std::collections::BTreeMap<&str, i64> = std::collections::BTreeMap::new();
    for row in results.as_array().expect("rows") {
        let started = row["started_ms"].as_i64().expect("a time");
        if row["outcome"] == "failed" && started >= from {
            let known = first.entry(row["region"].as_str().expect("a region")).or_insert(started);
            *known = (*known).min(started);
        }
    }
    let mut times: Vec<i64> = first.into_values().collect();
    times.sort_unstable();
    times[1]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_target_makes_one_incident_and_every_step_is_told_in_time() {
    let mut lab = running(CONFIG).await;
    let stopped = now_ms();
    lab.stop("target");

    let limit = Duration::from_secs(20);
    let told = eventually("step 1 is told by mail and webhook", limit, || async {
        let (mails, rows) = (lab.received("mails"), lab.received("hooks"));
        (!mails.is_empty() && !hooks(&rows, "/ops", "triggered").is_empty())
            .then_some((mails, rows))
    })
    .await;
    let mail = &told.0[0];
    let hook = hooks(&told.1, "/ops", "triggered")[0].clone();
    for (what, at) in [("mail", &mail["at_ms"]), ("webhook", &hook["at_ms"])] {
        let delay = at.as_i64().expect("a time") - stopped;
        assert!(delay <= 10_000, "{what} came {delay} ms after the stop");
    }
    let down = lab.verdict("shop", "down", false, limit).await;
    eventually("all three regions are named", limit, || async {
        let incident = lab.ask(&["incident", "show", "1"]);
        let regions = incident["regions"].as_object()?;
        let refused = |r: &Value| {
            r["vote"] == "down" && r["reason"].as_str().is_some_and(|r| r.contains("refused"))
        };
        (regions.len() == 3 && regions.values().all(refused)).then_some(())
    })
    .await;
    assert_eq!(down["kind"], "http");
    let incidents = lab.ask(&["incidents"]);
    let incidents = incidents.as_array().expect("a list");
    assert_eq!(incidents.len(), 1, "{incidents:?}");
    let summary = incidents[0]["summary"].as_str().expect("a summary");
    for word in ["eu", "us", "ap", "refused"] {
        assert!(summary.contains(word), "{summary}");
    }
    assert_eq!(incidents[0]["started_ms"].as_i64(), Some(second_failure(&lab, stopped)));

    let escalated = eventually("step 2 is told", limit, || async {
        hooks(&lab.received("hooks"), "/boss", "escalated").first().map(|row| (*row).clone())
    })
    .await;
    let between =
        escalated["at_ms"].as_i64().expect("a time") - hook["at_ms"].as_i64().expect("a time");
    assert!((7_000..=11_000).contains(&between), "step 2 came {between} ms after step 1");

    lab.ask(&["incident", "acknowledge", "1"]);
    eventually("the acknowledgement is told", limit, || async {
        hooks(&lab.received("hooks"), "/boss", "acknowledged").first().map(|_| ())
    })
    .await;
    let before = hooks(&lab.received("hooks"), "/boss", "escalated").len();
    // Unacknowledged, the last step would have been told again within 4 s, and again.
    let from = now_ms();
    eventually("12 s pass", limit, || async { (now_ms() - from > 12_000).then_some(()) }).await;
    assert_eq!(hooks(&lab.received("hooks"), "/boss", "escalated").len(), before);

    lab.start_nginx("target", &format!("{TARGET}:8080"));
    eventually("the end is told to everyone who was told", Duration::from_secs(30), || async {
        let rows = lab.received("hooks");
        let everywhere =
            ["/ops", "/boss"].iter().all(|path| hooks(&rows, path, "resolved").len() == 1);
        (everywhere && lab.received("mails").len() == 2).then_some(())
    })
    .await;
    the_messages_are_whole(&lab);
    let incidents = lab.ask(&["incidents"]);
    assert_eq!(incidents.as_array().map(Vec::len), Some(1));
    assert_eq!(incidents[0]["state"], "resolved");
}

/// What the receivers got is complete, signed, threaded, and holds no secret.
fn the_messages_are_whole(lab: &Lab) {
    use hmac::{KeyInit, Mac};
    let rows = lab.received("hooks");
    let triggered = hooks(&rows, "/ops", "triggered");
    assert_eq!(triggered.len(), 1, "one webhook for step 1");
    let hook = triggered[0];
    let mut mac =
        hmac::Hmac::<sha2::Sha256>::new_from_slice(b"hook-secret-of-the-test").expect("a key");
    mac.update(hook["raw"].as_str().expect("a body").as_bytes());
    let hex: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hook["headers"]["x-watchpost-signature"], format!("sha256={hex}"));
    assert_eq!(hook["headers"]["idempotency-key"], hook["body"]["notice"]["key"]);
    assert_eq!(hook["body"]["version"], 1);
    assert_eq!(hook["body"]["incident"]["service"], "web-shop");

    let mails = lab.received("mails");
    let (down, up) = (&mails[0], &mails[1]);
    let subject = down["headers"]["subject"].as_str().expect("a subject");
    assert!(subject.starts_with("DOWN: shop since ") && subject.ends_with("(#1)"), "{subject}");
    assert!(up["headers"]["subject"].as_str().expect("a subject").starts_with("Up again: shop"));
    assert_eq!(up["headers"]["in-reply-to"], down["headers"]["in-reply-to"]);
    for kind in ["text/plain", "text/html"] {
        let text = down["parts"][kind].as_str().expect("both parts");
        for word in ["shop", "refused", &format!("http://{COLLECTOR}:8420/n/")] {
            assert!(text.contains(word), "{kind} lacks {word}:\n{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_in_a_mail_shows_on_get_and_acknowledges_on_post() {
    let mut lab = running(CONFIG).await;
    lab.stop("target");
    let limit = Duration::from_secs(20);
    let mail =
        eventually("a mail", limit, || async { lab.received("mails").first().cloned() }).await;
    let text = mail["parts"]["text/plain"].as_str().expect("text");
    let place = text.find(&format!("http://{COLLECTOR}:8420/n/")).expect("a link");
    let link: String = text[place..].chars().take_while(|c| !c.is_whitespace()).collect();
    let path = link.trim_start_matches(&format!("http://{COLLECTOR}:8420")).to_owned();
    let page = lab.get(&path);
    assert!(page.contains("<form") && page.contains("shop"), "{page}");
    assert_eq!(lab.ask(&["incident", "show", "1"])["state"], "triggered", "a GET changes nothing");
    let posted = lab.post(&path);
    assert!(posted.contains("ops-mail"), "{posted}");
    let incident = lab.ask(&["incident", "show", "1"]);
    assert_eq!(
        (&incident["state"], &incident["owner"]),
        (&"acknowledged".into(), &"ops-mail".into())
    );
    let forged = lab.get(&format!("{}x", &path[..path.len() - 1]));
    assert!(!forged.contains("<form"), "{forged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_changes_nothing_and_a_right_one_is_taken_while_running() {
    let lab = running(CONFIG).await;
    let limit = Duration::from_secs(20);
    lab.write("probes.yaml", &CONFIG.replace("timeout: 2s", "timeout: 2 parsecs"));
    let metric = "watchpost_config_last_reload_successful";
    eventually("the fault is told", limit, || async {
        let metrics = lab.get("/metrics");
        let told = lab.get("/api/v1/self").contains("parsecs");
        (metrics.contains(&format!("{metric} 0")) && told).then_some(())
    })
    .await;
    assert_eq!(lab.ask(&["status"]).as_array().map(Vec::len), Some(1));
    let more = CONFIG.replace(
        "services:",
        "  - name: blog\n    tcp: { address: \"10.231.0.2:8080\" }\nservices:",
    );
    lab.write("probes.yaml", &more);
    lab.signal("collector", "HUP");
    lab.verdict("blog", "up", false, limit).await;
    assert!(lab.get("/metrics").contains(&format!("{metric} 1")));
}
