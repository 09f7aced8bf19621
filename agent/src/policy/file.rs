//! The owner's policy file: YAML, written on this machine and never by the collector.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::place;
use crate::secret::{Reference, Use};

/// What the owner of this machine allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    kinds: Option<Vec<String>>,
    secrets: BTreeMap<Reference, Rule>,
    files: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The kinds that may run; all that this agent knows if it is left out.
    allow_kinds: Option<Vec<String>>,
    /// `NAME` of the environment, or `file:PATH`, and where it may go.
    #[serde(default)]
    secrets: BTreeMap<String, Rule>,
    /// Folders and files that `${file:…}` may read.
    #[serde(default)]
    files: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    kind: String,
    host: String,
    port: u16,
    #[serde(default)]
    tls: Tls,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tls {
    #[default]
    Required,
    Optional,
}

/// Reads a policy file.
///
/// # Errors
/// What is wrong, with its place; unknown keys are refused, because a rule that is not understood
/// would be a rule that is not kept.
pub fn read_rules(text: &str) -> Result<Rules, String> {
    let file: File = serde_saphyr::from_str(text).map_err(|fault| fault.to_string())?;
    for path in &file.files {
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(format!("files: `{path}` must be an absolute path without `..`"));
        }
    }
    let reference = |name: String| match name.strip_prefix("file:") {
        Some(_) => Reference(name),
        None => Reference(format!("env:{name}")),
    };
    let lower = |rule: Rule| Rule { host: rule.host.to_lowercase(), ..rule };
    Ok(Rules {
        kinds: file.allow_kinds,
        secrets: file.secrets.into_iter().map(|(n, rule)| (reference(n), lower(rule))).collect(),
        files: file.files.into_iter().map(|path| path.trim_end_matches('/').to_owned()).collect(),
    })
}

impl Rules {
    pub(super) fn allows_kind(&self, word: &str) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| kind == word))
    }

    pub(super) fn judge(&self, asked: &Use) -> Result<(), String> {
        let name = &asked.reference.0;
        if let Some(path) = name.strip_prefix("file:") {
            let below = |top: &String| {
                path.strip_prefix(top.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if !self.files.iter().any(below) {
                return Err(format!("{name} is not below any of `files` of this agent's policy"));
            }
        }
        let Some(rule) = self.secrets.get(&asked.reference) else {
            return Err(format!("{name} is not among the `secrets` of this agent's policy"));
        };
        let to = &asked.destination;
        let same = (rule.kind.as_str(), rule.host.as_str(), rule.port)
            == (to.kind.as_str(), to.host.as_str(), to.port);
        if same && (to.tls || rule.tls == Tls::Optional) {
            return Ok(());
        }
        let tls = if rule.tls == Tls::Required { " with TLS" } else { "" };
        Err(format!(
            "this agent's policy binds {name} to {} {}:{}{tls}; `{}` would send it to {}",
            rule.kind,
            rule.host,
            rule.port,
            asked.field,
            place(to)
        ))
    }
}
