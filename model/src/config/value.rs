//! Single values of probes.yaml, each with its own way of being written.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::at::At;
use super::problem::cut;
use super::{DownWhen, Needs, Period};
use crate::name::Region;
use crate::time::{Millis, Timestamp};

/// The most days a rolling period may have.
const PERIOD_DAYS_MAX: u32 = 366;
/// The most bytes in a label's name.
const LABEL_NAME_BYTES_MAX: usize = 64;
/// Names that every series has already.
const LABELS_TAKEN: [&str; 4] = ["job", "instance", "probe", "region"];

/// Declares a value that is read from text by a function and has a schema.
macro_rules! text_values {
    ($($(#[$doc:meta])* $name:ident($inner:ty) by $read:expr, schema $schema:tt;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                let read: fn(&str) -> Result<$inner, String> = $read;
                read(&text).map(Self).map_err(Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )* };
}

text_values! {
    /// A length of time, such as `30s`.
    Length(Millis) by Millis::parse, schema {
        "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "examples": ["500ms", "30s", "5m", "1h", "7d"]
    };
    /// A share in parts per million, written as a percentage with at most four decimals.
    Percent(u32) by percent, schema {
        "type": "string", "pattern": "^[0-9]{1,3}(\\.[0-9]{1,4})?%$", "examples": ["99.9%", "99.95%"]
    };
    /// An instant in RFC 3339.
    Instant(Timestamp) by instant, schema {
        "type": "string", "format": "date-time", "examples": ["2026-12-01T02:00:00Z"]
    };
    /// The period of an objective.
    PeriodName(Period) by period, schema {
        "type": "string", "pattern": "^(month|quarter|year|[0-9]+d)$", "examples": ["month", "30d"]
    };
    /// The name of a label.
    LabelName(String) by label, schema {
        "type": "string", "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"
    };
    /// The name of anything that has one.
    Name(String) by name, schema {
        "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
    };
    /// A web address.
    Web(String) by super::address::web, schema {
        "type": "string", "pattern": "^https?://"
    };
    /// What an agent tries to know that its own uplink works.
    Anchor(String) by super::address::anchor, schema {
        "type": "string", "pattern": "^(tcp|https?)://"
    };
    /// A host with an optional port.
    HostPort((String, Option<u16>)) by super::address::host_port, schema {
        "type": "string", "examples": ["smtp.example:587"]
    };
    /// An IANA time zone; whether it exists is for [`super::rules`] to say.
    Zone(String) by |text| Ok(text.into()), schema {
        "type": "string", "examples": ["UTC", "Europe/Berlin"]
    };
    /// A cron line of five fields.
    Cron(String) by cron, schema {
        "type": "string", "examples": ["0 2 * * SUN"]
    };
}

fn percent(text: &str) -> Result<u32, String> {
    /// 100 % in parts per million.
    const WHOLE: u32 = 1_000_000;
    let wrong = || {
        format!(
            "`{}` is not a percentage: write a number with at most four decimals and `%`, such as 99.9%",
            cut(text)
        )
    };
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str, most| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(whole, 3) || !digits(decimals, 4) {
        return Err(wrong());
    }
    let parts: u32 = format!("{whole}{decimals:0<4}").parse().map_err(|_| wrong())?;
    if parts > WHOLE {
        return Err(format!("`{text}` is more than 100%"));
    }
    Ok(parts)
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let read: Result<jiff::Timestamp, _> = text.parse();
    read.map(|instant| Timestamp::from_ms(instant.as_millisecond())).map_err(|_| {
        format!(
            "`{}` is not an instant: write date, time and offset as in 2026-12-01T02:00:00Z",
            cut(text)
        )
    })
}

fn period(text: &str) -> Result<Period, String> {
    match text {
        "month" => return Ok(Period::Month),
        "quarter" => return Ok(Period::Quarter),
        "year" => return Ok(Period::Year),
        _ => {}
    }
    let days: Option<u32> = text.strip_suffix('d').and_then(|days| days.parse().ok());
    match days {
        Some(days) if (1..=PERIOD_DAYS_MAX).contains(&days) => Ok(Period::Days(days)),
        Some(_) => Err(format!("a period has 1 to {PERIOD_DAYS_MAX} days")),
        None => Err(format!(
            "`{}` is not a period: write month, quarter, year or a number of days such as 30d",
            cut(text)
        )),
    }
}

fn label(text: &str) -> Result<String, String> {
    let good = !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !good || text.starts_with("__") || text.len() > LABEL_NAME_BYTES_MAX {
        return Err(format!(
            "`{}` is not a label's name: use at most {LABEL_NAME_BYTES_MAX} letters, digits and `_`, beginning with a letter",
            cut(text)
        ));
    }
    if LABELS_TAKEN.contains(&text) {
        return Err(format!("the label `{text}` is set by Watchpost itself: choose another name"));
    }
    Ok(text.into())
}

fn name(text: &str) -> Result<String, String> {
    // All names obey the same rule.
    Region::new(text).map(|name| name.as_str().into())
}

fn cron(text: &str) -> Result<String, String> {
    crate::maintenance::check_cron(text).map(|()| text.into())
}

/// A word or a number from 1: how many of several.
macro_rules! how_many {
    ($($(#[$doc:meta])* $name:ident($inner:ident): $($word:literal $variant:ident),+; $expected:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Seen;
                impl Visitor<'_> for Seen {
                    type Value = $name;
                    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                        out.write_str($expected)
                    }
                    fn visit_str<E: Error>(self, text: &str) -> Result<$name, E> {
                        match text {
                            $($word => Ok($name($inner::$variant)),)+
                            other => Err(E::unknown_variant(other, &[$($word),+, "a number"])),
                        }
                    }
                    fn visit_u64<E: Error>(self, number: u64) -> Result<$name, E> {
                        Ok($name($inner::AtLeast(u32::try_from(number).unwrap_or(u32::MAX))))
                    }
                }
                from.deserialize_any(Seen)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "oneOf": [
                    { "enum": [$($word),+] }, { "type": "integer", "minimum": 1 }
                ] })
            }
        }
    )* };
}

how_many! {
    /// How many down votes make a probe down.
    Quorum(DownWhen): "majority" Majority, "any" Any, "all" All;
        "`majority`, `any`, `all` or a number of regions";
    /// How many probes a service needs.
    NeedsWord(Needs): "all" All, "any" Any; "`all`, `any` or a number of probes";
}

/// The regions of a probe.
#[derive(Clone, Debug)]
pub enum Regions {
    /// Every region.
    All,
    /// These.
    Listed(Vec<At<Name>>),
}

impl<'de> Deserialize<'de> for Regions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Regions;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("`all` or a list of regions")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Regions, E> {
                match text {
                    "all" => Ok(Regions::All),
                    one => Err(E::custom(format_args!(
                        "expected `all` or a list of regions: for a list of one write [{}]",
                        cut(one)
                    ))),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Regions, A::Error> {
                let mut listed = Vec::new();
                while let Some(item) = items.next_element()? {
                    listed.push(item);
                }
                Ok(Regions::Listed(listed))
            }
        }
        from.deserialize_any(Seen)
    }
}

impl JsonSchema for Regions {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Regions".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<Name>();
        json_schema!({ "oneOf": [
            { "const": "all" }, { "type": "array", "items": name, "minItems": 1 }
        ] })
    }
}
