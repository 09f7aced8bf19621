//! A statement as comma-separated values: one row for each figure, span and outage.

use model::report::{PeriodVerdict, Statement};
use model::time::Timestamp;

use super::About;

/// The columns, in this order. `from` and `to` are RFC 3339 in UTC, empty for figures; `value` is a
/// whole number in `unit`, or a word; what does not exist is empty.
const COLUMNS: &str = "service,period,record,name,from,to,value,unit";
/// Signs with which a spreadsheet begins a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The rows of statements, with one line of names at the top. Lines end as RFC 4180 says.
pub fn csv(statements: &[(About, Statement)]) -> String {
    let mut text = format!("{COLUMNS}\r\n");
    for (about, statement) in statements {
        let head = format!("{},{}", cell(&about.service), cell(&about.period));
        let mut row = |record: &str, name: &str, from: &str, to: &str, value: &str, unit: &str| {
            let name = cell(name);
            text.push_str(&format!("{head},{record},{name},{from},{to},{value},{unit}\r\n"));
        };
        for (name, value, unit) in figures(about, statement) {
            let value = value.map_or(String::new(), |value| value.to_string());
            row("figure", name, "", "", &value, unit);
        }
        row("figure", "verdict", "", "", word(statement.verdict), "word");
        for span in statement.spans() {
            let length = span.length().ms().to_string();
            row("span", span.class.word(), &utc(span.from), &utc(span.to), &length, "ms");
        }
        for (outage, number) in statement.outage_list().iter().zip(1_u64..) {
            let down = outage.down.ms().to_string();
            row("outage", &number.to_string(), &utc(outage.from), &utc(outage.to), &down, "ms");
        }
    }
    text
}

type Figure = (&'static str, Option<i64>, &'static str);

/// The figures by the names of the JSON form.
fn figures(about: &About, statement: &Statement) -> [Figure; 18] {
    [
        ("objective_ppm", Some(about.objective_ppm.into()), "ppm"),
        ("period_from", Some(statement.period_from), "ms since 1970"),
        ("period_to", Some(statement.period_to), "ms since 1970"),
        ("period_ms", Some(statement.period_ms), "ms"),
        ("up_ms", Some(statement.up_ms), "ms"),
        ("down_ms", Some(statement.down_ms), "ms"),
        ("unknown_ms", Some(statement.unknown_ms), "ms"),
        ("excluded_ms", Some(statement.excluded_ms), "ms"),
        ("partial_ms", Some(statement.partial_ms), "ms"),
        ("availability_ppm_floor", statement.availability_ppm_floor, "ppm"),
        ("low_ppm_floor", statement.low_ppm_floor, "ppm"),
        ("high_ppm_floor", statement.high_ppm_floor, "ppm"),
        ("coverage_ppm_floor", statement.coverage_ppm_floor, "ppm"),
        ("credit_percent", Some(statement.credit_percent), "percent"),
        ("budget_us", Some(statement.budget_us), "us"),
        ("budget_left_us", Some(statement.budget_left_us), "us"),
        ("mttr_ms", statement.mttr_ms, "ms"),
        ("mtbf_ms", statement.mtbf_ms, "ms"),
    ]
}

const fn word(verdict: PeriodVerdict) -> &'static str {
    match verdict {
        PeriodVerdict::Met => "met",
        PeriodVerdict::Breached => "breached",
        PeriodVerdict::Undetermined => "undetermined",
    }
}

/// RFC 3339 to the millisecond; what cannot be written so, as milliseconds.
fn utc(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.ms()) {
        Ok(instant) => format!("{instant:.3}"),
        Err(_) => at.ms().to_string(),
    }
}

/// Text as one cell: never a formula, quoted where it must be.
fn cell(text: &str) -> String {
    let text = if text.starts_with(FORMULA) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_ends_early() {
        for (text, want) in [
            ("shop", "shop"),
            ("=1+1", "'=1+1"),
            ("@x", "'@x"),
            ("-1", "'-1"),
            ("a,b", "\"a,b\""),
            ("+\"a\"\n", "\"'+\"\"a\"\"\n\""),
        ] {
            assert_eq!(cell(text), want);
        }
    }
}
