//! Types of parameters that several kinds share: each is checked when it is read.

use std::fmt;

use model::time::Millis;
use regex::bytes::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text;

/// The longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// How large a compiled pattern may be, in bytes.
const PATTERN_SIZE_MAX: usize = 1 << 20;

/// A regular expression of the `regex` crate: linear time, no look-around. Finds anywhere unless
/// anchored. Works on bytes, so that any body can be searched.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence: it is too long, does not compile, or holds a secret.
    pub fn parse(written: &str) -> Result<Self, String> {
        if written.len() > PATTERN_BYTES_MAX {
            return Err(format!(
                "the pattern has {} bytes: at most {PATTERN_BYTES_MAX} are allowed",
                written.len()
            ));
        }
        if let Some(name) = model::secret::references(written).first() {
            return Err(format!(
                "a pattern cannot hold the secret ${{{name}}}: compare with `equals` or `contains`"
            ));
        }
        RegexBuilder::new(written).size_limit(PATTERN_SIZE_MAX).build().map(Self).map_err(|error| {
            // The last line of the error is the cause; the ones before draw the place, which has
            // no place in a one-line message.
            let error = error.to_string();
            let cause = error.lines().last().unwrap_or_default();
            let cause = cause.strip_prefix("error: ").unwrap_or(cause);
            format!("`{written}` is not a regular expression: {cause}")
        })
    }

    /// Whether it is found in `text`.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.as_str())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Pattern({:?})", self.0.as_str())
    }
}

impl Eq for Pattern {}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "format": "regex", "maxLength": PATTERN_BYTES_MAX,
            "description": "Regular expression (Rust `regex` syntax), found anywhere unless anchored."
        })
    }
}

/// A length of time as it is written: `500ms`, `2s`. Above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(pub Millis);

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // One unit only: that is what is read back.
        to.collect_str(&format_args!("{}ms", self.0.ms()))
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let length = Millis::parse(&String::deserialize(from)?).map_err(D::Error::custom)?;
        if length <= Millis::ZERO {
            return Err(D::Error::custom("the duration must be longer than nothing, such as 2s"));
        }
        Ok(Self(length))
    }
}

impl JsonSchema for Length {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Length".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$",
            "description": "Duration: a whole number and a unit, such as 500ms, 2s, 5m."
        })
    }
}

/// Which addresses of a name are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Family {
    /// All, in the order the resolver gives.
    #[default]
    #[serde(rename = "any")]
    Any,
    /// IPv4 alone.
    #[serde(rename = "4")]
    V4,
    /// IPv6 alone.
    #[serde(rename = "6")]
    V6,
}

impl<'de> Deserialize<'de> for Family {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_any(Scalar("any, 4 or 6"))?.as_str() {
            "any" => Ok(Self::Any),
            "4" => Ok(Self::V4),
            "6" => Ok(Self::V6),
            other => Err(D::Error::custom(format!("`{other}` is no IP version: any, 4 or 6"))),
        }
    }
}

impl JsonSchema for Family {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Family".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": ["any", "4", "6", 4, 6], "description": "IP version." })
    }
}

/// Reads a word that YAML may take for a number, such as `4` or `1.1`, as text.
pub struct Scalar(pub &'static str);

impl Visitor<'_> for Scalar {
    type Value = String;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

/// `host:port` as written; IPv6 in brackets; secrets may stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn parse(written: &str) -> Result<Self, String> {
        let skeleton = text::skeleton(written);
        if !text::is_one_secret(&skeleton) {
            Self::split(&skeleton).map_err(|error| format!("`{written}` {error}"))?;
        }
        Ok(Self(written.to_owned()))
    }

    /// The text as written.
    pub fn written(&self) -> &str {
        &self.0
    }

    /// Host without brackets, and port, of a text without secrets.
    ///
    /// # Errors
    /// The end of a sentence about the text.
    pub fn split(written: &str) -> Result<(String, u16), String> {
        const WRONG: &str = "is not host:port, such as db.internal:5432 or [::1]:5432";
        let (host, port) = written.rsplit_once(':').ok_or_else(|| WRONG.to_owned())?;
        let port = port.parse::<u16>().ok().filter(|port| *port > 0);
        let port = port.ok_or("needs a port from 1 to 65535 after the last colon")?;
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let inside = rest.strip_suffix(']').ok_or_else(|| WRONG.to_owned())?;
                inside.parse::<std::net::Ipv6Addr>().map_err(|_| WRONG.to_owned())?;
                inside
            }
            None => host,
        };
        let bad = |c: char| c.is_whitespace() || c.is_control() || "/@?#[]".contains(c);
        let colon = host.contains(':') && host.parse::<std::net::Ipv6Addr>().is_err();
        if host.is_empty() || host.contains(bad) || colon {
            return Err(WRONG.to_owned());
        }
        if written.matches(':').count() > 1 && !written.starts_with('[') {
            return Err("has an IPv6 address without brackets: write [::1]:5432".to_owned());
        }
        Ok((host.to_ascii_lowercase(), port))
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "host:port; IPv6 in brackets." })
    }
}

/// Whether a parameter stands at its default; then it is not serialised.
pub fn at_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
