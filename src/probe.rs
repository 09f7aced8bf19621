//! What `watchpost probe NAME` prints of one attempt: outcome, phases as a waterfall, what was seen.

use std::fmt::Write as _;

use agent::probe::Finding;
use model::result::Evidence;
use model::time::Timestamp;

/// How wide the bars of all phases together are, in characters.
const WIDTH: u64 = 40;
/// How much of a body is printed, in lines.
const BODY_LINES_MAX: usize = 20;

/// One attempt as text that ends with a line end. What came from the target is printed without
/// control characters, so that it cannot play with the terminal.
pub fn waterfall(name: &str, finding: &Finding, duration_us: u64) -> String {
    let mut text = String::new();
    let reason = finding.outcome.reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let (outcome, took) = (finding.outcome.word(), milliseconds(duration_us));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{name}: {outcome}{reason} in {took}");
    if !finding.detail.is_empty() {
        let _ = writeln!(text, "  {}", clean(&finding.detail));
    }
    phases(&mut text, finding, duration_us);
    values(&mut text, finding);
    if let Some(evidence) = &finding.evidence {
        seen(&mut text, evidence);
    }
    text
}

fn milliseconds(us: u64) -> String {
    format!("{}.{:03} ms", us / 1000, us % 1000)
}

/// A bar for each phase where it lies in the whole, and one for the time between them.
fn phases(text: &mut String, finding: &Finding, duration_us: u64) {
    if finding.phases.is_empty() {
        return;
    }
    let sum: u64 = finding.phases.iter().map(|phase| phase.us).sum();
    let whole = duration_us.max(sum).max(1);
    let mut rows: Vec<(&str, u64)> =
        finding.phases.iter().map(|phase| (phase.name.as_str(), phase.us)).collect();
    let rest = whole - sum;
    // Below one bar's width the rest is of no interest.
    if rest > whole / WIDTH {
        rows.push(("other", rest));
    }
    let name_width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let times: Vec<String> = rows.iter().map(|(_, us)| milliseconds(*us)).collect();
    let time_width = times.iter().map(String::len).max().unwrap_or_default();
    text.push('\n');
    let mut at = 0;
    for ((name, us), time) in rows.iter().zip(&times) {
        let from = at * WIDTH / whole;
        at += us;
        // Every phase is seen, however short.
        let to = (at * WIDTH / whole).max(from + 1).min(WIDTH);
        let from = from.min(to.saturating_sub(1));
        let bar: String =
            (0..WIDTH).map(|cell| if (from..to).contains(&cell) { '█' } else { ' ' }).collect();
        let _ = writeln!(text, "  {name:name_width$}  {time:>time_width$}  |{bar}|");
    }
}

fn values(text: &mut String, finding: &Finding) {
    if finding.values.is_empty() {
        return;
    }
    let width = finding.values.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    text.push('\n');
    for (name, value) in &finding.values {
        let date = match name.ends_with("_expiry_s") {
            true => format!("  ({})", Timestamp::from_ms(value.saturating_mul(1000))),
            false => String::new(),
        };
        let _ = writeln!(text, "  {name:width$}  {value}{date}");
    }
}

fn seen(text: &mut String, evidence: &Evidence) {
    let mut lines: Vec<(&str, String)> = Vec::new();
    let mut add = |label, line: &str| lines.push((label, clean(line)));
    if !evidence.addresses.is_empty() {
        add("addresses", &evidence.addresses.join(", "));
    }
    for redirect in &evidence.redirects {
        add("redirect", redirect);
    }
    if let Some(certificate) = &evidence.certificate {
        for part in certificate.split("; ") {
            add("certificate", part);
        }
    }
    if let Some(line) = &evidence.status_line {
        add("answer", line);
    }
    for (name, value) in &evidence.headers {
        add("header", &format!("{name}: {value}"));
    }
    let body = evidence.body.as_deref().unwrap_or_default();
    for line in body.lines().take(BODY_LINES_MAX) {
        add("body", line);
    }
    if body.lines().nth(BODY_LINES_MAX).is_some() {
        add("body", "…");
    }
    for error in &evidence.errors {
        add("error", error);
    }
    if lines.is_empty() {
        return;
    }
    text.push('\n');
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
    let mut before = "";
    for (label, line) in lines {
        // A label stands before the first line of its kind only.
        let shown = if label == before { "" } else { label };
        before = label;
        let _ = writeln!(text, "  {shown:width$}  {line}");
    }
}

/// `text` with control characters written out.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => clean.push(' '),
            c if c.is_control() => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use agent::probe::Finding;
    use expect_test::expect;
    use model::result::{Evidence, Outcome, Phase, Reason};

    use super::waterfall;

    fn phase(name: &str, us: u64) -> Phase {
        Phase { name: name.to_owned(), us }
    }

    #[test]
    fn an_attempt_is_drawn_with_all_that_was_seen() {
        let finding = Finding {
            outcome: Outcome::Failed(Reason::Status),
            detail: "status 503 Service Unavailable, wanted 200-299".to_owned(),
            phases: vec![
                phase("dns", 512),
                phase("connect", 10_000),
                phase("tls", 25_000),
                phase("first_byte", 60_000),
                phase("transfer", 90),
            ],
            values: BTreeMap::from([
                ("certificate_expiry_s".to_owned(), 1_781_078_400),
                ("http_status_code".to_owned(), 503),
            ]),
            evidence: Some(Evidence {
                addresses: vec!["192.0.2.1:443".to_owned()],
                status_line: Some("HTTP/1.1 503 Service Unavailable".to_owned()),
                headers: vec![("server".to_owned(), "nginx".to_owned())],
                body: Some("<h1>\u{1b}[31mno</h1>\n<p>later</p>".to_owned()),
                certificate: Some("subject CN=shop; issuer CN=ca".to_owned()),
                redirects: vec!["https://shop.example/".to_owned()],
                errors: Vec::new(),
            }),
        };
        expect![[r#"
            shop: failed (status) in 100.000 ms
              status 503 Service Unavailable, wanted 200-299

              dns          0.512 ms  |█                                       |
              connect     10.000 ms  |████                                    |
              tls         25.000 ms  |    ██████████                          |
              first_byte  60.000 ms  |              ████████████████████████  |
              transfer     0.090 ms  |                                      █ |
              other        4.398 ms  |                                      ██|

              certificate_expiry_s  1781078400  (2026-06-10T08:00:00Z)
              http_status_code      503

              addresses    192.0.2.1:443
              redirect     https://shop.example/
              certificate  subject CN=shop
                           issuer CN=ca
              answer       HTTP/1.1 503 Service Unavailable
              header       server: nginx
              body         <h1>\u{1b}[31mno</h1>
                           <p>later</p>
        "#]]
        .assert_eq(&waterfall("shop", &finding, 100_000));
    }

    #[test]
    fn an_attempt_that_saw_nothing_is_one_line() {
        let finding = Finding {
            outcome: Outcome::Passed,
            detail: String::new(),
            phases: Vec::new(),
            values: BTreeMap::new(),
            evidence: None,
        };
        assert_eq!(waterfall("a", &finding, 0), "a: passed in 0.000 ms\n");
    }
}
