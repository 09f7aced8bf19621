//! What the parser's errors mean to a person.

use model::config::Problem;
use model::config::tree::Place;
use serde_saphyr::granit_parser::{ErrorKind, ScanError};

use super::tree::DEPTH_MAX;

/// The error at `place` of `source` as a problem.
pub fn syntax(error: &ScanError, place: Place, source: &str) -> Problem {
    use ErrorKind as E;
    let mut place = place;
    let (message, hint): (String, &str) = match error.kind() {
        E::TabNotAllowed
        | E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabAtBlockScalarStart
        | E::TabInPlainScalar => {
            // The parser may see it only when the value before it has ended.
            place = indenting_tab(source, place).unwrap_or(place);
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
            "a text with a colon and a space in it must be in quotes, and every bracket before it closed",
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
        E::RecursionLimitExceeded => return too_deep(place),
        _ => return Problem::new(place, format!("this is not YAML: {}", error.info())),
    };
    Problem::new(place, message).hint(hint)
}

/// That more levels begin at `place` than are read.
pub fn too_deep(place: Place) -> Problem {
    Problem::new(place, format!("this is nested too deep: at most {DEPTH_MAX} levels"))
}

/// The first tab in the indentation of a line, from the line of `place` on.
fn indenting_tab(source: &str, place: Place) -> Option<Place> {
    let before = usize::try_from(place.line.saturating_sub(1)).ok()?;
    source.lines().zip(1_u32..).skip(before).find_map(|(line, number)| {
        let indentation = line.chars().take_while(|c| c.is_whitespace());
        let column = indentation.zip(1_u32..).find(|(c, _)| *c == '\t')?.1;
        Some(Place { line: number, column })
    })
}
