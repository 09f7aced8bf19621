use expect_test::expect;

use super::*;

/// An outage from 20 s on that nobody sees the end of; agents are heard every 30 s.
fn outage(until: i64, people: &str) -> String {
    let mut lines: Vec<(i64, String)> = Vec::new();
    for region in ["eu", "us", "ap"] {
        lines.push((1, format!("1 {region} shop+")));
        let mut second = 20;
        while second <= until {
            lines.push((second, format!("{second} {region} shop-")));
            second += 30;
        }
    }
    for line in people.lines().map(str::trim).filter(|line| !line.is_empty()) {
        lines.push((line.split_whitespace().next().unwrap().parse().unwrap(), line.into()));
    }
    lines.sort_by_key(|(second, _)| *second);
    lines.into_iter().map(|(_, line)| line + "\n").collect()
}

#[test]
fn nobody_acts_and_it_never_falls_silent() {
    check(
        &watch("eu us ap"),
        &outage(6000, ""),
        expect![[r#"
            1    shop: unknown -> up
            20   order us: probe shop now
            20   order ap: probe shop now
            20   shop: up -> up (partial)
            20   shop: up (partial) -> down
            20   notice 1/1/0/1/triggered/mail
            20   notice 1/1/0/1/triggered/hook
            20   #1 triggered from 20 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            20   order eu: every 20s until 620
            20   order us: every 20s until 620
            20   order ap: every 20s until 620
            20   #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: down, connect: connection refused; us: down, connect: connection refused
            320  notice 1/1/0/2/escalated/boss
            320  #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] notified: step 2: boss
            2120 notice 1/1/1/1/escalated/mail
            2120 notice 1/1/1/1/escalated/hook
            2120 #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] notified: step 1: mail and hook
            2420 notice 1/1/1/2/escalated/boss
            2420 #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] notified: step 2: boss
            4220 notice 1/1/2/2/escalated/boss
            4220 #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] notified: step 2: boss
        "#]],
    );
}

#[test]
fn an_acknowledgement_stops_the_steps_and_the_end_is_told_to_everyone_told() {
    check(
        &watch("eu us ap"),
        &(outage(600, "60 acknowledge 1 mara\n70 note 1 mara pods restarted")
            + "610 eu shop+\n610 us shop+\n610 ap shop+\n611 eu shop+\n611 us shop+\n611 ap shop+"),
        expect![[r#"
            1    shop: unknown -> up
            20   order us: probe shop now
            20   order ap: probe shop now
            20   shop: up -> up (partial)
            20   shop: up (partial) -> down
            20   notice 1/1/0/1/triggered/mail
            20   notice 1/1/0/1/triggered/hook
            20   #1 triggered from 20 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            20   order eu: every 20s until 620
            20   order us: every 20s until 620
            20   order ap: every 20s until 620
            20   #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: down, connect: connection refused; us: down, connect: connection refused
            60   notice 1/1/1/0/acknowledged/hook
            60   notice 1/1/1/0/acknowledged/mail
            60   #1 acknowledged from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] acknowledged: taken until 1970-01-01T00:31:00Z
            70   #1 acknowledged from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] note: pods restarted
            610  #1 acknowledged from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: up; us: down, connect: connection refused
            610  #1 acknowledged from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: up; us: up
            610  #1 acknowledged from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: up; eu: up; us: up
            611  shop: down -> up
            611  notice 1/1/0/0/resolved/hook
            611  notice 1/1/0/0/resolved/mail
            611  #1 resolved from 20 to 610 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] resolved: up again
            611  order eu: every 20s until 611
            611  order us: every 20s until 611
            611  order ap: every 20s until 611
        "#]],
    );
}

#[test]
fn an_acknowledgement_that_ends_begins_the_steps_again_unless_it_was_extended() {
    check(
        &watch("eu us ap"),
        &outage(4000, "60 acknowledge 1 mara\n1200 acknowledge 1 mara"),
        expect![[r#"
            1    shop: unknown -> up
            20   order us: probe shop now
            20   order ap: probe shop now
            20   shop: up -> up (partial)
            20   shop: up (partial) -> down
            20   notice 1/1/0/1/triggered/mail
            20   notice 1/1/0/1/triggered/hook
            20   #1 triggered from 20 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            20   order eu: every 20s until 620
            20   order us: every 20s until 620
            20   order ap: every 20s until 620
            20   #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: down, connect: connection refused; us: down, connect: connection refused
            60   notice 1/1/1/0/acknowledged/hook
            60   notice 1/1/1/0/acknowledged/mail
            60   #1 acknowledged from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] acknowledged: taken until 1970-01-01T00:31:00Z
            1200 #1 acknowledged from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] acknowledged: extended until 1970-01-01T00:50:00Z
            3020 notice 1/2/0/1/escalated/mail
            3020 notice 1/2/0/1/escalated/hook
            3020 #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] notified: step 1: mail and hook
            3320 notice 1/2/0/2/escalated/boss
            3320 #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] notified: step 2: boss
        "#]],
    );
}

#[test]
fn a_step_that_reaches_nobody_brings_the_next_one_at_once() {
    check(
        &watch("eu us ap"),
        &outage(
            50,
            "30 lost 1/1/0/1/triggered/mail\n31 lost 1/1/0/1/triggered/hook\n32 delivered 1/1/0/2/escalated/boss",
        ),
        expect![[r#"
            1    shop: unknown -> up
            20   order us: probe shop now
            20   order ap: probe shop now
            20   shop: up -> up (partial)
            20   shop: up (partial) -> down
            20   notice 1/1/0/1/triggered/mail
            20   notice 1/1/0/1/triggered/hook
            20   #1 triggered from 20 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            20   order eu: every 20s until 620
            20   order us: every 20s until 620
            20   order ap: every 20s until 620
            20   #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: down, connect: connection refused; us: down, connect: connection refused
            30   #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] undeliverable: to mail: gone
            31   notice 1/1/0/2/escalated/boss
            31   #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] notified: step 2: boss
            32   #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] delivered: to boss
        "#]],
    );
}

#[test]
fn an_incident_resolved_by_hand_stays_so_until_the_probe_was_up() {
    check(
        &watch("eu us ap"),
        &(outage(110, "60 resolve 1 mara\n61 acknowledge 1 jonas\n62 resolve 9 mara")),
        expect![[r#"
            1    shop: unknown -> up
            20   order us: probe shop now
            20   order ap: probe shop now
            20   shop: up -> up (partial)
            20   shop: up (partial) -> down
            20   notice 1/1/0/1/triggered/mail
            20   notice 1/1/0/1/triggered/hook
            20   #1 triggered from 20 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            20   order eu: every 20s until 620
            20   order us: every 20s until 620
            20   order ap: every 20s until 620
            20   #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: down, connect: connection refused; us: down, connect: connection refused
            60   notice 1/1/0/0/resolved/hook
            60   notice 1/1/0/0/resolved/mail
            60   #1 resolved from 20 to 60 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] resolved: resolved by hand
        "#]],
    );
}

#[test]
fn a_refused_secret_is_an_incident_until_it_is_cleared() {
    check(
        &watch("eu us ap"),
        "1 refused eu shop\n2 refused eu shop\n40 eu\n50 cleared eu shop\n51 cleared eu shop",
        expect![[r#"
            1    notice 1/1/0/1/triggered/mail
            1    notice 1/1/0/1/triggered/hook
            1    #1 triggered from 1 [agent eu-1 refused env:KEY to probe shop: other host] notified: step 1: mail and hook
            50   notice 1/1/0/0/resolved/hook
            50   notice 1/1/0/0/resolved/mail
            50   #1 resolved from 1 to 50 [agent eu-1 refused env:KEY to probe shop: other host] resolved: it is approved, or no longer asked for
        "#]],
    );
}

/// Everything that is told in the next `seconds` when every notice is given up at once.
fn told_in_vain(watch: &Watch, seconds: i64) -> Vec<String> {
    let mut engine = engine(watch);
    let mut told = Vec::new();
    let mut effects = Vec::new();
    for (second, line) in [(1, "1 eu shop-"), (2, "2 us shop-"), (3, "3 ap shop-")] {
        effects.extend(engine.handle(at(second), input(line).1));
    }
    let mut now = at(3);
    while now < at(seconds) && told.len() < 1000 {
        for effect in core::mem::take(&mut effects) {
            let Effect::Notify(notice) = effect else { continue };
            told.push(format!("{} {}", now.ms() / 1000, notice.key.0));
            let why = "HTTP 404".into();
            effects.extend(engine.handle(now, Input::Undeliverable { notice: notice.key, why }));
        }
        if effects.is_empty() {
            now = engine.next_deadline().unwrap_or(at(seconds));
            effects = engine.handle(now, Input::Tick);
        }
    }
    told
}

#[test]
fn contacts_that_take_nothing_are_tried_once_a_round_and_no_faster() {
    let mut watch = watch("eu us ap");
    watch.policies[0].repeat = 0;
    // Agents are silent from 48 s on, which is told in vain as well.
    expect![[r#"
        3 1/1/0/1/triggered/mail
        3 1/1/0/1/triggered/hook
        3 1/1/0/2/escalated/boss
        46 2/1/0/1/triggered/mail
        46 2/1/0/1/triggered/hook
        46 2/1/0/2/escalated/boss
        1803 1/1/1/2/escalated/boss
    "#]]
    .assert_eq(&(told_in_vain(&watch, 3600).join("\n") + "\n"));
}

#[test]
fn who_was_told_of_one_story_is_not_told_the_end_of_the_next() {
    let down = |at: i64| format!("{at} eu shop-\n{at} us shop-\n");
    let up = |at: i64| {
        format!("{at} eu shop+\n{at} us shop+\n{} eu shop+\n{} us shop+\n", at + 1, at + 1)
    };
    let heard: String = (1..13).map(|n| format!("{0} eu\n{0} us\n", n * 30)).collect();
    let story = down(20) + &heard + &up(390) + &down(420) + &up(440);
    let mut engine = engine(&watch("eu us"));
    let told = run(&mut engine, &story, |_, _, _| Vec::new());
    let notices: Vec<&str> =
        told.iter().filter_map(|line| line.split_once("notice ")).map(|(_, key)| key).collect();
    expect![[r#"
        1/1/0/1/triggered/mail
        1/1/0/1/triggered/hook
        1/1/0/2/escalated/boss
        1/1/0/0/resolved/boss
        1/1/0/0/resolved/hook
        1/1/0/0/resolved/mail
        1/2/0/1/triggered/mail
        1/2/0/1/triggered/hook
        1/2/0/0/resolved/hook
        1/2/0/0/resolved/mail
    "#]]
    .assert_eq(&(notices.join("\n") + "\n"));
}

#[test]
fn an_incident_that_nobody_could_be_told_of_is_told_as_soon_as_there_is_a_policy() {
    let mut without = watch("eu us");
    without.policies.clear();
    let mut engine = engine(&without);
    run(&mut engine, "20 eu shop-\n20 us shop-", |_, _, _| Vec::new());
    let notices = |effects: &[Effect]| {
        effects.iter().filter(|effect| matches!(effect, Effect::Notify(_))).count()
    };
    let reconfigure = |watch: &Watch| Input::Reconfigure { watch: Box::new(watch.clone()) };
    assert_eq!(notices(&engine.handle(at(30), reconfigure(&watch("eu us")))), 2);
    // The policy is lost when its second step is due, and comes back.
    engine.handle(at(300), reconfigure(&without));
    assert_eq!(notices(&engine.handle(at(331), Input::Tick)), 0);
    engine.handle(at(340), reconfigure(&watch("eu us")));
    assert!(engine.next_deadline().is_some());
    let told: usize = (1..10).map(|n| notices(&engine.handle(at(340 + n * 60), Input::Tick))).sum();
    assert!(told > 0, "a critical incident never falls silent");
}

#[test]
fn maintenance_that_is_taken_back_holds_nothing_any_more() {
    let mut planned = watch("eu us");
    planned.maintenance = [crate::config::Maintenance {
        services: [ServiceName::new("web").unwrap()].into(),
        when: crate::config::When::Once { from: at(0), to: at(36_000) },
        announced: None,
        cancelled: false,
    }]
    .into();
    let mut engine = engine(&planned);
    let told = run(&mut engine, "20 eu shop-\n20 us shop-", |_, _, _| Vec::new());
    assert!(!told.iter().any(|line| line.contains("notice")), "{told:?}");
    let watch = Box::new(watch("eu us"));
    let effects = engine.handle(at(40), Input::Reconfigure { watch });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Notify(_))), "{effects:?}");
}
