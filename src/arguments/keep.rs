//! What works on a collector's folder: tokens, the journal, copies.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use model::name::{AgentName, Region};

use super::{DATA, Format};

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
