//! The statement of a service, reckoned from the stored results by the model's ledger.

use model::calendar;
use model::config::{Objective, Service, Watch};
use model::ledger::{Observation, Observed, Say};
use model::maintenance;
use model::name::ServiceName;
use model::report::{self, Statement, Terms};
use model::result::Outcome;
use model::time::{Millis, Timestamp};
use rusqlite::Connection;

use crate::handle::{Refusal, StoredResult};
use crate::history;
use crate::store::Error;

/// The longest interval of a probe: a result from before the period may hold for twice this.
const INTERVAL_MAX: Millis = Millis::from_secs(86_400);
/// The most results that one statement is reckoned from.
const OBSERVATIONS_MAX: usize = 20_000_000;

/// A period that was asked for: its first instant and the first after it.
fn period(
    objective: &Objective,
    name: Option<&str>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), String> {
    match name {
        Some(name) => calendar::named(objective.period, &objective.zone, name),
        None => calendar::running(objective.period, &objective.zone, now)
            .map(|(from, to, _)| (from, to)),
    }
}

/// What a stored result says to the ledger.
fn observation(stored: StoredResult) -> Observation {
    let say = match stored.result.accounted() {
        Outcome::Passed => Say::Up,
        Outcome::Failed(_) => Say::Down,
        Outcome::Void(_) => Say::Void,
    };
    Observation {
        id: format!("{}/{}/{}", stored.agent, stored.incarnation, stored.result.seq),
        region: stored.result.region,
        at: stored.result.started,
        say,
        interval: stored.result.interval,
    }
}

/// What was observed of each probe of a service. Of a running period the part to come is unknown.
fn observed(
    db: &Connection,
    watch: &Watch,
    service: &Service,
    (from, to): (Timestamp, Timestamp),
) -> Result<Result<Vec<Observed>, Refusal>, Error> {
    let mut count = 0;
    let mut probes = Vec::new();
    for probe in service.probes.iter().filter_map(|name| watch.probe(name)) {
        let mut observations = Vec::new();
        history::scan(db, &probe.name, from, to, &mut |stored| {
            count += 1;
            observations.push(observation(stored));
            count < OBSERVATIONS_MAX
        })?;
        if count >= OBSERVATIONS_MAX {
            return Ok(Err(Refusal::Invalid(format!(
                "service {} has more than {OBSERVATIONS_MAX} results in this period",
                service.name
            ))));
        }
        probes.push(Observed {
            regions: probe.regions.clone(),
            down_when: probe.down_when,
            observations,
        });
    }
    Ok(Ok(probes))
}

/// The statement of a service over the period called `name`; none: the one that runs at `now`.
pub(crate) fn statement(
    db: &Connection,
    watch: &Watch,
    service: &ServiceName,
    name: Option<&str>,
    now: Timestamp,
) -> Result<Result<Statement, Refusal>, Error> {
    let Some(service) = watch.services.iter().find(|other| other.name == *service) else {
        return Ok(Err(Refusal::NotFound(format!("service {service}"))));
    };
    let Some(objective) = &service.objective else {
        return Ok(Err(Refusal::Invalid(format!("service {} has no objective", service.name))));
    };
    let (from, to) = match period(objective, name, now) {
        Ok(period) => period,
        Err(why) => return Ok(Err(Refusal::Invalid(why))),
    };
    let windows = watch
        .maintenance
        .iter()
        .filter(|planned| planned.services.contains(&service.name))
        .flat_map(|planned| maintenance::windows(planned, from, to))
        .collect();
    let terms = Terms {
        needs: service.needs,
        target_ppm: objective.target_ppm,
        grace: objective.grace,
        min_outage: objective.min_outage,
        notice: objective.notice,
        credits: objective.credits.clone(),
        windows,
    };
    // Results are found by slot, which may lie an interval beside the start that the ledger goes by.
    let reach = (from - INTERVAL_MAX.times(3) - objective.grace, to + INTERVAL_MAX);
    Ok(observed(db, watch, service, reach)?
        .map(|probes| report::statement(&terms, probes, from, to)))
}
