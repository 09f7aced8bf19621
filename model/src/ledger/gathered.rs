//! Observations in any order, some of them twice, to samples in order of time.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::{Observation, Observed, Sample};
use crate::time::Millis;

/// The observations of one probe, each once, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// In the order in which they are to be applied; those of regions that are not assigned left out.
    pub samples: Vec<Sample>,
    /// How many observations had the id of another and other content: somebody should be told.
    pub conflicts: u64,
}

impl Gathered {
    /// Counts every id once and sorts. Of two observations with one id the one whose JSON with
    /// sorted keys and no spaces is smaller wins, in whatever order they came.
    pub fn new(mut observed: Observed, grace: Millis) -> Self {
        let conflicts = count_once(&mut observed.observations);
        let observations = &observed.observations;
        let mut samples: Vec<Sample> = observations
            .iter()
            .zip(0_u32..)
            .filter_map(|(observation, order)| {
                let region =
                    observed.regions.iter().position(|name| *name == observation.region)?;
                Some(Sample {
                    at: observation.at,
                    say: observation.say,
                    order,
                    region: u32::try_from(region).ok()?,
                    until: observation.until(grace),
                })
            })
            .collect();
        samples.sort_unstable();
        Self { samples, conflicts }
    }
}

/// Leaves one observation of every id, sorted by id, and says how many contradicted another of
/// their id: of those the one whose JSON with sorted keys and no spaces is smaller stays, in whatever
/// order they came.
pub fn count_once(observations: &mut Vec<Observation>) -> u64 {
    observations.sort_unstable_by(|one, other| {
        one.id.cmp(&other.id).then_with(|| canonical_order(one, other))
    });
    let mut conflicts = 0_u64;
    observations.dedup_by(|later, kept| {
        let same = later.id == kept.id;
        conflicts += u64::from(same && later != kept);
        same
    });
    conflicts
}

/// The order of two observations of one id by their canonical JSON. Equal content is the normal
/// case, and text is made for the others only.
fn canonical_order(one: &Observation, other: &Observation) -> Ordering {
    if one == other { Ordering::Equal } else { canonical(one).cmp(&canonical(other)) }
}

/// The JSON of an observation with sorted keys and no spaces, without its id, which is the same
/// wherever two are compared. A region's name needs no escapes.
fn canonical(observation: &Observation) -> String {
    format!(
        r#""interval_ms":{},"outcome":"{}","region":"{}","t":{}}}"#,
        observation.interval.ms(),
        observation.say.word(),
        observation.region,
        observation.at.ms()
    )
}
