//! The journal played again, as lines for people or programs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::anyhow;
use collector::replay;
use model::engine::Effect;
use model::quorum::Verdict;
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::arguments::{Format, Replay};
use crate::exit::{DONE, Done};
use crate::out;

/// How much text is gathered before it is printed, bytes.
const PART_BYTES: usize = 64 * 1024;

/// `watchpost replay`.
pub fn run(order: Replay) -> Done {
    let mut text = String::new();
    // The first failure to print; the rest is then not gathered.
    let mut printed = Ok(());
    let mut each = |at: Timestamp, effect: &Effect| {
        let line = match order.format {
            Format::Table => words(effect).map(|words| out::clean(&words)),
            Format::Json => object(effect).map(|object| object.to_string()),
        };
        let Some(line) = line.filter(|_| printed.is_ok()) else { return };
        // Writing to a string cannot fail.
        let _ = match order.format {
            Format::Table => writeln!(text, "{}  {line}", out::instant(at.ms())),
            Format::Json => writeln!(text, "{{\"at_ms\":{},\"what\":{line}}}", at.ms()),
        };
        if text.len() > PART_BYTES {
            printed = out::print(&std::mem::take(&mut text));
        }
    };
    play(&order.data, &mut each)?;
    printed?;
    out::print(&text)?;
    Ok(DONE)
}

fn play(data: &Path, each: &mut dyn FnMut(Timestamp, &Effect)) -> anyhow::Result<()> {
    replay::replay(data, each).map_err(|error| anyhow!(error).context("cannot replay the journal"))
}

fn verdict(verdict: Verdict) -> String {
    let partial = if verdict.partial() { " (partial)" } else { "" };
    format!("{}{partial}", verdict.word())
}

/// One line; none for orders to agents, which are no decision about a target.
fn words(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Flip(flip) => {
            format!("flip      {} {} -> {}", flip.probe, verdict(flip.from), verdict(flip.to))
        }
        Effect::Incident(incident) => {
            let last = incident.timeline.last();
            format!(
                "incident  #{} {} {}: {}",
                incident.id.0,
                incident.state.word(),
                incident.key,
                last.map_or_else(
                    || incident.summary.clone(),
                    |entry| format!("{}, {}", entry.what, entry.text)
                )
            )
        }
        Effect::Notify(notice) => format!(
            "notice    {} to {}: #{} {}",
            notice.event.word(),
            notice.contact,
            notice.incident.id.0,
            notice.incident.summary
        ),
        Effect::Order { .. } => return None,
    })
}

/// The same for a program.
fn object(effect: &Effect) -> Option<Value> {
    Some(match effect {
        Effect::Flip(flip) => json!({
            "flip": {
                "probe": flip.probe,
                "from": flip.from.word(),
                "to": flip.to.word(),
                "partial": flip.to.partial(),
            }
        }),
        Effect::Incident(incident) => json!({
            "incident": {
                "id": incident.id,
                "key": incident.key,
                "state": incident.state.word(),
                "severity": incident.severity.word(),
                "probe": incident.probe,
                "service": incident.service,
                "started_ms": incident.started.ms(),
                "resolved_ms": incident.resolved.map(Timestamp::ms),
                "summary": incident.summary,
                "last": incident.timeline.last().map(|entry| json!({
                    "what": entry.what, "who": entry.who, "text": entry.text,
                })),
            }
        }),
        Effect::Notify(notice) => json!({
            "notice": {
                "key": notice.key,
                "event": notice.event.word(),
                "contact": notice.contact,
                "step": notice.step,
                "incident": notice.incident.id,
            }
        }),
        Effect::Order { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use model::engine::Flip;
    use model::name::{ProbeName, Region};
    use model::wire::Order;

    use super::*;

    #[test]
    fn a_flip_is_a_line_and_an_order_is_none() {
        let flip = Effect::Flip(Flip {
            probe: ProbeName::new("shop").unwrap(),
            at: Timestamp::from_ms(0),
            from: Verdict::Up { partial: true },
            to: Verdict::Down,
        });
        assert_eq!(words(&flip).unwrap(), "flip      shop up (partial) -> down");
        assert_eq!(object(&flip).unwrap()["flip"]["to"], "down");
        let order = Effect::Order { region: Region::new("eu").unwrap(), order: Order::Reload };
        assert!(words(&order).is_none() && object(&order).is_none());
    }
}
