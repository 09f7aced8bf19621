//! The configuration in force, and what follows from it for each agent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use model::config::Watch;
use model::name::{AgentName, Region};
use model::wire::{AssignedProbe, Assignment};
use sha2::{Digest, Sha256};

use crate::ingest::Assigned;

/// Assignments remembered at most; beyond that all are made anew.
const ASSIGNMENTS_MAX: usize = 1000;
/// Hex digits of a tag.
const TAG_CHARS: usize = 16;

/// One configuration.
pub struct Force {
    /// The configuration.
    pub watch: Arc<Watch>,
    /// Who runs what.
    pub assigned: Assigned,
    assignments: BTreeMap<(AgentName, Region), (Arc<Assignment>, String)>,
}

impl Force {
    /// Puts a configuration in force.
    pub fn new(watch: Watch) -> Self {
        let assigned = Assigned::from(&watch);
        Self { watch: Arc::new(watch), assigned, assignments: BTreeMap::new() }
    }

    /// What an agent works on, and its tag.
    pub fn assignment(&mut self, agent: &AgentName, region: &Region) -> (Arc<Assignment>, String) {
        let key = (agent.clone(), region.clone());
        if let Some(known) = self.assignments.get(&key) {
            return known.clone();
        }
        let assignment = assignment(&self.watch, agent, region);
        let made = (Arc::new(assignment.clone()), tag(&assignment));
        if self.assignments.len() >= ASSIGNMENTS_MAX {
            self.assignments.clear();
        }
        self.assignments.insert(key, made.clone());
        made
    }
}

/// The probes that are assigned to the region and not paused; secrets stand in them unresolved.
fn assignment(watch: &Watch, agent: &AgentName, region: &Region) -> Assignment {
    let mut probes = Vec::new();
    for probe in watch.probes.iter().filter(|probe| !probe.paused) {
        let mut regions: Vec<&Region> = probe.regions.iter().collect();
        regions.sort();
        let Some(rank) = regions.iter().position(|other| *other == region) else { continue };
        probes.push(AssignedProbe {
            name: probe.name.clone(),
            kind: probe.kind.clone(),
            every: probe.every,
            timeout: probe.timeout,
            rank: u32::try_from(rank).unwrap_or(u32::MAX),
            of: u32::try_from(regions.len()).unwrap_or(u32::MAX),
        });
    }
    let (agent, region) = (agent.clone(), region.clone());
    Assignment { agent, region, probes, anchors: watch.anchors.clone() }
}

/// The first 16 hex digits of the SHA-256 of the assignment as JSON.
fn tag(assignment: &Assignment) -> String {
    // An assignment is JSON already but for its numbers and names: this cannot fail.
    let json = serde_json::to_vec(assignment).unwrap_or_default();
    let mut hex = String::new();
    for byte in Sha256::digest(json).iter().take(TAG_CHARS / 2) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
