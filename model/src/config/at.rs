//! A value with its place.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::reader::AT;
use super::tree::Place;

/// A value with its place. Read by [`super::reader::Reader`] alone.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// Where it stands.
    pub place: Place,
    /// The value; none: it could not be read, and the reader has told why.
    pub value: Option<T>,
}

/// A list whose items are read one by one, so that one bad item does not hide the others.
pub type List<T> = Option<At<Vec<At<T>>>>;

/// The items of `list` that could be read, with their places.
pub fn items<T>(list: &List<T>) -> impl Iterator<Item = (Place, &T)> {
    let items = list.as_ref().and_then(|list| list.value.as_deref()).unwrap_or_default();
    items.iter().filter_map(|item| item.value.as_ref().map(|value| (item.place, value)))
}

/// The value of a key that may be absent or unreadable, with its place.
pub fn given<T>(value: &Option<At<T>>) -> Option<(Place, &T)> {
    value.as_ref().and_then(|at| at.value.as_ref().map(|value| (at.place, value)))
}

/// Whether the key is there but what it holds could not be read.
pub fn spoilt<T>(value: &Option<At<T>>) -> bool {
    value.as_ref().is_some_and(|at| at.value.is_none())
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_newtype_struct(AT, AtVisitor(PhantomData))
    }
}

struct AtVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AtVisitor<T> {
    type Value = At<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value with its place")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<At<T>, A::Error> {
        let line = parts.next_element()?.unwrap_or(0);
        let column = parts.next_element()?.unwrap_or(0);
        // The reader has told why a value could not be read; the entry around it is read on.
        let value = parts.next_element().unwrap_or(None);
        Ok(At { place: Place { line, column }, value })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
