//! Planned windows: what stands in the configuration, unrolled into spans of instants.

use alloc::string::String;
use alloc::vec::Vec;

use crate::config::Maintenance;
use crate::time::Timestamp;

/// One window in which time may be left out of the accounts, half open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// First instant.
    pub from: Timestamp,
    /// First instant after it.
    pub to: Timestamp,
    /// When it was announced; none: accepted without announcement.
    pub announced: Option<Timestamp>,
    /// It was called off.
    pub cancelled: bool,
}

/// Every window of `planned` that overlaps `from..to`, in order of start.
pub fn windows(planned: &Maintenance, from: Timestamp, to: Timestamp) -> Vec<Window> {
    let _ = (planned, from, to);
    Vec::new()
}

/// Checks a cron line of five fields.
///
/// # Errors
/// A sentence that says what is wrong with which field.
pub fn check_cron(line: &str) -> Result<(), String> {
    let _ = line;
    Ok(())
}
