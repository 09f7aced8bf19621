use expect_test::expect;

use super::*;

#[test]
fn all_agents_silent_is_unknown_and_one_incident_about_the_agents() {
    check(
        &watch("eu us ap"),
        "1 eu shop+ blog+
         3 us shop+ blog+
         5 ap shop+ blog+
         60 tick
         100 eu
         101 us
         102 ap",
        expect![[r#"
            3    blog: unknown -> up
            3    shop: unknown -> up
            60   notice 1/1/0/1/triggered/mail
            60   notice 1/1/0/1/triggered/hook
            60   #1 triggered from 1 [1 agent is silent: eu-1 in eu (heard last at 1970-01-01T00:00:01Z)] notified: step 1: mail and hook
            60   blog: up -> unknown
            60   shop: up -> unknown
            60   #1 triggered from 1 [2 agents are silent: eu-1 in eu (heard last at 1970-01-01T00:00:01Z) and us-1 in us (heard last at 1970-01-01T00:00:03Z)] votes: 2 agents are silent: eu-1 in eu (heard last at 1970-01-01T00:00:01Z) and us-1 in us (heard last at 1970-01-01T00:00:03Z)
            60   #1 triggered from 1 [all 3 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:05Z), eu-1 in eu (heard last at 1970-01-01T00:00:01Z) and us-1 in us (heard last at 1970-01-01T00:00:03Z)] votes: all 3 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:05Z), eu-1 in eu (heard last at 1970-01-01T00:00:01Z) and us-1 in us (heard last at 1970-01-01T00:00:03Z)
            100  #1 triggered from 1 [2 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:05Z) and us-1 in us (heard last at 1970-01-01T00:00:03Z)] votes: 2 agents are silent: ap-1 in ap (heard last at 1970-01-01T00:00:05Z) and us-1 in us (heard last at 1970-01-01T00:00:03Z)
            101  #1 triggered from 1 [1 agent is silent: ap-1 in ap (heard last at 1970-01-01T00:00:05Z)] votes: 1 agent is silent: ap-1 in ap (heard last at 1970-01-01T00:00:05Z)
            101  blog: unknown -> up
            101  shop: unknown -> up
            102  notice 1/1/0/0/resolved/hook
            102  notice 1/1/0/0/resolved/mail
            102  #1 resolved from 1 to 102 [1 agent is silent: ap-1 in ap (heard last at 1970-01-01T00:00:05Z)] resolved: every agent is heard again
        "#]],
    );
}

#[test]
fn a_region_without_its_agent_is_unknown_and_the_others_decide() {
    check(
        &watch("eu us ap"),
        "1 eu shop+
         1 us shop+
         1 ap shop+
         40 eu shop+
         40 us shop+
         60 eu shop-
         62 us shop-",
        expect![[r#"
            1    shop: unknown -> up
            60   notice 1/1/0/1/triggered/mail
            60   notice 1/1/0/1/triggered/hook
            60   #1 triggered from 1 [1 agent is silent: ap-1 in ap (heard last at 1970-01-01T00:00:01Z)] notified: step 1: mail and hook
            60   order us: probe shop now
            60   order ap: probe shop now
            60   shop: up -> up (partial)
            62   shop: up (partial) -> down
            62   notice 2/1/0/1/triggered/mail
            62   notice 2/1/0/1/triggered/hook
            62   #2 triggered from 62 [shop is down in 2 of 3 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            62   order eu: every 20s until 662
            62   order us: every 20s until 662
            62   order ap: every 20s until 662
        "#]],
    );
}

#[test]
fn an_open_incident_outlives_the_silence_of_the_agents() {
    check(
        &watch("eu us"),
        "1 eu shop+
         1 us shop+
         20 eu shop-
         20 us shop-
         70 tick
         80 eu shop-
         80 us shop-
         90 eu shop+
         90 us shop+
         95 eu shop+
         95 us shop+",
        expect![[r#"
            1    shop: unknown -> up
            20   order us: probe shop now
            20   shop: up -> up (partial)
            20   shop: up (partial) -> down
            20   notice 1/1/0/1/triggered/mail
            20   notice 1/1/0/1/triggered/hook
            20   #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            20   order eu: every 20s until 620
            20   order us: every 20s until 620
            70   shop: down -> unknown
            70   #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] votes: eu: unknown; us: unknown
            70   notice 2/1/0/1/triggered/mail
            70   notice 2/1/0/1/triggered/hook
            70   #2 triggered from 20 [both agents are silent: eu-1 in eu (heard last at 1970-01-01T00:00:20Z) and us-1 in us (heard last at 1970-01-01T00:00:20Z)] notified: step 1: mail and hook
            80   #2 triggered from 20 [1 agent is silent: us-1 in us (heard last at 1970-01-01T00:00:20Z)] votes: 1 agent is silent: us-1 in us (heard last at 1970-01-01T00:00:20Z)
            80   order us: probe shop now
            80   #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] votes: eu: down, connect: connection refused; us: unknown
            80   notice 2/1/0/0/resolved/hook
            80   notice 2/1/0/0/resolved/mail
            80   #2 resolved from 20 to 80 [1 agent is silent: us-1 in us (heard last at 1970-01-01T00:00:20Z)] resolved: every agent is heard again
            80   shop: unknown -> down
            80   order eu: every 20s until 680
            80   order us: every 20s until 680
            80   #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] votes: eu: down, connect: connection refused; us: down, connect: connection refused
            90   #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] votes: eu: up; us: down, connect: connection refused
            90   #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] votes: eu: up; us: up
            95   shop: down -> up
            95   notice 1/1/0/0/resolved/hook
            95   notice 1/1/0/0/resolved/mail
            95   #1 resolved from 20 to 90 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] resolved: up again
            95   order eu: every 20s until 95
            95   order us: every 20s until 95
        "#]],
    );
}

#[test]
fn silence_while_the_collector_itself_did_not_listen_does_not_count() {
    check(
        &watch("eu us"),
        "1 eu shop+
         1 us shop+
         100 resume 1
         110 eu
         144 tick
         145 tick",
        expect![[r#"
            1    shop: unknown -> up
            144  shop: up -> unknown
            145  notice 1/1/0/1/triggered/mail
            145  notice 1/1/0/1/triggered/hook
            145  #1 triggered from 1 [1 agent is silent: us-1 in us (heard last at 1970-01-01T00:00:01Z)] notified: step 1: mail and hook
        "#]],
    );
}

#[test]
fn an_agent_that_falls_silent_much_later_makes_the_incident_worse() {
    check(
        &watch("eu us ap"),
        "1 eu
         1 us
         100 us
         105 acknowledge 1 mara
         130 us
         170 us
         180 tick
         250 tick
         260 us
         261 eu
         262 resolve 1 mara",
        expect![[r#"
            100  notice 1/1/0/1/triggered/mail
            100  notice 1/1/0/1/triggered/hook
            100  #1 triggered from 1 [both agents are silent: eu-1 in eu (heard last at 1970-01-01T00:00:01Z) and us-1 in us (heard last at 1970-01-01T00:00:01Z)] notified: step 1: mail and hook
            100  #1 triggered from 1 [1 agent is silent: eu-1 in eu (heard last at 1970-01-01T00:00:01Z)] votes: 1 agent is silent: eu-1 in eu (heard last at 1970-01-01T00:00:01Z)
            105  notice 1/1/1/0/acknowledged/hook
            105  notice 1/1/1/0/acknowledged/mail
            105  #1 acknowledged from 1 [1 agent is silent: eu-1 in eu (heard last at 1970-01-01T00:00:01Z)] acknowledged: taken until 1970-01-01T00:31:45Z
            250  notice 1/2/0/1/escalated/mail
            250  notice 1/2/0/1/escalated/hook
            250  #1 triggered from 1 [both agents are silent: eu-1 in eu (heard last at 1970-01-01T00:00:01Z) and us-1 in us (heard last at 1970-01-01T00:02:50Z)] notified: step 1: mail and hook
            260  #1 triggered from 1 [1 agent is silent: eu-1 in eu (heard last at 1970-01-01T00:00:01Z)] votes: 1 agent is silent: eu-1 in eu (heard last at 1970-01-01T00:00:01Z)
            261  notice 1/2/0/0/resolved/hook
            261  notice 1/2/0/0/resolved/mail
            261  #1 resolved from 1 to 261 [1 agent is silent: eu-1 in eu (heard last at 1970-01-01T00:00:01Z)] resolved: every agent is heard again
        "#]],
    );
}

#[test]
fn a_wrong_clock_is_told_once_and_votes_all_the_same() {
    check(
        &watch("eu us"),
        "100 eu shop+@40~60
         101 eu shop+@41~60
         110 us shop-
         120 eu shop-@119~1",
        expect![[r#"
            100  notice 1/1/0/1/triggered/mail
            100  notice 1/1/0/1/triggered/hook
            100  #1 triggered from 100 [the clock of agent eu-1 is 1m behind: its results do not count in statements] notified: step 1: mail and hook
            110  order eu: probe shop now
            110  shop: unknown -> up (partial)
            120  notice 1/1/0/0/resolved/hook
            120  notice 1/1/0/0/resolved/mail
            120  #1 resolved from 100 to 120 [the clock of agent eu-1 is 1m behind: its results do not count in statements] resolved: the clock is right again
            120  shop: up (partial) -> down
            120  notice 2/1/0/1/triggered/mail
            120  notice 2/1/0/1/triggered/hook
            120  #2 triggered from 119 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            120  order eu: every 20s until 720
            120  order us: every 20s until 720
        "#]],
    );
}

#[test]
fn of_the_steps_missed_while_the_collector_was_gone_only_the_next_is_made_up_for() {
    check(
        &watch("eu us"),
        "1 eu shop+
         1 us shop+
         20 eu shop-
         20 us shop-
         30 acknowledge 1 mara
         50 resume 40
         36000 resume 60",
        expect![[r#"
            1    shop: unknown -> up
            20   order us: probe shop now
            20   shop: up -> up (partial)
            20   shop: up (partial) -> down
            20   notice 1/1/0/1/triggered/mail
            20   notice 1/1/0/1/triggered/hook
            20   #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            20   order eu: every 20s until 620
            20   order us: every 20s until 620
            30   notice 1/1/1/0/acknowledged/hook
            30   notice 1/1/1/0/acknowledged/mail
            30   #1 acknowledged from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] acknowledged: taken until 1970-01-01T00:30:30Z
            36000 shop: down -> unknown
            36000 #1 acknowledged from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] votes: eu: unknown; us: unknown
            36000 notice 1/2/0/1/escalated/mail
            36000 notice 1/2/0/1/escalated/hook
            36000 #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
        "#]],
    );
    check(
        &watch("eu us"),
        "1 eu shop+
         1 us shop+
         20 eu shop-
         20 us shop-
         36000 resume 30
         36301 tick",
        expect![[r#"
            1    shop: unknown -> up
            20   order us: probe shop now
            20   shop: up -> up (partial)
            20   shop: up (partial) -> down
            20   notice 1/1/0/1/triggered/mail
            20   notice 1/1/0/1/triggered/hook
            20   #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] notified: step 1: mail and hook
            20   order eu: every 20s until 620
            20   order us: every 20s until 620
            36000 shop: down -> unknown
            36000 #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] votes: eu: unknown; us: unknown
            36000 notice 1/1/0/2/escalated/boss
            36000 #1 triggered from 20 [shop is down in 2 of 2 regions (eu, us): connect: connection refused] notified: step 2: boss
            36301 notice 2/1/0/1/triggered/mail
            36301 notice 2/1/0/1/triggered/hook
            36301 #2 triggered from 20 [both agents are silent: eu-1 in eu (heard last at 1970-01-01T00:00:20Z) and us-1 in us (heard last at 1970-01-01T00:00:20Z)] notified: step 1: mail and hook
        "#]],
    );
}
