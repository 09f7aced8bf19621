//! Which status codes are wanted: numbers and ranges.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most entries of a list of status codes.
const ENTRIES_MAX: usize = 64;

/// A set of status codes; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet(Vec<(u16, u16)>);

impl Default for StatusSet {
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

impl StatusSet {
    /// Whether `status` is wanted.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&status))
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (low, high)) in self.0.iter().enumerate() {
            out.write_str(if nth == 0 { "" } else { ", " })?;
            match low == high {
                true => write!(out, "{low}")?,
                false => write!(out, "{low}-{high}")?,
            }
        }
        Ok(())
    }
}

const WANTED: &str = "a status from 100 to 599, or a range such as \"200-299\"";

/// One entry of the list.
struct Entry(u16, u16);

fn one<E: Error>(number: u64) -> Result<Entry, E> {
    match u16::try_from(number) {
        Ok(status @ 100..=599) => Ok(Entry(status, status)),
        _ => Err(E::custom(format!("{number} is not {WANTED}"))),
    }
}

fn range<E: Error>(text: &str) -> Result<Entry, E> {
    let wrong = || E::custom(format!("`{text}` is not {WANTED}"));
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    match text.split_once('-') {
        None => one(number(text)?),
        Some((low, high)) => {
            let (Entry(low, _), Entry(high, _)) = (one::<E>(number(low)?)?, one::<E>(number(high)?)?);
            if low > high {
                return Err(E::custom(format!("`{text}` is empty: write \"{high}-{low}\"")));
            }
            Ok(Entry(low, high))
        }
    }
}

struct EntryVisitor;

impl Visitor<'_> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(WANTED)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Entry, E> {
        one(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Entry, E> {
        one(u64::try_from(number).unwrap_or_default())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Entry, E> {
        range(text)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(EntryVisitor)
    }
}

struct SetVisitor;

impl<'de> Visitor<'de> for SetVisitor {
    type Value = StatusSet;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of status codes and ranges, such as [200-299, 404]")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<StatusSet, E> {
        one(number).map(|Entry(low, high)| StatusSet(vec![(low, high)]))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<StatusSet, E> {
        self.visit_u64(u64::try_from(number).unwrap_or_default())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<StatusSet, E> {
        range(text).map(|Entry(low, high)| StatusSet(vec![(low, high)]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<StatusSet, A::Error> {
        let mut entries = Vec::new();
        while let Some(Entry(low, high)) = list.next_element()? {
            if entries.len() == ENTRIES_MAX {
                return Err(A::Error::custom(format!("more than {ENTRIES_MAX} entries: use ranges")));
            }
            entries.push((low, high));
        }
        if entries.is_empty() {
            return Err(A::Error::custom(format!("the list is empty: write {WANTED}")));
        }
        Ok(StatusSet(entries))
    }
}

impl<'de> Deserialize<'de> for StatusSet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SetVisitor)
    }
}

impl Serialize for StatusSet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.0.len()))?;
        for (low, high) in &self.0 {
            match low == high {
                true => list.serialize_element(low)?,
                false => list.serialize_element(&format!("{low}-{high}"))?,
            }
        }
        list.end()
    }
}

impl JsonSchema for StatusSet {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusSet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let entry = json_schema!({ "oneOf": [
            { "type": "integer", "minimum": 100, "maximum": 599 },
            { "type": "string", "pattern": "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$" },
        ]});
        json_schema!({
            "description": "Wanted status codes: numbers and ranges such as 200-299.",
            "oneOf": [entry, { "type": "array", "items": entry, "minItems": 1, "maxItems": ENTRIES_MAX }]
        })
    }
}
