//! Reads values out of the tree by serde: scalars by what the target asks for, every fault with its
//! place, and every unknown key at once.

use alloc::format;

use serde::de::{Deserializer, Visitor};

use super::access::{AtAccess, Entries, Items, Variant};
use super::fault::Fault;
use super::problem::{Log, Problem, cut, nearest, suggestion};
use super::scalar::{self, Plain};
use super::tree::{Content, Key, Node};

/// The name by which [`super::at::At`] asks for a place beside a value.
pub const AT: &str = "$watchpost::at";

/// A deserializer over a node. Problems that need not end the reading go to `log`.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// What is read.
    pub node: &'a Node,
    /// Where problems are collected.
    pub log: &'a Log,
    /// Keys of this one mapping that somebody else reads.
    pub apart: &'a [&'a str],
}

impl<'a> Reader<'a> {
    /// Reads `node`.
    pub const fn new(node: &'a Node, log: &'a Log) -> Self {
        Self { node, log, apart: &[] }
    }

    fn fault(self, expected: &str) -> Fault {
        Fault::new(self.node.place, format!("expected {expected}, found {}", self.node.in_words()))
    }

    /// The text of a scalar, whatever it could mean; nothing is not a text.
    fn text(self) -> Result<&'a str, Fault> {
        match &self.node.content {
            Content::Scalar { text, .. } if !self.node.is_null() => Ok(text),
            _ => Err(self.fault("a text")),
        }
    }

    /// The text of a scalar without quotes.
    fn plain(self, expected: &str) -> Result<&'a str, Fault> {
        match &self.node.content {
            Content::Scalar { text, plain: true } => Ok(text),
            Content::Scalar { .. } => Err(self.fault(expected).hint("take the quotes away")),
            _ => Err(self.fault(expected)),
        }
    }

    fn whole<T: TryFrom<i128>>(self, least: i128, most: i128) -> Result<T, Fault> {
        // The bounds of a wide type are not what anybody wants to read.
        let expected = if most > u16::MAX.into() {
            "a whole number".into()
        } else {
            format!("a whole number from {least} to {most}")
        };
        let number = scalar::whole(self.plain(&expected)?);
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| self.fault(&expected))
    }

    /// Says which keys of `entries` are neither among `fields` nor read by somebody else.
    fn tell_unknown_keys(self, entries: &[(Key, Node)], fields: &'static [&'static str]) {
        for (key, _) in entries {
            let text = key.text.as_str();
            let known = fields.contains(&text) || self.apart.contains(&text);
            if !known && self.log.wants(key.place) {
                let mut problem = Problem::new(key.place, format!("unknown key `{}`", cut(text)));
                problem.hint = suggestion(text, fields.iter().copied(), "known keys");
                self.log.add(problem);
            }
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $number:ident),*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let number = self.whole::<$number>($number::MIN.into(), $number::MAX.into())?;
            visitor.$visit(number).map_err(|fault: Fault| fault.at(self.node.place))
        }
    )* };
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.content {
            Content::Sequence(_) => self.deserialize_seq(visitor),
            Content::Mapping(_) => self.deserialize_map(visitor),
            Content::Scalar { text, plain: false } => visitor.visit_str(text),
            Content::Scalar { text, plain: true } => match scalar::infer(text) {
                Plain::Null => visitor.visit_unit(),
                Plain::Truth(truth) => visitor.visit_bool(truth),
                Plain::Unsigned(number) => visitor.visit_u64(number),
                Plain::Signed(number) => visitor.visit_i64(number),
                Plain::Float(number) => visitor.visit_f64(number),
                Plain::Text => visitor.visit_str(text),
            },
        }
        .map_err(|fault: Fault| fault.at(self.node.place))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let truth = match self.plain("`true` or `false`")? {
            "true" => true,
            "false" => false,
            other => {
                let fault = self.fault("`true` or `false`");
                return Err(match other {
                    "yes" | "Yes" | "on" | "On" | "True" | "TRUE" => fault.hint("write `true`"),
                    "no" | "No" | "NO" | "off" | "Off" | "False" | "FALSE" => {
                        fault.hint("write `false`")
                    }
                    _ => fault,
                });
            }
        };
        visitor.visit_bool(truth).map_err(|fault: Fault| fault.at(self.node.place))
    }

    whole_numbers! {
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let number = scalar::float(self.plain("a number")?);
        let number = number.ok_or_else(|| self.fault("a number"))?;
        visitor.visit_f64(number).map_err(|fault: Fault| fault.at(self.node.place))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(self.text()?).map_err(|fault: Fault| fault.at(self.node.place))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
            .map_err(|fault: Fault| fault.at(self.node.place))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if !self.node.is_null() {
            return Err(self.fault("nothing"));
        }
        visitor.visit_unit().map_err(|fault: Fault| fault.at(self.node.place))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == AT {
            return visitor.visit_seq(AtAccess::new(self, self.node.place, self.log));
        }
        visitor.visit_newtype_struct(self).map_err(|fault: Fault| fault.at(self.node.place))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Content::Sequence(items) = &self.node.content else {
            let fault = self.fault("a list");
            return Err(match &self.node.content {
                Content::Scalar { text, .. } if !self.node.is_null() => {
                    fault.hint(format!("for a list of one write [{}]", cut(text)))
                }
                _ => fault,
            });
        };
        visitor
            .visit_seq(Items::new(items, self.log))
            .map_err(|fault: Fault| fault.at(self.node.place))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Content::Mapping(entries) = &self.node.content else {
            return Err(self.fault("a mapping of keys"));
        };
        visitor
            .visit_map(Entries::all(entries, self.log))
            .map_err(|fault: Fault| fault.at(self.node.place))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Content::Mapping(entries) = &self.node.content else {
            let fault = self.fault("a mapping of keys");
            return Err(match fields.first() {
                Some(key) => fault.hint(format!("write its keys, as in {{ {key}: … }}")),
                None => fault.hint("it takes no keys: write {}"),
            });
        };
        self.tell_unknown_keys(entries, fields);
        visitor.visit_map(Entries::of(entries, fields, self.log)).map_err(|mut fault: Fault| {
            // A key that is there, but misspelt, has been told.
            let misspelt = |key: &str, missing| {
                !fields.contains(&key) && nearest(key, fields.iter().copied()) == Some(missing)
            };
            if fault.place.is_none()
                && let Some(missing) = fault.missing
            {
                fault.follows = entries.iter().any(|(key, _)| misspelt(&key.text, missing));
            }
            fault.at(self.node.place)
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let variant = match &self.node.content {
            Content::Scalar { text, .. } if !self.node.is_null() => {
                Variant { place: self.node.place, word: text, value: None, log: self.log }
            }
            Content::Mapping(entries) if entries.len() == 1 => {
                let (key, value) = entries.first().ok_or_else(|| self.fault("one key"))?;
                Variant { place: key.place, word: &key.text, value: Some(value), log: self.log }
            }
            _ => {
                let mut fault = self.fault("one word");
                fault.hint = suggestion("", variants.iter().copied(), "one of");
                return Err(fault);
            }
        };
        visitor.visit_enum(variant).map_err(|fault: Fault| fault.at(self.node.place))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }
}
