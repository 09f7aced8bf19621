//! What people and programs asked for, on stdout: tables, times, and text from outside made harmless.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};

use crate::exit::Failure;
use crate::secrets;

/// Writes to stdout. A reader that went away has what it wanted: that is no error.
pub fn print(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// As [`print`], for what was written elsewhere.
pub fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::anyhow!("cannot write to stdout: {error}").into())
        }
        _ => Ok(()),
    }
}

/// As [`print`], with a newline at the end.
pub fn line(text: &str) -> Result<(), Failure> {
    print(&format!("{text}\n"))
}

/// Text from outside on one line of a terminal: no control characters, nothing that turns the
/// direction of writing.
pub fn clean(text: &str) -> String {
    text.chars()
        .filter_map(|sign| match sign {
            '\n' | '\r' | '\t' => Some(' '),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
            sign if sign.is_control() => None,
            sign => Some(sign),
        })
        .collect()
}

/// JSON from outside, unchanged in meaning: the control characters that JSON allows within strings
/// are escaped, because a terminal would obey them.
pub fn clean_json(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for sign in text.chars() {
        if sign.is_control() && !matches!(sign, '\n' | '\r' | '\t') {
            clean.push_str(&format!("\\u{:04x}", u32::from(sign)));
        } else {
            clean.push(sign);
        }
    }
    clean
}

/// An instant for people: UTC to the second.
pub fn instant(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(instant) => instant.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// As [`instant`], to the minute.
pub fn minute(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(instant) => instant.strftime("%Y-%m-%d %H:%MZ").to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// A length for people: its two largest units.
pub fn length(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m{rest:02}s"),
        (0, ..) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

/// How a cell is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// All is well.
    Good,
    /// Worth a look.
    Odd,
    /// Someone must act.
    Bad,
}

/// Text of a cell, cleaned, and how it is meant.
pub type Tinted = (String, Tone);

/// A table fitted to the terminal; without a terminal, plain columns that are never wrapped.
pub fn table(header: &[&str], rows: Vec<Vec<Tinted>>) -> String {
    let terminal = std::io::stdout().is_terminal();
    let colours = terminal && secrets::environment("NO_COLOR").is_none();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().map(|word| Cell::new(*word)));
    if terminal {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.force_no_tty().set_content_arrangement(ContentArrangement::Disabled);
    }
    for row in rows {
        table.add_row(row.into_iter().map(|(text, tone)| {
            let cell = Cell::new(clean(&text));
            match tone {
                Tone::Good if colours => cell.fg(Color::Green),
                Tone::Odd if colours => cell.fg(Color::Yellow),
                Tone::Bad if colours => cell.fg(Color::Red),
                _ => cell,
            }
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A cell without a meaning of its own.
pub fn plain(text: impl Into<String>) -> Tinted {
    (text.into(), Tone::Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_move_the_cursor() {
        for (text, want) in [
            ("plain é 日", "plain é 日"),
            ("a\x1b[2Jb", "a[2Jb"),
            ("a\nb\tc\r", "a b c "),
            ("bell\x07 c1\u{9b}31m del\x7f", "bell c131m del"),
            ("right\u{202e}left", "rightleft"),
        ] {
            assert_eq!(clean(text), want);
        }
        assert_eq!(clean_json("{\"a\": \"\u{9b}é\u{7f}\"}\n"), "{\"a\": \"\\u009bé\\u007f\"}\n");
    }

    #[test]
    fn lengths_and_instants_are_short() {
        for (ms, want) in [
            (-5, "0s"),
            (59_999, "59s"),
            (61_000, "1m01s"),
            (3_660_000, "1h01m"),
            (90_000_000, "1d01h"),
        ] {
            assert_eq!(length(ms), want);
        }
        assert_eq!(instant(0), "1970-01-01 00:00:00Z");
        assert_eq!(instant(i64::MAX), "9223372036854775807 ms");
    }

    #[test]
    fn a_table_without_a_terminal_is_plain_columns() {
        let rows = vec![
            vec![plain("shop"), ("up".into(), Tone::Good)],
            vec![plain("a-long\x1bname"), ("down".into(), Tone::Bad)],
        ];
        assert_eq!(
            table(&["PROBE", "VERDICT"], rows),
            "PROBE       VERDICT\nshop        up\na-longname  down\n"
        );
    }
}
