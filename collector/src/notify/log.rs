//! Writes the notice into the collector's own log, target `watchpost::notice`.

use model::config::Severity;
use model::incident::Event;
use serde::{Deserialize, Serialize};

use super::{Dispatch, Notify, Sending, words::Words};

/// The parameters: there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

impl Notify for Params {
    fn send<'a>(&'a self, dispatch: &'a Dispatch<'a>) -> Sending<'a> {
        Box::pin(async move {
            write(dispatch);
            Ok(())
        })
    }
}

fn write(dispatch: &Dispatch<'_>) {
    let notice = dispatch.notice;
    let subject = Words::of(notice, None).subject;
    let summary = super::words::line(&notice.incident.summary);
    let (key, contact) = (notice.key.0.as_str(), notice.contact.as_str());
    let event = notice.event.word();
    // Nobody has to act on good news, whatever its severity was.
    let calm = matches!(notice.event, Event::Resolved | Event::Acknowledged);
    match notice.incident.severity {
        Severity::Critical | Severity::Error if !calm => {
            tracing::error!(target: "watchpost::notice", event, key, contact, summary, "{subject}");
        }
        Severity::Warning if !calm => {
            tracing::warn!(target: "watchpost::notice", event, key, contact, summary, "{subject}");
        }
        _ => tracing::info!(target: "watchpost::notice", event, key, contact, summary, "{subject}"),
    }
}
