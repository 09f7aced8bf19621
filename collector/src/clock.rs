//! The one place of this crate that reads the clock.

use model::time::Timestamp;

/// The wall clock, milliseconds since the epoch. Called at the edge only; decisions get it as an
/// argument.
pub fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the crate's one clock function")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let ms = since.map_or(0, |length| i64::try_from(length.as_millis()).unwrap_or(i64::MAX));
    Timestamp::from_ms(ms)
}
