//! What is live, for people and metrics. Views read; nothing that decides reads a view.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::config::Watch;
use model::name::{AgentName, ProbeName, Region};
use model::result::ProbeResult;
use rusqlite::Connection;

use crate::handle::{Latest, StoredResult};
use crate::history;
use crate::store::Error;

/// The newest result of each probe in each region.
#[derive(Default)]
pub(crate) struct Newest {
    results: BTreeMap<ProbeName, BTreeMap<Region, Latest>>,
}

impl Newest {
    /// Reads them from the store, once, at the start.
    pub(crate) fn read(db: &Connection, watch: &Watch) -> Result<Self, Error> {
        let mut newest = Self::default();
        for probe in &watch.probes {
            for stored in history::latest(db, &probe.name, &probe.regions)? {
                let regions = newest.results.entry(probe.name.clone()).or_default();
                regions.insert(stored.result.region.clone(), Arc::new(stored));
            }
        }
        Ok(newest)
    }

    /// Takes note of a result, unless a newer one is known.
    pub(crate) fn note(&mut self, agent: &AgentName, incarnation: u64, result: &ProbeResult) {
        let regions = self.results.entry(result.probe.clone()).or_default();
        let known = regions.get(&result.region);
        if known.is_none_or(|known| known.result.started <= result.started) {
            let stored = StoredResult { agent: agent.clone(), incarnation, result: result.clone() };
            regions.insert(result.region.clone(), Arc::new(stored));
        }
    }

    /// Forgets what no region of no probe stands behind any more.
    pub(crate) fn retain(&mut self, watch: &Watch) {
        let assigned: BTreeMap<_, _> =
            watch.probes.iter().map(|probe| (&probe.name, &probe.regions)).collect();
        self.results.retain(|probe, regions| {
            let Some(assigned) = assigned.get(probe) else { return false };
            regions.retain(|region, _| assigned.contains(region));
            true
        });
    }

    /// All, by probe and region.
    pub(crate) fn all(&self) -> Vec<Latest> {
        self.results.values().flat_map(BTreeMap::values).cloned().collect()
    }
}
