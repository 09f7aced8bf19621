//! What goes wrong while a value is read from the tree: the error of the deserializer.

use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::problem::{Problem, cut, suggestion};
use super::tree::{Path, Place};

/// Why a value could not be read, and where.
#[derive(Clone, Debug, Default)]
pub struct Fault {
    /// The node at fault; none until the reader that was at it has seen the fault.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
    /// The way to the node from where reading began.
    pub path: Path,
    /// The key that is missing, if that is what is wrong.
    pub missing: Option<&'static str>,
    /// It follows from a problem that has been told.
    pub follows: bool,
}

impl Fault {
    /// A fault at `place`.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place: Some(place), message: message.into(), ..Self::default() }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same at `place`, unless it has a place already.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    /// The same, seen from the parent in which the node is number `index`.
    #[must_use]
    pub fn under(mut self, index: usize) -> Self {
        self.path.push(index);
        self
    }

    /// As it is shown.
    pub fn problem(&self) -> Problem {
        let problem = Problem::new(self.place.unwrap_or(Place::FILE), self.message.clone());
        match &self.hint {
            None => problem,
            Some(hint) => problem.hint(hint.clone()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl core::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        // A message of several lines, such as a regular expression's, becomes one.
        let message = message.to_string();
        let mut line = String::new();
        for part in message.split_whitespace() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(part);
        }
        Self { message: line, ..Self::default() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {}", Found(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {}", Found(found)))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {length} of them"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut fault = Self::custom(format_args!("unknown word `{}`", cut(variant)));
        fault.hint = suggestion(variant, expected.iter().copied(), "one of");
        fault
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut fault = Self::custom(format_args!("unknown key `{}`", cut(field)));
        fault.hint = suggestion(field, expected.iter().copied(), "known keys");
        fault
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            message: format!("the key `{field}` is missing"),
            missing: Some(field),
            ..Self::default()
        }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::custom(format_args!("the key `{field}` stands twice"))
    }
}

/// A found value in the words of this crate.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Str(text) => write!(out, "`{}`", cut(text)),
            Unexpected::Bool(truth) => write!(out, "`{truth}`"),
            Unexpected::Unsigned(number) => write!(out, "`{number}`"),
            Unexpected::Signed(number) => write!(out, "`{number}`"),
            Unexpected::Float(number) => write!(out, "`{number}`"),
            Unexpected::Unit | Unexpected::Option => out.write_str("nothing"),
            Unexpected::Seq => out.write_str("a list"),
            Unexpected::Map => out.write_str("a mapping of keys"),
            other => write!(out, "{other}"),
        }
    }
}
