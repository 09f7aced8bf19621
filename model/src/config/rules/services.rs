//! The rules of services, of what they promise, and of maintenance.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Names, missing, not_empty, required, up_to, within};
use crate::calendar::zone_exists;
use crate::config::at::{At, List, given, items, spoilt};
use crate::config::problem::{Log, Problem, cut, nearest};
use crate::config::raw;
use crate::config::tree::Place;
use crate::config::value::{Cron, Instant, NeedsWord, Percent, PeriodName, Zone};
use crate::config::{Maintenance, Needs, Objective, Period, Service, When};
use crate::name::{ProbeName, ServiceName};
use crate::time::Millis;

/// 100 % in parts per million.
const WHOLE_PPM: u32 = 1_000_000;
/// The longest announcement, grace and ignored outage.
const NOTICE_MAX: Millis = Millis::from_secs(90 * 86_400);
const GRACE: Millis = Millis::from_secs(10);
const GRACE_MAX: Millis = Millis::from_secs(3600);
const MIN_OUTAGE_MAX: Millis = Millis::from_secs(3600);
/// The shortest and the longest repeated window.
const WINDOW: (Millis, Millis) = (Millis::from_secs(60), Millis::from_secs(7 * 86_400));
/// The zone of calendars and cron lines unless said otherwise.
const ZONE: &str = "UTC";

/// What was read of all services.
pub struct Services {
    /// None if a problem was told.
    pub list: Option<Vec<Service>>,
    /// What they are called.
    pub names: Names,
}

/// Reads all services.
pub fn read(raw: &List<raw::Service>, probes: &Names, log: &Log) -> Services {
    let mut names = Names::new("service", !spoilt(raw));
    let mut list = Vec::new();
    for item in raw.iter().flat_map(|list| list.value.iter().flatten()) {
        match &item.value {
            None => {
                names.complete = false;
                list.push(None);
            }
            Some(service) => {
                names.add_required(&service.name, item.place, log);
                list.push(read_one(item.place, service, probes, log));
            }
        }
    }
    let list = if spoilt(raw) { None } else { list.into_iter().collect() };
    Services { list, names }
}

fn read_one(place: Place, raw: &raw::Service, probes: &Names, log: &Log) -> Option<Service> {
    let objective = match given(&raw.objective) {
        Some((place, objective)) => Some(read_objective(place, objective, log)),
        None => spoilt(&raw.objective).then_some(None),
    };
    not_empty(&raw.probes, "probes", log);
    let listed = required(&raw.probes, "probes", place, log).map(|(_, listed)| listed.len());
    let members = probes.refer_all(&raw.probes, log, ProbeName::new);
    let mut needs = Needs::default();
    if let Some((place, NeedsWord(word))) = given(&raw.needs) {
        needs = *word;
        let most = listed.and_then(|count| u32::try_from(count).ok());
        if let (Needs::AtLeast(count), Some(most @ 1..)) = (needs, most)
            && !(1..=most).contains(&count)
        {
            let of = if most == 1 { "1 probe".into() } else { format!("{most} probes") };
            let message = format!("`needs` is {count}, but this service has {of}");
            log.add(Problem::new(place, message).hint(format!("all, any or {}", up_to(most))));
        }
    }
    let (_, name) = given(&raw.name)?;
    Some(Service {
        name: ServiceName::new(&name.0).ok()?,
        needs,
        probes: members,
        objective: match objective {
            None => None,
            Some(read) => Some(read?),
        },
    })
}

fn read_objective(place: Place, raw: &raw::Objective, log: &Log) -> Option<Objective> {
    let target = required(&raw.availability, "availability", place, log).map(|(place, target)| {
        if !(1..WHOLE_PPM).contains(&target.0) {
            let message = "an objective is more than 0% and less than 100%";
            log.add(
                Problem::new(place, message)
                    .hint("100% leaves nothing that may fail; 99.9999% is the most"),
            );
        }
        target.0
    });
    let length = |value: &Option<_>, key, most, default| {
        within(value, key, (Millis::ZERO, most), default, log)
    };
    let notice = length(&raw.notice, "notice", NOTICE_MAX, Millis::ZERO);
    let grace = length(&raw.grace, "grace", GRACE_MAX, GRACE);
    let min_outage = length(&raw.min_outage, "min_outage", MIN_OUTAGE_MAX, Millis::ZERO);
    let zone = zone(&raw.time_zone, log);
    let credits = read_credits(&raw.credits, log);
    Some(Objective {
        target_ppm: target?,
        period: given(&raw.period).map_or(Period::default(), |(_, PeriodName(period))| *period),
        zone: zone?,
        notice: notice?,
        grace: grace?,
        min_outage: min_outage?,
        credits,
    })
}

/// The tiers, highest first.
fn read_credits(raw: &List<raw::Credit>, log: &Log) -> Vec<(u32, u32)> {
    let mut tiers: Vec<(u32, u32, Place)> = Vec::new();
    for (place, credit) in items(raw) {
        let below = required(&credit.below, "below", place, log);
        let percent = required(&credit.percent, "percent", place, log);
        if let Some((place, percent)) = percent
            && *percent > 100
        {
            log.add(Problem::new(place, format!("{percent} percent is more than all")));
        }
        if let (Some((place, Percent(below))), Some((_, percent))) = (below, percent) {
            tiers.push((*below, *percent, place));
        }
    }
    tiers.sort_by_key(|(below, _, _)| core::cmp::Reverse(*below));
    for pair in tiers.windows(2) {
        let [(above, more, _), (below, less, place)] = pair else { continue };
        if above == below {
            log.add(Problem::new(*place, "two credits begin below the same availability"));
        } else if less < more {
            let message =
                format!("below this {less} percent are paid, but {more} already above it");
            log.add(Problem::new(*place, message).hint("less availability, more credit"));
        }
    }
    tiers.into_iter().map(|(below, percent, _)| (below, percent)).collect()
}

/// The zone under `time_zone`, or UTC; none: told.
fn zone(value: &Option<At<Zone>>, log: &Log) -> Option<String> {
    let Some((place, Zone(zone))) = given(value) else {
        return (!spoilt(value)).then(|| ZONE.into());
    };
    if zone_exists(zone) {
        return Some(zone.clone());
    }
    if log.wants(place) {
        let known: Vec<_> = jiff::tz::db().available().collect();
        let near = nearest(zone, known.iter().map(|zone| zone.as_str()));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "an IANA name such as Europe/Berlin, or UTC".into(),
        };
        log.add(Problem::new(place, format!("unknown time zone `{}`", cut(zone))).hint(hint));
    }
    None
}

/// Reads all planned windows.
pub fn maintenance(
    raw: &List<raw::Maintenance>,
    services: &Names,
    log: &Log,
) -> Option<Vec<Maintenance>> {
    if spoilt(raw) {
        return None;
    }
    let mut list = Vec::new();
    for item in raw.iter().flat_map(|list| list.value.iter().flatten()) {
        list.push(item.value.as_ref().and_then(|one| window(item.place, one, services, log)));
    }
    list.into_iter().collect()
}

fn window(
    place: Place,
    raw: &raw::Maintenance,
    services: &Names,
    log: &Log,
) -> Option<Maintenance> {
    not_empty(&raw.services, "services", log);
    required(&raw.services, "services", place, log);
    let covered = services.refer_all(&raw.services, log, ServiceName::new);
    let when = when(place, raw, log);
    Some(Maintenance {
        services: covered,
        when: when?,
        announced: given(&raw.announced).map(|(_, instant)| instant.0),
        cancelled: given(&raw.cancelled).is_some_and(|(_, cancelled)| *cancelled),
    })
}

fn when(place: Place, raw: &raw::Maintenance, log: &Log) -> Option<When> {
    /// The two ways to say when.
    const WAYS: &str = "once: `from` and `to`; again and again: `every` and `for`";
    let once = raw.from.is_some() || raw.to.is_some();
    let places = [place_of(&raw.every), place_of(&raw.length), place_of(&raw.time_zone)];
    let repeated = places.into_iter().flatten().min();
    match (once, repeated) {
        (false, None) => {
            log.add(Problem::new(place, "this maintenance does not say when it is").hint(WAYS));
            None
        }
        (true, Some(place)) => {
            let message = "a maintenance is either once or again and again";
            log.add(Problem::new(place, message).hint(WAYS));
            None
        }
        (true, None) => {
            let from = required(&raw.from, "from", place, log);
            let to = required(&raw.to, "to", place, log);
            let ((_, Instant(from)), (place, Instant(to))) = (from?, to?);
            if to <= from {
                let message = format!("this maintenance ends at {to}, but begins at {from}");
                log.add(Problem::new(place, message).hint("`to` must be after `from`"));
            }
            Some(When::Once { from: *from, to: *to })
        }
        (false, Some(_)) => {
            let cron = required(&raw.every, "every", place, log);
            if raw.length.is_none() {
                missing("for", place, log);
            }
            let length = within(&raw.length, "for", WINDOW, WINDOW.0, log);
            let zone = zone(&raw.time_zone, log);
            let (_, Cron(cron)) = cron?;
            Some(When::Every { cron: cron.clone(), length: length?, zone: zone? })
        }
    }
}

fn place_of<T>(value: &Option<At<T>>) -> Option<Place> {
    value.as_ref().map(|at| at.place)
}
