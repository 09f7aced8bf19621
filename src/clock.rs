//! The program's one look at the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use model::time::Timestamp;

/// Now, on this host's clock.
#[expect(clippy::disallowed_methods, reason = "the edge: the one place here that reads the clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
