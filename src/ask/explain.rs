//! Why each outage of a statement counts: who saw what fail, what happened within it, and what
//! people did about it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use model::ledger::{Class, Outage};
use model::report::Statement;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::client::{self, Client};
use crate::exit::Failure;
use crate::out;
use crate::statement::{self, Clock};

/// The most outages of one statement that are explained, the first ones.
pub const OUTAGES_MAX: usize = 100;
/// How long before an outage failures are looked for, ms: the regions whose votes made it down did
/// not fail all at once.
const BEFORE_MS: i64 = 120_000;
/// The most results of one probe that are looked at for an outage.
const RESULTS_MAX: &str = "10000";
/// The most incidents of a page, and the most pages.
const PAGE: usize = 1000;
const PAGES_MAX: usize = 20;
/// The most incidents that are shown with one outage.
const INCIDENTS_MAX: usize = 10;
/// The most reasons of a region, the most frequent ones.
const REASONS_MAX: usize = 3;

/// One outage with its reasons.
#[derive(Debug, Serialize)]
pub struct Explained {
    from_ms: i64,
    to_ms: i64,
    down_ms: i64,
    /// What it counted as from when on, from its start to its end.
    flips: Vec<(i64, &'static str)>,
    /// Parts within it that are left out, `[from, to]`.
    excluded: Vec<(i64, i64)>,
    /// Parts within it that were not measured.
    unmeasured: Vec<(i64, i64)>,
    regions: Vec<Seen>,
    incidents: Vec<Story>,
}

/// What failed for one region.
#[derive(Debug, Serialize)]
struct Seen {
    probe: String,
    region: String,
    failed: u64,
    /// The most frequent reasons, with how often each.
    reasons: Vec<(String, u64)>,
}

/// One result of `GET /api/v1/results`, as far as an explanation needs it.
#[derive(Clone, Debug, Deserialize)]
struct Found {
    region: String,
    started_ms: i64,
    outcome: String,
    reason: Option<String>,
}

/// One incident of `GET /api/v1/incidents`, likewise.
#[derive(Clone, Debug, Deserialize)]
struct Short {
    id: u64,
    probe: Option<String>,
    started_ms: i64,
    resolved_ms: Option<i64>,
}

/// One incident with its timeline.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Story {
    id: u64,
    key: String,
    started_ms: i64,
    resolved_ms: Option<i64>,
    timeline: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Entry {
    at_ms: i64,
    what: String,
    who: Option<String>,
    text: String,
}

/// Asks the collector for what explains the outages of a service's statement.
///
/// # Errors
/// The collector cannot be asked.
pub async fn explain(
    client: &Client,
    probes: &[String],
    statement: &Statement,
) -> Result<Vec<Explained>, Failure> {
    let outages = statement.outage_list();
    if outages.is_empty() {
        return Ok(Vec::new());
    }
    let incidents = incidents(client, probes, statement.period_from).await?;
    let mut explained = Vec::new();
    for outage in outages.iter().take(OUTAGES_MAX) {
        let (from, to) = (outage.from.ms(), outage.to.ms());
        let mut regions = Vec::new();
        for probe in probes {
            let (first, after) = (from.saturating_sub(BEFORE_MS).to_string(), to.to_string());
            let query: [(&str, &str); 4] =
                [("probe", probe), ("from", &first), ("to", &after), ("limit", RESULTS_MAX)];
            let found: Vec<Found> = client::read(&client.get(&["results"], &query).await?)?;
            regions.extend(seen(probe, &found, to));
        }
        let mut stories = Vec::new();
        for incident in during(&incidents, from, to) {
            let story = client.get(&["incidents", &incident.id.to_string()], &[]).await?;
            stories.push(client::read(&story)?);
        }
        explained.push(within(statement, *outage, regions, stories));
    }
    Ok(explained)
}

/// The incidents about these probes that were not over when the period began, oldest first.
async fn incidents(
    client: &Client,
    probes: &[String],
    period_from: i64,
) -> Result<Vec<Short>, Failure> {
    let mut found: Vec<Short> = Vec::new();
    let mut before = None;
    for _ in 0..PAGES_MAX {
        let limit = PAGE.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(before.as_deref().map(|id| ("before", id)));
        let page: Vec<Short> = client::read(&client.get(&["incidents"], &query).await?)?;
        let whole = page.len() == PAGE;
        before = page.last().map(|last| last.id.to_string());
        let over = |incident: &Short| incident.resolved_ms.is_some_and(|at| at < period_from);
        let old = page.iter().all(over);
        found.extend(page.into_iter().filter(|incident| {
            !over(incident) && incident.probe.as_ref().is_some_and(|probe| probes.contains(probe))
        }));
        if !whole || old {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

/// The incidents that were there within `from..to`. What is decided live begins a little later than
/// what is measured, so a touch is enough.
fn during(incidents: &[Short], from: i64, to: i64) -> impl Iterator<Item = &Short> {
    incidents
        .iter()
        .filter(move |incident| {
            let over = incident.resolved_ms.is_some_and(|at| at < from);
            incident.started_ms <= to.saturating_add(BEFORE_MS) && !over
        })
        .take(INCIDENTS_MAX)
}

/// What failed for each region of a probe before `to`.
fn seen(probe: &str, found: &[Found], to: i64) -> Vec<Seen> {
    let mut regions: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for result in found {
        if result.outcome == "failed" && result.started_ms < to {
            let reason = result.reason.as_deref().unwrap_or("no reason was told");
            *regions.entry(&result.region).or_default().entry(reason).or_default() += 1;
        }
    }
    let seen = regions.into_iter().map(|(region, counts)| {
        let failed = counts.values().sum();
        let mut reasons: Vec<(String, u64)> =
            counts.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons.truncate(REASONS_MAX);
        Seen { probe: probe.to_owned(), region: region.to_owned(), failed, reasons }
    });
    seen.collect()
}

/// Puts together what was found about one outage.
fn within(
    statement: &Statement,
    outage: Outage,
    regions: Vec<Seen>,
    incidents: Vec<Story>,
) -> Explained {
    let spans = || statement.spans().filter(|span| span.from < outage.to && outage.from < span.to);
    let parts = |class: Class| {
        let parts = spans().filter(move |span| span.class == class);
        parts.map(|span| (span.from.ms(), span.to.ms())).collect()
    };
    let after = statement.spans().find(|span| span.from == outage.to);
    Explained {
        from_ms: outage.from.ms(),
        to_ms: outage.to.ms(),
        down_ms: outage.down.ms(),
        flips: spans().chain(after).map(|span| (span.from.ms(), span.class.word())).collect(),
        excluded: parts(Class::Excluded),
        unmeasured: parts(Class::Unknown),
        regions,
        incidents,
    }
}

/// The explanations as text; times are those of `zone`, or UTC if there is no such zone.
pub fn text(explained: &[Explained], outages: i64, zone: &str) -> String {
    let clock = Clock(TimeZone::get(zone).unwrap_or(TimeZone::UTC));
    let at = |ms: i64| clock.at(Timestamp::from_ms(ms));
    let mut text = String::from("\nOutages, explained\n");
    let mut row = |name: &str, words: &str| {
        text.push_str(format!("    {name:<15}{}", out::clean(words)).trim_end());
        text.push('\n');
    };
    for (outage, number) in explained.iter().zip(1_u64..) {
        let Explained { from_ms, to_ms, down_ms, .. } = outage;
        row(&format!("outage {number}"), &format!("{} until {}", at(*from_ms), at(*to_ms)));
        row("counts as", &format!("{} down", statement::exact(*down_ms)));
        for (flip, class) in &outage.flips {
            row("  from", &format!("{} {class}", at(*flip)));
        }
        for (name, parts) in [("left out", &outage.excluded), ("not measured", &outage.unmeasured)]
        {
            for (from, to) in parts {
                row(name, &format!("{}, from {}", statement::exact(to - from), at(*from)));
            }
        }
        if outage.regions.is_empty() {
            row("seen from", "nowhere: the results of that time are no longer kept");
        }
        for Seen { probe, region, failed, reasons } in &outage.regions {
            let reasons: Vec<String> =
                reasons.iter().map(|(reason, count)| format!("{reason} ({count})")).collect();
            let reasons = reasons.join("; ");
            let times = if *failed == 1 { "once".into() } else { format!("{failed} times") };
            row("seen from", &format!("{region}: {probe} failed {times}: {reasons}"));
        }
        for story in &outage.incidents {
            let end =
                story.resolved_ms.map_or("not over".into(), |end| format!("over {}", at(end)));
            row("incident", &format!("#{} {}, {end}", story.id, story.key));
            for Entry { at_ms, what, who, text } in &story.timeline {
                if ["acknowledged", "resolved", "reopened", "note"].contains(&what.as_str()) {
                    let who = who.as_deref().unwrap_or("watchpost");
                    row(&format!("  {what}"), &format!("{} {who}: {text}", at(*at_ms)));
                }
            }
        }
        row("", "");
    }
    let more = usize::try_from(outages).unwrap_or(0).saturating_sub(explained.len());
    if more > 0 {
        row("and more", &format!("{more} further outages: the first {OUTAGES_MAX} are explained"));
    }
    text
}

impl Explained {
    /// The outage in one line, for a list.
    pub fn remark(&self) -> String {
        let mut regions: Vec<&str> = self.regions.iter().map(|seen| seen.region.as_str()).collect();
        regions.sort_unstable();
        regions.dedup();
        let reason = self.regions.iter().flat_map(|seen| &seen.reasons).max_by_key(|(_, n)| *n);
        let mut words = Vec::new();
        if !regions.is_empty() {
            words.push(format!("seen from {}", regions.join(", ")));
        }
        words.extend(reason.map(|(reason, _)| out::clean(reason)));
        words.extend(self.incidents.iter().map(|incident| format!("#{}", incident.id)));
        if self.to_ms - self.from_ms != self.down_ms {
            words.push("parts are left out or not measured".into());
        }
        words.join("; ")
    }
}
