//! Text with secrets in it: checked before they are known, filled when they are, masked afterwards.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::secret::Secrets;

/// What stands for a secret while text is checked without its value: a word that is legal in a
/// host, a path, a header and a token alike.
pub const STAND_IN: &str = "xsecretx";
/// What stands for a secret in everything that is shown.
pub const MASK: &str = "***";
/// Shorter values are not masked in text: they would hide ordinary words and say their length.
const MASKED_BYTES_MIN: usize = 3;

/// `text` with the stand-in for every secret.
pub fn skeleton(text: &str) -> String {
    model::secret::fill(text, |_| Ok::<_, std::convert::Infallible>(STAND_IN.to_owned()))
        .unwrap_or_default()
}

/// Whether a skeleton is nothing but one secret: only the run can tell what it is.
pub fn is_one_secret(skeleton: &str) -> bool {
    skeleton == STAND_IN
}

/// `text` with every secret's value, changed by `each`. `None` when one was not released.
pub fn fill_with(text: &str, secrets: &Secrets, each: impl Fn(String) -> String) -> Option<String> {
    model::secret::fill(text, |name| secrets.fill(&format!("${{{name}}}")).map(&each).ok_or(()))
        .ok()
}

/// What must not be shown of one run.
#[derive(Clone, Default)]
pub struct Masks(Vec<String>);

impl Masks {
    /// The values of all secrets that were released for the run.
    pub fn of(secrets: &Secrets) -> Self {
        let mut masks = Self::default();
        secrets.values().for_each(|value| masks.add(value));
        masks
    }

    /// Hides `value`, also as it stands in a URL.
    pub fn add(&mut self, value: &str) {
        let encoded = [
            value.to_owned(),
            utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
            url::form_urlencoded::byte_serialize(value.as_bytes()).collect(),
        ];
        for value in encoded {
            if value.len() >= MASKED_BYTES_MIN && !self.0.contains(&value) {
                self.0.push(value);
            }
        }
        // A value may hold another one: the longer one goes first, or half of it would stay.
        self.0.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// `text` with every hidden value replaced.
    pub fn hide(&self, text: &str) -> String {
        let mut hidden = text.to_owned();
        for value in &self.0 {
            if hidden.contains(value.as_str()) {
                hidden = hidden.replace(value.as_str(), MASK);
            }
        }
        hidden
    }
}

/// Reads `\r`, `\n`, `\t`, `\0`, `\\` and `\xNN`: what YAML leaves alone outside double quotes.
///
/// # Errors
/// A sentence that names the escape.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let mut chars = after.chars();
        rest = match chars.next() {
            Some('r') => push(&mut bytes, b'\r', chars.as_str()),
            Some('n') => push(&mut bytes, b'\n', chars.as_str()),
            Some('t') => push(&mut bytes, b'\t', chars.as_str()),
            Some('0') => push(&mut bytes, 0, chars.as_str()),
            Some('\\') => push(&mut bytes, b'\\', chars.as_str()),
            Some('x') => {
                let digits = chars.as_str().get(..2);
                let byte = digits.filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
                let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let byte = byte.ok_or("`\\x` needs two hexadecimal digits, such as \\x0a")?;
                push(&mut bytes, byte, chars.as_str().get(2..).unwrap_or_default())
            }
            other => {
                let other = other.map(String::from).unwrap_or_default();
                return Err(format!(
                    "`\\{other}` is no escape: \\r, \\n, \\t, \\0, \\xNN, and \\\\ for a backslash"
                ));
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

fn push<'a>(bytes: &mut Vec<u8>, byte: u8, rest: &'a str) -> &'a str {
    bytes.push(byte);
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Reference;

    #[test]
    fn escapes_are_read_and_wrong_ones_are_named() {
        for (text, bytes) in [
            ("a\\r\\n", Ok(b"a\r\n".to_vec())),
            ("\\x00\\xff\\t\\0\\\\é", Ok([0, 255, 9, 0, b'\\', 0xc3, 0xa9].to_vec())),
            ("\\q", Err("`\\q` is no escape")),
            ("\\", Err("`\\` is no escape")),
            ("\\x+1", Err("`\\x` needs two")),
            ("\\x1", Err("`\\x` needs two")),
            ("\\xé", Err("`\\x` needs two")),
        ] {
            match (unescape(text), bytes) {
                (Ok(got), Ok(bytes)) => assert_eq!(got, bytes, "{text}"),
                (Err(error), Err(said)) => assert!(error.starts_with(said), "{error}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }

    #[test]
    fn values_are_hidden_in_every_spelling_the_longest_first() {
        let mut secrets = Secrets::none();
        secrets.insert(Reference("env:A".to_owned()), "p@ss w".to_owned());
        secrets.insert(Reference("env:B".to_owned()), "p@ss word".to_owned());
        secrets.insert(Reference("env:C".to_owned()), "x".to_owned());
        let masks = Masks::of(&secrets);
        for (text, hidden) in [
            ("a p@ss word, p@ss w, x", "a ***, ***, x"),
            ("/p%40ss%20word?q=p%40ss+w", "/***?q=***"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(masks.hide(text), hidden);
        }
    }
}
