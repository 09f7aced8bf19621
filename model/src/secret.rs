//! How secrets stand in text: `${env:NAME}` and `${file:PATH}`. Pure text; whoever reads the
//! environment passes a [`Resolver`].

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Looks a reference such as `env:NAME` or `file:PATH` up. The error names the reference and says
/// why, never a value.
pub type Resolver = Arc<dyn Fn(&str) -> Result<String, String> + Send + Sync>;

/// Whether `name`, the text between `${` and `}`, is a reference to a secret.
fn is_reference(name: &str) -> bool {
    name.starts_with("env:") || name.starts_with("file:")
}

/// The references in `text`, in order. `${` without `}`, or with something other than `env:` or
/// `file:` inside, is plain text.
pub fn references(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${") {
        rest = match after.split_once('}') {
            Some((name, tail)) if is_reference(name) => {
                found.push(name);
                tail
            }
            _ => after,
        };
    }
    found
}

/// `text` with every reference replaced by what `lookup` gives for it.
///
/// # Errors
/// The first error of `lookup`.
pub fn fill<E>(text: &str, lookup: impl Fn(&str) -> Result<String, E>) -> Result<String, E> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        match after.split_once('}') {
            Some((name, tail)) if is_reference(name) => {
                filled.push_str(&lookup(name)?);
                rest = tail;
            }
            _ => {
                filled.push_str("${");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn references_are_found_and_filled_and_all_else_is_kept() {
        for (text, names, filled) in [
            ("plain", &[][..], "plain"),
            ("${env:A}", &["env:A"], "<env:A>"),
            ("a ${file:/x/y} b ${env:B}!", &["file:/x/y", "env:B"], "a </x/y> b <env:B>!"),
            ("${other} $env:A ${env:A", &[], "${other} $env:A ${env:A"),
            ("${x ${env:A}", &["env:A"], "${x <env:A>"),
        ] {
            assert_eq!(references(text), names, "{text}");
            let got = fill(text, |name| {
                Ok::<_, ()>(format!("<{}>", name.strip_prefix("file:").unwrap_or(name)))
            });
            assert_eq!(got, Ok(filled.into()), "{text}");
        }
    }
}
