//! The parts of a node as serde walks them. Each says, of a fault below it, by which way it came.

use core::slice;

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer as _, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::fault::Fault;
use super::problem::Log;
use super::reader::{AT, Reader};
use super::tree::{Key, Node, Place};

/// The items of a sequence.
pub struct Items<'a> {
    rest: core::iter::Enumerate<slice::Iter<'a, Node>>,
    log: &'a Log,
}

impl<'a> Items<'a> {
    /// All `items`.
    pub fn new(items: &'a [Node], log: &'a Log) -> Self {
        Self { rest: items.iter().enumerate(), log }
    }
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some((index, item)) = self.rest.next() else { return Ok(None) };
        seed.deserialize(Reader::new(item, self.log))
            .map(Some)
            .map_err(|fault| fault.at(item.place).under(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The entries of a mapping, or those of them whose keys are wanted.
pub struct Entries<'a> {
    rest: core::iter::Enumerate<slice::Iter<'a, (Key, Node)>>,
    wanted: Option<&'static [&'static str]>,
    value: Option<(usize, &'a Node)>,
    log: &'a Log,
}

impl<'a> Entries<'a> {
    /// All `entries`.
    pub fn all(entries: &'a [(Key, Node)], log: &'a Log) -> Self {
        Self { rest: entries.iter().enumerate(), wanted: None, value: None, log }
    }

    /// The `entries` whose keys are among `wanted`.
    pub fn of(entries: &'a [(Key, Node)], wanted: &'static [&'static str], log: &'a Log) -> Self {
        Self { wanted: Some(wanted), ..Self::all(entries, log) }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        for (index, (key, value)) in self.rest.by_ref() {
            if self.wanted.is_none_or(|wanted| wanted.contains(&key.text.as_str())) {
                self.value = Some((index, value));
                return seed
                    .deserialize(KeyReader { key, log: self.log })
                    .map(Some)
                    .map_err(|fault| fault.at(key.place).under(index));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((index, value)) = self.value.take() else {
            return Err(Fault::new(Place::FILE, "a value was asked for before its key"));
        };
        seed.deserialize(Reader::new(value, self.log))
            .map_err(|fault| fault.at(value.place).under(index))
    }
}

/// A word of an enumeration, with or without a value.
pub struct Variant<'a> {
    /// Where the word stands.
    pub place: Place,
    /// The word.
    pub word: &'a str,
    /// What it holds.
    pub value: Option<&'a Node>,
    /// Where problems are collected.
    pub log: &'a Log,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let word = seed
            .deserialize(self.word.into_deserializer())
            .map_err(|fault: Fault| fault.at(self.place))?;
        Ok((word, self))
    }
}

impl<'de> Variant<'de> {
    fn reader(&self) -> Result<Reader<'de>, Fault> {
        let missing = || Fault::new(self.place, "this word needs parameters");
        self.value.map(|value| Reader::new(value, self.log)).ok_or_else(missing)
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.value {
            Some(value) if !value.is_null() => {
                Err(Fault::new(value.place, "this word takes no parameters"))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self.reader()?).map_err(|fault| fault.under(0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.reader()?.deserialize_seq(visitor).map_err(|fault| fault.under(0))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.reader()?.deserialize_struct("", fields, visitor).map_err(|fault| fault.under(0))
    }
}

/// The line, the column and the value of a node or key: what [`super::at::At`] asks for. A fault of
/// the value is told here and goes no further.
pub struct AtAccess<'a, D> {
    value: Option<D>,
    place: Place,
    log: &'a Log,
    given: u32,
}

impl<'a, D> AtAccess<'a, D> {
    /// Of what `value` reads at `place`.
    pub const fn new(value: D, place: Place, log: &'a Log) -> Self {
        Self { value: Some(value), place, log, given: 0 }
    }
}

impl<'de, D: Deserializer<'de, Error = Fault>> SeqAccess<'de> for AtAccess<'_, D> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        self.given += 1;
        let number = |number: u32| -> U32Deserializer<Fault> { number.into_deserializer() };
        match (self.given, self.value.take()) {
            (1, value) => {
                self.value = value;
                seed.deserialize(number(self.place.line)).map(Some)
            }
            (2, value) => {
                self.value = value;
                seed.deserialize(number(self.place.column)).map(Some)
            }
            (_, Some(value)) => seed.deserialize(value).map(Some).map_err(|fault| {
                let fault = fault.at(self.place);
                self.log.add(fault.problem());
                fault
            }),
            (_, None) => Ok(None),
        }
    }
}

/// A key as something to be read: always text.
#[derive(Clone, Copy)]
struct KeyReader<'a> {
    key: &'a Key,
    log: &'a Log,
}

impl<'de> Deserializer<'de> for KeyReader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(&self.key.text).map_err(|fault: Fault| fault.at(self.key.place))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == AT {
            return visitor.visit_seq(AtAccess::new(self, self.key.place, self.log));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let (place, word) = (self.key.place, self.key.text.as_str());
        visitor.visit_enum(Variant { place, word, value: None, log: self.log })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}
