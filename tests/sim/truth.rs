//! What is true of targets and regions, and since when.

use std::collections::BTreeMap;

use model::name::{ProbeName, Region};
use model::time::Timestamp;

/// How a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Well,
    /// It refuses connections at once.
    Refuses,
    /// Nothing answers until the timeout.
    Silent,
}

/// How the network around an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uplink {
    /// It works.
    Works,
    /// No target is reached from here, but the anchors are: the region lies.
    Lies,
    /// Nothing at all is reached from here but the collector.
    Isolated,
}

/// All of it, with its past.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    targets: BTreeMap<ProbeName, Vec<(Timestamp, Health)>>,
    uplinks: BTreeMap<Region, Vec<(Timestamp, Uplink)>>,
}

fn at<T: Copy>(past: Option<&Vec<(Timestamp, T)>>, now: Timestamp, otherwise: T) -> T {
    let before = |past: &Vec<(Timestamp, T)>| {
        let count = past.partition_point(|(since, _)| *since <= now);
        count.checked_sub(1).map(|last| past[last].1)
    };
    past.and_then(before).unwrap_or(otherwise)
}

impl Truth {
    /// From `now` on the target is so.
    pub fn target(&mut self, now: Timestamp, probe: &ProbeName, health: Health) {
        self.targets.entry(probe.clone()).or_default().push((now, health));
    }

    /// From `now` on the region's network is so.
    pub fn uplink(&mut self, now: Timestamp, region: &Region, uplink: Uplink) {
        self.uplinks.entry(region.clone()).or_default().push((now, uplink));
    }

    /// The network of a region at an instant.
    pub fn uplink_at(&self, region: &Region, now: Timestamp) -> Uplink {
        at(self.uplinks.get(region), now, Uplink::Works)
    }

    /// How a target looks from a region at an instant.
    pub fn seen(&self, probe: &ProbeName, region: &Region, now: Timestamp) -> Health {
        match self.uplink_at(region, now) {
            Uplink::Works => at(self.targets.get(probe), now, Health::Well),
            Uplink::Lies | Uplink::Isolated => Health::Refuses,
        }
    }

    /// From how many regions the target is well at this instant, and from how many it is not.
    /// An isolated region says nothing: its own anchors fail too.
    pub fn counts(&self, probe: &ProbeName, regions: &[Region], now: Timestamp) -> (usize, usize) {
        let known = regions.iter().filter(|r| self.uplink_at(r, now) != Uplink::Isolated);
        let (well, ill): (Vec<&Region>, Vec<&Region>) =
            known.partition(|region| self.seen(probe, region, now) == Health::Well);
        (well.len(), ill.len())
    }

    /// When something changed for this probe in any of its regions.
    pub fn changes(&self, probe: &ProbeName, regions: &[Region]) -> Vec<Timestamp> {
        let targets = self.targets.get(probe).into_iter().flatten().map(|(at, _)| *at);
        let uplinks = regions.iter().filter_map(|region| self.uplinks.get(region)).flatten();
        let mut changes: Vec<Timestamp> = targets.chain(uplinks.map(|(at, _)| *at)).collect();
        changes.sort_unstable();
        changes.dedup();
        changes
    }

    /// The stretches in which the target itself failed, for all regions.
    pub fn outages(&self, probe: &ProbeName) -> Vec<(Timestamp, Option<Timestamp>)> {
        let mut outages: Vec<(Timestamp, Option<Timestamp>)> = Vec::new();
        for (at, health) in self.targets.get(probe).into_iter().flatten() {
            let open = outages.last_mut().filter(|(_, to)| to.is_none());
            match (health, open) {
                (Health::Well, Some((_, to))) => *to = Some(*at),
                (Health::Refuses | Health::Silent, None) => outages.push((*at, None)),
                (Health::Well, None) | (Health::Refuses | Health::Silent, Some(_)) => {}
            }
        }
        outages
    }
}
