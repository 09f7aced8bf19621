//! What asks a running collector: status, incidents, report.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use model::name::ServiceName;
use url::Url;

use super::{DATA, Format, web_address};

/// Where the collector is and who asks.
#[derive(Args, Debug)]
pub struct Where {
    /// The folder of the collector; its address and a token are found there.
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub data: PathBuf,
    /// Where the collector is, with a token in $WATCHPOST_TOKEN.
    #[arg(long, value_name = "URL", value_parser = web_address)]
    pub collector: Option<Url>,
    /// PEM file of the authorities to trust for the collector instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub collector_ca: Option<PathBuf>,
}

/// Where the collector is, and the form of its answer.
#[derive(Args, Debug)]
pub struct Status {
    /// Whom to ask.
    #[command(flatten)]
    pub place: Where,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// `watchpost incidents`.
#[derive(Args, Debug)]
pub struct Incidents {
    /// Whom to ask.
    #[command(flatten)]
    pub place: Where,
    /// Only those in this state.
    #[arg(long, value_enum)]
    pub state: Option<StateFilter>,
    /// At most so many, 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Which incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateFilter {
    /// Triggered or acknowledged.
    Open,
    /// Nobody has it.
    Triggered,
    /// Somebody has it.
    Acknowledged,
    /// Over.
    Resolved,
}

impl StateFilter {
    /// The word for it in a question.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Triggered => "triggered",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// `watchpost incident`.
#[derive(Args, Debug)]
pub struct Incident {
    /// What to do with it.
    #[command(subcommand)]
    pub command: IncidentCommand,
}

/// What can be done with an incident.
#[derive(Debug, Subcommand)]
pub enum IncidentCommand {
    /// Show its whole story.
    Show(Numbered),
    /// Take it: escalation waits.
    Acknowledge(Numbered),
    /// Close it by hand.
    Resolve {
        /// Which.
        #[command(flatten)]
        which: Numbered,
        /// Why, for the story.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Write something down in its story.
    Note {
        /// Which.
        #[command(flatten)]
        which: Numbered,
        /// What; without it, stdin is read.
        text: Option<String>,
    },
}

/// One incident.
#[derive(Args, Debug)]
pub struct Numbered {
    /// Its number.
    #[arg(value_parser = incident_number)]
    pub id: u64,
    /// Whom to ask.
    #[command(flatten)]
    pub place: Where,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Form of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people at a terminal.
    Table,
    /// For programs.
    Json,
    /// Comma-separated values, for spreadsheets.
    Csv,
    /// One page to send to a customer or to print.
    Html,
}

/// `watchpost report`.
#[derive(Args, Debug)]
pub struct Report {
    /// Whom to ask.
    #[command(flatten)]
    pub place: Where,
    /// One service; default: every service with an objective. With --observations: what to call it.
    #[arg(long, value_name = "NAME", value_parser = ServiceName::new)]
    pub service: Option<ServiceName>,
    /// A period, such as 2026-10; default: the one that runs now.
    #[arg(long, value_name = "PERIOD")]
    pub period: Option<String>,
    /// Form of the answer; default: table, or json with --observations.
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
    /// Tell of each outage who saw what fail, what happened within it and what people did; with
    /// table or json.
    #[arg(long, conflicts_with = "observations")]
    pub explain: bool,
    /// Compute from this file of observations instead, one JSON object a line, or from every file of
    /// this folder that ends in .jsonl.
    #[arg(long, value_name = "FILE", requires = "contract", conflicts_with_all = ["period", "collector"])]
    pub observations: Option<PathBuf>,
    /// What the observations are judged by.
    #[arg(long, value_name = "FILE", requires = "observations")]
    pub contract: Option<PathBuf>,
    /// Print the burn rates at these instants instead.
    #[arg(long, value_name = "MS[,MS…]", requires = "observations")]
    pub burn_at: Option<String>,
}

fn incident_number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    digits.parse().map_err(|_| "an incident is named by its number, such as 12".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_is_a_number_with_or_without_its_sign() {
        assert_eq!((incident_number("7"), incident_number("#7")), (Ok(7), Ok(7)));
        assert!(incident_number("seven").is_err());
    }
}
