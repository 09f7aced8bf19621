//! How a command ends: the exit codes that programs rely on, and what is said about a failure.

use std::io::Write as _;

/// What was asked for was done.
pub const DONE: u8 = 0;
/// It failed.
pub const FAILED: u8 = 1;
/// The command line cannot be obeyed; `probe` also uses it for an outcome that is void.
pub const USAGE: u8 = 2;
/// The configuration has problems.
pub const CONFIGURATION: u8 = 64;

/// What a command gives back: its exit code.
pub type Done = Result<u8, Failure>;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// It was tried and failed.
    Failed(anyhow::Error),
    /// The command line cannot be obeyed; a sentence that says what would be right.
    Usage(String),
    /// Every problem of the configuration, ready to print.
    Configuration(String),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl Failure {
    /// The exit code.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => FAILED,
            Self::Usage(_) => USAGE,
            Self::Configuration(_) => CONFIGURATION,
        }
    }

    /// Says it on stderr: one sentence with its causes, never a backtrace.
    pub fn tell(&self) {
        let text = match self {
            Self::Failed(error) => format!("error: {}", sentence(error)),
            Self::Usage(sentence) => format!("error: {sentence}"),
            Self::Configuration(problems) => problems.trim_end().to_owned(),
        };
        // A closed stderr leaves nobody to tell.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// An error with its causes, each said once: some errors name their cause in their own sentence.
fn sentence(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.ends_with(&cause) {
            continue;
        }
        if !said.is_empty() {
            said.push_str(": ");
        }
        said.push_str(&cause);
    }
    said
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let error =
            anyhow!("no such file").context("cannot read f: no such file").context("failed");
        assert_eq!(sentence(&error), "failed: cannot read f: no such file");
        assert_eq!(sentence(&anyhow!("why").context("what")), "what: why");
    }
}
