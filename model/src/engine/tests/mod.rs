//! Stories in virtual time: inputs as lines of text, effects as a snapshot.

mod outages;
mod people;
mod random;
mod silence;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use expect_test::Expect;

use super::{Effect, Engine, Input};
use crate::config::{Contact, DownWhen, Opaque, Policy, Probe, Service, Severity, Step, Watch};
use crate::incident::{IncidentId, NoticeKey};
use crate::name::{AgentName, ContactName, PolicyName, ProbeName, Region, ServiceName};
use crate::result::{Clock, Outcome, ProbeResult, Reason, VoidReason};
use crate::time::{Millis, Timestamp};
use crate::wire::{Alarm, Order};

/// One probe `shop` every 60 s from `regions`; a policy that tells `mail` and `hook` at once and
/// `boss` after five minutes, once more, then `boss` every half hour.
fn watch(regions: &str) -> Watch {
    let regions: Vec<Region> =
        regions.split_whitespace().map(|name| Region::new(name).unwrap()).collect();
    let contact = |name: &str| Contact {
        name: ContactName::new(name).unwrap(),
        notifier: Opaque { word: "log".into(), parameters: serde_json::json!({}) },
    };
    let step = |minutes: i64, names: &[&str]| Step {
        after: Millis::from_secs(60 * minutes),
        notify: names.iter().map(|name| ContactName::new(name).unwrap()).collect(),
    };
    Watch {
        probes: ["shop", "blog"].map(|name| probe(name, &regions)).into(),
        regions,
        services: [Service {
            name: ServiceName::new("web").unwrap(),
            needs: crate::config::Needs::All,
            probes: [ProbeName::new("shop").unwrap()].into(),
            objective: None,
        }]
        .into(),
        contacts: ["mail", "hook", "boss"].map(contact).into(),
        policies: [Policy {
            name: PolicyName::new("ops").unwrap(),
            steps: [step(0, &["mail", "hook"]), step(5, &["boss"])].into(),
            repeat: 1,
            repeat_every: Millis::from_secs(1800),
        }]
        .into(),
        ..Watch::default()
    }
}

fn probe(name: &str, regions: &[Region]) -> Probe<Opaque> {
    Probe {
        name: ProbeName::new(name).unwrap(),
        kind: Opaque { word: "http".into(), parameters: serde_json::json!({}) },
        every: Millis::from_secs(60),
        timeout: Millis::from_secs(10),
        regions: regions.into(),
        down_when: DownWhen::Majority,
        policy: None,
        labels: BTreeMap::new(),
        severity: Severity::Critical,
        paused: false,
        depends_on: Vec::new(),
        runbook: None,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_ms(second * 1000)
}

/// `shop+` passed, `shop-` failed, `shop?` void; `shop-@50` began at 50 s; `shop+~9` with a clock
/// that is 9 s behind.
fn result(region: &Region, text: &str, now: i64) -> ProbeResult {
    let sign = text.find(['+', '-', '?']).unwrap();
    let (name, rest) = text.split_at(sign);
    let number = |mark: char| {
        let digits = rest.split_once(mark)?.1.split(['@', '~']).next()?;
        digits.parse::<i64>().ok()
    };
    let outcome = match &rest[..1] {
        "+" => Outcome::Passed,
        "-" => Outcome::Failed(Reason::Connect),
        _ => Outcome::Void(VoidReason::Isolated),
    };
    let failed = matches!(outcome, Outcome::Failed(_));
    let clock = number('~').map(|s| Clock { offset_ms: s * 1000, error_ms: 2 });
    let started = at(number('@').unwrap_or(now));
    ProbeResult {
        probe: ProbeName::new(name).unwrap(),
        region: region.clone(),
        seq: 1,
        slot: started,
        started,
        interval: Millis::from_secs(60),
        outcome,
        detail: if failed { "connection refused".into() } else { String::new() },
        attempts: if failed { 2 } else { 1 },
        duration_us: 1000,
        phases: Vec::new(),
        values: BTreeMap::new(),
        clock,
        evidence: None,
    }
}

/// Reads one line of a story: a second, then what happens.
fn input(line: &str) -> (Timestamp, Input) {
    let mut words = line.split_whitespace();
    let second: i64 = words.next().unwrap().parse().unwrap();
    let word = words.next().unwrap();
    let rest: Vec<&str> = words.collect();
    let incident = || IncidentId(rest[0].parse().unwrap());
    let who = || rest[1].to_string();
    let input = match word {
        "tick" => Input::Tick,
        "resume" => Input::Resume { since: at(rest[0].parse().unwrap()) },
        "acknowledge" => Input::Acknowledge { incident: incident(), who: who() },
        "resolve" => Input::Resolve { incident: incident(), who: who() },
        "note" => Input::Note { incident: incident(), who: who(), text: rest[2..].join(" ") },
        "delivered" => Input::Delivered { notice: NoticeKey(rest[0].into()) },
        "lost" => Input::Undeliverable { notice: NoticeKey(rest[0].into()), why: "gone".into() },
        "refused" | "cleared" => {
            let (probe, secret) = (ProbeName::new(rest[1]).unwrap(), "env:KEY".to_string());
            let alarm = match word {
                "refused" => Alarm::SecretRefused { probe, secret, detail: "other host".into() },
                _ => Alarm::SecretCleared { probe, secret },
            };
            batch(rest[0], Vec::new(), [alarm].into())
        }
        region => {
            let name = Region::new(region).unwrap();
            batch(region, rest.iter().map(|text| result(&name, text, second)).collect(), Vec::new())
        }
    };
    (at(second), input)
}

fn batch(region: &str, results: Vec<ProbeResult>, alarms: Vec<Alarm>) -> Input {
    Input::Batch {
        agent: AgentName::new(&format!("{region}-1")).unwrap(),
        region: Region::new(region).unwrap(),
        results,
        alarms,
    }
}

fn show(effect: &Effect) -> String {
    match effect {
        Effect::Flip(flip) => {
            let word = |verdict: crate::quorum::Verdict| match verdict.partial() {
                true => "up (partial)".to_string(),
                false => verdict.word().to_string(),
            };
            format!("{}: {} -> {}", flip.probe, word(flip.from), word(flip.to))
        }
        Effect::Incident(incident) => {
            let ended = incident.resolved.map(|at| format!(" to {}", at.ms() / 1000));
            let last = incident.timeline.last().unwrap();
            format!(
                "#{} {} from {}{} [{}] {}: {}",
                incident.id.0,
                incident.state.word(),
                incident.started.ms() / 1000,
                ended.unwrap_or_default(),
                incident.summary,
                last.what,
                last.text
            )
        }
        Effect::Notify(notice) => format!("notice {}", notice.key.0),
        Effect::Order { region, order } => match order {
            Order::ProbeNow { probe } => format!("order {region}: probe {probe} now"),
            Order::Pace { every, until, .. } => {
                format!("order {region}: every {every} until {}", until.ms() / 1000)
            }
            other => format!("order {region}: {other:?}"),
        },
    }
}

/// Runs a story and writes each effect with the second of the input that made it visible.
fn run(
    engine: &mut Engine,
    story: &str,
    mut between: impl FnMut(&mut Engine, Timestamp, &Input) -> Vec<Effect>,
) -> Vec<String> {
    let mut told = Vec::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (now, input) = input(line);
        let mut effects = between(engine, now, &input);
        effects.extend(engine.handle(now, input));
        let second = now.ms() / 1000;
        told.extend(effects.iter().map(|effect| format!("{second:<4} {}", show(effect))));
    }
    told
}

/// Whether the clock may tick at `due` before an input: a collector that resumes was not there.
fn ticked_at(due: Timestamp, now: Timestamp, input: &Input) -> bool {
    match input {
        Input::Resume { since } => due <= *since,
        _ => due < now,
    }
}

fn engine(watch: &Watch) -> Engine {
    let mut engine = Engine::default();
    let watch = Box::new(watch.clone());
    engine.handle(at(0), Input::Reconfigure { watch });
    engine
}

/// Tells a story, and holds that neither the number of ticks nor a restart from a snapshot changes
/// anything.
fn check(watch: &Watch, story: &str, want: Expect) {
    let mut plain = engine(watch);
    let told = run(&mut plain, story, |_, _, _| Vec::new());

    let mut ticked = engine(watch);
    let again = run(&mut ticked, story, |engine, now, input| {
        let mut effects = Vec::new();
        while let Some(due) = engine.next_deadline().filter(|due| ticked_at(*due, now, input)) {
            assert!(due >= engine.now, "a deadline in the past never fires");
            effects.extend(engine.handle(due, Input::Tick));
        }
        effects
    });
    assert_eq!(told, again, "ticks changed the story");

    let mut restarted = engine(watch);
    let again = run(&mut restarted, story, |engine, _, _| {
        let snapshot = serde_json::to_string(engine).unwrap();
        *engine = serde_json::from_str(&snapshot).unwrap();
        Vec::new()
    });
    assert_eq!(told, again, "a restart changed the story");
    assert_eq!(plain, ticked);
    assert_eq!(plain, restarted);
    want.assert_eq(&(told.join("\n") + "\n"));
}
