//! The command line, word for word as it is documented.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use model::name::{AgentName, ProbeName, Region, ServiceName};
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

/// `watchpost report`.
#[derive(Args, Debug)]
pub struct Report {
    /// Whom to ask.
    #[command(flatten)]
    pub place: Where,
    /// One service; default: every service with an objective.
    #[arg(long, value_name = "NAME", value_parser = ServiceName::new)]
    pub service: Option<ServiceName>,
    /// A period, such as 2026-10; default: the one that runs now.
    #[arg(long, value_name = "PERIOD")]
    pub period: Option<String>,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Compute from this file of observations instead, one JSON object a line.
    #[arg(long, value_name = "FILE", requires = "contract", conflicts_with_all = ["service", "period", "collector"])]
    pub observations: Option<PathBuf>,
    /// What the observations are judged by.
    #[arg(long, value_name = "FILE", requires = "observations")]
    pub contract: Option<PathBuf>,
    /// Print the burn rates at these instants instead.
    #[arg(long, value_name = "MS[,MS…]", requires = "observations")]
    pub burn_at: Option<String>,
}

/// `watchpost token`.
#[derive(Args, Debug)]
pub struct Token {
    /// What to do.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make one; its secret is printed once, alone.
    Add(TokenAdd),
    /// List them, without their secrets.
    List {
        /// The collector's folder.
        #[arg(long, value_name = "DIR", default_value = DATA)]
        data: PathBuf,
        /// Form of the answer.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Make one worthless.
    Revoke {
        /// Its id or its name.
        #[arg(value_name = "ID|NAME")]
        which: String,
        /// The collector's folder.
        #[arg(long, value_name = "DIR", default_value = DATA)]
        data: PathBuf,
    },
}

/// `watchpost token add`.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("whose").required(true).args(["agent", "name"])))]
pub struct TokenAdd {
    /// The collector's folder.
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub data: PathBuf,
    /// For an agent of this name.
    #[arg(long, value_name = "NAME", value_parser = AgentName::new, requires = "region", conflicts_with_all = ["name", "role"])]
    pub agent: Option<AgentName>,
    /// The region that agent speaks for.
    #[arg(long, value_name = "NAME", value_parser = Region::new, requires = "agent")]
    pub region: Option<Region>,
    /// For a person or program of this name.
    #[arg(long, value_name = "NAME", requires = "role")]
    pub name: Option<String>,
    /// What that person or program may do.
    #[arg(long, value_enum, requires = "name")]
    pub role: Option<Role>,
}

/// What a person or program may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Acknowledges, resolves, notes.
    Responder,
    /// All.
    Admin,
}

/// `watchpost replay`.
#[derive(Args, Debug)]
pub struct Replay {
    /// The collector's folder.
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub data: PathBuf,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// `watchpost backup`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Backup {
    /// Something other than making a copy.
    #[command(subcommand)]
    pub command: Option<BackupCommand>,
    /// The collector's folder.
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub data: PathBuf,
    /// The copy; it must not exist.
    #[arg(required = true)]
    pub file: Option<PathBuf>,
}

/// What can be done with a copy.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Read a copy from beginning to end and say whether it is whole.
    Verify {
        /// The copy.
        file: PathBuf,
    },
}

/// `watchpost restore`.
#[derive(Args, Debug)]
pub struct Restore {
    /// The copy.
    pub file: PathBuf,
    /// The folder to make; it must not hold a store.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
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

fn incident_number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    digits.parse().map_err(|_| "an incident is named by its number, such as 12".into())
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
        assert_eq!(incident_number("#7"), Ok(7));
        assert!(incident_number("seven").is_err());
    }
}
