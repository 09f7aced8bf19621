//! Text with secrets in it: checked before they are known, filled when they are, masked afterwards.

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

/// `text` without the values of `secrets`.
pub fn mask(text: &str, secrets: &Secrets) -> String {
    let mut masked = text.to_owned();
    for value in secrets.values().filter(|value| value.len() >= MASKED_BYTES_MIN) {
        if masked.contains(value) {
            masked = masked.replace(value, MASK);
        }
    }
    masked
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
