//! The loop before a fake core and a real receiver, and what an attempt's end means.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use model::incident::{Event, NoticeKey};
use model::time::{Millis, Timestamp};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::attempt::{ATTEMPTS_MAX, RETRY_FOR, Sent, judge};
use super::lanes::{Admitted, Lanes, WAIT_MAX};
use crate::clock::now;
use crate::fake::{Fake, contact, notice, watch};
use crate::handle::{Attempted, Claimed, Handle};
use crate::links::Links;
use crate::metrics::table::{NOTICES, PANICS};
use crate::notify::Fault;

/// What the receiver got, in order, and how it answers the first requests; 200 afterwards.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<(Vec<String>, Vec<u16>)>>);

impl Receiver {
    async fn start(answers: &[u16]) -> (Self, String) {
        let receiver = Self::default();
        receiver.0.lock().unwrap().1 = answers.iter().rev().copied().collect();
        let take = |State(receiver): State<Self>, headers: HeaderMap| async move {
            let key = headers["idempotency-key"].to_str().unwrap().to_owned();
            let code = {
                let mut kept = receiver.0.lock().unwrap();
                kept.0.push(key);
                kept.1.pop().unwrap_or(200)
            };
            if code == 0 {
                std::future::pending::<()>().await;
            }
            StatusCode::from_u16(code).unwrap()
        };
        let router = Router::new().route("/", post(take)).with_state(receiver.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().0.clone()
    }
}

struct Running {
    core: Fake,
    handle: Handle,
    stop: CancellationToken,
    outbox: JoinHandle<()>,
}

/// An outbox with a contact `hook` at that address and one `gone` that cannot be read.
fn running(url: &str) -> Running {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (core, handle) = Fake::start();
    let contacts = vec![
        contact("hook", "webhook", json!({ "url": url })),
        contact("odd", "webhook", json!({ "url": 5, "secret": "hunter2" })),
        contact("log", "log", json!({})),
        contact("boom", "webhook", json!({ "url": "${env:BOOM}" })),
    ];
    core.known().view.watch = Some(Arc::new(watch(contacts, None)));
    let links = Links::new([5; 32], "https://watch.example".into());
    let stop = CancellationToken::new();
    let resolve: model::secret::Resolver = Arc::new(|name| match name {
        "env:BOOM" => panic!("a notifier that panics"),
        name => Err(format!("{name} is not set")),
    });
    let outbox = tokio::spawn(super::run(handle.clone(), links, resolve, stop.clone()));
    Running { core, handle, stop, outbox }
}

fn claimed(event: Event, contact: &str, attempts: u32) -> Claimed {
    let mut notice = notice(event, contact);
    notice.due = now();
    if event == Event::Resolved {
        notice.due = now() + Millis::from_ms(1);
    }
    Claimed { notice, attempts }
}

impl Running {
    fn due(&self, claimed: impl IntoIterator<Item = Claimed>) {
        self.core.known().due.extend(claimed);
        self.handle.wake_outbox();
    }

    /// The first `count` recorded ends, as words.
    async fn ends(&self, count: usize) -> Vec<(String, Attempted)> {
        let recorded = async {
            loop {
                let ends = self.core.known().attempted.clone();
                if ends.len() >= count {
                    return ends;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let ends = tokio::time::timeout(Duration::from_secs(30), recorded).await.unwrap();
        ends.into_iter().map(|(NoticeKey(key), attempted)| (key, attempted)).collect()
    }
}

fn word(attempted: &Attempted) -> &'static str {
    match attempted {
        Attempted::Delivered => "delivered",
        Attempted::Retry { .. } => "retry",
        Attempted::Undeliverable { .. } => "undeliverable",
        Attempted::Unwanted => "unwanted",
    }
}

#[tokio::test]
async fn a_notice_is_tried_until_it_is_through_and_the_end_is_recorded() {
    let (receiver, url) = Receiver::start(&[500, 200]).await;
    let outbox = running(&url);
    outbox.due([claimed(Event::Triggered, "hook", 0)]);
    let (_, first) = outbox.ends(1).await.remove(0);
    let Attempted::Retry { at, why } = first else { panic!("{first:?}") };
    assert_eq!(why, "HTTP 500 with a reply of 0 bytes");
    let wait = (at - now()).ms();
    assert!(wait > 0 && wait <= 5000, "{wait}");
    outbox.due([claimed(Event::Triggered, "hook", 1)]);
    assert_eq!(outbox.ends(2).await[1].1, Attempted::Delivered);
    assert_eq!(receiver.keys(), ["482/1/1/1/triggered/hook"; 2], "one identity over retries");
    let counted = outbox.handle.counted();
    assert_eq!(counted.value(&NOTICES, &["hook", "retry"]), 1);
    assert_eq!(counted.value(&NOTICES, &["hook", "delivered"]), 1);
    outbox.stop.cancel();
    outbox.outbox.await.unwrap();
}

#[tokio::test]
async fn what_cannot_succeed_is_given_up_at_once() {
    let (_, url) = Receiver::start(&[404]).await;
    let outbox = running(&url);
    for (contact, says) in [
        ("hook", "HTTP 404 with a reply of 0 bytes"),
        ("gone", "the contact is no longer configured"),
        ("odd", "the contact's parameters cannot be read"),
    ] {
        let before = outbox.core.known().attempted.len();
        outbox.due([claimed(Event::Triggered, contact, 0)]);
        let (_, end) = outbox.ends(before + 1).await.pop().unwrap();
        assert_eq!(end, Attempted::Undeliverable { why: says.into() }, "{contact}");
    }
}

#[tokio::test]
async fn a_panic_costs_one_attempt() {
    let (_, url) = Receiver::start(&[]).await;
    let outbox = running(&url);
    outbox.due([claimed(Event::Triggered, "boom", 0), claimed(Event::Triggered, "hook", 0)]);
    let mut ends = outbox.ends(2).await;
    ends.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(ends.iter().map(|(_, end)| word(end)).collect::<Vec<_>>(), ["retry", "delivered"]);
    assert_eq!(outbox.handle.counted().value(&PANICS, &["notifier"]), 1);
}

#[tokio::test]
async fn up_again_never_overtakes_down() {
    let (receiver, url) = Receiver::start(&[500]).await;
    let outbox = running(&url);
    // Claimed in the wrong order, and the first attempt fails: both must be put off.
    outbox.due([claimed(Event::Resolved, "hook", 0), claimed(Event::Triggered, "hook", 0)]);
    let ends = outbox.ends(2).await;
    assert_eq!(receiver.keys(), ["482/1/1/1/triggered/hook"]);
    let times: Vec<Timestamp> = ends
        .iter()
        .map(|(_, end)| match end {
            Attempted::Retry { at, .. } => *at,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(ends[0].0.contains("triggered") && ends[1].0.contains("resolved"), "{ends:?}");
    assert!(times[0] < times[1], "the later comes after the earlier again");
    // One that becomes due while the earlier one waits is put off too.
    outbox.due([claimed(Event::Acknowledged, "hook", 0)]);
    assert_eq!(word(&outbox.ends(3).await[2].1), "retry");
    outbox.due([claimed(Event::Triggered, "hook", 1)]);
    outbox.ends(4).await;
    outbox.due([claimed(Event::Resolved, "hook", 1)]);
    outbox.ends(5).await;
    assert_eq!(
        receiver.keys(),
        ["482/1/1/1/triggered/hook", "482/1/1/1/triggered/hook", "482/1/1/1/resolved/hook"]
    );
}

#[tokio::test]
async fn a_contact_that_hangs_holds_up_nobody_else_and_a_stop_waits_for_it() {
    let (_, url) = Receiver::start(&[0]).await;
    let mut outbox = running(&url);
    outbox.due([claimed(Event::Triggered, "hook", 0), claimed(Event::Triggered, "log", 0)]);
    let (key, end) = outbox.ends(1).await.remove(0);
    assert_eq!((key.as_str(), word(&end)), ("482/1/1/1/triggered/log", "delivered"));
    outbox.stop.cancel();
    (&mut outbox.outbox).await.unwrap();
    let (key, end) = outbox.ends(2).await.remove(1);
    assert_eq!((key.as_str(), word(&end)), ("482/1/1/1/triggered/hook", "retry"));
}

#[test]
fn what_an_end_means_for_the_notice() {
    let one = |attempts| Claimed { notice: notice(Event::Triggered, "hook"), attempts };
    let due = one(0).notice.due;
    let asked =
        |seconds| Fault::Later { why: "x".into(), after: Some(Duration::from_secs(seconds)) };
    for (attempts, fault, later, wait_ms) in [
        (0, Fault::later("x"), Millis::ZERO, Some(5000)),
        (1, Fault::later("x"), Millis::ZERO, Some(10_000)),
        (5, Fault::later("x"), Millis::ZERO, Some(160_000)),
        (6, Fault::later("x"), Millis::ZERO, Some(300_000)),
        (200, Fault::later("x"), Millis::ZERO, Some(300_000)),
        (0, asked(60), Millis::ZERO, Some(60_000)),
        (6, asked(60), Millis::ZERO, Some(300_000)),
        (ATTEMPTS_MAX - 1, Fault::later("x"), Millis::ZERO, None),
        (9, Fault::later("x"), RETRY_FOR, None),
        (0, Fault::never("x"), Millis::ZERO, None),
    ] {
        let got = judge(&one(attempts), Err(fault.clone()), due + later, 1000);
        let want = wait_ms.map(|wait| due + later + Millis::from_ms(wait));
        let at = match &got {
            Attempted::Retry { at, .. } => Some(*at),
            Attempted::Undeliverable { .. } => None,
            Attempted::Delivered | Attempted::Unwanted => panic!("{got:?}"),
        };
        assert_eq!(at, want, "{attempts} {fault:?}: {got:?}");
    }
    for (spread, wait_ms) in [(0, 3750), (500, 4375), (1000, 5000), (u32::MAX, 5000)] {
        let got = judge(&one(0), Err(Fault::later("x")), due, spread);
        let at = due + Millis::from_ms(wait_ms);
        assert_eq!(got, Attempted::Retry { at, why: "x".into() }, "{spread}");
    }
    assert_eq!(judge(&one(7), Ok(Sent::Taken), due, 0), Attempted::Delivered);
    assert_eq!(judge(&one(7), Ok(Sent::Unwanted), due, 0), Attempted::Unwanted);
}

#[test]
fn lanes_run_side_by_side_and_each_in_order() {
    let begun = Timestamp::from_ms(1_000_000);
    let at = |contact: &str, event, due_ms| {
        let mut notice = notice(event, contact);
        notice.due = Timestamp::from_ms(due_ms);
        Claimed { notice, attempts: 0 }
    };
    let mut lanes = Lanes::default();
    for one in [
        at("a", Event::Resolved, 2),
        at("a", Event::Triggered, 1),
        at("b", Event::Triggered, 3),
        at("b", Event::Triggered, 3),
    ] {
        assert_eq!(lanes.admit(one, begun), Admitted::Queued);
    }
    assert_eq!(lanes.waiting(), 3, "the same notice stands once");
    let names = |ready: &[Claimed]| -> Vec<String> {
        ready
            .iter()
            .map(|one| format!("{} {}", one.notice.contact, one.notice.event.word()))
            .collect()
    };
    let ready = lanes.ready(8, begun);
    assert_eq!(names(&ready), ["a triggered", "b triggered"]);
    assert!(lanes.ready(8, begun).is_empty(), "both lanes are busy");
    assert!(lanes.free(&ready[0], None).is_empty());
    let late = begun + WAIT_MAX + Millis::from_ms(1);
    assert!(lanes.ready(8, late).is_empty(), "what waited too long is claimed again");
    assert_eq!(lanes.waiting(), 0);
}
