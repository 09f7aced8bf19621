//! The one binary: reads the command line, loads what it names, and calls the part that does it.

mod arguments;
mod ask;
mod check;
mod client;
mod copies;
mod crash;
mod exit;
mod load;
mod log;
mod offline;
mod once;
mod out;
mod probe;
mod progress;
mod replay;
mod run;
mod schema;
mod secrets;
mod statement;
mod token;

use std::process::ExitCode;

use agent::probe::Kind;
use collector::notify::Notifier;

use crate::arguments::{Arguments, Command};
use crate::exit::{Done, Failure};

fn main() -> ExitCode {
    // One provider for the whole tree, before anything can open a connection. An error would mean
    // that there is one already, which serves as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    log::start(&arguments.logging);
    let code = match start(arguments) {
        Ok(code) => code,
        Err(failure) => {
            failure.tell();
            failure.code()
        }
    };
    ExitCode::from(code)
}

/// Reports of crashes first, so that they see every thread; then the runtime; then the command.
fn start(arguments: Arguments) -> Done {
    let _reports = crash::watch(arguments.logging.sentry_dsn.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::from(anyhow::anyhow!("cannot start the runtime: {error}")))?;
    let done = runtime.block_on(obey(arguments.command));
    // Whatever still runs was told to stop and given its time: a second signal must not wait for it.
    runtime.shutdown_background();
    done
}

async fn obey(command: Command) -> Done {
    match command {
        Command::Up(order) => run::up::run(order).await,
        Command::Collector(order) => run::collector::run(order).await,
        Command::Agent(order) => run::agent::run(order).await,
        Command::Status(order) => ask::status::run(order).await,
        Command::Incidents(order) => ask::incidents::list(order).await,
        Command::Incident(order) => ask::incidents::one(order.command).await,
        Command::Report(order) => ask::report::run(order).await,
        Command::Probe(order) => once::run(order).await,
        Command::Token(order) => token::run(order.command),
        Command::Backup(order) => copies::backup(order),
        Command::Restore(order) => copies::restore(order),
        Command::Check(order) => {
            let mut said = Vec::new();
            let resolve = secrets::resolver();
            let code = check::run::<Kind, Notifier>(&order.file, &resolve, &mut said)?;
            out::bytes(&said).map(|()| code)
        }
        Command::Replay(order) => replay::run(order),
        Command::Schema => {
            let mut said = Vec::new();
            schema::run::<Kind, Notifier>(&mut said)?;
            out::bytes(&said).map(|()| exit::DONE)
        }
    }
}
