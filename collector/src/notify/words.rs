//! What people read about an incident: the same words in mail, on the page and in the log.
//!
//! Short sentences for someone who was woken 30 seconds ago: the thing, the number, the time.
//! Everything here is plain text; whoever puts it into HTML or a header escapes it there.

use jiff::tz::TimeZone;
use model::incident::{Event, Incident, Notice, State};
use model::name::ContactName;
use model::time::{Millis, Timestamp};
use model::vote::Vote;

/// The longest line that is shown of a text from outside, bytes.
pub const LINE_BYTES_MAX: usize = 300;
/// The longest thing in a subject, bytes.
const THING_BYTES_MAX: usize = 120;
/// The most regions that are listed one by one; the others are counted.
pub const REGIONS_SHOWN_MAX: usize = 20;

/// Everything that is said about an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// One line that begins with the state and names thing, time and number.
    pub subject: String,
    /// The second sentence: what a phone shows under the subject.
    pub preview: String,
    /// The state in capitals.
    pub state: &'static str,
    /// How it looks.
    pub tone: Tone,
    /// Number and severity.
    pub tag: String,
    /// A sentence: what.
    pub headline: String,
    /// A phrase: since when, or after how long.
    pub since: String,
    /// The answers to what a woken person asks.
    pub answers: Vec<Answer>,
    /// Why this reader got it.
    pub foot: String,
}

/// How a state looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Red: open, nobody has it.
    Down,
    /// Amber: open, somebody has it.
    Taken,
    /// Green: over.
    Up,
}

impl Tone {
    /// Background and ink of the state's bar, light scheme.
    pub const fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Down => ("#fcecea", "#a8201a"),
            Self::Taken => ("#fbf2e1", "#7d4c00"),
            Self::Up => ("#ebf4ef", "#1c6648"),
        }
    }

    /// The same, dark scheme.
    pub const fn dark(self) -> (&'static str, &'static str) {
        match self {
            Self::Down => ("#351a17", "#ff9486"),
            Self::Taken => ("#2c2211", "#f0b95c"),
            Self::Up => ("#14241d", "#74cfa6"),
        }
    }
}

/// One answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What was asked.
    pub label: &'static str,
    /// The answer's first words, in bold.
    pub strong: String,
    /// The rest of the first line.
    pub rest: String,
    /// More lines.
    pub lines: Vec<String>,
    /// Where to read on: http(s) only.
    pub link: Option<String>,
    /// Nobody has it: shown in the colour of trouble.
    pub alarm: bool,
}

impl Words {
    /// The words of a notice for a reader in `zone`; UTC when none.
    pub fn of(notice: &Notice, zone: Option<&str>) -> Self {
        let told = if notice.step == 0 {
            "You get this because you were told of the incident.".to_owned()
        } else {
            let of = match &notice.incident.policy {
                Some(policy) => format!(" of policy {policy}"),
                None => String::new(),
            };
            format!("You get this as step {}{of}.", notice.step)
        };
        speak(&notice.incident, notice.event, notice.next.as_ref(), told, &Clock::of(zone))
    }

    /// The words of an incident as it stands, in UTC.
    pub fn now(incident: &Incident) -> Self {
        let event = match incident.state {
            State::Triggered => Event::Triggered,
            State::Acknowledged => Event::Acknowledged,
            State::Resolved => Event::Resolved,
        };
        speak(incident, event, None, String::new(), &Clock::of(None))
    }
}

type Next = (Timestamp, Vec<ContactName>);

fn speak(
    incident: &Incident,
    event: Event,
    next: Option<&Next>,
    told: String,
    clock: &Clock,
) -> Words {
    let thing = thing(incident);
    let number = incident.id.0;
    let since = clock.minute(incident.started);
    let resolved = event == Event::Resolved;
    let lasted = length(incident.resolved.unwrap_or(incident.triggered) - incident.started);
    let owner = incident.owner.as_deref().map(line).unwrap_or_else(|| "somebody".into());
    let is_down = incident.probe.is_some();
    let what = if is_down { format!("{thing} is down") } else { thing.clone() };
    let (state, tone, subject, headline) = match event {
        Event::Triggered if is_down => {
            ("DOWN", Tone::Down, format!("DOWN: {thing} since {since} (#{number})"), what)
        }
        Event::Triggered => {
            // The summary says itself since when.
            ("TROUBLE", Tone::Down, format!("TROUBLE: {thing} (#{number})"), what)
        }
        Event::Escalated => (
            if is_down { "STILL DOWN" } else { "STILL OPEN" },
            Tone::Down,
            format!(
                "{}: {thing} since {since} (#{number})",
                if is_down { "STILL DOWN" } else { "STILL OPEN" }
            ),
            what,
        ),
        Event::Acknowledged => (
            "TAKEN",
            Tone::Taken,
            format!("Taken: {thing} since {since}, {owner} has it (#{number})"),
            what,
        ),
        Event::Resolved => (
            if is_down { "UP AGAIN" } else { "OVER" },
            Tone::Up,
            format!(
                "{}: {thing} after {lasted} (#{number})",
                if is_down { "Up again" } else { "Over" }
            ),
            if is_down { format!("{thing} is up again") } else { format!("Over: {thing}") },
        ),
    };
    let seen = seen(incident, resolved);
    let who = who(incident, next, resolved, clock);
    Words {
        preview: preview(incident, &seen, &who, resolved, &lasted),
        subject,
        state,
        tone,
        tag: format!("#{number}, {}", incident.severity.word()),
        headline,
        since: if resolved {
            format!("after {lasted}, {}", clock.span(incident.started, incident.resolved))
        } else {
            format!("since {}", clock.second(incident.started))
        },
        answers: answers(incident, seen, who, resolved),
        foot: told,
    }
}

fn answers(incident: &Incident, seen: Answer, who: Answer, resolved: bool) -> Vec<Answer> {
    let mut answers = vec![seen];
    answers.push(Answer {
        label: if resolved { "What failed" } else { "What fails" },
        strong: reason(incident).unwrap_or_else(|| line(&incident.summary)),
        lines: match reason(incident) {
            Some(_) => vec![line(&incident.summary)],
            None => Vec::new(),
        },
        ..Answer::default()
    });
    answers.push(who);
    if !resolved {
        answers.push(todo(incident));
    }
    answers
}

/// The down votes' reason that most regions give.
fn reason(incident: &Incident) -> Option<String> {
    let mut counts: Vec<(usize, &str)> = Vec::new();
    for says in incident.regions.values().filter(|says| says.vote == Vote::Down) {
        let reason = says.reason.as_deref()?;
        match counts.iter_mut().find(|(_, known)| *known == reason) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, reason)),
        }
    }
    // The first of those with the highest count, so that the text does not jump.
    let most = counts.iter().map(|(count, _)| *count).max()?;
    counts.iter().find(|(count, _)| *count == most).map(|(_, reason)| line(reason))
}

fn seen(incident: &Incident, resolved: bool) -> Answer {
    let all = incident.regions.len();
    let wanted = if resolved { Vote::Up } else { Vote::Down };
    let count = incident.regions.values().filter(|says| says.vote == wanted).count();
    let mut lines: Vec<String> = incident
        .regions
        .iter()
        .take(REGIONS_SHOWN_MAX)
        .map(|(region, says)| match &says.reason {
            Some(reason) if says.vote != Vote::Up => {
                format!("{region}: {}, {}", says.vote.word(), line(reason))
            }
            _ => format!("{region}: {}", says.vote.word()),
        })
        .collect();
    if all > REGIONS_SHOWN_MAX {
        lines.push(format!("and {} more regions", all - REGIONS_SHOWN_MAX));
    }
    let strong = match (all, resolved) {
        (0, _) => "The collector".into(),
        (1, _) => "1 region".into(),
        (_, true) => format!("Up in {count} of {all} regions"),
        (_, false) => format!("{count} of {all} regions"),
    };
    Answer { label: "Seen from", strong, lines, ..Answer::default() }
}

fn who(incident: &Incident, next: Option<&Next>, resolved: bool, clock: &Clock) -> Answer {
    let owner = incident.owner.as_deref().map(line);
    if resolved {
        let strong = owner.unwrap_or_else(|| "Nobody took it".into());
        return Answer { label: "Who had it", strong, ..Answer::default() };
    }
    let then = next.filter(|(_, names)| !names.is_empty()).map(|(at, names)| {
        let names: Vec<&str> = names.iter().map(ContactName::as_str).collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        format!("{} {verb} told at {}.", names.join(", "), clock.second_short(*at))
    });
    match owner {
        Some(owner) => {
            let until = match incident.owned_until {
                Some(until) => format!(", until {}", clock.second_short(until)),
                None => String::new(),
            };
            Answer { label: "Who has it", strong: owner, rest: until, ..Answer::default() }
        }
        None => Answer {
            label: "Who has it",
            strong: "Nobody yet.".into(),
            rest: then.map(|then| format!(" {then}")).unwrap_or_default(),
            alarm: true,
            ..Answer::default()
        },
    }
}

fn todo(incident: &Incident) -> Answer {
    let mut answer = Answer { label: "What to do", ..Answer::default() };
    match incident.runbook.as_deref() {
        Some(runbook) if is_web(runbook) => {
            answer.strong = "Follow the runbook: ".into();
            answer.link = Some(line(runbook));
        }
        Some(runbook) => answer.strong = line(runbook),
        None => answer.rest = "No runbook is written for this.".into(),
    }
    answer
}

/// Only these may become a link: `javascript:` and the like stay text.
fn is_web(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn preview(
    incident: &Incident,
    seen: &Answer,
    who: &Answer,
    resolved: bool,
    lasted: &str,
) -> String {
    if resolved {
        return match &incident.owner {
            Some(owner) => format!("{lasted}. {} had it.", line(owner)),
            None => format!("{lasted}. Nobody took it."),
        };
    }
    let has =
        if who.alarm { "Nobody has it.".to_owned() } else { format!("{} has it", who.strong) };
    let end = if who.alarm { "" } else { "." };
    let has = format!("{has}{}{end}", who.rest);
    match reason(incident) {
        Some(reason) => format!("{}, {}. {has}", seen.strong, reason.trim_end_matches('.')),
        None => format!("{}. {has}", line(&incident.summary).trim_end_matches('.')),
    }
}

/// What the incident is about: the probe, or for others the summary itself.
fn thing(incident: &Incident) -> String {
    let mut thing = match &incident.probe {
        Some(probe) => probe.to_string(),
        None => line(&incident.summary).trim_end_matches('.').to_owned(),
    };
    model::result::cut(&mut thing, THING_BYTES_MAX);
    thing
}

/// One line of text from outside: control characters and what reorders text become spaces, and the
/// length is bounded.
pub fn line(text: &str) -> String {
    let is_bad = |sign: char| {
        sign.is_control() || matches!(sign, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut line: String = text
        .chars()
        .take(LINE_BYTES_MAX)
        .map(|sign| if is_bad(sign) { ' ' } else { sign })
        .collect();
    model::result::cut(&mut line, LINE_BYTES_MAX);
    line
}

/// A length as people say it, two units at most, floored: `4 min 38 s`, `1 d 20 h`.
pub fn length(length: Millis) -> String {
    let seconds = length.ms().max(0) / 1000;
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")];
    let Some(first) = parts.iter().position(|(count, _)| *count > 0) else {
        return if length.ms() > 0 { "less than 1 s".into() } else { "0 s".into() };
    };
    let shown: Vec<String> = parts
        .iter()
        .skip(first)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    shown.join(" ")
}

/// Writes instants in the reader's zone.
struct Clock {
    zone: TimeZone,
    is_utc: bool,
}

impl Clock {
    fn of(zone: Option<&str>) -> Self {
        let zone = zone.and_then(|name| TimeZone::get(name).ok());
        Self { is_utc: zone.is_none(), zone: zone.unwrap_or(TimeZone::UTC) }
    }

    fn write(&self, at: Timestamp, zone: &TimeZone, form: &str) -> String {
        match jiff::Timestamp::from_millisecond(at.ms()) {
            Ok(instant) => instant.to_zoned_datetime(zone.clone()).strftime(form).to_string(),
            Err(_) => at.to_string(),
        }
    }

    /// `03:07 CET`
    fn minute(&self, at: Timestamp) -> String {
        self.write(at, &self.zone, "%H:%M %Z")
    }

    /// `03:12:49 CET`
    fn second_short(&self, at: Timestamp) -> String {
        self.write(at, &self.zone, "%H:%M:%S %Z")
    }

    /// `03:07:41 CET (02:07:41 UTC), 24 Nov 2026`
    fn second(&self, at: Timestamp) -> String {
        let date = self.write(at, &self.zone, "%-d %b %Y");
        if self.is_utc {
            return format!("{}, {date}", self.second_short(at));
        }
        let utc = self.write(at, &TimeZone::UTC, "%H:%M:%S UTC");
        format!("{} ({utc}), {date}", self.second_short(at))
    }

    /// `from 03:07:41 to 03:24:20 CET, 24 Nov 2026`, with both dates if they differ.
    fn span(&self, from: Timestamp, to: Option<Timestamp>) -> String {
        let Some(to) = to else { return format!("from {}", self.second(from)) };
        let day = |at| self.write(at, &self.zone, "%-d %b %Y");
        let from_day =
            if day(from) == day(to) { String::new() } else { format!(", {},", day(from)) };
        let from = self.write(from, &self.zone, "%H:%M:%S");
        format!("from {from}{from_day} to {}, {}", self.second_short(to), day(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_said_in_two_units_at_most_and_floored() {
        for (ms, text) in [
            (0, "0 s"),
            (999, "less than 1 s"),
            (1_999, "1 s"),
            (278_000, "4 min 38 s"),
            (999_000, "16 min 39 s"),
            (3_600_000, "1 h"),
            (3_659_000, "1 h"),
            (158_400_000, "1 d 20 h"),
            (-5, "0 s"),
        ] {
            assert_eq!(length(Millis::from_ms(ms)), text, "{ms}");
        }
    }

    #[test]
    fn a_line_from_outside_stays_one_bounded_line() {
        assert_eq!(line("a\r\nBcc: x\u{202e}y"), "a  Bcc: x y");
        assert!(line(&"ä".repeat(1000)).len() <= LINE_BYTES_MAX);
    }
}
