//! Watchpost: the command line.

mod check;
mod load;
mod schema;

use std::process::ExitCode;
use std::sync::Arc;

use agent::probe::Kind;
use collector::notify::Notifier;
use model::secret::Resolver;

fn main() -> ExitCode {
    let resolve: Resolver = Arc::new(|name| Err(format!("{name} is not looked up")));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut out = std::io::stdout();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["check", file] => check::run::<Kind, Notifier>(file.as_ref(), &resolve, &mut out),
        ["schema"] => schema::run::<Kind, Notifier>(&mut out).map(|()| 0),
        _ => Ok(2),
    };
    ExitCode::from(done.unwrap_or(1))
}
