//! What must be there and what must fit to what: from the shapes of the file to a [`Config`]. Every
//! rule tells its problem at the place of the value that breaks it, and none tells what only follows
//! from another problem.

mod people;
mod probes;
mod secrets;
mod services;
#[cfg(test)]
mod tests;

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize as _;

use super::at::{At, List, given, items, spoilt};
use super::problem::{Log, Problem, cut, suggestion};
use super::raw::{ContactKeys, ProbeKeys, Top};
use super::reader::Reader;
use super::tree::{Content, Node, Place};
use super::value::{Length, Name};
use super::worded::{Nouns, entries};
use super::{Config, Word};
use crate::name::Region;
use crate::secret::Resolver;
use crate::time::Millis;

/// The only version of the format.
const VERSION: u64 = 1;
/// The most regions.
pub const REGIONS_MAX: usize = 64;
/// The most labels on a probe.
pub const LABELS_MAX: usize = 32;
/// How long results are kept unless said otherwise.
const RETENTION: Millis = Millis::from_secs(180 * 86_400);
const RETENTION_MIN: Millis = Millis::from_secs(86_400);
const RETENTION_MAX: Millis = Millis::from_secs(3650 * 86_400);
/// The region of a file that names none.
const REGION: &str = "local";

/// Reads a whole file. `resolve` is asked only whether the secrets of contacts and smtp are there;
/// those of probes are looked up by the agents.
///
/// # Errors
/// Every problem, in the order of the file, never none; one more than
/// [`super::problem::PROBLEMS_MAX`] if there are more.
pub fn read<K: Word, N: Word>(
    tree: &Node,
    resolve: &Resolver,
) -> Result<Config<K, N>, Vec<Problem>> {
    let log = Log::default();
    let config = read_top(tree, resolve, &log);
    let mut problems = log.into_problems();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => {
            if problems.is_empty() {
                problems.push(Problem::new(tree.place, "this cannot be read"));
            }
            Err(problems)
        }
    }
}

fn read_top<K: Word, N: Word>(tree: &Node, resolve: &Resolver, log: &Log) -> Option<Config<K, N>> {
    const PROBE: Nouns = Nouns { entry: "probe", word: "kind", words: "kinds" };
    const CONTACT: Nouns = Nouns { entry: "contact", word: "notifier", words: "notifiers" };

    let Content::Mapping(_) = &tree.content else {
        let message = format!("expected a mapping of keys, found {}", tree.in_words());
        log.add(Problem::new(tree.place, message).hint("the file begins with `version: 1`"));
        return None;
    };
    secrets::well_formed(tree, log);
    for key in ["contacts", "smtp"] {
        secrets::present(tree.get(key), resolve, log);
    }
    let top: Top<K, N> =
        Top::deserialize(Reader::new(tree, log)).map_err(|fault| log.add(fault.problem())).ok()?;
    let raw_probes = entries::<ProbeKeys, K>(tree, "probes", PROBE, log);
    let raw_contacts = entries::<ContactKeys, N>(tree, "contacts", CONTACT, log);

    version(&top.version, tree.place, log);
    let regions = regions(&top.regions, log);
    let contacts = people::Contacts::read(raw_contacts, tree.get("smtp").is_some(), log);
    let policies = people::Policies::read(&top.policies, &contacts.names, log);
    let probes = probes::read(raw_probes, &top.defaults, &regions, &policies.names, log);
    let services = services::read(&top.services, &probes.names, log);
    let maintenance = services::maintenance(&top.maintenance, &services.names, log);
    let smtp = people::smtp(&top.smtp, log);
    let retention =
        within(&top.retention, "retention", (RETENTION_MIN, RETENTION_MAX), RETENTION, log);
    Some(Config {
        regions: regions.list,
        probes: probes.list?,
        services: services.list?,
        contacts: contacts.list?,
        policies: policies.list?,
        anchors: items(&top.anchors).map(|(_, anchor)| anchor.0.clone()).collect(),
        maintenance: maintenance?,
        smtp: smtp?,
        public_url: given(&top.public_url).map(|(_, url)| url.0.clone()),
        retention: retention?,
    })
}

fn version(version: &Option<At<u64>>, top: Place, log: &Log) {
    let problem = match version {
        None => Problem::new(top, "the key `version` is missing"),
        Some(At { place, value: Some(other) }) if *other != VERSION => {
            Problem::new(*place, format!("version {other} is not known to this program"))
        }
        Some(_) => return,
    };
    log.add(problem.hint(format!("write `version: {VERSION}`")));
}

/// The regions of the file, and what is known of their names.
struct Regions {
    list: Vec<Region>,
    names: Names,
}

fn regions(raw: &List<Name>, log: &Log) -> Regions {
    if raw.is_none() {
        let names = Names::only(REGION);
        return Regions { list: Region::new(REGION).into_iter().collect(), names };
    }
    not_empty(raw, "regions", log);
    if let Some((place, list)) = given(raw)
        && list.len() > REGIONS_MAX
    {
        let message = format!("{} regions are too many: at most {REGIONS_MAX}", list.len());
        log.add(Problem::new(place, message));
    }
    let mut names = Names::new("region", !spoilt(raw));
    for item in raw.iter().flat_map(|list| list.value.iter().flatten()) {
        names.add(item, log);
    }
    let list = items(raw).filter_map(|(_, name)| Region::new(&name.0).ok()).collect();
    Regions { list, names }
}

/// The names of one sort of things, to find duplicates and references to nothing.
struct Names {
    what: &'static str,
    known: BTreeMap<String, Place>,
    /// Nothing with a name was lost to another problem.
    complete: bool,
}

impl Names {
    const fn new(what: &'static str, complete: bool) -> Self {
        Self { what, known: BTreeMap::new(), complete }
    }

    fn only(name: &str) -> Self {
        let mut names = Self::new("region", true);
        names.known.insert(name.to_owned(), Place::FILE);
        names
    }

    /// Adds a name; tells if it stands twice.
    fn add(&mut self, name: &At<Name>, log: &Log) {
        let Some(text) = &name.value else {
            self.complete = false;
            return;
        };
        if let Some(first) = self.known.get(&text.0) {
            let message = format!(
                "the {} `{}` stands twice: the first is in line {}",
                self.what, text.0, first.line
            );
            log.add(Problem::new(name.place, message));
        } else {
            self.known.insert(text.0.clone(), name.place);
        }
    }

    /// Adds the name that an entry at `entry` must have.
    fn add_required(&mut self, name: &Option<At<Name>>, entry: Place, log: &Log) {
        match name {
            Some(name) => self.add(name, log),
            None => {
                self.complete = false;
                missing("name", entry, log);
            }
        }
    }

    /// Whether there is something called `name`; tells if not.
    fn refer(&self, place: Place, name: &Name, log: &Log) -> bool {
        let found = self.known.contains_key(&name.0);
        if !found && self.complete && log.wants(place) {
            let what = self.what;
            let message = format!("unknown {what} `{}`", cut(&name.0));
            let all = self.known.keys().map(String::as_str);
            let mut problem = Problem::new(place, message);
            problem.hint = suggestion(&name.0, all, &format!("known {}", plural(what)))
                .or_else(|| Some(format!("there are no {}", plural(what))));
            log.add(problem);
        }
        found
    }

    /// Tells every name in `list` that is unknown or stands twice; gives the good ones.
    fn refer_all<T>(
        &self,
        list: &List<Name>,
        log: &Log,
        make: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let mut seen = BTreeMap::new();
        let mut good = Vec::new();
        for (place, name) in items(list) {
            if seen.insert(&name.0, place).is_some() {
                let message = format!("`{}` stands twice in this list", cut(&name.0));
                log.add(Problem::new(place, message));
            } else if self.refer(place, name, log) {
                good.extend(make(&name.0).ok());
            }
        }
        good
    }
}

fn plural(what: &str) -> String {
    match what.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{what}s"),
    }
}

/// The numbers from 1 to `most`.
fn up_to(most: u32) -> String {
    if most == 1 { "1".into() } else { format!("1 to {most}") }
}

fn missing(key: &str, place: Place, log: &Log) {
    log.add(Problem::new(place, format!("the key `{key}` is missing")));
}

/// The value of a key that must be there; tells if it is not.
fn required<'a, T>(
    value: &'a Option<At<T>>,
    key: &str,
    entry: Place,
    log: &Log,
) -> Option<(Place, &'a T)> {
    if value.is_none() {
        missing(key, entry, log);
    }
    given(value)
}

/// Tells if the list under `key` is there and has no items.
fn not_empty<T>(list: &List<T>, key: &str, log: &Log) {
    if let Some((place, items)) = given(list)
        && items.is_empty()
    {
        log.add(Problem::new(place, format!("`{key}` must not be empty")));
    }
}

/// The length under `key`, or `default` if it is absent; tells if it is out of bounds.
fn within(
    value: &Option<At<Length>>,
    key: &str,
    (least, most): (Millis, Millis),
    default: Millis,
    log: &Log,
) -> Option<Millis> {
    let Some((place, Length(length))) = given(value) else {
        return (!spoilt(value)).then_some(default);
    };
    if *length < least || *length > most {
        let message = format!("`{key}` is {length}: it must be from {least} to {most}");
        log.add(Problem::new(place, message));
        return None;
    }
    Some(*length)
}
