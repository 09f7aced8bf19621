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
