use expect_test::expect;
use model::config::Needs;
use model::ledger::Span;
use model::report::{Terms, statement_of};
use model::time::Millis;

use super::*;

/// Up, down for a minute, left out for one, down for one, up again.
fn statement() -> Statement {
    let at = Timestamp::from_ms;
    let spans: Vec<Span> = [
        (0, 60_000, Class::Up),
        (60_000, 120_000, Class::Down),
        (120_000, 180_000, Class::Excluded),
        (180_000, 240_000, Class::Down),
        (240_000, 600_000, Class::Partial),
    ]
    .map(|(from, to, class)| Span { from: at(from), to: at(to), class })
    .into();
    let terms = Terms {
        needs: Needs::All,
        target_ppm: 999_000,
        grace: Millis::ZERO,
        min_outage: Millis::ZERO,
        notice: Millis::ZERO,
        credits: Vec::new(),
        windows: Vec::new(),
    };
    statement_of(&terms, &spans, at(0), at(600_000))
}

fn found(region: &str, started_ms: i64, reason: Option<&str>) -> Found {
    let outcome = if reason.is_some() { "failed" } else { "passed" };
    let (region, reason) = (region.into(), reason.map(Into::into));
    Found { region, started_ms, outcome: outcome.into(), reason }
}

#[test]
fn an_outage_is_told_with_its_parts_regions_and_people() {
    let statement = statement();
    let results = [
        found("us", 61_000, Some("HTTP 502")),
        found("eu", 60_000, Some("HTTP 502")),
        found("eu", 120_000, Some("no connection")),
        found("eu", 180_000, Some("HTTP 502")),
        found("ap", 70_000, None),
        // After its end.
        found("us", 240_000, Some("HTTP 503")),
    ];
    let story = r#"{"id":7,"key":"http:shop:down","started_ms":60000,"resolved_ms":241000,
        "timeline":[{"at_ms":61000,"what":"triggered","who":null,"text":"2 of 3"},
        {"at_ms":90000,"what":"acknowledged","who":"anna","text":"anna has it"},
        {"at_ms":91000,"what":"note","who":"anna","text":"disk\u001b[2J full"},
        {"at_ms":241000,"what":"resolved","who":null,"text":"up again"}]}"#;
    let [outage] = statement.outage_list()[..] else { panic!("one outage is wanted") };
    let seen = seen("shop", &results, outage.to.ms());
    let stories = vec![serde_json::from_str(story).unwrap()];
    let explained = [within(&statement, outage, seen, stories)];
    expect![[r#"

        Outages, explained
            outage 1       Thu 1 Jan 00:01:00 +00 until Thu 1 Jan 00:04:00 +00
            counts as      2 min 00 s down
              from         Thu 1 Jan 00:01:00 +00 down
              from         Thu 1 Jan 00:02:00 +00 excluded
              from         Thu 1 Jan 00:03:00 +00 down
              from         Thu 1 Jan 00:04:00 +00 up+partial
            left out       1 min 00 s, from Thu 1 Jan 00:02:00 +00
            seen from      eu: shop failed 3 times: HTTP 502 (2); no connection (1)
            seen from      us: shop failed once: HTTP 502 (1)
            incident       #7 http:shop:down, over Thu 1 Jan 00:04:01 +00
              acknowledged Thu 1 Jan 00:01:30 +00 anna: anna has it
              note         Thu 1 Jan 00:01:31 +00 anna: disk[2J full
              resolved     Thu 1 Jan 00:04:01 +00 watchpost: up again

    "#]]
    .assert_eq(&text(&explained, 1, "UTC"));
    let remark = "seen from eu, us; HTTP 502; #7; parts are left out or not measured";
    assert_eq!(explained[0].remark(), remark);
    let json = serde_json::to_value(&explained[0]).unwrap();
    assert_eq!(json["flips"][1], serde_json::json!([120_000, "excluded"]));
    assert_eq!(json["incidents"][0]["timeline"][1]["who"], "anna");
    assert!(text(&explained, 103, "UTC").contains("102 further outages"));
}

#[test]
fn an_incident_belongs_to_an_outage_that_it_touches() {
    let incident = |id, started_ms, resolved_ms| Short { id, probe: None, started_ms, resolved_ms };
    let all = [
        incident(1, 0, Some(999_999)),
        incident(2, 0, Some(1_000_000)),
        incident(3, 1_500_000, None),
        incident(4, 2_000_000 + BEFORE_MS, None),
        incident(5, 2_000_001 + BEFORE_MS, None),
    ];
    let ids: Vec<u64> = during(&all, 1_000_000, 2_000_000).map(|one| one.id).collect();
    assert_eq!(ids, [2, 3, 4]);
}
