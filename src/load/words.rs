//! What the parser's errors mean to a person.

use model::config::Problem;
use model::config::tree::Place;
use serde_saphyr::granit_parser::{ErrorKind, ScanError};

/// The error at `place` as a problem.
pub fn syntax(error: &ScanError, place: Place) -> Problem {
    use ErrorKind as E;
    let (message, hint): (String, &str) = match error.kind() {
        E::TabNotAllowed
        | E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabAtBlockScalarStart
        | E::TabInPlainScalar => {
            ("a tab stands where YAML allows only spaces".into(), "indent with spaces")
        }
        E::InvalidIndentation
        | E::ExpectedBlockMappingKey
        | E::ExpectedBlockSequenceEntry
        | E::BlockSequenceEntryNotAllowed
        | E::InvalidBlockScalarIndent
        | E::SimpleKeyExpected => (
            "this does not belong to the lines before it".into(),
            "all keys of one mapping begin in the same column, each with `:` behind it",
        ),
        E::MappingValueNotAllowed | E::InvalidColonPlacement | E::MappingKeyNotAllowed => (
            "a key with `:` cannot stand here".into(),
            "a text with a colon and a space in it must be in quotes",
        ),
        E::UnknownAnchor => {
            ("this alias repeats nothing".into(), "a text that begins with `*` must be in quotes")
        }
        E::UnclosedQuotedScalar => {
            ("a quote is not closed".into(), "put the same quote at its end")
        }
        E::UnclosedFlowCollection { open } => {
            (format!("the bracket `{open}` is not closed"), "close it")
        }
        E::MismatchedFlowCollectionEnd { open, close } => {
            (format!("the bracket `{open}` is closed by `{close}`"), "close it with its own kind")
        }
        E::ExpectedFlowMappingSeparator | E::ExpectedFlowSequenceSeparator => (
            "a comma or a closing bracket is missing here".into(),
            "between brackets, entries stand with commas between them",
        ),
        E::UnexpectedCharacter { character } => (
            format!("`{}` cannot begin a value", character.escape_default()),
            "a text that begins so must be in quotes",
        ),
        E::RecursionLimitExceeded => {
            return Problem::new(place, "this is nested too deep");
        }
        _ => return Problem::new(place, format!("this is not YAML: {}", error.info())),
    };
    Problem::new(place, message).hint(hint)
}
