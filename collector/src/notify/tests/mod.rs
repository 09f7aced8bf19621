//! The notifiers: all words alike, mail through a real server, webhooks to a real receiver.

mod mail;
mod webhook;

use std::sync::Arc;

use model::config::{Opaque, Smtp, Word};
use model::incident::{Event, Notice};
use model::secret::Resolver;
use serde_json::{Value, json};

use super::words::Words;
use super::{Dispatch, Done, Fault, Notifier, Notify};
use crate::fake::{BEGAN, notice};

/// The value behind every `${env:…}` of the tests, and what may never be seen.
pub const SECRET: &str = "hunter2";

pub fn resolver() -> Resolver {
    Arc::new(|name| match name {
        "env:HOOK_SECRET" | "env:SMTP_PASSWORD" => Ok(SECRET.to_owned()),
        other => Err(format!("{other} is not set")),
    })
}

pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    client.timeout(std::time::Duration::from_secs(10)).build().unwrap()
}

/// Sends one notice once.
pub async fn send(
    word: &str,
    parameters: Value,
    smtp: Option<&Smtp>,
    notice: &Notice,
    done: &Done,
) -> Result<(), Fault> {
    let notifier = Notifier::read(word, parameters).unwrap();
    let (resolve, web) = (resolver(), client());
    let dispatch = Dispatch {
        notice,
        attempt: 1,
        now: BEGAN,
        base: "https://watch.example",
        acknowledge: Some("https://watch.example/n/TOKEN"),
        smtp,
        resolve: &resolve,
        web: &web,
        done,
    };
    notifier.send(&dispatch).await
}

/// Parameters of each word that are right, with a secret where one can stand.
fn examples() -> Vec<(&'static str, Value)> {
    vec![
        ("email", json!({ "to": ["ops@example.com"] })),
        (
            "email",
            json!({ "to": ["Ops <ops@example.com>", "${env:MAIL}"], "time_zone": "Europe/Berlin" }),
        ),
        ("log", json!({})),
        ("webhook", json!({ "url": "https://hooks.example/x" })),
        (
            "webhook",
            json!({
                "url": "https://hooks.example/hunter2",
                "secret": "hunter2",
                "headers": { "Authorization": "Bearer hunter2" },
            }),
        ),
        ("webhook", json!({ "url": "${env:HOOK_URL}", "secret": "${env:HOOK_SECRET}" })),
    ]
}

#[test]
fn every_word_has_an_example_that_survives_the_journey_and_shows_no_secret() {
    for word in Notifier::words() {
        assert!(examples().iter().any(|(named, _)| named == word), "{word} has no example");
    }
    for (word, parameters) in examples() {
        let read = Notifier::read(word, parameters.clone()).unwrap();
        assert_eq!(read.opaque(), Opaque { word: word.into(), parameters: parameters.clone() });
        let door: &dyn Notify = &*read;
        assert!(!format!("{door:?}").contains(SECRET), "{word}: {door:?}");
        let mut generator = schemars::SchemaGenerator::default();
        assert!(Notifier::schema(word, &mut generator).is_some());
    }
}

#[test]
fn wrong_parameters_are_refused_with_what_would_be_right() {
    let many: Vec<String> = (0..21).map(|number| format!("a{number}@example.com")).collect();
    for (word, parameters, says) in [
        ("email", json!({}), "missing field `to`"),
        ("email", json!({ "to": [] }), "at least one mail address"),
        ("email", json!({ "to": many }), "at most 20"),
        ("email", json!({ "to": ["ops"] }), "`ops` is not a mail address"),
        ("email", json!({ "to": ["a@b.c\r\nBcc: x@y.z"] }), "is not a mail address"),
        ("email", json!({ "to": ["a@b.c"], "zone": "UTC" }), "unknown field `zone`"),
        ("email", json!({ "to": ["a@b.c"], "time_zone": "Mars/Base" }), "Europe/Berlin"),
        ("log", json!({ "level": "info" }), "unknown field `level`"),
        ("webhook", json!({ "url": "hooks.example" }), "https://hooks.example/path"),
        ("webhook", json!({ "url": "ftp://hooks.example" }), "only http and https"),
        ("webhook", json!({ "url": "https://a:b@hooks.example" }), "headers"),
        ("webhook", json!({ "url": "https://x", "secret": "" }), "must not be empty"),
        ("webhook", json!({ "url": "https://x", "headers": { "a b": "c" } }), "not a header name"),
        ("webhook", json!({ "url": "https://x", "headers": { "HOST": "c" } }), "set by Watchpost"),
        ("webhook", json!({ "url": "https://x", "method": "PUT" }), "unknown field `method`"),
        ("pager", json!({}), "email"),
    ] {
        let error = Notifier::read(word, parameters.clone()).unwrap_err().to_string();
        assert!(error.contains(says), "{word} {parameters}: {error}");
    }
}

#[test]
fn the_same_story_in_words() {
    let mut told = String::new();
    let events = [Event::Triggered, Event::Escalated, Event::Acknowledged, Event::Resolved];
    for (event, zone) in events.into_iter().map(|event| (event, None)).chain([
        (Event::Triggered, Some("Europe/Berlin")),
        (Event::Resolved, Some("Europe/Berlin")),
    ]) {
        let words = Words::of(&notice(event, "ops-mail"), zone);
        told.push_str(&format!(
            "{}\n  {}\n  {} {}\n  {}\n  {}\n",
            words.subject, words.preview, words.state, words.tag, words.headline, words.since
        ));
        for answer in &words.answers {
            let link = answer.link.as_deref().unwrap_or_default();
            told.push_str(&format!("  {}: {}{}{link}\n", answer.label, answer.strong, answer.rest));
            for line in &answer.lines {
                told.push_str(&format!("    {line}\n"));
            }
        }
        told.push_str(&format!("  {}\n", words.foot));
    }
    let mut other = notice(Event::Triggered, "ops-mail");
    other.incident.probe = None;
    other.incident.regions.clear();
    other.incident.summary = "Agent eu-1 has been silent since 01:51.".into();
    let words = Words::of(&other, None);
    told.push_str(&format!("{}\n  {}\n  {}\n", words.subject, words.preview, words.headline));
    expect_test::expect_file!["words.txt"].assert_eq(&told);
}

#[tokio::test]
async fn the_log_notifier_always_delivers() {
    let sent = send("log", json!({}), None, &notice(Event::Triggered, "l"), &Done::default()).await;
    assert_eq!(sent, Ok(()));
}
