//! The rules on trees made by hand, with words that only these tests know. The sentences and places
//! are tested on whole files, in tests/config.

use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Value, json};

use super::read;
use crate::config::tree::{Content, Key, Node, Place};
use crate::config::{Config, DownWhen, Opaque, Period, Word};
use crate::secret::Resolver;
use crate::time::Millis;

/// A kind with two parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Knock {
    door: String,
    #[serde(default)]
    times: u8,
}

impl Word for Knock {
    fn words() -> &'static [&'static str] {
        &["knock"]
    }

    fn read<'de, D: serde::Deserializer<'de>>(word: &str, from: D) -> Result<Self, D::Error> {
        match word {
            "knock" => Self::deserialize(from),
            _ => Err(D::Error::unknown_variant(word, Self::words())),
        }
    }

    fn schema(_: &str, _: &mut schemars::SchemaGenerator) -> Option<schemars::Schema> {
        None
    }

    fn opaque(&self) -> Opaque {
        let parameters = json!({ "door": self.door, "times": self.times });
        Opaque { word: "knock".into(), parameters }
    }
}

/// A tree from JSON. Every key and value stands in a line of its own, in order.
fn tree(json: &Value, line: &mut u32) -> Node {
    *line += 1;
    let place = Place { line: *line, column: 1 };
    let content = match json {
        Value::Array(items) => {
            Content::Sequence(items.iter().map(|item| tree(item, line)).collect())
        }
        Value::Object(entries) => Content::Mapping(
            entries
                .iter()
                .map(|(key, value)| {
                    *line += 1;
                    let place = Place { line: *line, column: 1 };
                    (Key { place, text: key.clone() }, tree(value, line))
                })
                .collect(),
        ),
        Value::String(text) => Content::Scalar { text: text.clone(), plain: true },
        other => Content::Scalar { text: other.to_string(), plain: true },
    };
    Node { place, content }
}

fn read_json(json: Value) -> Result<Config<Knock, Opaque>, Vec<String>> {
    let resolve: Resolver = Arc::new(|name| Err(alloc::format!("{name} is not set")));
    read(&tree(&json, &mut 0), &resolve)
        .map_err(|problems| problems.into_iter().map(|problem| problem.message).collect())
}

#[test]
fn what_is_not_said_has_its_default() {
    let knock = json!({ "name": "a", "knock": { "door": "front" } });
    let config = read_json(json!({ "version": 1, "probes": [knock],
        "services": [{ "name": "s", "probes": ["a"], "objective": { "availability": "99.95%" } }],
        "contacts": [{ "name": "c", "anything": { "x": 1 } }],
        "policies": [{ "name": "p", "steps": [{ "notify": ["c"] }, { "notify": ["c"] }] }] }))
    .unwrap();
    assert_eq!(config.regions.len(), 1);
    let probe = &config.probes[0];
    assert_eq!((probe.every, probe.timeout), (Millis::from_secs(60), Millis::from_secs(10)));
    assert_eq!((probe.down_when, probe.regions.len()), (DownWhen::Majority, 1));
    let objective = config.services[0].objective.as_ref().unwrap();
    assert_eq!((objective.target_ppm, objective.period), (999_500, Period::Month));
    assert_eq!((objective.grace, objective.zone.as_str()), (Millis::from_secs(10), "UTC"));
    let policy = &config.policies[0];
    assert_eq!((policy.repeat, policy.repeat_every), (3, Millis::from_secs(1800)));
    assert_eq!(policy.steps[0].after, Millis::ZERO);
    assert_eq!(policy.steps[1].after, Millis::from_secs(300));
    assert_eq!(config.contacts[0].notifier.word, "anything");
    assert_eq!(config.retention, Millis::from_secs(180 * 86_400));
}

#[test]
fn a_default_timeout_never_outlasts_a_short_interval() {
    for (defaults, every, timeout) in [
        (json!({}), "5s", 5),
        (json!({}), "20s", 10),
        (json!({ "timeout": "30s" }), "20s", 20),
        (json!({ "timeout": "3s" }), "20s", 3),
    ] {
        let probe = json!({ "name": "a", "every": every, "knock": { "door": "front" } });
        let config =
            read_json(json!({ "version": 1, "defaults": defaults, "probes": [probe] })).unwrap();
        assert_eq!(config.probes[0].timeout, Millis::from_secs(timeout), "{defaults} {every}");
    }
}

#[test]
fn no_problem_is_told_that_only_follows_from_another() {
    let probe = |parameters: Value| json!({ "version": 1, "probes": [{ "name": "a", "knock": parameters }] });
    let service = |probes: Value| json!({ "version": 1, "probes": probes, "services": [{ "name": "s", "probes": ["a"] }] });
    for (json, told) in [
        // A parameter that could not be read is not missing.
        (
            probe(json!({ "door": [], "times": "x" })),
            &["expected a text, found a list", "expected a whole number from 0 to 255, found `x`"]
                [..],
        ),
        // One that is misspelt is not missing either; one that is absent is.
        (probe(json!({ "dor": "front" })), &["unknown key `dor`"]),
        (
            probe(json!({ "window": "front" })),
            &["the key `door` is missing", "unknown key `window`"],
        ),
        // A probe with bad parameters still has its name.
        (
            service(json!([{ "name": "a", "knock": { "door": [] } }])),
            &["expected a text, found a list"],
        ),
        // What the names of unreadable probes are, nobody knows.
        (service(json!([5])), &["expected a probe, found `5`"]),
        (service(json!("a")), &["expected a list of probes, found `a`"]),
        // An interval that could not be read is not shorter than the timeout.
        (
            json!({ "version": 1, "defaults": { "every": "x" },
                    "probes": [{ "name": "a", "timeout": "5m", "knock": { "door": "front" } }] }),
            &[
                "`x` is not a duration: write a whole number and a unit, such as 500ms, 30s, 5m, 1h or 7d",
            ],
        ),
    ] {
        let text = json.to_string();
        let mut found = read_json(json).unwrap_err();
        found.sort();
        assert_eq!(found, told, "{text}");
    }
}

#[test]
fn a_long_chain_of_dependencies_is_walked_and_a_circle_in_it_found_once() {
    let chain = |last: &str| {
        let probes: Vec<Value> = (0..5000)
            .map(|n| {
                let next = if n == 4999 { last.into() } else { alloc::format!("p{}", n + 1) };
                let name = alloc::format!("p{n}");
                json!({ "name": name, "depends_on": [next], "knock": { "door": "front" } })
            })
            .chain([json!({ "name": "end", "knock": { "door": "front" } })])
            .collect();
        read_json(json!({ "version": 1, "probes": probes }))
    };
    assert!(chain("end").is_ok());
    let problems = chain("p4998").unwrap_err();
    assert_eq!(problems, ["probes depend on each other in a circle: p4998 -> p4999 -> p4998"]);
}
