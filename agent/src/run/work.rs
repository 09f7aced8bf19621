//! From an assignment to what can be run; the last one is kept on disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::config::{Opaque, Word};
use model::name::ProbeName;
use model::wire::Assignment;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::disk::replace;
use crate::machine::{Input, Work};
use crate::probe::{Attempt, Kind, Probe, Running};
use crate::secret::Use;

/// The file of the last assignment.
const FILE: &str = "assignment.json";

/// Makes a kind from its word and parameters; the error is a sentence.
pub(super) type ReadKind = Arc<dyn Fn(&Opaque) -> Result<Arc<dyn Probe>, String> + Send + Sync>;
/// What can be run, by name.
pub(super) type Kinds = BTreeMap<ProbeName, Arc<dyn Probe>>;

/// A kind of the list as a probe.
#[derive(Debug)]
struct Known(Kind);

impl Probe for Known {
    fn run<'a>(&'a self, attempt: &'a Attempt) -> Running<'a> {
        self.0.run(attempt)
    }

    fn look<'a>(&'a self, attempt: &'a Attempt) -> Running<'a> {
        self.0.look(attempt)
    }

    fn uses(&self) -> Vec<Use> {
        self.0.uses()
    }
}

/// Reads one of the kinds that this agent knows.
pub(super) fn read_kind(kind: &Opaque) -> Result<Arc<dyn Probe>, String> {
    if !Kind::words().contains(&kind.word.as_str()) {
        return Err(format!(
            "this agent does not know the kind `{}`; it may be older than the collector",
            kind.word.escape_debug()
        ));
    }
    match Kind::read(&kind.word, &kind.parameters) {
        Ok(known) => Ok(Arc::new(Known(known))),
        Err(fault) => {
            Err(format!("this agent cannot read the parameters of `{}`: {fault}", kind.word))
        }
    }
}

/// An assignment with its tag, as it lies on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tagged {
    pub(super) tag: String,
    pub(super) assignment: Assignment,
}

impl Tagged {
    /// The last assignment; none if there is none or it cannot be understood.
    pub(super) fn load(folder: &Path) -> Option<Self> {
        let bytes = std::fs::read(folder.join(FILE)).ok()?;
        serde_json::from_slice(&bytes)
            .inspect_err(|error| tracing::warn!(%error, "the stored assignment cannot be read"))
            .ok()
    }

    /// Keeps it for the next start.
    pub(super) fn save(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(FILE);
        serde_json::to_vec(self)
            .map_err(std::io::Error::other)
            .and_then(|bytes| replace(&path, &bytes))
            .map_err(|source| Error::Disk { what: "cannot write", path, source })
    }

    /// What the machine is told, and what can be run.
    pub(super) fn understand(self, read: &ReadKind, fetched: bool) -> (Input, Kinds) {
        let mut kinds = Kinds::new();
        let mut work = Vec::with_capacity(self.assignment.probes.len());
        for probe in self.assignment.probes {
            let known = read(&probe.kind);
            let uses = known.as_ref().map(|kind| kind.uses()).map_err(Clone::clone);
            if let Ok(kind) = known {
                kinds.insert(probe.name.clone(), kind);
            }
            work.push(Work { probe, uses });
        }
        let Assignment { agent, anchors, .. } = self.assignment;
        (Input::Assigned { tag: self.tag, agent, anchors, work, fetched }, kinds)
    }
}
