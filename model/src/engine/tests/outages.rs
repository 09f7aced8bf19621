use alloc::boxed::Box;

use expect_test::expect;

use super::*;

const UP: &str = "1 eu shop+ blog+\n1 us shop+ blog+\n1 ap shop+ blog+\n";

fn after_up(story: &str) -> String {
    format!("{UP}{story}")
}

#[test]
fn an_outage_seen_by_a_quorum_makes_one_incident_and_its_end_resolves_it() {
    check(
        &watch("eu us ap"),
        &after_up(
            "20 eu shop-@17
             22 us shop-@20
             23 ap shop-@20
             30 eu shop+@30
             30 us shop+@30
             40 us shop+@40
             41 eu shop+@41
             42 ap shop+@42
             43 ap shop+@43",
        ),
        expect![[r#"
            1    blog: unknown -> up
            1    shop: unknown -> up
            20   order us: probe shop now
            20   order ap: probe shop now
            20   shop: up -> up (partial)
            22   shop: up (partial) -> down
            22   notice 1/1/0/1/triggered/mail
            22   notice 1/1/0/1/triggered/hook
            22   #1 triggered from 20 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            22   order eu: every 20s until 622
            22   order us: every 20s until 622
            22   order ap: every 20s until 622
            23   #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: down, connect: connection refused; us: down, connect: connection refused
            30   #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: up; us: down, connect: connection refused
            30   #1 triggered from 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: up; us: up
            41   shop: down -> up (partial)
            41   notice 1/1/0/0/resolved/hook
            41   notice 1/1/0/0/resolved/mail
            41   #1 resolved from 20 to 30 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] resolved: up again
            41   order eu: every 20s until 41
            41   order us: every 20s until 41
            41   order ap: every 20s until 41
            42   shop: up (partial) -> up
        "#]],
    );
}

#[test]
fn the_beginning_stays_when_the_region_that_failed_first_recovers_last() {
    check(
        &watch("eu us"),
        "1 eu shop+
         1 us shop+
         20 eu shop-@17
         22 us shop-@20
         30 us shop+@30
         40 us shop+@40
         40 eu shop+@40
         51 eu shop+@51",
        expect![[r#"
            1    shop: unknown -> up
            20   order us: probe shop now
            20   shop: up -> up (partial)
            22   shop: up (partial) -> down
            22   notice 1/1/0/1/triggered/mail
            22   notice 1/1/0/1/triggered/hook
            22   #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            22   order eu: every 20s until 622
            22   order us: every 20s until 622
            30   #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] votes: eu: down, connect: connection refused; us: up
            40   shop: down -> up (partial)
            40   notice 1/1/0/0/resolved/hook
            40   notice 1/1/0/0/resolved/mail
            40   #1 resolved from 20 to 30 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] resolved: up again
            40   order eu: every 20s until 40
            40   order us: every 20s until 40
            40   shop: up (partial) -> up
        "#]],
    );
}

#[test]
fn one_region_that_fails_alone_is_partial_and_tells_nobody() {
    check(
        &watch("eu us ap"),
        &after_up(
            "20 eu shop-
             23 us shop+
             23 ap shop+
             80 eu shop-
             90 eu shop+",
        ),
        expect![[r#"
            1    blog: unknown -> up
            1    shop: unknown -> up
            20   order us: probe shop now
            20   order ap: probe shop now
            20   shop: up -> up (partial)
            80   order us: probe shop now
            80   order ap: probe shop now
            80   shop: up (partial) -> up
            80   notice 1/1/0/1/triggered/mail
            80   notice 1/1/0/1/triggered/hook
            80   #1 triggered from 20 [1 agent is silent: eu-1 in eu (heard last at 1970-01-01T00:00:20Z)] notified: step 1: mail and hook
            80   blog: up -> unknown
            80   shop: up -> unknown
            80   #1 triggered from 20 [all 3 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:23Z), eu-1 in eu (heard last at 1970-01-01T00:00:20Z) and us-1 in us (heard last at 1970-01-01T00:00:23Z)] votes: all 3 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:23Z), eu-1 in eu (heard last at 1970-01-01T00:00:20Z) and us-1 in us (heard last at 1970-01-01T00:00:23Z)
            80   #1 triggered from 20 [2 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:23Z) and us-1 in us (heard last at 1970-01-01T00:00:23Z)] votes: 2 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:23Z) and us-1 in us (heard last at 1970-01-01T00:00:23Z)
            80   order us: probe shop now
            80   order ap: probe shop now
        "#]],
    );
}

#[test]
fn a_void_result_has_no_vote() {
    check(
        &watch("eu us ap"),
        &after_up(
            "20 eu shop?
             21 us shop-
             23 ap shop+",
        ),
        expect![[r#"
            1    blog: unknown -> up
            1    shop: unknown -> up
            21   order eu: probe shop now
            21   order ap: probe shop now
            21   shop: up -> up (partial)
        "#]],
    );
}

#[test]
fn an_old_up_vote_does_not_deny_what_another_region_sees_now() {
    // us passed at 1 s, interval and timeout are 70 s: after 71 s its vote is too old to stand
    // against two others, as all were asked at 60 s.
    check(
        &watch("eu us ap de"),
        "1 us shop+
         2 de shop+
         3 eu
         3 ap
         40 eu
         40 us
         40 ap
         40 de
         60 eu shop-
         62 ap shop-
         71 tick
         72 tick",
        expect![[r#"
            60   order us: probe shop now
            60   order ap: probe shop now
            60   order de: probe shop now
            60   shop: unknown -> up (partial)
            72   shop: up (partial) -> down
            72   notice 1/1/0/1/triggered/mail
            72   notice 1/1/0/1/triggered/hook
            72   #1 triggered from 62 [shop is down in 2 of 4 regions (ap, eu): connect: connection refused] notified: step 1: mail and hook
            72   order eu: every 20s until 671
            72   order us: every 20s until 671
            72   order ap: every 20s until 671
            72   order de: every 20s until 671
        "#]],
    );
}

#[test]
fn a_region_that_decides_alone_must_fail_three_times_in_twenty_seconds() {
    check(
        &watch("eu"),
        "1 eu shop+
         10 eu shop-@8
         28 tick
         31 eu shop-@28
         35 eu shop+
         36 eu shop+",
        expect![[r#"
            1    shop: unknown -> up
            10   shop: up -> up (partial)
            28   order eu: probe shop now
            31   shop: up (partial) -> down
            31   notice 1/1/0/1/triggered/mail
            31   notice 1/1/0/1/triggered/hook
            31   #1 triggered from 8 [shop is down in 1 of 1 region (eu): connect: connection refused] notified: step 1: mail and hook
            31   order eu: every 20s until 631
            35   #1 triggered from 8 [shop is down in 1 of 1 region (eu): connect: connection refused] votes: eu: up
            36   shop: down -> up
            36   notice 1/1/0/0/resolved/hook
            36   notice 1/1/0/0/resolved/mail
            36   #1 resolved from 8 to 35 [shop is down in 1 of 1 region (eu): connect: connection refused] resolved: up again
            36   order eu: every 20s until 36
        "#]],
    );
}

#[test]
fn a_single_blip_of_a_lone_region_is_no_outage() {
    check(
        &watch("eu"),
        "1 eu shop+
         10 eu shop-@8
         28 tick
         29 eu shop+
         99 eu shop-",
        expect![[r#"
            1    shop: unknown -> up
            10   shop: up -> up (partial)
            28   order eu: probe shop now
            29   shop: up (partial) -> up
            99   shop: up -> unknown
            99   notice 1/1/0/1/triggered/mail
            99   notice 1/1/0/1/triggered/hook
            99   #1 triggered from 29 [the only agent is silent: eu-1 in eu (heard last at 1970-01-01T00:00:29Z)] notified: step 1: mail and hook
            99   notice 1/1/0/0/resolved/hook
            99   notice 1/1/0/0/resolved/mail
            99   #1 resolved from 29 to 99 [the only agent is silent: eu-1 in eu (heard last at 1970-01-01T00:00:29Z)] resolved: every agent is heard again
            99   shop: unknown -> up
            99   shop: up -> up (partial)
        "#]],
    );
}

#[test]
fn trouble_that_returns_soon_continues_its_incident_and_later_is_a_new_one() {
    let down = |t: i64| format!("{t} eu shop-\n{t} us shop-\n{t} ap shop-\n");
    let up = |t: i64| {
        let once = |t: i64| format!("{t} eu shop+\n{t} us shop+\n{t} ap shop+\n");
        once(t) + &once(t + 1)
    };
    let story = [down(10), up(20), down(60), up(70), down(2000), up(2010)].concat();
    check(
        &watch("eu us ap"),
        &after_up(&story),
        expect![[r#"
            1    blog: unknown -> up
            1    shop: unknown -> up
            10   order us: probe shop now
            10   order ap: probe shop now
            10   shop: up -> up (partial)
            10   shop: up (partial) -> down
            10   notice 1/1/0/1/triggered/mail
            10   notice 1/1/0/1/triggered/hook
            10   #1 triggered from 10 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            10   order eu: every 20s until 610
            10   order us: every 20s until 610
            10   order ap: every 20s until 610
            10   #1 triggered from 10 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: down, connect: connection refused; us: down, connect: connection refused
            20   #1 triggered from 10 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: up; us: down, connect: connection refused
            20   #1 triggered from 10 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: up; us: up
            20   #1 triggered from 10 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: up; eu: up; us: up
            21   shop: down -> up
            21   notice 1/1/0/0/resolved/hook
            21   notice 1/1/0/0/resolved/mail
            21   #1 resolved from 10 to 20 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] resolved: up again
            21   order eu: every 20s until 21
            21   order us: every 20s until 21
            21   order ap: every 20s until 21
            60   order us: probe shop now
            60   order ap: probe shop now
            60   shop: up -> up (partial)
            60   shop: up (partial) -> down
            60   notice 1/2/0/1/triggered/mail
            60   notice 1/2/0/1/triggered/hook
            60   #1 triggered from 10 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            60   order eu: every 20s until 660
            60   order us: every 20s until 660
            60   order ap: every 20s until 660
            60   #1 triggered from 10 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: down, connect: connection refused; us: down, connect: connection refused
            70   #1 triggered from 10 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: up; us: down, connect: connection refused
            70   #1 triggered from 10 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: up; us: up
            70   #1 triggered from 10 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: up; eu: up; us: up
            71   shop: down -> up
            71   notice 1/2/0/0/resolved/hook
            71   notice 1/2/0/0/resolved/mail
            71   #1 resolved from 10 to 70 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] resolved: up again
            71   order eu: every 20s until 71
            71   order us: every 20s until 71
            71   order ap: every 20s until 71
            2000 blog: up -> unknown
            2000 shop: up -> unknown
            2000 notice 2/1/0/1/triggered/mail
            2000 notice 2/1/0/1/triggered/hook
            2000 #2 triggered from 71 [all 3 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:01:11Z), eu-1 in eu (heard last at 1970-01-01T00:01:11Z) and us-1 in us (heard last at 1970-01-01T00:01:11Z)] notified: step 1: mail and hook
            2000 notice 2/1/0/2/escalated/boss
            2000 #2 triggered from 71 [all 3 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:01:11Z), eu-1 in eu (heard last at 1970-01-01T00:01:11Z) and us-1 in us (heard last at 1970-01-01T00:01:11Z)] notified: step 2: boss
            2000 #2 triggered from 71 [2 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:01:11Z) and us-1 in us (heard last at 1970-01-01T00:01:11Z)] votes: 2 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:01:11Z) and us-1 in us (heard last at 1970-01-01T00:01:11Z)
            2000 order us: probe shop now
            2000 order ap: probe shop now
            2000 #2 triggered from 71 [1 agent is silent: ap-1 in ap (heard last at 1970-01-01T00:01:11Z)] votes: 1 agent is silent: ap-1 in ap (heard last at 1970-01-01T00:01:11Z)
            2000 shop: unknown -> down
            2000 notice 3/1/0/1/triggered/mail
            2000 notice 3/1/0/1/triggered/hook
            2000 #3 triggered from 2000 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            2000 order eu: every 20s until 2600
            2000 order us: every 20s until 2600
            2000 order ap: every 20s until 2600
            2000 notice 2/1/0/0/resolved/boss
            2000 notice 2/1/0/0/resolved/hook
            2000 notice 2/1/0/0/resolved/mail
            2000 #2 resolved from 71 to 2000 [1 agent is silent: ap-1 in ap (heard last at 1970-01-01T00:01:11Z)] resolved: every agent is heard again
            2000 #3 triggered from 2000 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: down, connect: connection refused; us: down, connect: connection refused
            2010 #3 triggered from 2000 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: up; us: down, connect: connection refused
            2010 #3 triggered from 2000 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: up; us: up
            2010 #3 triggered from 2000 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: up; eu: up; us: up
            2011 shop: down -> up
            2011 notice 3/1/0/0/resolved/hook
            2011 notice 3/1/0/0/resolved/mail
            2011 #3 resolved from 2000 to 2010 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] resolved: up again
            2011 order eu: every 20s until 2011
            2011 order us: every 20s until 2011
            2011 order ap: every 20s until 2011
        "#]],
    );
}

#[test]
fn a_late_result_older_than_the_newest_changes_nothing_now() {
    check(
        &watch("eu us ap"),
        &after_up(
            "100 eu shop+
             100 us shop+
             100 ap shop+
             101 eu shop-@50
             101 us shop-@50
             101 ap shop-@50",
        ),
        expect![[r#"
            1    blog: unknown -> up
            1    shop: unknown -> up
            100  blog: up -> unknown
            100  shop: up -> unknown
            100  notice 1/1/0/1/triggered/mail
            100  notice 1/1/0/1/triggered/hook
            100  #1 triggered from 1 [all 3 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:01Z), eu-1 in eu (heard last at 1970-01-01T00:00:01Z) and us-1 in us (heard last at 1970-01-01T00:00:01Z)] notified: step 1: mail and hook
            100  #1 triggered from 1 [2 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:01Z) and us-1 in us (heard last at 1970-01-01T00:00:01Z)] votes: 2 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:01Z) and us-1 in us (heard last at 1970-01-01T00:00:01Z)
            100  #1 triggered from 1 [1 agent is silent: ap-1 in ap (heard last at 1970-01-01T00:00:01Z)] votes: 1 agent is silent: ap-1 in ap (heard last at 1970-01-01T00:00:01Z)
            100  blog: unknown -> up
            100  shop: unknown -> up
            100  notice 1/1/0/0/resolved/hook
            100  notice 1/1/0/0/resolved/mail
            100  #1 resolved from 1 to 100 [1 agent is silent: ap-1 in ap (heard last at 1970-01-01T00:00:01Z)] resolved: every agent is heard again
        "#]],
    );
}

#[test]
fn a_probe_that_is_removed_or_paused_ends_its_incident() {
    let mut engine = engine(&watch("eu us ap"));
    let story = after_up("20 eu shop- blog-\n20 us shop- blog-\n20 ap shop- blog-");
    run(&mut engine, &story, |_, _, _| Vec::new());
    let mut less = watch("eu us ap");
    less.probes.remove(0);
    less.probes[0].paused = true;
    let effects = engine.handle(at(30), Input::Reconfigure { watch: Box::new(less) });
    let told: Vec<String> = effects.iter().map(show).collect();
    expect![[r#"
        notice 1/1/0/0/resolved/hook
        notice 1/1/0/0/resolved/mail
        #1 resolved from 20 to 30 [blog is down in 3 of 3 regions (ap, eu, us): connect: connection refused] resolved: the probe is paused
        notice 2/1/0/0/resolved/hook
        notice 2/1/0/0/resolved/mail
        #2 resolved from 20 to 30 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] resolved: the probe was removed
        blog: down -> unknown
    "#]].assert_eq(&(told.join("\n") + "\n"));
}

#[test]
fn maintenance_of_every_service_of_a_probe_holds_its_notices_until_it_ends() {
    let mut watch = watch("eu us ap");
    watch.maintenance.push(crate::config::Maintenance {
        services: [ServiceName::new("web").unwrap()].into(),
        when: crate::config::When::Once { from: at(10), to: at(600) },
        announced: None,
        cancelled: false,
    });
    check(
        &watch,
        &after_up(
            "20 eu shop-
             20 us shop-
             40 eu
             40 us
             80 eu shop-
             80 us shop-
             120 eu
             120 us
             140 eu shop-
             140 us shop-
             600 tick",
        ),
        expect![[r#"
            1    blog: unknown -> up
            1    shop: unknown -> up
            20   order us: probe shop now
            20   order ap: probe shop now
            20   shop: up -> up (partial)
            20   shop: up (partial) -> down
            20   #1 triggered from 20 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] held: maintenance runs: nobody is told before 1970-01-01T00:10:00Z
            20   order eu: every 20s until 620
            20   order us: every 20s until 620
            20   order ap: every 20s until 620
            80   #1 triggered from 20 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] votes: ap: unknown; eu: down, connect: connection refused; us: down, connect: connection refused
            80   notice 2/1/0/1/triggered/mail
            80   notice 2/1/0/1/triggered/hook
            80   #2 triggered from 1 [1 agent is silent: ap-1 in ap (heard last at 1970-01-01T00:00:01Z)] notified: step 1: mail and hook
            140  blog: up -> unknown
            600  shop: down -> unknown
            600  #1 triggered from 20 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] votes: ap: unknown; eu: unknown; us: unknown
            600  notice 2/2/0/1/escalated/mail
            600  notice 2/2/0/1/escalated/hook
            600  #2 triggered from 1 [all 3 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:01Z), eu-1 in eu (heard last at 1970-01-01T00:02:20Z) and us-1 in us (heard last at 1970-01-01T00:02:20Z)] notified: step 1: mail and hook
            600  notice 2/2/0/2/escalated/boss
            600  #2 triggered from 1 [all 3 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:01Z), eu-1 in eu (heard last at 1970-01-01T00:02:20Z) and us-1 in us (heard last at 1970-01-01T00:02:20Z)] notified: step 2: boss
            600  notice 1/1/0/1/triggered/mail
            600  notice 1/1/0/1/triggered/hook
            600  #1 triggered from 20 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
        "#]],
    );
}

#[test]
fn any_and_all_override_the_majority() {
    for (rule, want) in [
        (
            DownWhen::All,
            expect![[r#"
                1    blog: unknown -> up
                1    shop: unknown -> up
                20   order us: probe shop now
                20   order ap: probe shop now
                20   shop: up -> up (partial)
                23   shop: up (partial) -> down
                23   notice 1/1/0/1/triggered/mail
                23   notice 1/1/0/1/triggered/hook
                23   #1 triggered from 23 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] notified: step 1: mail and hook
                23   order eu: every 20s until 623
                23   order us: every 20s until 623
                23   order ap: every 20s until 623
            "#]],
        ),
        (
            DownWhen::AtLeast(2),
            expect![[r#"
                1    blog: unknown -> up
                1    shop: unknown -> up
                20   order us: probe shop now
                20   order ap: probe shop now
                20   shop: up -> up (partial)
                22   shop: up (partial) -> down
                22   notice 1/1/0/1/triggered/mail
                22   notice 1/1/0/1/triggered/hook
                22   #1 triggered from 22 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
                22   order eu: every 20s until 622
                22   order us: every 20s until 622
                22   order ap: every 20s until 622
                23   #1 triggered from 22 [shop is down in 3 of 3 regions (ap, eu, us): connect: connection refused] votes: ap: down, connect: connection refused; eu: down, connect: connection refused; us: down, connect: connection refused
            "#]],
        ),
    ] {
        let mut watch = watch("eu us ap");
        watch.probes[0].down_when = rule;
        check(&watch, &after_up("20 eu shop-\n22 us shop-\n23 ap shop-"), want);
    }
}
