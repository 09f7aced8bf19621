//! The rules of probes.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{LABELS_MAX, Names, Regions, up_to, within};
use crate::config::at::{At, given, items, spoilt};
use crate::config::problem::{Log, Problem, cut};
use crate::config::raw::{Defaults, ProbeKeys};
use crate::config::tree::Place;
use crate::config::value::{self, Length, Quorum};
use crate::config::worded::{Entry, Labels};
use crate::config::{DownWhen, Probe, Severity};
use crate::name::{PolicyName, ProbeName, Region};
use crate::time::Millis;

/// The shortest time between two runs in one region.
const EVERY_MIN: Millis = Millis::from_secs(1);
/// The longest time between two runs in one region.
const EVERY_MAX: Millis = Millis::from_secs(86_400);
const EVERY: Millis = Millis::from_secs(60);
const TIMEOUT: Millis = Millis::from_secs(10);
const TIMEOUT_MIN: Millis = Millis::from_ms(1);
/// The longest value of a label.
const LABEL_VALUE_BYTES_MAX: usize = 256;

/// What was read of all probes.
pub struct Probes<K> {
    /// None if a problem was told.
    pub list: Option<Vec<Probe<K>>>,
    /// What they are called.
    pub names: Names,
}

/// What holds for a probe that does not say otherwise; none: could not be read.
struct Standing {
    every: Option<Millis>,
    timeout: Option<Millis>,
    down_when: Option<(Place, DownWhen)>,
}

/// Reads all probes.
pub fn read<K>(
    raw: Vec<Option<Entry<ProbeKeys, K>>>,
    defaults: &Option<At<Defaults>>,
    regions: &Regions,
    policies: &Names,
    log: &Log,
) -> Probes<K> {
    let standing = standing(defaults, log);
    let mut names = Names::new("probe", raw.iter().all(Option::is_some));
    for entry in raw.iter().flatten() {
        names.add_required(&entry.keys.name, entry.place, log);
    }
    depend(&raw, &names, log);
    let read = |entry: Option<Entry<ProbeKeys, K>>| -> Option<Probe<K>> {
        probe(entry?, &standing, regions, policies, log)
    };
    // Every probe is read, whatever is wrong with those before it.
    let list: Vec<Option<Probe<K>>> = raw.into_iter().map(read).collect();
    Probes { list: list.into_iter().collect(), names }
}

fn standing(defaults: &Option<At<Defaults>>, log: &Log) -> Standing {
    let none = Defaults::default();
    let raw = given(defaults).map_or(&none, |(_, defaults)| defaults);
    let every = within(&raw.every, "every", (EVERY_MIN, EVERY_MAX), EVERY, log);
    let timeout = timeout(&raw.timeout, every, Some(TIMEOUT), log);
    let down_when = match given(&raw.down_when) {
        Some((place, Quorum(rule))) => Some((place, *rule)),
        None => (!spoilt(&raw.down_when)).then_some((Place::FILE, DownWhen::default())),
    };
    if spoilt(defaults) {
        return Standing { every: None, timeout: None, down_when: None };
    }
    Standing { every, timeout, down_when }
}

fn timeout(
    raw: &Option<At<Length>>,
    every: Option<Millis>,
    default: Option<Millis>,
    log: &Log,
) -> Option<Millis> {
    let Some((place, Length(length))) = given(raw) else {
        return if spoilt(raw) { None } else { Some(default?.min(every?)) };
    };
    if *length < TIMEOUT_MIN {
        log.add(Problem::new(place, format!("`timeout` is {length}: it must be longer")));
        return None;
    }
    let every = every?;
    if *length > every {
        log.add(
            Problem::new(
                place,
                format!("the timeout of {length} is longer than the interval of {every}"),
            )
            .hint(format!("a timeout of at most {every}, or a longer `every`")),
        );
        return None;
    }
    Some(*length)
}

fn probe<K>(
    entry: Entry<ProbeKeys, K>,
    standing: &Standing,
    regions: &Regions,
    policies: &Names,
    log: &Log,
) -> Option<Probe<K>> {
    let raw = entry.keys;
    let every = match &raw.every {
        None => standing.every,
        own => within(own, "every", (EVERY_MIN, EVERY_MAX), EVERY, log),
    };
    let timeout = timeout(&raw.timeout, every, standing.timeout, log);
    let voters = voters(&raw.regions, regions, log);
    let down_when = down_when(&raw, standing, voters.as_deref(), log);
    let policy = given(&raw.policy).map(|(place, name)| {
        policies.refer(place, name, log);
        PolicyName::new(&name.0)
    });
    let labels = given(&raw.labels).map(|(place, labels)| labels_of(place, labels, log));
    let (_, name) = given(&raw.name)?;
    let (_, kind) = entry.word?;
    Some(Probe {
        name: ProbeName::new(&name.0).ok()?,
        kind,
        every: every?,
        timeout: timeout?,
        regions: voters?,
        down_when: down_when?,
        policy: policy.transpose().ok()?,
        labels: labels.unwrap_or_default(),
        severity: given(&raw.severity).map_or(Severity::default(), |(_, severity)| *severity),
        paused: given(&raw.paused).is_some_and(|(_, paused)| *paused),
        depends_on: items(&raw.depends_on)
            .filter_map(|(_, name)| ProbeName::new(&name.0).ok())
            .collect(),
        runbook: given(&raw.runbook).map(|(_, url)| url.0.clone()),
    })
}

fn voters(raw: &Option<At<value::Regions>>, regions: &Regions, log: &Log) -> Option<Vec<Region>> {
    let listed = match given(raw) {
        None => return (!spoilt(raw)).then(|| regions.list.clone()),
        Some((_, value::Regions::All)) => return Some(regions.list.clone()),
        Some((place, value::Regions::Listed(listed))) => {
            if listed.is_empty() {
                log.add(Problem::new(place, "`regions` must not be empty").hint("or `all`"));
            }
            listed
        }
    };
    let mut voters: Vec<Region> = Vec::new();
    let mut whole = !listed.is_empty();
    for item in listed {
        let Some(name) = &item.value else {
            whole = false;
            continue;
        };
        if voters.iter().any(|voter| voter.as_str() == name.0) {
            log.add(Problem::new(item.place, format!("`{}` stands twice in this list", name.0)));
        } else if name.0 == "all" && !regions.names.known.contains_key("all") {
            let problem = Problem::new(item.place, "unknown region `all`");
            log.add(problem.hint("for every region write `regions: all`"));
            whole = false;
        } else if regions.names.refer(item.place, name, log) {
            voters.extend(Region::new(&name.0).ok());
        } else {
            whole = false;
        }
    }
    whole.then_some(voters)
}

fn down_when(
    raw: &ProbeKeys,
    standing: &Standing,
    voters: Option<&[Region]>,
    log: &Log,
) -> Option<DownWhen> {
    let own = given(&raw.down_when).map(|(place, Quorum(rule))| (place, *rule));
    if spoilt(&raw.down_when) {
        return None;
    }
    let (place, rule) = match own {
        Some(own) => own,
        None => standing.down_when?,
    };
    let (DownWhen::AtLeast(count), Some(voters)) = (rule, voters) else { return Some(rule) };
    let most = u32::try_from(voters.len()).unwrap_or(u32::MAX);
    if (1..=most).contains(&count) {
        return Some(rule);
    }
    let whose = match (own, given(&raw.name)) {
        (None, Some((_, name))) => format!("the probe `{}`", name.0),
        _ => "this probe".into(),
    };
    let regions = if most == 1 { "1 region".into() } else { format!("{most} regions") };
    let message = format!("`down_when` is {count}, but {whose} has {regions}");
    log.add(Problem::new(place, message).hint(format!("majority, any, all or {}", up_to(most))));
    None
}

fn labels_of(place: Place, labels: &Labels, log: &Log) -> BTreeMap<String, String> {
    if labels.0.len() > LABELS_MAX {
        let message = format!("{} labels are too many: at most {LABELS_MAX}", labels.0.len());
        log.add(Problem::new(place, message));
    }
    let mut read = BTreeMap::new();
    for (name, value) in &labels.0 {
        let (Some(name), Some(text)) = (&name.value, &value.value) else { continue };
        if text.len() > LABEL_VALUE_BYTES_MAX {
            let message = format!(
                "the value of the label `{}` is too long: at most {LABEL_VALUE_BYTES_MAX} bytes",
                cut(&name.0)
            );
            log.add(Problem::new(value.place, message));
        }
        read.insert(name.0.clone(), text.clone());
    }
    read
}

/// Tells dependencies on nothing, on oneself and in a circle.
fn depend<K>(raw: &[Option<Entry<ProbeKeys, K>>], names: &Names, log: &Log) {
    let mut ways: BTreeMap<&str, Vec<(Place, &str)>> = BTreeMap::new();
    for entry in raw.iter().flatten() {
        let Some((_, name)) = given(&entry.keys.name) else { continue };
        let good = names.refer_all(&entry.keys.depends_on, log, |name| Ok(String::from(name)));
        let to = items(&entry.keys.depends_on)
            .filter(|(_, name)| good.contains(&name.0))
            .map(|(place, name)| (place, name.0.as_str()));
        ways.entry(&name.0).or_insert_with(|| to.collect());
    }
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in ways.keys() {
        walk(start, &ways, &mut done, log);
    }
}

/// Walks every way from `start` that was not walked before, without recursion since a chain of
/// dependencies may be as long as the file, and tells each circle where it closes.
fn walk<'a>(
    start: &'a str,
    ways: &BTreeMap<&'a str, Vec<(Place, &'a str)>>,
    done: &mut BTreeSet<&'a str>,
    log: &Log,
) {
    let mut path: Vec<(&str, usize)> = Vec::from([(start, 0)]);
    let mut on_path = BTreeSet::from([start]);
    while let Some((name, next)) = path.last_mut() {
        let name = *name;
        let way = ways.get(name).and_then(|ways| ways.get(*next));
        *next += 1;
        match way {
            _ if done.contains(name) => {
                path.pop();
                on_path.remove(name);
            }
            None => {
                done.insert(name);
                path.pop();
                on_path.remove(name);
            }
            Some((place, to)) if on_path.contains(to) => {
                let circle = path.iter().map(|(name, _)| *name).skip_while(|name| name != to);
                log.add(Problem::new(*place, told(circle, to)));
            }
            Some((_, to)) if done.contains(to) => {}
            Some((_, to)) => {
                path.push((to, 0));
                on_path.insert(to);
            }
        }
    }
}

fn told<'a>(circle: impl Iterator<Item = &'a str>, to: &str) -> String {
    /// So many names of a circle are listed.
    const LISTED_MAX: usize = 8;
    let mut text = String::from("probes depend on each other in a circle: ");
    for (count, name) in circle.enumerate() {
        if count == LISTED_MAX {
            text.push_str("… -> ");
            break;
        }
        text.push_str(name);
        text.push_str(" -> ");
    }
    text.push_str(to);
    text
}
