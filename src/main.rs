//! The one binary. It reckons availability statements from files.

mod offline;
#[cfg(test)]
mod statement;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// State the availability of a period.
    Report {
        /// Observations as JSON Lines.
        #[arg(long, value_name = "FILE.jsonl")]
        observations: PathBuf,
        /// What was promised, as JSON.
        #[arg(long, value_name = "FILE.json")]
        contract: PathBuf,
        /// Print burn rates at these instants instead.
        #[arg(long, value_name = "MS[,MS…]")]
        burn_at: Option<String>,
        /// Form of the answer.
        #[arg(long, value_parser = ["json"], default_value = "json")]
        format: String,
    },
}

#[expect(clippy::print_stderr, reason = "errors are for the person at the terminal")]
fn main() -> ExitCode {
    let Arguments { command: Command::Report { observations, contract, burn_at, .. } } =
        Arguments::parse();
    let mut out = std::io::stdout().lock();
    match offline::run(&observations, &contract, burn_at.as_deref(), &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
