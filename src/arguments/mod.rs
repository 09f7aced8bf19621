//! The command line, word for word as it is documented.

mod ask;
mod keep;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

pub use ask::{
    Incident, IncidentCommand, Incidents, Numbered, Report, ReportFormat, Status, Where,
};
pub use keep::{Backup, BackupCommand, Replay, Restore, Role, Token, TokenAdd, TokenCommand};

use clap::{Args, Parser, Subcommand, ValueEnum};
use model::name::{ProbeName, Region};
use url::Url;

use crate::exit;

/// Where everything is kept unless `--data` says otherwise.
const DATA: &str = "./watchpost-data";

/// Watches services from several regions, decides by quorum, tells people until one of them takes
/// it, and states availability.
#[derive(Debug, Parser)]
#[command(name = "watchpost", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to log.
    #[command(flatten)]
    pub logging: Logging,
}

impl Arguments {
    /// Reads the command line. What clap has to say is printed here; then the exit code is given.
    pub fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            // The reader of a closed pipe wants no more: no second error about it.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE })
        })
    }
}

/// The log and reports of crashes; allowed before and after every command.
#[derive(Args, Debug)]
pub struct Logging {
    /// Form of the log on stderr.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, help_heading = "Log")]
    pub log_format: LogFormat,
    /// More log; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Log")]
    pub verbose: u8,
    /// Errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Log")]
    pub quiet: bool,
    /// Report crashes of this program to this Sentry DSN.
    #[arg(
        long,
        global = true,
        value_name = "DSN",
        env = "SENTRY_DSN",
        hide_env_values = true,
        help_heading = "Log"
    )]
    pub sentry_dsn: Option<String>,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run collector and one agent in one process.
    Up(Up),
    /// Run the collector alone.
    Collector(Collector),
    /// Run one agent, or approve what it refused.
    Agent(Agent),
    /// Show every problem of a configuration with its place.
    Check(Check),
    /// Run one probe now, here, and show its phases.
    Probe(Probe),
    /// Show what every probe says now.
    Status(Status),
    /// List incidents, newest first.
    Incidents(Incidents),
    /// Show, acknowledge, resolve or annotate one incident.
    Incident(Incident),
    /// State the availability of a period.
    Report(Report),
    /// Make, list and revoke tokens of agents and of people or programs.
    Token(Token),
    /// Print flips, incidents and notices as the journal gives them.
    Replay(Replay),
    /// Copy the store of a running collector, or check a copy.
    Backup(Backup),
    /// Make a folder from a copy.
    Restore(Restore),
    /// Print the JSON Schema of probes.yaml.
    Schema,
}

/// `watchpost up`.
#[derive(Args, Debug)]
pub struct Up {
    /// What to watch.
    #[arg(long, value_name = "FILE", default_value = "probes.yaml")]
    pub config: PathBuf,
    /// Where everything is kept; made if missing.
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub data: PathBuf,
    /// Where to serve.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8420", value_parser = address)]
    pub listen: SocketAddr,
    /// The region this agent speaks for; default `local`.
    #[arg(long, value_name = "NAME", value_parser = Region::new)]
    pub region: Option<Region>,
    /// Append every result to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// `watchpost collector`.
#[derive(Args, Debug)]
pub struct Collector {
    /// What to watch.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where everything is kept; made if missing.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where to serve.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen: SocketAddr,
    /// A PostgreSQL database instead of the file in DIR.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
}

/// `watchpost agent`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Agent {
    /// Something other than running.
    #[command(subcommand)]
    pub command: Option<AgentCommand>,
    /// What to run with.
    #[command(flatten)]
    pub run: Option<AgentRun>,
}

/// What can be done to an agent besides running it.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Show secrets that were refused to a new destination, or approve one of them.
    Approve {
        /// Which one, such as `env:NAME`; without it, they are listed.
        reference: Option<String>,
        /// The agent's folder.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}

/// How an agent runs.
#[derive(Args, Debug)]
pub struct AgentRun {
    /// Where the collector is.
    #[arg(long, value_name = "URL", value_parser = web_address)]
    pub collector: Url,
    /// PEM file of the authorities to trust for the collector instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub collector_ca: Option<PathBuf>,
    /// The region this agent speaks for.
    #[arg(long, value_name = "NAME", value_parser = Region::new)]
    pub region: Region,
    /// Where spool and assignment are kept; made if missing.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// File that holds the agent's token; default $WATCHPOST_TOKEN.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// File that says where each secret may go; without it, first use decides.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Append every result to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Serve /metrics and /healthz here.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen: Option<SocketAddr>,
}

/// `watchpost check`.
#[derive(Args, Debug)]
pub struct Check {
    /// The configuration.
    #[arg(default_value = "probes.yaml")]
    pub file: PathBuf,
}

/// `watchpost probe`.
#[derive(Args, Debug)]
pub struct Probe {
    /// Which probe.
    #[arg(value_parser = ProbeName::new)]
    pub name: ProbeName,
    /// Where it is configured.
    #[arg(long, value_name = "FILE", default_value = "probes.yaml")]
    pub config: PathBuf,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:8420".into())
}

fn web_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| {
        format!("{error}: write the whole address, such as https://watchpost.example")
    })?;
    match (url.scheme(), url.has_host(), url.username(), url.password()) {
        ("http" | "https", true, "", None) => Ok(url),
        ("http" | "https", true, ..) => {
            Err("an address holds no user and no password: the token is given apart".into())
        }
        _ => Err("it begins with http:// or https:// and names a host".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn addresses_are_checked_where_they_are_given() {
        for (text, good) in [
            ("http://127.0.0.1:8420", true),
            ("https://watchpost.example/below", true),
            ("127.0.0.1:8420", false),
            ("ftp://x", false),
            ("https://user:pass@x", false),
        ] {
            assert_eq!(web_address(text).is_ok(), good, "{text}");
        }
    }
}
