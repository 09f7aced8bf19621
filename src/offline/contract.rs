//! The contract file: who votes, what is promised, over which period, and what is left out.

use std::fmt;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use model::calendar;
use model::config::{Needs, Period};
use model::maintenance::Window;
use model::name::Region;
use model::report::{PPM, Terms};
use model::time::{Millis, Timestamp};
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::Value;

use super::{message, strange_keys};

/// The largest contract file, in bytes.
const CONTRACT_BYTES_MAX: u64 = 1024 * 1024;
/// What a vote outlives twice its interval by, unless the contract says otherwise, in milliseconds.
const GRACE_MS: i64 = 10_000;

/// A contract that was checked.
#[derive(Debug)]
pub struct Contract {
    /// Who votes; never empty, each once.
    pub regions: Vec<Region>,
    /// What the period is judged by.
    pub terms: Terms,
    /// First instant of the period.
    pub from: Timestamp,
    /// First instant after it.
    pub to: Timestamp,
    /// What the period is called: `2026-10`, or its ends in UTC.
    pub period: String,
    /// The zone of its times.
    pub zone: String,
}

const KEYS: &[&str] = &[
    "regions",
    "grace_ms",
    "target_ppm",
    "min_outage_ms",
    "notice_ms",
    "period",
    "maintenance",
    "credits_ppm_percent",
];
const PERIOD_KEYS: &[&str] = &["tz", "year", "month", "from", "to"];
const WINDOW_KEYS: &[&str] = &["from", "to", "announced_at", "cancelled", "kind"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    regions: Vec<Region>,
    #[serde(default = "grace_ms")]
    grace_ms: i64,
    target_ppm: i64,
    #[serde(default)]
    min_outage_ms: i64,
    #[serde(default)]
    notice_ms: i64,
    period: RawPeriod,
    #[serde(default)]
    maintenance: Vec<RawWindow>,
    #[serde(default)]
    credits_ppm_percent: Vec<(u32, u32)>,
}

const fn grace_ms() -> i64 {
    GRACE_MS
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPeriod {
    tz: Option<String>,
    year: Option<i64>,
    month: Option<i64>,
    from: Option<Instant>,
    to: Option<Instant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWindow {
    from: Instant,
    to: Instant,
    announced_at: Option<Instant>,
    #[serde(default)]
    cancelled: bool,
    #[serde(default)]
    kind: Kind,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Counts if it was announced in time.
    #[default]
    Maintenance,
    /// Before activation or after deletion: out of contract without announcement.
    Inactive,
}

/// Milliseconds, or RFC 3339.
#[derive(Clone, Copy)]
struct Instant(Timestamp);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Both;
        impl Visitor<'_> for Both {
            type Value = Instant;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("milliseconds since 1970-01-01 UTC, or RFC 3339")
            }

            fn visit_i64<E: serde::de::Error>(self, ms: i64) -> Result<Instant, E> {
                writable(ms).map(Instant).map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, ms: u64) -> Result<Instant, E> {
                self.visit_i64(i64::try_from(ms).unwrap_or(i64::MAX))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Instant, E> {
                rfc3339(text).map(Instant).map_err(E::custom)
            }
        }
        from.deserialize_any(Both)
    }
}

/// The instant `ms` if RFC 3339 can write it.
pub fn writable(ms: i64) -> Result<Timestamp, String> {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(_) => Ok(Timestamp::from_ms(ms)),
        Err(_) => Err(format!("{ms} ms is outside the years that can be written")),
    }
}

/// Reads RFC 3339 in whole milliseconds.
pub fn rfc3339(text: &str) -> Result<Timestamp, String> {
    let wrong = || {
        let text = text.escape_debug();
        format!(
            "`{text}` is not an instant: write milliseconds since 1970-01-01 UTC, or RFC 3339 such \
             as 2026-10-01T00:00:00Z, to the millisecond"
        )
    };
    let instant: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    if instant.subsec_nanosecond() % 1_000_000 != 0 {
        return Err(wrong());
    }
    Ok(Timestamp::from_ms(instant.as_millisecond()))
}

/// Reads and checks a contract file.
///
/// # Errors
/// Every problem of the file, a line each, with file and place.
pub fn read(path: &Path) -> anyhow::Result<Contract> {
    let shown = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {shown}"))?;
    let mut text = String::new();
    file.take(CONTRACT_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {shown}"))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > CONTRACT_BYTES_MAX) {
        anyhow::bail!("{shown}: a contract has at most {CONTRACT_BYTES_MAX} bytes");
    }
    parse(&text).map_err(|problems| {
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("{shown}{problem}")).collect();
        anyhow::anyhow!(lines.join("\n"))
    })
}

/// Every problem begins with its place, `:LINE:COLUMN: ` or `: KEY: `.
fn parse(text: &str) -> Result<Contract, Vec<String>> {
    let at = |error: serde_json::Error| {
        vec![format!(":{}:{}: {}", error.line(), error.column(), message(&error))]
    };
    let tree: Value = serde_json::from_str(text).map_err(at)?;
    let strange = strange(&tree);
    if !strange.is_empty() {
        return Err(strange);
    }
    let raw: Raw = serde_json::from_str(text).map_err(at)?;
    accept(raw)
}

/// Keys that a contract does not have.
fn strange(tree: &Value) -> Vec<String> {
    let prefixed = |place: String, problems: Vec<String>| {
        problems.into_iter().map(move |problem| format!(": {place}{problem}"))
    };
    let mut found: Vec<String> = prefixed(String::new(), strange_keys(tree, KEYS)).collect();
    if let Some(period) = tree.get("period") {
        found.extend(prefixed("period: ".into(), strange_keys(period, PERIOD_KEYS)));
    }
    let windows = tree.get("maintenance").and_then(Value::as_array);
    for (place, window) in windows.into_iter().flatten().enumerate() {
        let problems = strange_keys(window, WINDOW_KEYS);
        found.extend(prefixed(format!("maintenance[{place}]: "), problems));
    }
    found
}

fn accept(raw: Raw) -> Result<Contract, Vec<String>> {
    let mut problems = Vec::new();
    let mut refuse = |bad: bool, problem: String| {
        if bad {
            problems.push(format!(": {problem}"));
        }
    };
    refuse(raw.regions.is_empty(), "regions: name at least one".into());
    for (place, region) in raw.regions.iter().enumerate() {
        let twice = raw.regions.iter().take(place).any(|other| other == region);
        refuse(twice, format!("regions: `{region}` is there twice: name each once"));
    }
    for (key, value) in [
        ("grace_ms", raw.grace_ms),
        ("min_outage_ms", raw.min_outage_ms),
        ("notice_ms", raw.notice_ms),
    ] {
        refuse(value < 0, format!("{key}: {value} is below 0: write milliseconds"));
    }
    let target = u32::try_from(raw.target_ppm).ok().filter(|ppm| i64::from(*ppm) <= PPM);
    let range = format!("target_ppm: {} is not in 0 to {PPM}: 99.9 % is 999000", raw.target_ppm);
    refuse(target.is_none(), range);
    for (place, window) in raw.maintenance.iter().enumerate() {
        let backwards = window.to.0 < window.from.0;
        refuse(backwards, format!("maintenance[{place}]: `to` is before `from`"));
    }
    for (bound, _) in &raw.credits_ppm_percent {
        let bad = i64::from(*bound) > PPM;
        refuse(bad, format!("credits_ppm_percent: {bound} is not in 0 to {PPM}"));
    }
    let period = raw.period.span();
    if let Err(problem) = &period {
        refuse(true, format!("period: {problem}"));
    }
    match (period, target) {
        (Ok((from, to)), Some(target_ppm)) if problems.is_empty() => {
            let terms = Terms {
                needs: Needs::All,
                target_ppm,
                grace: Millis::from_ms(raw.grace_ms),
                min_outage: Millis::from_ms(raw.min_outage_ms),
                notice: Millis::from_ms(raw.notice_ms),
                credits: tiers(raw.credits_ppm_percent),
                windows: raw.maintenance.into_iter().map(RawWindow::window).collect(),
            };
            let (period, zone) = raw.period.named(from, to);
            Ok(Contract { regions: raw.regions, terms, from, to, period, zone })
        }
        _ => Err(problems),
    }
}

/// A contract's tiers name the availability from which up they hold; terms name the one below which
/// they do: each holds below the one before it, and the highest below everything.
fn tiers(mut from: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    /// Above every availability, in ppm.
    const EVERYTHING: u32 = 1_000_001;
    from.sort_by_key(|(bound, _)| std::cmp::Reverse(*bound));
    let mut below: Vec<(u32, u32)> = Vec::with_capacity(from.len() + 1);
    let mut bound = EVERYTHING;
    for (next, percent) in from {
        below.push((bound, percent));
        bound = next;
    }
    // Below the lowest tier there is none.
    below.push((bound, 0));
    below
}

impl RawPeriod {
    /// Its name, and the zone of its times.
    fn named(self, from: Timestamp, to: Timestamp) -> (String, String) {
        match (self.tz, self.year, self.month) {
            (Some(zone), Some(year), Some(month)) => (format!("{year:04}-{month:02}"), zone),
            _ => (format!("{from} to {to}"), "UTC".into()),
        }
    }

    /// First instant and the first after it.
    fn span(&self) -> Result<(Timestamp, Timestamp), String> {
        match (&self.tz, self.year, self.month, self.from, self.to) {
            (Some(zone), Some(year), Some(month), None, None) => {
                calendar::named(Period::Month, zone, &format!("{year:04}-{month:02}"))
            }
            (None, None, None, Some(from), Some(to)) if from.0 <= to.0 => Ok((from.0, to.0)),
            (None, None, None, Some(_), Some(_)) => Err("`to` is before `from`".into()),
            _ => Err(r#"write {"tz":"Europe/Berlin","year":2026,"month":10} or {"from":…,"to":…}"#
                .into()),
        }
    }
}

impl RawWindow {
    fn window(self) -> Window {
        let announced = self.announced_at.filter(|_| self.kind == Kind::Maintenance);
        Window {
            from: self.from.0,
            to: self.to.0,
            announced: announced.map(|instant| instant.0),
            cancelled: self.cancelled,
        }
    }
}
