//! The definition read word for word, one millisecond at a time: slow, and shares no code with what
//! it is compared to.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Observation, Observed, Say};
use crate::config::{DownWhen, Needs};
use crate::report::Terms;

/// One region's observations that count, by id.
type Known<'a> = BTreeMap<&'a str, &'a Observation>;

/// The JSON of an observation with sorted keys and no spaces.
fn json(one: &Observation) -> String {
    let say = match one.say {
        Say::Up => "up",
        Say::Down => "down",
        Say::Void => "void",
    };
    let fields: BTreeMap<&str, serde_json::Value> = [
        ("id", one.id.as_str().into()),
        ("region", one.region.as_str().into()),
        ("t", one.at.ms().into()),
        ("outcome", say.into()),
        ("interval_ms", one.interval.ms().into()),
    ]
    .into();
    serde_json::to_string(&fields).unwrap()
}

fn known(observations: &[Observation]) -> Known<'_> {
    let mut known = Known::new();
    for one in observations {
        let kept = known.entry(one.id.as_str()).or_insert(one);
        if json(one) < json(kept) {
            *kept = one;
        }
    }
    known
}

/// `u`, `d` or `?` for one region at `x`.
fn vote(known: &Known<'_>, region: &str, grace: i64, x: i64) -> char {
    let rank = |say| match say {
        Say::Void => 0,
        Say::Down => 1,
        Say::Up => 2,
    };
    let latest = known
        .values()
        .filter(|one| one.region.as_str() == region && one.at.ms() <= x)
        .max_by_key(|one| (one.at.ms(), rank(one.say), one.id.as_str()));
    match latest {
        Some(one) if x < one.at.ms() + 2 * one.interval.ms() + grace => match one.say {
            Say::Up => 'u',
            Say::Down => 'd',
            Say::Void => '?',
        },
        _ => '?',
    }
}

/// `u`, `p`, `d` or `?` for one probe at `x`.
fn probe(observed: &Observed, known: &Known<'_>, grace: i64, x: i64) -> char {
    let votes: Vec<char> =
        observed.regions.iter().map(|region| vote(known, region.as_str(), grace, x)).collect();
    let count = |what| votes.iter().filter(|vote| **vote == what).count();
    let (up, down) = (count('u'), count('d'));
    if votes.is_empty() || up + down < votes.len() / 2 + 1 {
        return '?';
    }
    let is_down = match observed.down_when {
        DownWhen::Majority => down > up,
        DownWhen::Any => down >= 1,
        DownWhen::All => up == 0,
        DownWhen::AtLeast(least) => down >= least.max(1) as usize,
    };
    match (is_down, down) {
        (true, _) => 'd',
        (false, 0) => 'u',
        _ => 'p',
    }
}

/// The service: what holds whatever the unknown probes are, else unknown.
fn service(needs: Needs, probes: &[char]) -> char {
    let needed = match needs {
        Needs::All => probes.len(),
        Needs::Any => 1,
        Needs::AtLeast(least) => least as usize,
    };
    let up = probes.iter().filter(|probe| matches!(probe, 'u' | 'p')).count();
    let open = probes.iter().filter(|probe| **probe == '?').count();
    if probes.is_empty() || needed > probes.len() {
        '?'
    } else if up >= needed {
        if probes.iter().any(|probe| matches!(probe, 'p' | 'd')) { 'p' } else { 'u' }
    } else if up + open < needed {
        'd'
    } else {
        '?'
    }
}

/// The class of every millisecond of `from..to`: `u`, `p`, `d`, `?` or `x`. Every observation must
/// lie and end within `line`.
pub fn classes(
    terms: &Terms,
    probes: &[Observed],
    line: core::ops::Range<i64>,
    from: i64,
    to: i64,
) -> Vec<char> {
    let grace = terms.grace.ms();
    let all: Vec<Known<'_>> = probes.iter().map(|one| known(&one.observations)).collect();
    let mut whole: Vec<char> = line
        .clone()
        .map(|x| {
            let each: Vec<char> =
                probes.iter().zip(&all).map(|(one, known)| probe(one, known, grace, x)).collect();
            service(terms.needs, &each)
        })
        .collect();
    for run in runs(&whole) {
        if whole[run.start] == 'd' && (run.len() as i64) < terms.min_outage.ms() {
            whole[run].fill('p');
        }
    }
    let excluded = |x: i64| {
        terms.windows.iter().any(|window| {
            let announced = window.announced.map(|at| at.ms() + terms.notice.ms());
            !window.cancelled
                && announced.is_none_or(|at| at <= window.from.ms())
                && window.from.ms() <= x
                && x < window.to.ms()
        })
    };
    (from..to).map(|x| if excluded(x) { 'x' } else { whole[(x - line.start) as usize] }).collect()
}

/// The maximal runs of one class.
pub fn runs(classes: &[char]) -> Vec<core::ops::Range<usize>> {
    let mut runs: Vec<core::ops::Range<usize>> = Vec::new();
    for (place, class) in classes.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if classes[run.start] == *class => run.end = place + 1,
            _ => runs.push(place..place + 1),
        }
    }
    runs
}

/// How many outages: down runs once what is unknown or excluded is struck out.
pub fn outages(classes: &[char]) -> usize {
    let counted: Vec<char> = classes
        .iter()
        .filter(|class| !matches!(class, '?' | 'x'))
        .map(|class| if *class == 'd' { 'd' } else { 'u' })
        .collect();
    runs(&counted).into_iter().filter(|run| counted[run.start] == 'd').count()
}
