//! The whole agent against a small collector on loopback.

mod collector;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::config::Opaque;
use model::name::{ProbeName, Region};
use model::result::{Outcome, Reason, VoidReason};
use model::time::Millis;
use model::wire::{Alarm, AssignedProbe, Order};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::work::ReadKind;
use super::*;
use crate::policy;
use crate::probe::{Attempt, Finding, Probe, Running};
use crate::secret::{Destination, Reference, Use};
use collector::{Answer, Collector};

/// A kind for tests: does what its word says.
#[derive(Debug)]
struct Fake(Opaque);

impl Probe for Fake {
    fn look<'a>(&'a self, attempt: &'a Attempt) -> Running<'a> {
        Box::pin(async move {
            let outcome = match self.0.word.as_str() {
                "failing" => Outcome::Failed(Reason::Connect),
                "panicking" => panic!("a bug in a kind"),
                "hanging" => std::future::pending().await,
                "secretive" => {
                    let filled = attempt.secrets.fill("${env:DB}").unwrap();
                    assert_eq!(filled, "value of env:DB");
                    Outcome::Passed
                }
                _ => Outcome::Passed,
            };
            let (phases, values) = (Vec::new(), Default::default());
            Finding { outcome, detail: "as told".into(), phases, values, evidence: None }
        })
    }

    fn uses(&self) -> Vec<Use> {
        let host = self.0.parameters["host"].as_str();
        let asked = |host: &str| Use {
            reference: Reference("env:DB".into()),
            field: "password".into(),
            made_for_secrets: true,
            destination: Destination {
                kind: self.0.word.clone(),
                host: host.into(),
                port: 5432,
                tls: true,
            },
        };
        host.map(asked).into_iter().collect()
    }
}

fn fakes() -> ReadKind {
    Arc::new(|kind: &Opaque| match kind.word.as_str() {
        "unknown" => Err("this agent does not know the kind `unknown`".into()),
        _ => Ok(Arc::new(Fake(kind.clone())) as Arc<dyn Probe>),
    })
}

fn probe(name: &str, word: &str, parameters: serde_json::Value) -> AssignedProbe {
    AssignedProbe {
        name: ProbeName::new(name).unwrap(),
        kind: Opaque { word: word.into(), parameters },
        every: Millis::from_secs(1),
        timeout: Millis::from_ms(400),
        rank: 0,
        of: 1,
    }
}

fn plain(name: &str, word: &str) -> AssignedProbe {
    probe(name, word, serde_json::Value::Null)
}

struct Agent {
    task: JoinHandle<Result<(), Error>>,
    stop: CancellationToken,
}

fn options(collector: &Collector, data: &Path) -> Options {
    Options {
        collector: collector.url(),
        collector_ca: None,
        region: Region::new("eu").unwrap(),
        data: data.join("agent"),
        token: "wpa_test".into(),
        trust: Trust::FirstUse,
        resolve: Arc::new(|name: &str| match name {
            "env:MISSING" => Err("env:MISSING is not set on this agent".into()),
            name => Ok(format!("value of {name}")),
        }),
        listen: None,
        record: Some(data.join("record.jsonl")),
    }
}

impl Agent {
    fn start(options: Options) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let stop = CancellationToken::new();
        let task = tokio::spawn(driver::run(options, fakes(), stop.clone()));
        Self { task, stop }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// Waits until something holds; the limit only ends a test that would never end.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..3000 {
        looks.tick().await;
        if holds() {
            return;
        }
    }
    panic!("it never came to this: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_runs_its_assignment_and_every_result_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(vec![plain("good", "passing"), plain("bad", "failing")]).await;
    let agent = Agent::start(options(&collector, folder.path()));
    let both = || {
        let outcomes: BTreeSet<&str> =
            collector.results().iter().map(|result| result.outcome.word()).collect();
        outcomes.len() == 2
    };
    until("both outcomes arrived", both).await;
    // A new assignment is fetched because of its tag.
    collector.assign(vec![plain("third", "passing"), plain("odd", "unknown")]);
    until("the new probes ran", || {
        let names: BTreeSet<String> =
            collector.results().iter().map(|result| result.probe.to_string()).collect();
        names.contains("third") && names.contains("odd")
    })
    .await;
    agent.stop().await;
    let results = collector.results();
    let seqs: Vec<u64> = results.iter().map(|result| result.seq).collect();
    assert_eq!(seqs, (1..=results.len() as u64).collect::<Vec<_>>(), "in order, each once");
    for result in &results {
        assert_eq!(result.region.as_str(), "eu");
        match result.probe.as_str() {
            "bad" => {
                assert_eq!((result.outcome, result.attempts), (Outcome::Failed(Reason::Connect), 2))
            }
            "odd" => assert_eq!(result.outcome, Outcome::Void(VoidReason::Unsupported)),
            _ => assert_eq!((result.outcome, result.attempts), (Outcome::Passed, 1)),
        }
    }
    assert!(
        results.iter().any(|result| result.clock.is_some_and(|clock| clock.offset_ms.abs() < 1000))
    );
    let record = std::fs::read_to_string(folder.path().join("record.jsonl")).unwrap();
    assert_eq!(record.lines().count(), results.len());
    let line: serde_json::Value = serde_json::from_str(record.lines().next().unwrap()).unwrap();
    assert_eq!(line["interval_ms"], 1000);
    assert!(collector.unchanged() == 0 || collector.fetches() > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_collector_answers_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(vec![plain("good", "passing")]).await;
    collector.answer([
        Answer::Take,
        Answer::Status(503, Some(1)),
        Answer::Status(429, Some(1)),
        Answer::Status(400, None),
        Answer::Garbage,
        Answer::Close,
        Answer::Status(500, None),
        Answer::TakeAndClose,
    ]);
    let agent = Agent::start(options(&collector, folder.path()));
    until("all answers were given", || collector.answers_left() == 0).await;
    let seen = collector.results().len();
    until("results arrive again", || collector.results().len() > seen + 1).await;
    agent.stop().await;
    let seqs: Vec<u64> = collector.results().iter().map(|result| result.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_alone_goes_on_and_tells_everything_later() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(vec![plain("good", "passing")]).await;
    let agent = Agent::start(options(&collector, folder.path()));
    until("a result arrived", || !collector.results().is_empty()).await;
    agent.stop().await;
    let before = collector.results().len() as u64;
    // The collector is gone; the agent starts from its disk.
    collector.refuse(true);
    let agent = Agent::start(options(&collector, folder.path()));
    let record = folder.path().join("record.jsonl");
    let recorded = || std::fs::read_to_string(&record).unwrap().lines().count() as u64;
    until("it runs alone", || recorded() >= before + 3).await;
    agent.stop().await;
    collector.refuse(false);
    let agent = Agent::start(options(&collector, folder.path()));
    until("the rest arrived", || collector.results().len() as u64 >= before + 3).await;
    agent.stop().await;
    let seqs: Vec<u64> = collector.results().iter().map(|result| result.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert_eq!(collector.incarnations().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_in_a_run_costs_that_run_alone() {
    let folder = tempfile::tempdir().unwrap();
    let missing = probe("missing", "passing", serde_json::json!({ "host": "db" }));
    let collector = Collector::start(vec![
        plain("panics", "panicking"),
        plain("hangs", "hanging"),
        plain("good", "passing"),
        missing,
    ])
    .await;
    let mut options = options(&collector, folder.path());
    options.resolve = Arc::new(|name: &str| Err(format!("{name} is not set on this agent")));
    let agent = Agent::start(options);
    let outcome = |name: &str| {
        let results = collector.results();
        results.into_iter().find(|result| result.probe.as_str() == name)
    };
    for (name, expected, says) in [
        ("panics", Outcome::Void(VoidReason::Panic), "panicked"),
        ("hangs", Outcome::Failed(Reason::Timeout), "no end within"),
        ("good", Outcome::Passed, ""),
        ("missing", Outcome::Void(VoidReason::Secret), "env:DB is not set on this agent"),
    ] {
        until(name, || outcome(name).is_some()).await;
        let result = outcome(name).unwrap();
        assert_eq!(result.outcome, expected, "{name}");
        assert!(result.detail.contains(says), "{name}: {}", result.detail);
    }
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_runs_a_probe_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let rare = AssignedProbe { every: Millis::from_secs(86_400), ..plain("rare", "passing") };
    let collector = Collector::start(vec![rare]).await;
    let agent = Agent::start(options(&collector, folder.path()));
    until("the stream stands", || collector.streams() > 0).await;
    until("the assignment is known", || collector.batches() > 0).await;
    collector.order(Order::ProbeNow { probe: ProbeName::new("rare").unwrap() });
    until("it ran", || !collector.results().is_empty()).await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_moved_elsewhere_waits_for_an_approval_beside_the_running_agent() {
    let folder = tempfile::tempdir().unwrap();
    let to = |host: &str| vec![probe("db", "secretive", serde_json::json!({ "host": host }))];
    let collector = Collector::start(to("db")).await;
    let options = options(&collector, folder.path());
    let data = options.data.clone();
    let agent = Agent::start(options);
    let last = || collector.results().last().map(|result| result.outcome);
    until("the first use is released", || last() == Some(Outcome::Passed)).await;
    collector.assign(to("evil.example"));
    until("another is refused", || last() == Some(Outcome::Void(VoidReason::Secret))).await;
    until("and said", || matches!(collector.alarms().last(), Some(Alarm::SecretRefused { .. })))
        .await;
    let pending = policy::pending(&data).unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(policy::approve(&data, Some("OTHER")).unwrap(), []);
    assert_eq!(policy::approve(&data, Some("DB")).unwrap(), pending);
    until("it is released", || last() == Some(Outcome::Passed)).await;
    until("and cleared", || matches!(collector.alarms().last(), Some(Alarm::SecretCleared { .. })))
        .await;
    assert_eq!(policy::pending(&data).unwrap(), []);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_and_health_are_served_and_one_folder_has_one_agent() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(vec![plain("good", "passing")]).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = Options { listen: Some(free), ..options(&collector, folder.path()) };
    let agent = Agent::start(options.clone());
    until("a result arrived", || !collector.results().is_empty()).await;
    let second = driver::run(options, fakes(), CancellationToken::new()).await;
    assert!(second.unwrap_err().to_string().contains("another agent"));
    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://{free}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await, (200, "ok\n".into()));
    assert_eq!(get("/other").await.0, 404);
    let (status, text) = get("/metrics").await;
    assert_eq!(status, 200);
    for name in [
        "watchpost_agent_probes 1",
        "watchpost_agent_results_total{outcome=\"passed\"}",
        "watchpost_agent_spool_results",
        "watchpost_agent_clock_offset_seconds",
        "watchpost_agent_skipped_total{why=\"late\"}",
        "watchpost_agent_batches_total{result=\"received\"}",
    ] {
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
    agent.stop().await;
}

#[test]
fn tags_are_the_same_with_and_without_their_quotes() {
    for tag in ["b7", "\"b7\"", "W/\"b7\"", " \"b7\" "] {
        assert_eq!(remote::plain_tag(tag), "b7");
    }
}
