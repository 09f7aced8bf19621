//! How far something long has come, for a person who waits at a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::Instant;

/// Nothing is shown before so long, and then so often.
const EVERY: Duration = Duration::from_secs(1);
/// How many steps are taken between two looks at the clock.
const STEPS: u64 = 1 << 14;

/// A line on stderr that is written over and gone at the end; nothing where nobody watches.
pub struct Progress {
    what: &'static str,
    shown: Option<Instant>,
    written: bool,
}

impl Progress {
    /// Of `what`, such as `observations read`.
    pub fn new(what: &'static str) -> Self {
        let shown = std::io::stderr().is_terminal().then(Instant::now);
        Self { what, shown, written: false }
    }

    /// So many are done.
    pub fn at(&mut self, count: u64) {
        if !count.is_multiple_of(STEPS) {
            return;
        }
        let Some(shown) = self.shown.filter(|shown| shown.elapsed() >= EVERY) else { return };
        self.shown = Some(shown + shown.elapsed());
        self.written = true;
        write(&format!("\r{count} {}", self.what));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.written {
            write("\r\x1b[K");
        }
    }
}

fn write(text: &str) {
    // Who cannot be shown how far it is still gets the answer.
    let _ = std::io::stderr().write_all(text.as_bytes());
}
