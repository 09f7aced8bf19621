//! Random stories: whatever happens, in whatever order, some things never do.

use proptest::prelude::*;

use super::*;
use crate::incident::State;
use crate::quorum::Verdict;

const REGIONS: [&str; 3] = ["eu", "us", "ap"];

/// One thing that happens: after so many seconds, of this sort, with a number that means something.
type Happening = (i64, u8, u8);

fn happening() -> impl Strategy<Value = Happening> {
    (prop_oneof![4 => 0_i64..5, 3 => 5_i64..70, 1 => 70_i64..4000], 0_u8..14, 0_u8..6)
}

fn input_of((after, sort, number): Happening, second: i64) -> Input {
    let region = REGIONS[usize::from(number % 3)];
    let name = Region::new(region).unwrap();
    let late = second - i64::from(number) * 40;
    let incident = IncidentId(u64::from(number % 4) + 1);
    let one = |text: String| batch(region, [result(&name, &text, second)].into(), Vec::new());
    match sort {
        0..=2 => one("shop+".into()),
        3..=6 => one("shop-".into()),
        7 => one("shop?".into()),
        8 => one(format!("shop-@{late}")),
        9 => one(format!("blog+@{}", second + 20)),
        10 => Input::Acknowledge { incident, who: "mara".into() },
        11 => Input::Resolve { incident, who: "mara".into() },
        12 => Input::Undeliverable {
            notice: NoticeKey(format!("{}/1/0/1/triggered/mail", incident.0)),
            why: "gone".into(),
        },
        _ => Input::Resume { since: at(second - after / 2) },
    }
}

/// What must hold after every input.
fn hold(engine: &Engine, effects: &[Effect], happened: Happening) {
    if let Some(due) = engine.next_deadline() {
        assert!(due > engine.now, "a deadline is strictly later: a timer cannot breed");
    }
    assert!(effects.len() < 400, "{} effects of {happened:?}", effects.len());
    let silent = engine.agents().iter().filter(|agent| agent.silent).count();
    for view in engine.probes() {
        let votes = |vote| view.regions.values().filter(|says| says.vote == vote).count();
        let known = votes(crate::vote::Vote::Up) + votes(crate::vote::Vote::Down);
        if known < 2 || silent >= 2 {
            assert_eq!(view.verdict, Verdict::Unknown, "two of three must be heard: {view:?}");
        }
        // With an incident open, one pass each is not yet a recovery.
        if votes(crate::vote::Vote::Up) == 3 && view.incident.is_none() {
            assert!(view.verdict != Verdict::Unknown, "{view:?}");
        }
    }
    for effect in effects {
        match effect {
            Effect::Flip(flip) if flip.to == Verdict::Down => {
                let state = &engine.probes[&flip.probe];
                assert!(state.incident.is_some() || state.verdict != Verdict::Down);
            }
            Effect::Incident(incident) => {
                assert!(incident.started <= incident.triggered);
                assert_eq!(incident.state == State::Resolved, incident.resolved.is_some());
                assert_eq!(incident.state == State::Acknowledged, incident.owned_until.is_some());
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn some_things_never_happen(story in prop::collection::vec(happening(), 1..120)) {
        let watch = watch("eu us ap");
        let mut live = engine(&watch);
        let mut replayed = engine(&watch);
        let (mut second, mut keys) = (1, std::collections::BTreeSet::new());
        for happened in story {
            second += happened.0;
            let input = input_of(happened, second);
            let mut effects = Vec::new();
            // The live one ticks at each deadline; the replayed one never does.
            while let Some(due) =
                live.next_deadline().filter(|due| ticked_at(*due, at(second), &input))
            {
                effects.extend(live.handle(due, Input::Tick));
                hold(&live, &effects, happened);
            }
            effects.extend(live.handle(at(second), input.clone()));
            hold(&live, &effects, happened);
            prop_assert_eq!(&effects, &replayed.handle(at(second), input));
            for effect in &effects {
                if let Effect::Notify(notice) = effect {
                    prop_assert!(keys.insert(notice.key.clone()), "{:?} twice", notice.key);
                }
            }
        }
        let bytes = |engine: &Engine| serde_json::to_vec(engine).unwrap();
        prop_assert_eq!(bytes(&live), bytes(&replayed));
    }
}
