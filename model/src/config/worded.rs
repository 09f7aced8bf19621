//! Entries that hold, beside the keys they all have, exactly one key that is a word of a list: probes
//! with their kind, contacts with their notifier. serde's `flatten` and `deny_unknown_fields` exclude
//! each other, so these are read over the tree.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::Word;
use super::at::At;
use super::fault::Fault;
use super::problem::{Log, PROBLEMS_MAX, Problem, cut, suggestion};
use super::reader::Reader;
use super::tree::{Content, Key, Node, Place, Struck};
use super::value::LabelName;

/// The words in which problems of a sort of entries are told.
#[derive(Clone, Copy)]
pub struct Nouns {
    /// An entry: `probe`.
    pub entry: &'static str,
    /// Its word: `kind`.
    pub word: &'static str,
    /// All words: `kinds`.
    pub words: &'static str,
}

/// An entry as read.
pub struct Entry<T, W> {
    /// Where it begins.
    pub place: Place,
    /// The keys that every entry has.
    pub keys: T,
    /// Its word with its parameters, and where the word stands; none: told.
    pub word: Option<(Place, W)>,
}

/// The entries of the list under `key`; none in place of one that could not be read at all.
pub fn entries<T, W>(top: &Node, key: &str, nouns: Nouns, log: &Log) -> Vec<Option<Entry<T, W>>>
where
    T: for<'de> Deserialize<'de>,
    W: Word,
{
    match top.get(key) {
        Some(Node { content: Content::Sequence(items), .. }) => {
            items.iter().map(|item| entry(item, nouns, log)).collect()
        }
        Some(other) if !other.is_null() => {
            let message =
                format!("expected a list of {}s, found {}", nouns.entry, other.in_words());
            log.add(Problem::new(other.place, message));
            // As if one entry could not be read: what refers to it is not a problem too.
            Vec::from([None])
        }
        _ => Vec::new(),
    }
}

fn entry<T, W>(node: &Node, nouns: Nouns, log: &Log) -> Option<Entry<T, W>>
where
    T: for<'de> Deserialize<'de>,
    W: Word,
{
    let Content::Mapping(entries) = &node.content else {
        let message = format!("expected a {}, found {}", nouns.entry, node.in_words());
        log.add(Problem::new(node.place, message).hint("a mapping of keys, beginning with `name`"));
        return None;
    };
    let fields = fields_of::<T>();
    let listed = W::words();
    let mut words: Vec<&(Key, Node)> = Vec::new();
    let mut unknown: Vec<&(Key, Node)> = Vec::new();
    for pair in entries.iter().filter(|(key, _)| !fields.contains(&key.text.as_str())) {
        // A list without words takes any.
        let is_word = listed.is_empty() || listed.contains(&pair.0.text.as_str());
        if is_word { words.push(pair) } else { unknown.push(pair) }
    }
    for (key, value) in unknown.iter().filter(|(key, _)| log.wants(key.place)) {
        // What holds keys of its own where no kind is was meant as one.
        let meant_as_word = words.is_empty() && matches!(value.content, Content::Mapping(_));
        let (what, all) =
            if meant_as_word { (nouns.word, nouns.words) } else { ("key", "known keys") };
        let mut problem = Problem::new(key.place, format!("unknown {what} `{}`", cut(&key.text)));
        let fields = fields.iter().filter(|_| !meant_as_word);
        problem.hint = suggestion(&key.text, fields.chain(listed).copied(), all);
        log.add(problem);
    }
    let apart: Vec<&str> = words.iter().chain(&unknown).map(|(key, _)| key.text.as_str()).collect();
    let reader = Reader { node, log, apart: &apart };
    let keys = T::deserialize(reader).map_err(|fault| log.add(fault.problem())).ok()?;
    let word = one_word(node, &words, !unknown.is_empty(), nouns, log);
    Some(Entry { place: node.place, keys, word })
}

/// Reads the parameters of the only one of `words`.
fn one_word<W: Word>(
    node: &Node,
    words: &[&(Key, Node)],
    explained: bool,
    nouns: Nouns,
    log: &Log,
) -> Option<(Place, W)> {
    let Nouns { entry, word, words: all } = nouns;
    match words {
        [] => {
            // An unknown key is probably the word misspelt, and that has been told.
            if !explained {
                let mut problem = Problem::new(node.place, format!("this {entry} has no {word}"));
                problem.hint = suggestion("", W::words().iter().copied(), all);
                log.add(problem);
            }
            None
        }
        [(key, parameters)] => Some((key.place, parameters_of(key, parameters, log)?)),
        [(first, _), (second, _), ..] => {
            let message = format!(
                "this {entry} has two {all}, `{}` and `{}`",
                cut(&first.text),
                cut(&second.text)
            );
            log.add(Problem::new(second.place, message).hint(format!("make two {entry}s of it")));
            None
        }
    }
}

/// Reads the parameters of the word `key`. They are read by code that stops at its first fault; so that all
/// are found, the entry at fault is struck out and the rest is read again.
fn parameters_of<W: Word>(key: &Key, parameters: &Node, log: &Log) -> Option<W> {
    let mut node = parameters.clone();
    if node.is_null() {
        // A word alone is a word without parameters.
        node.content = Content::Mapping(Vec::new());
    }
    let mut struck: Vec<Struck> = Vec::new();
    for _ in 0..PROBLEMS_MAX {
        let fault = match W::read(&key.text, Reader::new(&node, log)) {
            Ok(read) if struck.is_empty() => return Some(read),
            Ok(_) => return None,
            Err(fault) => faulty(fault, key, &struck, log),
        };
        if !log.wants(key.place) {
            return None;
        }
        struck.push(node.strike(&fault.path)?);
    }
    None
}

/// Tells `fault`, unless it follows from what was struck out: a key that is missing for that reason,
/// or a list that is now too short.
fn faulty(mut fault: Fault, key: &Key, struck: &[Struck], log: &Log) -> Fault {
    if fault.path.is_empty() {
        // What is wrong with the parameters as a whole is shown at their word.
        fault.place = Some(key.place);
    }
    let follows = fault.follows
        || struck.iter().any(|struck| match struck {
            Struck::Entry { key } => fault.missing == Some(key.as_str()),
            Struck::Item { list } => fault.place == Some(*list),
        });
    if !follows {
        log.add(fault.problem());
    }
    fault
}

/// The keys of the struct `T`, as its derived `Deserialize` names them.
pub fn fields_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    let _ = T::deserialize(Asked(&mut fields)).is_ok();
    fields
}

/// Notes which fields are asked for and gives none.
struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(de::Error::custom("only asked"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("not a struct"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Stands in the shape of the file for a list that [`entries`] reads: it is a key with a schema.
pub struct Unread<T, W>(PhantomData<(T, W)>);

impl<'de, T, W> Deserialize<'de> for Unread<T, W> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Self(PhantomData))
    }
}

impl<T: JsonSchema, W: Word> JsonSchema for Unread<T, W> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}List", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut item = T::json_schema(generator);
        let mut alternatives = Vec::new();
        for word in W::words() {
            let Some(parameters) = W::schema(word, generator) else { continue };
            let properties = item
                .ensure_object()
                .entry("properties")
                .or_insert_with(|| serde_json::Value::Object(serde_json::Map::new()));
            if let Some(properties) = properties.as_object_mut() {
                properties.insert((*word).into(), parameters.into());
            }
            alternatives.push(json_schema!({ "required": [word] }));
        }
        if alternatives.is_empty() {
            // A list without words takes any.
            item.remove("additionalProperties");
        } else {
            item.insert("oneOf".into(), alternatives.into());
        }
        json_schema!({ "type": "array", "items": item })
    }
}

/// Labels with the places of their names and values.
#[derive(Debug)]
pub struct Labels(pub Vec<(At<LabelName>, At<String>)>);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Labels;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a mapping of labels")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut labels = Vec::new();
                while let Some(label) = map.next_entry()? {
                    labels.push(label);
                }
                Ok(Labels(labels))
            }
        }
        from.deserialize_map(Seen)
    }
}

impl JsonSchema for Labels {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Labels".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<LabelName>();
        json_schema!({
            "type": "object",
            "propertyNames": name,
            "maxProperties": super::rules::LABELS_MAX,
            "additionalProperties": { "type": ["string", "number", "boolean"] }
        })
    }
}
