//! What agents and people get from the core.

use model::config::Watch;
use model::engine::Input;
use model::incident::{IncidentId, State};
use model::name::ServiceName;
use model::time::Timestamp;
use model::wire::{Gap, Order};

use super::{Bench, REGIONS, START, agent, batch, caller, probe, region, result, watch};
use crate::handle::{Caller, Command, IncidentQuery, Refusal, Role};
use crate::token::{self, Grant};

#[test]
fn a_batch_is_stored_once_however_often_it_comes() {
    let mut bench = Bench::new();
    let results = vec![
        result("shop", "eu", 1, START, true),
        result("gone", "eu", 2, START, true),
        result("local", "eu", 3, START, true),
    ];
    let first = bench.ingest("eu", results.clone()).unwrap();
    assert_eq!(first.highest_seq, 3);
    assert_eq!(first.rejected.len(), 1);
    assert_eq!((first.rejected[0].seq, &*first.rejected[0].code), (2, "unknown_probe"));
    let heard = |bench: &Bench| {
        let db = crate::store::connect_reading(bench.data.path()).unwrap();
        db.query_row("SELECT max(heard_ms) FROM cursor", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(heard(&bench), START);
    bench.at(5000);
    let again = bench.ingest("eu", results).unwrap();
    assert_eq!((again.highest_seq, again.rejected), (3, Vec::new()));
    assert_eq!(heard(&bench), START + 5000, "a repeated batch is heard too");
    assert_eq!(bench.counter("results_duplicate_total", ""), 3);
    assert_eq!(bench.counter("results_accepted_total", ""), 2);
    assert_eq!(bench.counter("results_rejected_total", "unknown_probe"), 1);
    bench.crash();
    assert_eq!(bench.ingest("eu", Vec::new()).unwrap().highest_seq, 3);
    let view = bench.ask(Command::View).unwrap();
    assert_eq!(view.latest.len(), 2, "newest results are read at the start");
}

#[test]
fn two_batches_of_one_group_see_each_other_and_gaps_are_facts() {
    let mut bench = Bench::new();
    let mut second = batch("eu", vec![result("shop", "eu", 9, START, true)]);
    second.gaps = vec![Gap { from_seq: 2, to_seq: 8, why: "spool full".into() }];
    let mut writes = Vec::new();
    let mut answers = Vec::new();
    for batch in [batch("eu", vec![result("shop", "eu", 1, START, true)]), second.clone(), second] {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let command = Command::Ingest(caller("eu"), Box::new(batch), reply);
        writes.extend(bench.core().answer(command));
        answers.push(answer);
    }
    bench.core().group(writes);
    let highest: Vec<u64> = answers
        .into_iter()
        .map(|answer| answer.blocking_recv().unwrap().unwrap().highest_seq)
        .collect();
    assert_eq!(highest, [1, 9, 9]);
    assert_eq!(bench.counter("results_duplicate_total", ""), 1);
    let stored = bench.dump().iter().filter(|line| line.contains("\"result\"")).count();
    assert_eq!(stored, 2);
    let db = crate::store::connect_reading(bench.data.path()).unwrap();
    let gap: (i64, i64, String) = db
        .query_row("SELECT from_seq, to_seq, why FROM gap", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(gap, (2, 8, "spool full".into()));
}

#[test]
fn tokens_are_good_until_they_are_revoked_beside_the_running_core() {
    let mut bench = Bench::new();
    let grant = Grant::Agent { agent: agent("eu"), region: region("eu") };
    let token = token::add(bench.data.path(), &grant, Timestamp::from_ms(START)).unwrap();
    let who = |bench: &mut Bench| bench.ask(|reply| Command::Authenticate(token.clone(), reply));
    assert_eq!(who(&mut bench), Ok(Some(caller("eu"))));
    bench.ingest("eu", Vec::new()).unwrap();
    let listed = token::list(bench.data.path()).unwrap();
    assert_eq!(listed[0].last_used, Some(Timestamp::from_ms(START)));
    token::revoke(bench.data.path(), "eu-1", Timestamp::from_ms(START)).unwrap();
    assert_eq!(who(&mut bench), Ok(None));
}

#[test]
fn only_an_agent_sends_and_only_for_itself() {
    let mut bench = Bench::new();
    for who in [
        caller("us"),
        Caller::Agent { agent: agent("eu"), region: region("us") },
        Caller::Person { name: "ann".into(), role: Role::Admin },
    ] {
        let batch = Box::new(batch("eu", Vec::new()));
        let refused = bench.ask(|reply| Command::Ingest(who, batch, reply));
        assert!(matches!(refused, Err(Refusal::NotYours(_))), "{refused:?}");
    }
}

#[test]
fn an_assignment_ranks_regions_by_name_leaves_out_the_paused_and_keeps_secrets_unresolved() {
    let mut bench = Bench::new();
    let mut next = watch();
    next.probes.push(probe("idle", &["us"]));
    next.probes.last_mut().unwrap().paused = true;
    let get = |bench: &mut Bench, place: &str| {
        let (agent, region) = (agent(place), region(place));
        bench.ask(|reply| Command::Assignment(agent, region, reply)).unwrap()
    };
    let (before, tag) = get(&mut bench, "us");
    assert_eq!(tag.len(), 16);
    assert_eq!(bench.ingest("us", Vec::new()).unwrap().assignment, tag);
    for (place, want) in [("ap", "shop:0/3 blog:0/3"), ("us", "shop:2/3 blog:2/3")] {
        let (assignment, _) = get(&mut bench, place);
        let line = |p: &model::wire::AssignedProbe| format!("{}:{}/{}", p.name, p.rank, p.of);
        let lines: Vec<String> = assignment.probes.iter().map(line).collect();
        assert_eq!(lines.join(" "), want);
    }
    assert!(serde_json::to_string(&*before).unwrap().contains("${env:KEY}"));
    bench.ask(|reply| Command::Reload(Box::new(Ok(next)), reply)).unwrap();
    assert_eq!(get(&mut bench, "us").1, tag, "a paused probe is not assigned");
}

#[test]
fn a_changed_configuration_is_journaled_and_told_to_all_regions_and_a_wrong_one_is_shown() {
    let mut bench = Bench::new();
    let mut orders = bench.handle.orders();
    let reload = |bench: &mut Bench, watch: Result<Watch, String>| {
        bench.ask(|reply| Command::Reload(Box::new(watch), reply)).unwrap();
    };
    let rows = bench.counter("journal_position", "");
    bench.at(1000);
    reload(&mut bench, Ok(watch()));
    assert_eq!(bench.counter("journal_position", ""), rows, "nothing has changed");
    reload(&mut bench, Err("line 3: no".into()));
    let view = bench.ask(Command::View).unwrap();
    assert_eq!(view.reload_fault.as_deref(), Some("line 3: no"));
    assert!(orders.try_recv().is_err());

    let mut next = watch();
    next.probes.remove(0);
    next.services.clear();
    next.regions.push(region("sa"));
    bench.ingest("eu", vec![result("shop", "eu", 1, START, true)]).unwrap();
    reload(&mut bench, Ok(next.clone()));
    let view = bench.ask(Command::View).unwrap();
    assert_eq!(view.reload_fault, None);
    assert_eq!(view.watch.as_deref(), Some(&next));
    assert_eq!(view.latest, [], "a removed probe's results are not shown");
    let mut told = Vec::new();
    while let Ok((region, order)) = orders.try_recv() {
        assert_eq!(order, Order::Reload);
        told.push(region.to_string());
    }
    assert_eq!(told, ["ap", "eu", "sa", "us"]);
    let (live, rebuilt) = bench.engines();
    assert_eq!(live, rebuilt);
}

#[test]
fn people_act_on_what_is_there_and_open() {
    let mut bench = Bench::new();
    for (seq, second) in [(1, 0), (2, 60), (3, 70), (4, 80), (5, 90)] {
        bench.at(second * 1000);
        let found = result("local", "eu", seq, START + second * 1000, seq == 1);
        bench.ingest("eu", vec![found]).unwrap();
    }
    let (incident, who) = (IncidentId(1), "ann".to_owned());
    let note = |text: &str| Input::Note { incident, who: "ann".into(), text: text.into() };
    let taken = bench.act(Input::Acknowledge { incident, who: who.clone() }).unwrap();
    assert_eq!((taken.state, taken.owner.as_deref()), (State::Acknowledged, Some("ann")));
    for (input, want) in [
        (note(" "), "text: a note must not be empty"),
        (note(&"x".repeat(5000)), "text: a note has at most 4096 bytes, this has 5000"),
        (Input::Tick, "this is not something a person does"),
        (Input::Resolve { incident: IncidentId(9), who: who.clone() }, "incident 9 was not found"),
    ] {
        assert_eq!(bench.act(input).unwrap_err().to_string(), want);
    }
    bench.act(note("looking")).unwrap();
    let over = bench.act(Input::Resolve { incident, who: who.clone() }).unwrap();
    assert_eq!(over.state, State::Resolved);
    let late = bench.act(Input::Acknowledge { incident, who });
    assert_eq!(late, Err(Refusal::Conflict("incident 1 is resolved".into())));
    let query = |state| IncidentQuery { state, before: None, limit: 10 };
    for (state, count) in [(None, 1), (Some(State::Resolved), 1), (Some(State::Triggered), 0)] {
        let found = bench.ask(|reply| Command::Incidents(query(state), reply)).unwrap();
        assert_eq!(found.len(), count, "{state:?}");
    }
    let one = bench.ask(|reply| Command::Incident(incident, reply)).unwrap();
    assert_eq!(one, over);
}

#[test]
fn a_statement_is_reckoned_from_the_stored_results() {
    let mut bench = Bench::new();
    // A day of one result a minute in two of three regions, down for the first six hours.
    for minute in 0..1440_i64 {
        bench.at(minute * 60_000);
        for place in &REGIONS[..2] {
            let seq = u64::try_from(minute + 1).unwrap();
            let found = result("shop", place, seq, START + minute * 60_000, minute >= 360);
            bench.ingest(place, vec![found]).unwrap();
        }
    }
    bench.at(86_400_000);
    let ask = |bench: &mut Bench, name: &str, period: Option<&str>| {
        let (name, period) = (ServiceName::new(name).unwrap(), period.map(Into::into));
        bench.ask(|reply| Command::Statement(name, period, reply))
    };
    let statement = ask(&mut bench, "web", None).unwrap();
    assert_eq!((statement.period_from, statement.period_to), (START, START + 86_400_000));
    assert_eq!(statement.down_ms, 6 * 3_600_000);
    assert_eq!(statement.availability_shown.as_deref(), Some("75.000%"));
    for (name, period, want) in [
        ("free", None, "service free has no objective"),
        ("none", None, "service none was not found"),
    ] {
        assert_eq!(ask(&mut bench, name, period).unwrap_err().to_string(), want);
    }
    assert!(matches!(ask(&mut bench, "web", Some("x")), Err(Refusal::Invalid(_))));
}
