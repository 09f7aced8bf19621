//! A document as a tree in which every node and every key knows its place in the file.
//!
//! A scalar is kept as it was written. What it means is decided by whoever asks for it, so that
//! `NO`, `1.10` and `0123` stay text where text is wanted.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::problem::cut;

/// A place in a file: line and column from 1, columns counted in characters. Line 0 is the file as a
/// whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// The file as a whole.
    pub const FILE: Self = Self { line: 0, column: 0 };
}

/// The key of an entry in a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Where it stands.
    pub place: Place,
    /// What it says.
    pub text: String,
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub content: Content,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// One value.
    Scalar {
        /// As it was written, escapes resolved.
        text: String,
        /// It stood without quotes, so it may mean a number, a truth or nothing.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys with values, in the order written; no key stands twice.
    Mapping(Vec<(Key, Node)>),
}

/// What [`Node::strike`] took out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Struck {
    /// An entry of a mapping.
    Entry {
        /// Its key.
        key: String,
    },
    /// An item of a list.
    Item {
        /// Where the list begins.
        list: Place,
    },
}

/// The way from a node down to one of its descendants: positions in mappings and sequences, the
/// deepest first.
pub type Path = Vec<usize>;

impl Node {
    /// The value of `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Content::Mapping(entries) = &self.content else { return None };
        entries.iter().find(|(found, _)| found.text == key).map(|(_, value)| value)
    }

    /// Whether this is the plain scalar that means nothing: empty, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Takes the descendant at the end of `path` out of its mapping or sequence. None, and nothing is
    /// changed, if the path is empty or leads nowhere.
    pub fn strike(&mut self, path: &[usize]) -> Option<Struck> {
        let (deepest, way) = path.split_first()?;
        let mut parent = self;
        for step in way.iter().rev() {
            let child = match &mut parent.content {
                Content::Scalar { .. } => None,
                Content::Sequence(items) => items.get_mut(*step),
                Content::Mapping(entries) => entries.get_mut(*step).map(|(_, value)| value),
            };
            parent = child?;
        }
        match &mut parent.content {
            Content::Sequence(items) if *deepest < items.len() => {
                items.remove(*deepest);
                Some(Struck::Item { list: parent.place })
            }
            Content::Mapping(entries) if *deepest < entries.len() => {
                Some(Struck::Entry { key: entries.remove(*deepest).0.text })
            }
            _ => None,
        }
    }

    /// Calls `visit` with every scalar's place and text, in the order written.
    pub fn for_each_scalar<'a>(&'a self, visit: &mut dyn FnMut(Place, &'a str)) {
        match &self.content {
            Content::Scalar { text, .. } => visit(self.place, text),
            Content::Sequence(items) => items.iter().for_each(|item| item.for_each_scalar(visit)),
            Content::Mapping(entries) => {
                for (_, value) in entries {
                    value.for_each_scalar(visit);
                }
            }
        }
    }

    /// The node in words, for a sentence: "a list", "the text `x`".
    pub fn in_words(&self) -> String {
        match &self.content {
            _ if self.is_null() => "nothing".into(),
            Content::Scalar { text, plain: true } => format!("`{}`", cut(text)),
            Content::Scalar { text, plain: false } => {
                format!("the quoted text `{}`", cut(text))
            }
            Content::Sequence(_) => "a list".into(),
            Content::Mapping(_) => "a mapping of keys".into(),
        }
    }
}
