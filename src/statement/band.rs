//! The days of a period as bands, a month each, in SVG that needs no script: the higher the block,
//! the longer; what is not measured hangs from the top.

use std::fmt::Write as _;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::calendar;
use model::config::Period;
use model::ledger::{Span, Totals};
use model::time::Timestamp;

/// The most days that are drawn; more are left to the lists.
const DAYS_MAX: usize = 800;
/// The height of a day, in pixels.
const HEIGHT: i64 = 30;
/// Where the numbers of days stand, in pixels.
const BASELINE: i64 = 43;
/// Up to how long, in ms, how high in percent of a day's height; a little is seen and not shouted.
const STEPS: [(i64, i64); 4] = [(60_000, 22), (300_000, 36), (1_800_000, 54), (7_200_000, 76)];

/// One month, or the part of it that is in the period.
pub struct Band {
    /// `October 2026`.
    pub month: String,
    /// The drawing.
    pub svg: String,
}

struct Day {
    date: Date,
    totals: Totals,
    to_come: bool,
}

/// The bands of `from..to`; none if that is too many days, or it cannot be written in the zone.
/// Days from `now` on are still to come.
pub fn bands(
    spans: &[Span],
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
    zone: &str,
) -> Vec<Band> {
    let days = days(spans, (from, to), now, zone).unwrap_or_default();
    days.chunk_by(|one, next| {
        (one.date.year(), one.date.month()) == (next.date.year(), next.date.month())
    })
    .filter_map(|month| {
        let name = month.first()?.date.strftime("%B %Y").to_string();
        Some(Band { svg: drawn(&name, month), month: name })
    })
    .collect()
}

fn days(
    spans: &[Span],
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
    zone: &str,
) -> Option<Vec<Day>> {
    let first = jiff::Timestamp::from_millisecond(from.ms()).ok()?;
    let mut date = TimeZone::get(zone).ok()?.to_datetime(first).date();
    let mut start = from;
    let mut days = Vec::new();
    while start < to {
        if days.len() == DAYS_MAX {
            return None;
        }
        let end = calendar::named(Period::Days(1), zone, &date.to_string()).ok()?.1.min(to);
        // A date that the zone skips has no time.
        if start < end {
            let totals = Totals::within(spans, start, end);
            days.push(Day { date, totals, to_come: start >= now });
            start = end;
        }
        date = date.tomorrow().ok()?;
    }
    Some(days)
}

/// How high a block stands for so long, in pixels.
fn height(ms: i64) -> i64 {
    let percent = STEPS.iter().find(|(limit, _)| ms < *limit).map_or(100, |(_, percent)| *percent);
    HEIGHT * percent / 100
}

/// Hundredths of thousandths of the width as a percentage.
fn share(part: usize, whole: usize) -> String {
    let thousandths = part * 100_000 / whole.max(1);
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

fn drawn(name: &str, days: &[Day]) -> String {
    let count = days.len();
    let width = share(1, count);
    let mut svg = format!(
        r#"<svg class="cal" role="img" aria-label="{}"><rect width="100%" height="{HEIGHT}" class="f-up"/>"#,
        spoken(name, days)
    );
    for (place, day) in days.iter().enumerate() {
        let x = share(place, count);
        let mut block = |y: i64, height: i64, paint: &str| {
            let _ =
                write!(svg, r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" {paint}/>"#);
        };
        if day.to_come {
            block(0, HEIGHT, r#"class="f-none""#);
            continue;
        }
        let Totals { down, unknown, excluded, partial, .. } = day.totals;
        if unknown.ms() > 0 {
            block(0, height(unknown.ms()), r##"fill="url(#h-unk)""##);
        }
        if excluded.ms() > 0 {
            block(0, HEIGHT, r##"fill="url(#h-maint)""##);
        }
        for (length, of_step, paint) in
            [(partial, 60, r#"class="f-partial""#), (down, 100, r#"class="f-down""#)]
        {
            if length.ms() > 0 {
                let high = (height(length.ms()) * of_step / 100).max(1);
                block(HEIGHT - high, high, paint);
            }
        }
    }
    for place in 1..count {
        let x = share(place, count);
        let _ = write!(svg, r#"<rect x="{x}" width="2" height="{HEIGHT}" class="k-gap"/>"#);
    }
    for (place, day) in days.iter().enumerate() {
        let (x, number) = (share(2 * place + 1, 2 * count), day.date.day());
        let _ = write!(svg, r#"<text x="{x}" y="{BASELINE}">{number}</text>"#);
    }
    svg.push_str("</svg>");
    svg
}

/// What the band shows, for those who do not see it.
fn spoken(name: &str, days: &[Day]) -> String {
    let mut news = Vec::new();
    for day in days.iter().filter(|day| !day.to_come) {
        let Totals { up, down, unknown, excluded, partial } = day.totals;
        let mut words = Vec::new();
        for (length, word) in [
            (down, "down"),
            (partial, "partial"),
            (excluded, "left out"),
            (unknown, if (up + down).ms() > 0 { "not measured in part" } else { "not measured" }),
        ] {
            if length.ms() > 0 {
                words.push(word);
            }
        }
        if !words.is_empty() {
            news.push(format!("{}: {}", day.date.day(), words.join(" and ")));
        }
    }
    if news.is_empty() {
        return format!("{name} by day: all measured days up.");
    }
    format!("{name} by day. {}. All other measured days up.", news.join(", "))
}
