//! References to secrets: whether they are well formed, and whether what they name is there.

use alloc::format;
use alloc::string::String;

use crate::config::problem::{Log, Problem, cut};
use crate::config::tree::Node;
use crate::secret::{Resolver, references};

/// What a reference looks like.
const FORM: &str = "write ${env:NAME} or ${file:PATH}";

/// Tells every malformed reference anywhere in the file.
pub fn well_formed(tree: &Node, log: &Log) {
    tree.for_each_scalar(&mut |place, text| {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once("${") {
            let (inside, closed) = match after.split_once('}') {
                Some((inside, tail)) => {
                    rest = tail;
                    (inside, true)
                }
                None => {
                    rest = "";
                    (after, false)
                }
            };
            if let Some(fault) = fault(inside, closed) {
                log.add(Problem::new(place, fault).hint(FORM));
            }
        }
    });
}

/// What is wrong with `inside`, which stands between `${` and `}`, or behind `${` if it is not closed.
fn fault(inside: &str, closed: bool) -> Option<String> {
    if !closed {
        return Some("a reference to a secret begins with `${` but no `}` follows".into());
    }
    let shown = cut(inside);
    let Some((scheme, name)) = inside.split_once(':') else {
        return Some(format!("`${{{shown}}}` does not say where the secret is"));
    };
    match scheme {
        "env" if name.is_empty() => Some("`${env:}` names no environment variable".into()),
        "env" if name.contains(|c: char| c.is_whitespace() || c == '=' || c.is_control()) => {
            Some(format!("`{}` is not the name of an environment variable", cut(name)))
        }
        "file" if name.is_empty() => Some("`${file:}` names no file".into()),
        "env" | "file" => None,
        other => Some(format!("`{}` is not a place for secrets", cut(other))),
    }
}

/// Tells every secret under `node` that cannot be resolved.
pub fn present(node: Option<&Node>, resolve: &Resolver, log: &Log) {
    let Some(node) = node else { return };
    node.for_each_scalar(&mut |place, text| {
        for reference in references(text) {
            let inside = fault(reference, true);
            if let (None, Err(fault)) = (inside, resolve(reference)) {
                log.add(Problem::new(place, fault));
            }
        }
    });
}
