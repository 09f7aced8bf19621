//! What a scalar without quotes means by the core rules of YAML 1.2, for those who ask.

/// A meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plain {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Truth(bool),
    /// A whole number from 0.
    Unsigned(u64),
    /// A whole number below 0.
    Signed(i64),
    /// Another number.
    Float(f64),
    /// None of these.
    Text,
}

/// What `text` means.
pub fn infer(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "true" | "True" | "TRUE" => return Plain::Truth(true),
        "false" | "False" | "FALSE" => return Plain::Truth(false),
        _ => {}
    }
    if let Some(number) = whole(text) {
        if let Ok(number) = u64::try_from(number) {
            return Plain::Unsigned(number);
        }
        if let Ok(number) = i64::try_from(number) {
            return Plain::Signed(number);
        }
    }
    float(text).map_or(Plain::Text, Plain::Float)
}

/// A whole number: decimal with an optional sign, or `0x` and `0o` without.
pub fn whole(text: &str) -> Option<i128> {
    /// No number that anything asks for has more digits.
    const DIGITS_MAX: usize = 38;
    let (digits, base) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => match text.strip_prefix("0o") {
            Some(digits) => (digits, 8),
            None => (text.strip_prefix(['-', '+']).unwrap_or(text), 10),
        },
    };
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    let number = i128::from_str_radix(digits, base).ok()?;
    Some(if text.starts_with('-') { -number } else { number })
}

/// A number, with a point or an exponent or neither.
pub fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" => {
            return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
        }
        _ if matches!(text, ".nan" | ".NaN" | ".NAN") => return Some(f64::NAN),
        _ => {}
    }
    // Rust's own words for the infinities and NaN are text in YAML.
    let begins = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let fits = unsigned.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    if begins && fits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_core_rules_name_is_not_text() {
        for (text, meaning) in [
            ("", Plain::Null),
            ("~", Plain::Null),
            ("null", Plain::Null),
            ("true", Plain::Truth(true)),
            ("FALSE", Plain::Truth(false)),
            ("NO", Plain::Text),
            ("yes", Plain::Text),
            ("off", Plain::Text),
            ("12", Plain::Unsigned(12)),
            ("+12", Plain::Unsigned(12)),
            ("-12", Plain::Signed(-12)),
            ("017", Plain::Unsigned(17)),
            ("0o17", Plain::Unsigned(15)),
            ("0x1f", Plain::Unsigned(31)),
            ("1_000", Plain::Text),
            ("1.10", Plain::Float(1.1)),
            (".5", Plain::Float(0.5)),
            ("1e3", Plain::Float(1000.0)),
            ("-.inf", Plain::Float(f64::NEG_INFINITY)),
            ("inf", Plain::Text),
            ("nan", Plain::Text),
            ("200-299", Plain::Text),
            ("12:30", Plain::Text),
            (".", Plain::Text),
            ("99.9%", Plain::Text),
        ] {
            assert_eq!(infer(text), meaning, "{text}");
        }
    }
}
