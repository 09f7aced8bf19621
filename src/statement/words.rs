//! Figures, lengths and instants in words. Everything is cut, nothing rounded.

use jiff::tz::TimeZone;
use model::time::Timestamp;

/// Parts per million as a percentage with three decimals; the fourth is cut.
pub fn percent(ppm: i64) -> String {
    let thousandths = ppm.div_euclid(10);
    format!("{}.{:03} %", thousandths / 1000, thousandths % 1000)
}

/// A length with its two largest units: `4 min 38 s`, `1 d 20 h`; below a second in milliseconds.
pub fn short(ms: i64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];
    let first = units.iter().position(|(_, unit)| ms >= *unit).unwrap_or(units.len() - 1);
    // A second is enough beside minutes, and whole seconds need no milliseconds.
    let mut rest = ms;
    let parts: Vec<String> = units
        .iter()
        .skip(first)
        .take(if first >= 3 { 1 } else { 2 })
        .filter_map(|(name, unit)| {
            let number = rest / unit;
            rest %= unit;
            (number > 0 || ms == 0).then(|| format!("{number} {name}"))
        })
        .collect();
    parts.join(" ")
}

/// A length to the millisecond: `745 h 00 min 00 s`, `4 min 38.200 s`, `0 s`.
pub fn exact(ms: i64) -> String {
    let fraction = match ms % 1000 {
        0 => String::new(),
        fraction => format!(".{fraction:03}"),
    };
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction} s"),
        (0, _) => format!("{minutes} min {seconds:02}{fraction} s"),
        _ => format!("{hours} h {minutes:02} min {seconds:02}{fraction} s"),
    }
}

/// A word of a command line, quoted where a shell would read more into it.
pub fn quoted(word: &str) -> String {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "-_./".contains(sign);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Instants in a zone.
pub struct Clock(pub TimeZone);

impl Clock {
    /// `Tue 6 Oct 11:14:20.412 +02`: with the offset, since an hour may happen twice.
    pub fn at(&self, at: Timestamp) -> String {
        let Ok(instant) = jiff::Timestamp::from_millisecond(at.ms()) else {
            return at.to_string();
        };
        let local = instant.to_zoned_datetime(self.0.clone());
        let shape =
            if at.ms() % 1000 == 0 { "%a %-d %b %H:%M:%S" } else { "%a %-d %b %H:%M:%S%.3f" };
        let seconds = local.offset().seconds();
        let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
        let offset = match minutes % 60 {
            0 => format!("{sign}{:02}", minutes / 60),
            rest => format!("{sign}{:02}:{rest:02}", minutes / 60),
        };
        format!("{} {offset}", local.strftime(shape))
    }
}
