#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::PathBuf;

use super::*;

const CONTRACT: &str = r#"{"regions":["eu"],"target_ppm":999000,"period":{"from":0,"to":200000}}"#;
const LINE: &str = r#"{"id":"eu/1","region":"eu","t":0,"outcome":"up","interval_ms":60000}"#;

/// Runs it on files with this text: what it writes, or its error without the folder's name.
fn run_on(observations: &str, contract: &str, burn_at: Option<&str>) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (lines, contract) = (write("o.jsonl", observations), write("c.json", contract));
    let mut out = Vec::new();
    let order = Order {
        observations: &lines,
        contract: &contract,
        service: None,
        format: ReportFormat::Json,
        burn_at,
    };
    run(&order, &mut out)
        .map_err(|error| format!("{error:#}").replace(&format!("{}/", folder.path().display()), ""))
        .map(|()| String::from_utf8(out).unwrap())
}

fn statement(observations: &str, contract: &str) -> Statement {
    serde_json::from_str(&run_on(observations, contract, None).unwrap()).unwrap()
}

#[test]
fn what_a_contract_leaves_out_has_its_default() {
    let short = statement(LINE, CONTRACT);
    let long = r#"{"regions":["eu"],"grace_ms":10000,"target_ppm":999000,"min_outage_ms":0,
        "notice_ms":0,"period":{"from":"1970-01-01T00:00:00Z","to":"1970-01-01T01:03:20+01:00"},
        "maintenance":[],"credits_ppm_percent":[]}"#;
    assert_eq!(short, statement(LINE, long));
    assert_eq!((short.up_ms, short.unknown_ms, short.credit_percent), (130_000, 70_000, 0));
}

#[test]
fn blank_lines_and_carriage_returns_are_nothing() {
    let text = format!("\r\n{LINE}\r\n\n  \n{LINE}");
    assert_eq!(statement(&text, CONTRACT), statement(LINE, CONTRACT));
}

#[test]
fn a_line_that_is_wrong_is_named_with_what_is_right() {
    for (line, want) in [
        ("{", "o.jsonl:2: column 1: EOF while parsing an object; a line is {\"id\":"),
        ("[]", "o.jsonl:2: column 2: invalid length 0"),
        ("7", "o.jsonl:2: column 1: invalid type: integer `7`"),
        (r#"{"id":"a"}"#, "o.jsonl:2: column 10: missing field `region`"),
        (
            r#"{"id":"a","region":"eu","t":0,"outcome":"up","interval":1}"#,
            "o.jsonl:2: unknown key `interval`: did you mean `interval_ms`?",
        ),
        (
            r#"{"id":"a","region":"eu","t":0,"outcome":"up","zzz":1}"#,
            "unknown key `zzz`: keys are id, region, t, outcome, interval_ms",
        ),
        (
            r#"{"id":"a","region":"eu","t":0,"outcome":"UP","interval_ms":1}"#,
            "unknown variant `UP`, expected one of `up`, `down`, `void`",
        ),
        (
            r#"{"id":"a","region":"eu","t":0,"outcome":"up","interval_ms":0}"#,
            "o.jsonl:2: interval_ms: 0 is not an interval: write at least 1 millisecond",
        ),
        (
            r#"{"id":"a","region":"e u","t":0,"outcome":"up","interval_ms":1}"#,
            "o.jsonl:2: region: `e u` is not a name",
        ),
        (
            r#"{"id":"a","region":"eu","t":0.5,"outcome":"up","interval_ms":1}"#,
            "invalid type: floating point `0.5`, expected i64",
        ),
        (
            r#"{"id":"a","id":"b","region":"eu","t":0,"outcome":"up","interval_ms":1}"#,
            "duplicate field `id`",
        ),
    ] {
        let error = run_on(&format!("{LINE}\n{line}"), CONTRACT, None).unwrap_err();
        assert!(error.contains(want), "{line}: {error}");
    }
    let long = format!("{{\"id\":\"{}\"", "x".repeat(observations::LINE_BYTES_MAX));
    let error = run_on(&long, CONTRACT, None).unwrap_err();
    assert_eq!(error, "o.jsonl:1: a line has at most 65536 bytes");
    let folder = tempfile::tempdir().unwrap();
    let bytes = folder.path().join("bytes");
    std::fs::write(&bytes, [0xff, 0xfe]).unwrap();
    let read = |path: &Path| Source::find(path).map(observations::Lines::new);
    assert!(read(&bytes).unwrap().next().unwrap().is_err());
    assert!(read(&folder.path().join("none")).is_err());
    assert!(read(folder.path()).err().unwrap().to_string().contains("no file in it ends in"));
}

#[test]
fn a_contract_that_is_wrong_is_answered_with_every_problem() {
    let with = |text: &str| CONTRACT.replacen('{', &format!("{{{text},"), 1);
    let instead = |from: &str, to: &str| CONTRACT.replace(from, to);
    let period = r#""period":{"from":0,"to":200000}"#;
    for (contract, want) in [
        (String::new(), "c.json:1:0: EOF while parsing a value"),
        ("{\n\"regions\" 1}".into(), "c.json:2:11: expected `:`"),
        (r#"{"regions":["eu"]}"#.into(), "missing field `target_ppm`"),
        (with(r#""grace":1"#), "c.json: unknown key `grace`: did you mean `grace_ms`?"),
        (
            with(r#""maintenance":[{"from":0,"to":1,"announced":0}]"#),
            "c.json: maintenance[0]: unknown key `announced`: did you mean `announced_at`?",
        ),
        (
            instead(r#""to":200000"#, r#""too":1"#),
            "c.json: period: unknown key `too`: did you mean `to`?",
        ),
        (with(r#""regions":["us"]"#), "duplicate field `regions`"),
        (instead(r#"["eu"]"#, "[]"), "c.json: regions: name at least one"),
        (instead(r#"["eu"]"#, r#"["eu","eu"]"#), "`eu` is there twice"),
        (instead("999000", "1000001"), "target_ppm: 1000001 is not in 0 to 1000000"),
        (instead("999000", "99.9"), "invalid type: floating point `99.9`"),
        (with(r#""grace_ms":-1"#), "grace_ms: -1 is below 0"),
        (with(r#""maintenance":[{"from":2,"to":1}]"#), "maintenance[0]: `to` is before `from`"),
        (
            with(r#""maintenance":[{"from":0,"to":1,"kind":"planned"}]"#),
            "unknown variant `planned`, expected `maintenance` or `inactive`",
        ),
        (with(r#""credits_ppm_percent":[[1000001,5]]"#), "1000001 is not in 0 to 1000000"),
        (instead("200000", "-1"), "period: `to` is before `from`"),
        (instead("200000", r#""tomorrow""#), "`tomorrow` is not an instant: write milliseconds"),
        (instead("200000", r#""2026-10-01T00:00:00.0001Z""#), "to the millisecond"),
        (instead("200000", "9223372036854775807"), "outside the years"),
        (instead(period, r#""period":{}"#), "period: write {\"tz\""),
        (
            instead(period, r#""period":{"tz":"UTC","year":2026,"month":10,"to":5}"#),
            "period: write {\"tz\"",
        ),
        (
            instead(period, r#""period":{"tz":"Berlin","year":2026,"month":10}"#),
            "period: `Berlin` is not a time zone",
        ),
        (
            instead(period, r#""period":{"tz":"UTC","year":2026,"month":13}"#),
            "period: `2026-13` is not a period here",
        ),
    ] {
        let error = run_on(LINE, &contract, None).unwrap_err();
        assert!(error.contains(want), "{contract}: {error}");
    }
    let many = r#"{"regions":[],"target_ppm":-1,"notice_ms":-1,"period":{}}"#;
    let error = run_on(LINE, many, None).unwrap_err();
    assert_eq!(error.lines().count(), 4, "{error}");
}

#[test]
fn tiers_hold_from_their_bound_up() {
    for (down, percent) in [(1001, 10), (10_000, 10), (10_001, 25), (50_000, 25), (50_001, 100)] {
        let line = |id: u32, t: u32, say: &str| {
            format!(
                r#"{{"id":"{id}","region":"eu","t":{t},"outcome":"{say}","interval_ms":1000000}}"#
            )
        };
        let lines = [line(1, 0, "down"), line(2, down, "up")].join("\n");
        let tiers = |tiers: &str| {
            let contract = CONTRACT.replace("200000", "1000000").replacen(
                '{',
                &format!(r#"{{"credits_ppm_percent":{tiers},"#),
                1,
            );
            statement(&lines, &contract).credit_percent
        };
        assert_eq!(tiers("[[990000,10],[950000,25],[0,100]]"), percent, "{down}");
        assert_eq!(tiers("[[0,100],[950000,25],[990000,10]]"), percent, "{down}");
        assert_eq!(tiers("[[990000,10]]"), if percent == 10 { 10 } else { 0 }, "{down}");
        assert_eq!(tiers("[]"), 0);
    }
}

#[test]
fn burn_rates_are_told_for_every_instant() {
    let text = run_on(LINE, CONTRACT, Some("60000, 1970-01-01T00:01:00Z")).unwrap();
    let found: Vec<report::Burn> = serde_json::from_str(&text).unwrap();
    assert_eq!(found.iter().map(|burn| burn.now).collect::<Vec<_>>(), [60_000, 60_000]);
    assert_eq!(found[0].windows.len(), 4);
    for (text, want) in [
        ("", "--burn-at: `` is not an instant"),
        ("1,,2", "--burn-at: `` is not an instant"),
        ("soon", "--burn-at: `soon` is not an instant"),
        ("99999999999999999", "outside the years"),
    ] {
        let error = run_on(LINE, CONTRACT, Some(text)).unwrap_err();
        assert!(error.contains(want), "{text}: {error}");
    }
    let many = vec!["1"; INSTANTS_MAX + 1].join(",");
    assert!(run_on(LINE, CONTRACT, Some(&many)).unwrap_err().contains("at most 10000"));
}
