//! What is wanted of headers and of a JSON body, as it is written.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

use crate::probe::fields::{Pattern, at_default};

/// What is wanted of one header of the answer: exactly one of the fields. Plain text in its place
/// means `contains`.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderRule {
    /// One of its values holds this text.
    Contains(String),
    /// One of its values is this text.
    Equals(String),
    /// The pattern is found in one of its values.
    Matches(Pattern),
    /// It is there (true) or not (false).
    Present(bool),
}

impl HeaderRule {
    /// The text that it compares with, in which secrets may stand; empty for none.
    pub fn text(&self) -> &str {
        match self {
            Self::Contains(text) | Self::Equals(text) => text,
            Self::Matches(_) | Self::Present(_) => "",
        }
    }
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "HeaderRuleFields")]
struct WrittenHeaderRule {
    /// One of the header's values holds this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    contains: Option<String>,
    /// One of the header's values is this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    equals: Option<String>,
    /// The pattern is found in one of the header's values.
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<Pattern>,
    /// The header is there.
    #[serde(skip_serializing_if = "at_default")]
    present: bool,
    /// The header is not there.
    #[serde(skip_serializing_if = "at_default")]
    absent: bool,
}

impl TryFrom<WrittenHeaderRule> for HeaderRule {
    type Error = &'static str;

    fn try_from(written: WrittenHeaderRule) -> Result<Self, Self::Error> {
        let WrittenHeaderRule { contains, equals, matches, present, absent } = written;
        match (contains, equals, matches, present, absent) {
            (Some(text), None, None, false, false) => Ok(Self::Contains(text)),
            (None, Some(text), None, false, false) => Ok(Self::Equals(text)),
            (None, None, Some(pattern), false, false) => Ok(Self::Matches(pattern)),
            (None, None, None, true, false) => Ok(Self::Present(true)),
            (None, None, None, false, true) => Ok(Self::Present(false)),
            _ => Err("a header rule is text that it must contain, or exactly one of \
                      contains, equals, matches, present: true and absent: true"),
        }
    }
}

impl From<&HeaderRule> for WrittenHeaderRule {
    fn from(rule: &HeaderRule) -> Self {
        let mut written = Self::default();
        match rule {
            HeaderRule::Contains(text) => written.contains = Some(text.clone()),
            HeaderRule::Equals(text) => written.equals = Some(text.clone()),
            HeaderRule::Matches(pattern) => written.matches = Some(pattern.clone()),
            HeaderRule::Present(there) => {
                written.present = *there;
                written.absent = !*there;
            }
        }
        written
    }
}

struct HeaderRuleVisitor;

impl<'de> Visitor<'de> for HeaderRuleVisitor {
    type Value = HeaderRule;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("text that the header must contain, or a rule such as {equals: text}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<HeaderRule, E> {
        Ok(HeaderRule::Contains(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeaderRule, A::Error> {
        let written = WrittenHeaderRule::deserialize(MapAccessDeserializer::new(map))?;
        HeaderRule::try_from(written).map_err(A::Error::custom)
    }
}

impl<'de> Deserialize<'de> for HeaderRule {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(HeaderRuleVisitor)
    }
}

impl Serialize for HeaderRule {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        WrittenHeaderRule::from(self).serialize(to)
    }
}

impl JsonSchema for HeaderRule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HeaderRule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rule = generator.subschema_for::<WrittenHeaderRule>();
        json_schema!({ "oneOf": [{ "type": "string" }, rule] })
    }
}

/// What is wanted of one value in a JSON body. With the pointer alone: that it is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JsonRule {
    /// Where the value is, as an RFC 6901 pointer such as `/data/0/state`; empty for the whole body.
    pub pointer: String,
    /// It is this value; 1 and 1.0 are the same.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "written")]
    pub equals: Option<Value>,
    /// The pattern is found in it: in the text of a string, in the JSON of anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<Pattern>,
    /// It is there, `null` included.
    #[serde(skip_serializing_if = "at_default")]
    pub present: bool,
    /// It is not there.
    #[serde(skip_serializing_if = "at_default")]
    pub absent: bool,
    /// It is a number, and at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub min: Option<Number>,
    /// It is a number, and at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub max: Option<Number>,
}

/// Keeps a written `null`: it is a value to compare with, not the lack of one.
fn written<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl JsonRule {
    /// What serde alone cannot tell.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn validate(&self) -> Result<(), String> {
        let pointer = &self.pointer;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(format!("json pointer `{pointer}` must begin with `/`, such as /{pointer}"));
        }
        let others = self.equals.is_some()
            || self.matches.is_some()
            || self.present
            || self.min.is_some()
            || self.max.is_some();
        if self.absent && others {
            return Err(format!("json pointer `{pointer}` has absent: true beside a wish: drop one"));
        }
        if let (Some(min), Some(max)) = (&self.min, &self.max)
            && min.as_f64() > max.as_f64()
        {
            return Err(format!("json pointer `{pointer}` has min {min} above max {max}"));
        }
        Ok(())
    }
}
