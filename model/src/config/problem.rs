//! Problems of a file, and how they are shown to the person who wrote it.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

use super::tree::Place;

/// So many problems are kept; of more it is only said that there are more.
pub const PROBLEMS_MAX: usize = 100;
/// So many characters of a value are shown inside a sentence.
const QUOTED_CHARS_MAX: usize = 60;
/// So many columns of a source line are shown.
const LINE_COLUMNS_MAX: usize = 100;
/// So many columns before the caret stay in sight when a line is cut.
const BEFORE_CARET_COLUMNS: usize = 60;
/// A tab is shown as so many spaces.
const TAB_COLUMNS: usize = 4;
/// So many words are compared with one that is unknown.
const COMPARED_MAX: usize = 2000;
/// So many words are listed in a hint.
const LISTED_MAX: usize = 24;

/// Something in the file that is not right. Problems sort by place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line, from 1; 0: the file as a whole.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong; one line.
    pub message: String,
    /// What would be right, if that is known.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at `place`.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { line: place.line, column: place.column, message: message.into(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Where problems are collected: each once, in the order of the file, at most [`PROBLEMS_MAX`].
#[derive(Debug, Default)]
pub struct Log {
    found: RefCell<BTreeSet<Problem>>,
}

impl Log {
    /// Notes `problem`.
    pub fn add(&self, problem: Problem) {
        let mut found = self.found.borrow_mut();
        found.insert(problem);
        // One above the maximum is kept to know that there are more.
        if found.len() > PROBLEMS_MAX + 1 {
            found.pop_last();
        }
    }

    /// Whether a problem at `place` would be kept: what a hint costs need not be spent on others.
    pub fn wants(&self, place: Place) -> bool {
        let found = self.found.borrow();
        found.len() <= PROBLEMS_MAX
            || found
                .last()
                .is_some_and(|last| (place.line, place.column) < (last.line, last.column))
    }

    /// Everything noted.
    pub fn into_problems(self) -> Vec<Problem> {
        self.found.into_inner().into_iter().collect()
    }
}

/// `text` fit for a sentence: control characters escaped, cut after [`QUOTED_CHARS_MAX`] characters.
pub fn cut(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == QUOTED_CHARS_MAX {
            shown.push('…');
            break;
        }
        push_printable(&mut shown, character);
    }
    shown
}

/// What a person who wrote `word` probably meant, or what there is to choose from.
pub fn suggestion<'a>(
    word: &str,
    choices: impl IntoIterator<Item = &'a str>,
    what: &str,
) -> Option<String> {
    let choices: Vec<&str> = choices.into_iter().collect();
    if let Some(near) = nearest(word, choices.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    if choices.is_empty() {
        return None;
    }
    let mut listed = String::new();
    for choice in choices.iter().take(LISTED_MAX) {
        if !listed.is_empty() {
            listed.push_str(", ");
        }
        listed.push_str(choice);
    }
    if choices.len() > LISTED_MAX {
        listed.push_str(", …");
    }
    Some(format!("{what}: {listed}"))
}

/// The choice that is so near to `word` that it was probably meant.
pub fn nearest<'a>(word: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may differ; of short words one.
    let allowed = (word.chars().count() / 3).max(1);
    choices
        .into_iter()
        .take(COMPARED_MAX)
        .filter(|choice| choice.len().abs_diff(word.len()) <= allowed.saturating_mul(4))
        .map(|choice| (distance(word, choice), choice))
        .filter(|(distance, choice)| {
            *distance <= allowed && *distance < choice.chars().count().max(2)
        })
        .min()
        .map(|(_, choice)| choice)
}

/// How many letters must be changed, put in, left out or swapped with their neighbour to make `a`
/// into `b`; upper and lower case are the same.
fn distance(a: &str, b: &str) -> usize {
    /// Longer words are not compared letter by letter.
    const CHARS_MAX: usize = 64;
    let fold = |text: &str| -> Vec<char> {
        text.chars().take(CHARS_MAX).flat_map(char::to_lowercase).collect()
    };
    let (a, b) = (fold(a), fold(b));
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut best =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = core::mem::replace(&mut last, row);
    }
    at(&last, b.len())
}

/// The problems as text: for each its place and message, the source line, a caret under the column,
/// and the hint.
pub fn render(file: &str, source: &str, problems: &[Problem]) -> String {
    let mut text = String::new();
    let lines: Vec<&str> = source.lines().collect();
    for (number, problem) in problems.iter().enumerate() {
        if number == PROBLEMS_MAX {
            text.push_str("and more\n");
            break;
        }
        if number > 0 {
            text.push('\n');
        }
        render_one(&mut text, file, &lines, problem);
    }
    text
}

fn render_one(text: &mut String, file: &str, lines: &[&str], problem: &Problem) {
    // Writing into a String cannot fail.
    let _ = if problem.line == 0 {
        writeln!(text, "{file}: {}", problem.message)
    } else {
        writeln!(text, "{file}:{}:{}: {}", problem.line, problem.column, problem.message)
    };
    let number = format!("{}", problem.line);
    let line = usize::try_from(problem.line).unwrap_or(usize::MAX);
    if let Some(line) = line.checked_sub(1).and_then(|index| lines.get(index)) {
        let (shown, caret) = window(line, problem.column);
        let _ = writeln!(text, " {number} | {shown}");
        let _ = writeln!(text, " {:1$} | {2:>3$}", "", number.len(), '^', caret + 1);
    }
    if let Some(hint) = &problem.hint {
        let indent = if problem.line == 0 { 0 } else { number.len() };
        let _ = writeln!(text, " {:indent$} = {hint}", "");
    }
}

/// The part of `line` that is shown, and how many columns of it stand before the caret.
fn window(line: &str, column: u32) -> (String, usize) {
    let before = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let columns_before: usize = line.chars().take(before).map(columns).sum();
    // What must go at the left so that the caret stays in sight.
    let skipped = columns_before.saturating_sub(BEFORE_CARET_COLUMNS);
    let mut shown = String::new();
    let mut caret = 0_usize;
    let mut seen = 0_usize;
    let mut used = 0_usize;
    if skipped > 0 {
        shown.push('…');
        used = 1;
        caret = 1;
    }
    for (index, character) in line.chars().enumerate() {
        let wide = columns(character);
        seen += wide;
        if seen <= skipped {
            continue;
        }
        if used + wide > LINE_COLUMNS_MAX {
            shown.push('…');
            break;
        }
        used += wide;
        if index < before {
            caret += wide;
        }
        push_printable(&mut shown, character);
    }
    (shown, caret)
}

/// How many columns [`push_printable`] fills.
fn columns(character: char) -> usize {
    match character {
        '\t' => TAB_COLUMNS,
        _ if is_hidden(character) => character.escape_default().count(),
        _ => character.width().unwrap_or(0),
    }
}

fn push_printable(text: &mut String, character: char) {
    match character {
        '\t' => text.extend(core::iter::repeat_n(' ', TAB_COLUMNS)),
        _ if is_hidden(character) => text.extend(character.escape_default()),
        _ => text.push(character),
    }
}

/// Characters that a terminal obeys or that make text read otherwise than it is.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_nearly_right_is_suggested() {
        for (word, meant) in [
            ("htp", Some("http")),
            ("HTTP", Some("http")),
            ("tpc", Some("tcp")),
            ("tiemout", Some("timeout")),
            ("time_out", Some("timeout")),
            ("x", None),
            ("icmp", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, ["http", "tcp", "timeout"]), meant, "{word}");
        }
        assert_eq!(suggestion("zzz", ["a", "b"], "known").as_deref(), Some("known: a, b"));
        assert_eq!(suggestion("zzz", [], "known"), None);
    }

    #[test]
    fn the_caret_stands_under_the_column() {
        for (source, column, shown) in [
            ("every: 5x", 8, " 1 | every: 5x\n   |        ^\n"),
            ("\tkey: 1", 2, " 1 |     key: 1\n   |     ^\n"),
            ("日本: x", 5, " 1 | 日本: x\n   |       ^\n"),
            ("a\u{1b}b", 3, " 1 | a\\u{1b}b\n   |        ^\n"),
            ("ab", 3, " 1 | ab\n   |   ^\n"),
        ] {
            let problem = Problem::new(Place { line: 1, column }, "m");
            let text = render("f", source, &[problem]);
            assert_eq!(text, format!("f:1:{column}: m\n{shown}"));
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let source = "x".repeat(1_000_000);
        let problem = Problem::new(Place { line: 1, column: 500_000 }, "m");
        let text = render("f", &source, &[problem]);
        let mut lines = text.lines().skip(1);
        let line = lines.next().unwrap();
        let caret = lines.next().unwrap();
        assert!(line.chars().count() < 110 && line.ends_with('…'), "{line}");
        assert_eq!(caret.chars().position(|c| c == '^'), Some(5 + 1 + 60));
    }

    #[test]
    fn more_than_the_maximum_is_cut_with_a_word() {
        let log = Log::default();
        for line in 1..=150 {
            log.add(Problem::new(Place { line, column: 1 }, "m"));
            log.add(Problem::new(Place { line, column: 1 }, "m"));
        }
        let text = render("f", "", &log.into_problems());
        assert!(text.contains("f:100:1") && !text.contains("f:101:1"));
        assert!(text.ends_with("and more\n"));
    }
}
