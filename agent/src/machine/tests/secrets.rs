//! Secrets stay with their targets, whatever an assignment asks for.

use model::result::VoidReason;
use model::wire::Order;

use super::*;
use crate::policy::read_rules;
use crate::secret::{Destination, Reference, Use};

/// The use that everything here is bound to.
fn asked() -> Use {
    Use {
        reference: Reference("env:DB".into()),
        field: "password".into(),
        made_for_secrets: true,
        destination: Destination {
            kind: "postgres".into(),
            host: "db.internal".into(),
            port: 5432,
            tls: true,
        },
    }
}

fn with(uses: Vec<Use>) -> Work {
    Work { uses: Ok(uses), ..work("a", 3_600_000) }
}

/// Runs the probe now: the secrets that were released, or why none were.
fn run(world: &mut World) -> Result<Vec<Reference>, String> {
    world.jump(10_000);
    let seen = world.log.len();
    world.give(Input::Order(Order::ProbeNow { probe: name("a") }));
    let since: Vec<Effect> = world.log[seen..].iter().map(|(_, effect)| effect.clone()).collect();
    for effect in since {
        match effect {
            Effect::Attempt { run, secrets, .. } => {
                world.attempted(run, Outcome::Passed);
                return Ok(secrets);
            }
            Effect::Spool(result) => {
                assert_eq!(result.outcome, Outcome::Void(VoidReason::Secret));
                return Err(result.detail);
            }
            _ => {}
        }
    }
    panic!("neither released nor refused");
}

/// The alarms of the batches that were sent and of those of the next half minute; all are received.
fn alarms(world: &mut World) -> Vec<Alarm> {
    let mut said = Vec::new();
    for _ in 0..3 {
        for (_, effect) in std::mem::take(&mut world.log) {
            if let Effect::Send { alarms, .. } = effect {
                said.extend(alarms);
            }
        }
        world.receipt(0, false, 0);
        world.go(world.at() + 15_000);
    }
    said
}

type Turn = fn(&mut Use);

/// The ways in which a stolen collector could try to get at a secret.
const TURNS: [(&str, Turn); 14] = [
    ("another host", |asked| asked.destination.host = "evil.example".into()),
    ("a host below", |asked| asked.destination.host = "db.internal.evil.example".into()),
    ("an address", |asked| asked.destination.host = "203.0.113.9".into()),
    ("another port", |asked| asked.destination.port = 5433),
    ("another kind", |asked| asked.destination.kind = "http".into()),
    ("plain instead of TLS", |asked| asked.destination.tls = false),
    ("in the URL", |asked| {
        asked.field = "url".into();
        asked.made_for_secrets = false;
    }),
    ("in a header", |asked| {
        asked.field = "header x-leak".into();
        asked.made_for_secrets = false;
    }),
    ("in the body", |asked| {
        asked.field = "body".into();
        asked.made_for_secrets = false;
    }),
    ("as text to send", |asked| {
        asked.field = "send".into();
        asked.made_for_secrets = false;
    }),
    ("in the right field, but not made for secrets", |asked| asked.made_for_secrets = false),
    ("the agent's own token", |asked| asked.reference = Reference("env:WATCHPOST_TOKEN".into())),
    ("the agent's own files", |asked| {
        asked.reference = Reference("file:/var/lib/agent/secrets.json".into());
    }),
    ("a crooked path", |asked| {
        asked.reference = Reference("file:/run/x/../../var/lib/agent/secrets.json".into());
    }),
];

fn own() -> Vec<String> {
    vec!["env:WATCHPOST_".into(), "file:/var/lib/agent".into()]
}

fn first_use() -> World {
    let mut world = World::new(Policy::first_use(Pins::default(), own()));
    world.assign(&[], vec![with(vec![asked()])]);
    world.log.clear();
    world.receipt(0, false, 0);
    world
}

fn ruled() -> World {
    let rules = "secrets:\n  DB: { kind: postgres, host: DB.internal, port: 5432, tls: required }\nfiles: [/run/x]\n";
    let mut world = World::new(Policy::rules(read_rules(rules).unwrap(), own()));
    world.assign(&[], vec![with(vec![asked()])]);
    world.log.clear();
    world.receipt(0, false, 0);
    world
}

#[test]
fn a_secret_never_leaves_its_target_and_field() {
    for (policy, make) in [("first use", first_use as fn() -> World), ("policy file", ruled)] {
        for (turn, change) in TURNS {
            let mut world = make();
            assert_eq!(run(&mut world), Ok(vec![asked().reference]), "{policy}");
            let mut turned = asked();
            change(&mut turned);
            let secret = turned.reference.0.clone();
            world.assign(&[], vec![with(vec![turned])]);
            let why = run(&mut world).expect_err(turn);
            assert!(why.contains(&secret), "{policy}, {turn}: {why}");
            let said = alarms(&mut world);
            assert!(
                matches!(&said[..], [Alarm::SecretRefused { secret: named, .. }] if *named == secret),
                "{policy}, {turn}: {said:?}"
            );
            assert_eq!(alarms(&mut world), [], "{policy}, {turn}: once");
            world.assign(&[], vec![with(vec![asked()])]);
            assert_eq!(run(&mut world), Ok(vec![asked().reference]), "{policy}, {turn}: back");
            assert_eq!(alarms(&mut world), [Alarm::SecretCleared { probe: name("a"), secret }]);
        }
    }
}

#[test]
fn one_refused_use_keeps_every_secret_of_the_run_back() {
    let mut world = first_use();
    let mut turned = asked();
    turned.destination.host = "evil.example".into();
    world.assign(&[], vec![with(vec![asked(), turned])]);
    assert!(run(&mut world).is_err());
}

#[test]
fn a_first_use_is_pinned_and_written_before_it_is_released() {
    let mut world = World::new(Policy::first_use(Pins::default(), own()));
    world.assign(&[], vec![with(vec![asked()])]);
    let saved = world.log.iter().position(|(_, effect)| matches!(effect, Effect::SavePins(_)));
    world.give(Input::Order(Order::ProbeNow { probe: name("a") }));
    let begun = world.log.iter().position(|(_, effect)| matches!(effect, Effect::Attempt { .. }));
    assert!(saved.unwrap() < begun.unwrap());
}

#[test]
fn an_approval_releases_and_clears() {
    let mut world = first_use();
    let mut turned = asked();
    turned.destination.host = "db2.internal".into();
    world.assign(&[], vec![with(vec![turned.clone()])]);
    assert!(run(&mut world).is_err());
    assert_eq!(alarms(&mut world).len(), 1);
    let pin = crate::policy::Pin { destination: turned.destination, field: turned.field };
    let pins = Pins { pinned: [(turned.reference.clone(), [pin].into())].into(), refused: vec![] };
    world.give(Input::Approved(pins));
    assert_eq!(run(&mut world), Ok(vec![turned.reference]));
    assert!(matches!(alarms(&mut world)[..], [Alarm::SecretCleared { .. }]));
}

#[test]
fn what_was_refused_before_a_restart_is_said_again_or_cleared() {
    let mut world = first_use();
    let mut turned = asked();
    turned.destination.host = "evil.example".into();
    world.assign(&[], vec![with(vec![turned.clone()])]);
    let pins = world.machine.policy.pins().unwrap().clone();
    assert_eq!(pins.refused.len(), 1);
    for (now, refused) in [(turned, true), (asked(), false)] {
        let mut world = World::new(Policy::first_use(pins.clone(), own()));
        world.assign(&[], vec![with(vec![now])]);
        let first = world.log.iter().find_map(|(_, effect)| match effect {
            Effect::Send { alarms, .. } => Some(alarms.clone()),
            _ => None,
        });
        match &first.unwrap()[..] {
            [Alarm::SecretRefused { .. }] => assert!(refused),
            [Alarm::SecretCleared { .. }] => assert!(!refused),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_alarm_is_said_until_a_receipt_comes() {
    let mut world = first_use();
    let mut turned = asked();
    turned.destination.port = 1;
    world.assign(&[], vec![with(vec![turned])]);
    world.go(2000);
    world.log.clear();
    world.give(Input::SendFailed { results: 0, fault: Fault::Unreachable });
    assert_eq!(alarms(&mut world).len(), 1);
    assert_eq!(alarms(&mut world).len(), 0);
}

#[test]
fn who_trusts_itself_releases_everything() {
    for (turn, change) in TURNS {
        let mut turned = asked();
        change(&mut turned);
        let reference = turned.reference.clone();
        let mut world = World::with(&[], vec![with(vec![turned])]);
        assert_eq!(run(&mut world), Ok(vec![reference]), "{turn}");
    }
}

#[test]
fn a_policy_file_says_which_kinds_run() {
    for (rules, allowed) in
        [("{}", true), ("allow_kinds: [tcp, http]", true), ("allow_kinds: [http]", false)]
    {
        let mut world = World::new(Policy::rules(read_rules(rules).unwrap(), own()));
        world.assign(&[], vec![with(vec![])]);
        world.give(Input::Order(Order::ProbeNow { probe: name("a") }));
        assert_eq!(world.attempts().len(), usize::from(allowed), "{rules}");
        if !allowed {
            assert_eq!(world.results()[0].outcome, Outcome::Void(VoidReason::Unsupported));
        }
    }
}
