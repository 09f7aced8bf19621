//! A statement as one page that can be mailed, kept and printed: no script, nothing from elsewhere.

use anyhow::Context as _;
use askama::Template;
use base64::Engine as _;
use jiff::tz::TimeZone;
use model::ledger::Class;
use model::report::{PeriodVerdict, Statement};
use model::time::Timestamp;
use sha2::Digest as _;

use super::band::{self, Band};
use super::words::{Clock, exact, percent, short};
use super::{About, Row, UNBROKEN, figures, summary, sums};

/// The most rows of each list; the comma-separated form has all.
const ROWS_MAX: usize = 500;
const STYLE: &str = include_str!("../../templates/statement.css");

#[derive(Template)]
#[template(path = "statement.html")]
struct Page<'a> {
    about: &'a About,
    style: &'a str,
    style_hash: String,
    title: String,
    period: String,
    zone: &'a str,
    figure: String,
    promised: String,
    /// Class of the colour and name of the mark.
    mark: &'static str,
    verdict: &'static str,
    to_come: Option<String>,
    summary: String,
    bands: Vec<Band>,
    to_come_shown: bool,
    sums: Vec<Row>,
    figures: Vec<Row>,
    outages: List,
    left_out: List,
    unmeasured: List,
    made: Option<String>,
}

/// Rows of from, to, length and remark.
struct List {
    rows: Vec<[String; 4]>,
    total: String,
    more: usize,
}

impl List {
    fn new(mut rows: Vec<[String; 4]>, total_ms: i64) -> Self {
        let more = rows.len().saturating_sub(ROWS_MAX);
        rows.truncate(ROWS_MAX);
        Self { rows, total: exact(total_ms), more }
    }
}

/// The page.
///
/// # Errors
/// It cannot be written.
pub fn html(about: &About, statement: &Statement) -> anyhow::Result<String> {
    let found = TimeZone::get(&about.time_zone).ok();
    let zone = if found.is_some() { about.time_zone.as_str() } else { "UTC" };
    let clock = Clock(found.unwrap_or(TimeZone::UTC));
    let now = about.now_ms.map_or(Timestamp::MAX, Timestamp::from_ms);
    let ends = (Timestamp::from_ms(statement.period_from), Timestamp::from_ms(statement.period_to));
    let spans: Vec<_> = statement.spans().collect();
    let bands = band::bands(&spans, ends, now, zone);
    let (mark, verdict) = match statement.verdict {
        PeriodVerdict::Met => ("up", "Met"),
        PeriodVerdict::Breached => ("down", "Breached"),
        PeriodVerdict::Undetermined => ("unk", "Undetermined"),
    };
    let period = named(&about.period);
    let to_come = (ends.1 - now.max(ends.0)).ms();
    let style = format!("{STYLE}{}", margins(&format!("{}, {}", about.service, about.period)));
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(&style));
    let page = Page {
        about,
        style: &style,
        style_hash: hash,
        title: format!("Availability of {}, {period}: {}", about.service, verdict.to_lowercase()),
        period,
        zone,
        figure: statement.availability_ppm_floor.map_or("no figure".into(), percent),
        promised: percent(about.objective_ppm.into()),
        mark,
        verdict,
        to_come: (to_come > 0).then(|| short(to_come)),
        summary: summary(&about.service, about.objective_ppm, statement),
        bands,
        to_come_shown: to_come > 0,
        sums: whole(sums(statement)),
        figures: whole(figures(about.objective_ppm, statement)),
        outages: outages(about, statement, &clock),
        left_out: list(statement, &clock, Class::Excluded, statement.excluded_ms),
        unmeasured: list(statement, &clock, Class::Unknown, statement.unknown_ms),
        made: about.now_ms.map(|now| clock.at(Timestamp::from_ms(now))),
    };
    page.render().context("cannot write the statement as a page")
}

/// The feet of printed pages, where the browser can do that.
fn margins(text: &str) -> String {
    let plain = |sign: char| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_' | '.' | ',');
    let text: String = text.chars().filter(|sign| plain(*sign)).collect();
    format!(
        "@page{{size:A4;margin:16mm 17mm 18mm;@bottom-left{{content:\"{text}\";font:8pt system-ui;\
         color:#62666c}}@bottom-right{{content:\"page \" counter(page) \" of \" counter(pages);\
         font:8pt system-ui;color:#62666c}}}}\n"
    )
}

/// `October 2026` of `2026-10`; other names as they are.
fn named(period: &str) -> String {
    let month: Result<jiff::civil::Date, _> = format!("{period}-01").parse();
    match month {
        Ok(first) if period.len() == "2026-10".len() => first.strftime("%B %Y").to_string(),
        _ => period.to_owned(),
    }
}

/// Rows in which a figure and its sign stay on one line.
fn whole(mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        row.remark = row.remark.replace(" %", &format!("{UNBROKEN}%"));
    }
    rows
}

fn outages(about: &About, statement: &Statement, clock: &Clock) -> List {
    let outages = statement.outage_list();
    let rows = outages.iter().enumerate().map(|(place, outage)| {
        let whole = outage.to - outage.from == outage.down;
        let remark = if whole { "" } else { "the rest is left out or not measured" };
        let remark = about.outages.get(place).map_or(remark, String::as_str);
        [clock.at(outage.from), clock.at(outage.to), exact(outage.down.ms()), remark.into()]
    });
    List::new(rows.collect(), statement.down_ms)
}

fn list(statement: &Statement, clock: &Clock, class: Class, total_ms: i64) -> List {
    let spans = statement.spans().filter(|span| span.class == class);
    let rows = spans.map(|span| {
        [clock.at(span.from), clock.at(span.to), exact(span.length().ms()), String::new()]
    });
    List::new(rows.collect(), total_ms)
}
