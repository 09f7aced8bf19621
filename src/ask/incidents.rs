//! Incidents: the list, one story, and what a person does about one.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;

use crate::arguments::{Format, IncidentCommand, Incidents, Numbered};
use crate::client::{self, Client};
use crate::exit::{DONE, Done, Failure};
use crate::out::{self, Tinted, Tone};

/// The longest note that is read from stdin, bytes.
const NOTE_BYTES_MAX: u64 = 16 * 1024;

/// One incident of the list.
#[derive(Deserialize)]
struct Listed {
    id: u64,
    key: String,
    state: String,
    severity: String,
    probe: Option<String>,
    service: Option<String>,
    started_ms: i64,
    resolved_ms: Option<i64>,
    summary: String,
}

/// What only the incident itself says.
#[derive(Deserialize)]
struct Story {
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    owned_until_ms: Option<i64>,
    #[serde(default)]
    runbook: Option<String>,
    #[serde(default)]
    regions: BTreeMap<String, Says>,
    #[serde(default)]
    timeline: Vec<Entry>,
}

/// One region's say.
#[derive(Deserialize)]
struct Says {
    vote: String,
    reason: Option<String>,
}

/// One thing that happened.
#[derive(Deserialize)]
struct Entry {
    at_ms: i64,
    what: String,
    who: Option<String>,
    text: String,
}

fn tone(state: &str) -> Tone {
    match state {
        "triggered" => Tone::Bad,
        "acknowledged" => Tone::Odd,
        _ => Tone::Plain,
    }
}

fn row(incident: Listed) -> Vec<Tinted> {
    let lasted = match incident.resolved_ms {
        Some(end) => out::length(end.saturating_sub(incident.started_ms)),
        None => "open".to_owned(),
    };
    let tone = tone(&incident.state);
    vec![
        out::plain(incident.id.to_string()),
        (incident.state, tone),
        out::plain(incident.severity),
        out::plain(out::instant(incident.started_ms)),
        out::plain(lasted),
        out::plain(incident.probe.or(incident.service).unwrap_or(incident.key)),
        out::plain(incident.summary),
    ]
}

/// `watchpost incidents`.
pub async fn list(order: Incidents) -> Done {
    let client = Client::find(&order.place)?;
    let limit = order.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(order.state.map(|state| ("state", state.word())));
    let answer = client.get(&["incidents"], &query).await?;
    if order.format == Format::Json {
        super::verbatim(&answer)?;
        return Ok(DONE);
    }
    let rows: Vec<_> = client::read::<Vec<Listed>>(&answer)?.into_iter().map(row).collect();
    if rows.is_empty() {
        out::line("no incidents")?;
    } else {
        let header = ["ID", "STATE", "SEVERITY", "STARTED", "LASTED", "ABOUT", "SUMMARY"];
        out::print(&out::table(&header, rows))?;
    }
    Ok(DONE)
}

/// The whole story of an incident as text.
fn story(answer: &str) -> Result<String, Failure> {
    let head: Listed = client::read(answer)?;
    let story: Story = client::read(answer)?;
    let mut facts = vec![
        ("state", head.state),
        ("severity", head.severity),
        ("key", head.key),
        ("started", out::instant(head.started_ms)),
    ];
    let optional = [
        ("resolved", head.resolved_ms.map(out::instant)),
        ("probe", head.probe),
        ("service", head.service),
        ("policy", story.policy),
        ("owner", story.owner),
        ("owned until", story.owned_until_ms.map(out::instant)),
        ("runbook", story.runbook),
    ];
    facts.extend(optional.into_iter().filter_map(|(name, fact)| Some((name, fact?))));
    let mut text = format!("#{} {}\n\n", head.id, out::clean(&head.summary));
    for (name, fact) in facts {
        text.push_str(&format!("{name:<12} {}\n", out::clean(&fact)));
    }
    for (region, says) in &story.regions {
        let reason = says.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        text.push_str(&format!(
            "{:<12} {}\n",
            out::clean(region),
            out::clean(&(says.vote.clone() + &reason))
        ));
    }
    if !story.timeline.is_empty() {
        text.push('\n');
        let rows = story.timeline.into_iter().map(|entry| {
            let who = entry.who.unwrap_or_else(|| "-".into());
            let at = out::instant(entry.at_ms);
            [at, entry.what, who, entry.text].map(out::plain).to_vec()
        });
        text.push_str(&out::table(&["WHEN", "WHAT", "WHO", "TEXT"], rows.collect()));
    }
    Ok(text)
}

fn show(which: &Numbered, answer: &str) -> Done {
    match which.format {
        Format::Json => super::verbatim(answer)?,
        Format::Table => out::print(&story(answer)?)?,
    }
    Ok(DONE)
}

async fn act(which: &Numbered, verb: &str, body: &serde_json::Value) -> Done {
    let client = Client::find(&which.place)?;
    let answer = client.post(&["incidents", &which.id.to_string(), verb], body).await?;
    show(which, &answer)
}

/// The text of a note: the argument, else stdin.
fn note(text: Option<String>) -> Result<String, Failure> {
    let text = match text {
        Some(text) => text,
        None if std::io::stdin().is_terminal() => String::new(),
        None => {
            let mut text = String::new();
            let from = std::io::stdin().lock();
            from.take(NOTE_BYTES_MAX).read_to_string(&mut text).context("cannot read stdin")?;
            text
        }
    };
    match text.trim() {
        "" => Err(Failure::Usage(
            "a note needs its text: watchpost incident note ID \"what was seen or done\"".into(),
        )),
        text => Ok(text.to_owned()),
    }
}

/// `watchpost incident`.
pub async fn one(command: IncidentCommand) -> Done {
    match command {
        IncidentCommand::Show(which) => {
            let client = Client::find(&which.place)?;
            let answer = client.get(&["incidents", &which.id.to_string()], &[]).await?;
            show(&which, &answer)
        }
        IncidentCommand::Acknowledge(which) => act(&which, "acknowledge", &json!({})).await,
        IncidentCommand::Resolve { which, reason } => {
            let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
            act(&which, "resolve", &body).await
        }
        IncidentCommand::Note { which, text } => {
            let text = note(text)?;
            act(&which, "note", &json!({ "text": text })).await
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_story_reads_from_top_to_bottom() {
        let answer = r##"{"id":3,"key":"http:shop:down","state":"acknowledged","severity":"critical",
            "probe":"shop","service":null,"started_ms":0,"resolved_ms":null,
            "summary":"shop is down in eu:\u001b[2J connect refused","triggered_ms":5000,
            "policy":"ops","owner":"anna","owned_until_ms":1800000,"runbook":null,
            "regions":{"eu":{"vote":"down","reason":"connect: refused"}},
            "timeline":[{"at_ms":5000,"what":"triggered","who":null,"text":"2 of 3 regions"},
                        {"at_ms":9000,"what":"acknowledged","who":"anna","text":"anna has it"}]}"##;
        expect![[r#"
            #3 shop is down in eu:[2J connect refused

            state        acknowledged
            severity     critical
            key          http:shop:down
            started      1970-01-01 00:00:00Z
            probe        shop
            policy       ops
            owner        anna
            owned until  1970-01-01 00:30:00Z
            eu           down (connect: refused)

            WHEN                  WHAT          WHO   TEXT
            1970-01-01 00:00:05Z  triggered     -     2 of 3 regions
            1970-01-01 00:00:09Z  acknowledged  anna  anna has it
        "#]]
        .assert_eq(&story(answer).unwrap());
    }
}
