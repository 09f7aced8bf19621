//! A statement for people: text for the terminal, one page for a customer, rows for a spreadsheet.
//!
//! Nothing is reckoned here: figures are taken from the statement and cut after the last place
//! shown, never rounded.

mod band;
mod html;
mod rows;
#[cfg(test)]
mod tests;
mod words;

use jiff::tz::TimeZone;
use model::ledger::{Class, Span};
use model::report::{PeriodVerdict, Statement};

pub use html::html;
pub use rows::csv;

pub use words::{Clock, exact, quoted, short as length};
use words::{percent, short};

/// The most rows of each list; the JSON form has all.
const ROWS_MAX: usize = 50;
/// The width of text, in characters.
const WIDTH: usize = 96;
/// A space at which a paragraph is not broken.
const UNBROKEN: &str = "\u{a0}";
/// Microseconds in a millisecond.
const US: i64 = 1000;

/// What a statement is about.
#[derive(Clone, Debug)]
pub struct About {
    /// The service, or what the observations are of.
    pub service: String,
    /// The name of the period, such as `2026-10`.
    pub period: String,
    /// An IANA zone; without such a zone times are UTC.
    pub time_zone: String,
    /// What was promised, in parts per million.
    pub objective_ppm: u32,
    /// When it was made, ms; what is later is still to come. None: all of it is over.
    pub now_ms: Option<i64>,
    /// Sentences that say how it was measured.
    pub measured: Vec<String>,
    /// Commands that give the same figures, one a line.
    pub commands: String,
    /// What is known of each outage, in order; empty where nothing is.
    pub outages: Vec<String>,
    /// Files that the figures follow from, with the SHA-256 of each.
    pub files: Vec<(String, String)>,
}

/// The statement of `service` over the period called `period`, promised `objective_ppm`; times are
/// those of `time_zone`, or UTC if there is no such zone.
pub fn table(
    service: &str,
    period: &str,
    time_zone: &str,
    objective_ppm: u32,
    statement: &Statement,
) -> String {
    let zone = TimeZone::get(time_zone).ok();
    let zone_name = if zone.is_some() { time_zone } else { "UTC" };
    let clock = Clock(zone.unwrap_or(TimeZone::UTC));
    let mut page = Page::default();
    page.line(&format!("Availability of {service}, {period} ({zone_name})"));
    page.line("");
    let figure = statement.availability_ppm_floor.map_or("no figure".into(), percent);
    let (mark, word) = verdict(statement.verdict);
    let promised = percent(i64::from(objective_ppm));
    page.line(&format!("  {figure}   {mark} {word}   {promised} was promised"));
    page.line("");
    page.paragraph(&summary(service, objective_ppm, statement));
    page.line("");
    page.line("How the figure comes about");
    page.rows(&sums(statement));
    page.line("");
    page.rows(&figures(objective_ppm, statement));
    outages(&mut page, &clock, statement);
    spans(
        &mut page,
        &clock,
        statement,
        Class::Excluded,
        "Left out: maintenance announced in time, \
        and time out of contract",
    );
    spans(&mut page, &clock, statement, Class::Unknown, "Not measured");
    page.line("");
    page.line(&format!("All times are those of {zone_name}. Figures are cut, never rounded up."));
    page.0
}

/// Text that grows line by line.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(&text.trim_end().replace(UNBROKEN, " "));
        self.0.push('\n');
    }

    /// A name, a value at the right, and a remark.
    fn row(&mut self, name: &str, value: &str, remark: &str) {
        self.line(&format!("  {name:<28}{value:>22}   {remark}"));
    }

    fn rows(&mut self, rows: &[Row]) {
        for Row { name, value, remark } in rows {
            self.row(name, value, remark);
        }
    }

    /// Sentences, broken between words.
    fn paragraph(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty() && line.chars().count() + word.chars().count() >= WIDTH {
                self.line(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }
}

const fn verdict(verdict: PeriodVerdict) -> (&'static str, &'static str) {
    match verdict {
        PeriodVerdict::Met => ("✓", "MET"),
        PeriodVerdict::Breached => ("✗", "BREACHED"),
        PeriodVerdict::Undetermined => ("?", "UNDETERMINED"),
    }
}

/// The paragraph that a manager reads.
fn summary(service: &str, objective_ppm: u32, statement: &Statement) -> String {
    // A figure and its unit stay on one line.
    let whole = |figure: String| figure.replace(' ', UNBROKEN);
    let percent = |ppm: i64| whole(percent(ppm));
    let short = |ms: i64| whole(short(ms));
    let mut sentences = Vec::new();
    if statement.verdict == PeriodVerdict::Undetermined {
        sentences.push("We do not claim that the promise was kept.".to_owned());
    }
    match statement.availability_ppm_floor {
        Some(figure) => sentences
            .push(format!("{service} was available for {} of the measured time.", percent(figure))),
        None => sentences.push(format!("Nothing is known of {service} in the counted time.")),
    }
    if statement.outages > 0 {
        let count = count(statement.outages, "outage", "outages");
        let allowed = short(statement.budget_us / US);
        let down = short(statement.down_ms);
        sentences.push(format!("{count} took {down} of the {allowed} that the contract allows."));
    } else if statement.up_ms > 0 {
        sentences.push("No outage was measured.".into());
    }
    if statement.unknown_ms > 0 {
        let bound = |ppm: Option<i64>| ppm.map_or("not known".into(), percent);
        let (low, high) = (bound(statement.low_ppm_floor), bound(statement.high_ppm_floor));
        let unknown = short(statement.unknown_ms);
        let promised = percent(i64::from(objective_ppm));
        sentences.push(match statement.verdict {
            PeriodVerdict::Met => format!(
                "Even if it had been down in the {unknown} that was not measured, the figure would be {low}."
            ),
            PeriodVerdict::Breached => format!(
                "Even if it had been up in the {unknown} that was not measured, the figure would be {high}."
            ),
            PeriodVerdict::Undetermined => format!(
                "But {unknown} was not measured: had it been down all that time, the figure would be {low}; \
                 had it been up, {high}. The promise of {promised} lies between."
            ),
        });
    }
    if statement.credit_percent > 0 {
        sentences.push(format!("A credit of {} % is due.", statement.credit_percent));
    }
    sentences.join(" ")
}

/// A name, a value, and a remark.
struct Row {
    name: String,
    value: String,
    remark: String,
}

impl Row {
    fn new(name: &str, value: &str, remark: &str) -> Self {
        Self { name: name.into(), value: value.into(), remark: remark.into() }
    }
}

/// The lengths that add up to the period.
fn sums(statement: &Statement) -> Vec<Row> {
    let partial = match statement.partial_ms {
        0 => String::new(),
        partial => format!("of which {} not from everywhere", short(partial)),
    };
    let outages = match statement.outages {
        0 => String::new(),
        outages => count(outages, "outage", "outages"),
    };
    let unknown = if statement.unknown_ms > 0 { "counted neither as up nor as down" } else { "" };
    vec![
        Row::new("up", &exact(statement.up_ms), &partial),
        Row::new("+ down", &exact(statement.down_ms), &outages),
        Row::new("+ not measured", &exact(statement.unknown_ms), unknown),
        Row::new("+ left out", &exact(statement.excluded_ms), ""),
        Row::new("= the period", &exact(statement.period_ms), ""),
    ]
}

/// What follows from the sums.
fn figures(objective_ppm: u32, statement: &Statement) -> Vec<Row> {
    let mut rows = Vec::new();
    let figure = |ppm: Option<i64>| ppm.map_or("no figure".to_owned(), percent);
    let between = match (statement.low_ppm_floor, statement.high_ppm_floor) {
        (Some(low), Some(high)) => format!("between {} and {}", percent(low), percent(high)),
        _ => String::new(),
    };
    rows.push(Row::new("up / (up + down)", &figure(statement.availability_ppm_floor), &between));
    rows.push(Row::new(
        "measured share",
        &figure(statement.coverage_ppm_floor),
        "of the counted time",
    ));
    let allowed = percent(1_000_000 - i64::from(objective_ppm));
    let remark = format!("{allowed} of the counted time");
    rows.push(Row::new("may be down", &exact(statement.budget_us.div_euclid(US)), &remark));
    let left = statement.budget_left_us.div_euclid(US);
    if statement.verdict == PeriodVerdict::Undetermined {
        let least = left.saturating_sub(statement.unknown_ms);
        let ends = format!("{} and {}", left_of(least), left_of(left));
        rows.push(Row::new("left of it", "not known", &format!("between {ends}")));
    } else {
        rows.push(Row::new("left of it", &left_of(left), ""));
    }
    if let (Some(repair), Some(between)) = (statement.mttr_ms, statement.mtbf_ms) {
        rows.push(Row::new("mean outage", &exact(repair), ""));
        rows.push(Row::new("mean time between outages", &exact(between), ""));
    }
    match statement.credit_percent {
        0 => rows.push(Row::new("credit", "none", "credits follow from a breach only")),
        credit => rows.push(Row::new("credit", &format!("{credit} %"), "")),
    }
    rows
}

/// What is left of a budget, or how much more than it was used.
fn left_of(left_ms: i64) -> String {
    if left_ms < 0 {
        format!("{} too much", exact(left_ms.saturating_neg()))
    } else {
        exact(left_ms)
    }
}

fn outages(page: &mut Page, clock: &Clock, statement: &Statement) {
    let outages = statement.outage_list();
    if outages.is_empty() {
        return;
    }
    page.line("");
    page.line("Outages");
    for outage in outages.iter().take(ROWS_MAX) {
        let counted = (outage.to - outage.from).ms();
        let remark = if counted == outage.down.ms() {
            String::new()
        } else {
            format!("until {}; the rest is left out or not measured", clock.at(outage.to))
        };
        page.row(&clock.at(outage.from), &exact(outage.down.ms()), &remark);
    }
    more(page, outages.len());
}

fn spans(page: &mut Page, clock: &Clock, statement: &Statement, class: Class, title: &str) {
    let spans: Vec<Span> = statement.spans().filter(|span| span.class == class).collect();
    if spans.is_empty() {
        return;
    }
    page.line("");
    page.line(title);
    for span in spans.iter().take(ROWS_MAX) {
        let until = format!("until {}", clock.at(span.to));
        page.row(&clock.at(span.from), &exact(span.length().ms()), &until);
    }
    more(page, spans.len());
}

/// Says how many rows of a list are not shown.
fn more(page: &mut Page, rows: usize) {
    if rows > ROWS_MAX {
        page.line(&format!("  and {} more: --format json lists all", rows - ROWS_MAX));
    }
}

fn count(number: i64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
