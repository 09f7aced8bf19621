//! The rules of contacts, policies and mail.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Names, not_empty, required, within};
use crate::config::at::{At, List, given, spoilt};
use crate::config::problem::{Log, Problem, cut};
use crate::config::raw;
use crate::config::tree::Place;
use crate::config::worded::Entry;
use crate::config::{Contact, Policy, Smtp, SmtpSecurity, Step, Word};
use crate::name::{ContactName, PolicyName};
use crate::time::Millis;

/// The notifier that cannot do without `smtp`.
const MAIL: &str = "email";
/// How often all steps run again unless said otherwise, and at most.
const REPEAT: u32 = 3;
const REPEAT_MAX: u32 = 100;
const REPEAT_EVERY: Millis = Millis::from_secs(1800);
const REPEAT_EVERY_BOUNDS: (Millis, Millis) = (Millis::from_secs(60), Millis::from_secs(86_400));
/// When a later step follows unless said otherwise, and at most.
const AFTER: Millis = Millis::from_secs(300);
const AFTER_MAX: Millis = Millis::from_secs(7 * 86_400);
/// The most steps of a policy.
const STEPS_MAX: usize = 50;
const SMTP_PORT: u16 = 587;

/// What was read of all contacts.
pub struct Contacts<N> {
    /// None if a problem was told.
    pub list: Option<Vec<Contact<N>>>,
    /// What they are called.
    pub names: Names,
}

impl<N: Word> Contacts<N> {
    /// Reads all contacts.
    pub fn read(raw: Vec<Option<Entry<raw::ContactKeys, N>>>, has_smtp: bool, log: &Log) -> Self {
        let mut names = Names::new("contact", raw.iter().all(Option::is_some));
        let mut list = Vec::new();
        for entry in raw {
            list.push(entry.and_then(|entry| {
                names.add_required(&entry.keys.name, entry.place, log);
                let (place, notifier) = entry.word?;
                if !has_smtp && notifier.opaque().word == MAIL {
                    log.add(Problem::new(place, "mail cannot leave: the file has no `smtp`").hint(
                        "smtp: { server: \"smtp.example:587\", from: \"watchpost@example.com\" }",
                    ));
                }
                let (_, name) = given(&entry.keys.name)?;
                Some(Contact { name: ContactName::new(&name.0).ok()?, notifier })
            }));
        }
        Self { list: list.into_iter().collect(), names }
    }
}

/// What was read of all policies.
pub struct Policies {
    /// None if a problem was told.
    pub list: Option<Vec<Policy>>,
    /// What they are called.
    pub names: Names,
}

impl Policies {
    /// Reads all policies.
    pub fn read(raw: &List<raw::Policy>, contacts: &Names, log: &Log) -> Self {
        let mut names = Names::new("policy", !spoilt(raw));
        let mut list = Vec::new();
        for item in raw.iter().flat_map(|list| list.value.iter().flatten()) {
            match &item.value {
                None => {
                    names.complete = false;
                    list.push(None);
                }
                Some(policy) => {
                    names.add_required(&policy.name, item.place, log);
                    list.push(read_policy(item.place, policy, contacts, log));
                }
            }
        }
        let list = if spoilt(raw) { None } else { list.into_iter().collect() };
        Self { list, names }
    }
}

fn read_policy(place: Place, raw: &raw::Policy, contacts: &Names, log: &Log) -> Option<Policy> {
    not_empty(&raw.steps, "steps", log);
    let steps = required(&raw.steps, "steps", place, log).map(|(place, steps)| {
        if steps.len() > STEPS_MAX {
            let message = format!("{} steps are too many: at most {STEPS_MAX}", steps.len());
            log.add(Problem::new(place, message));
        }
        let read = |(number, step): (usize, &At<raw::Step>)| {
            let raw = step.value.as_ref()?;
            read_step(step.place, raw, number == 0, contacts, log)
        };
        steps.iter().enumerate().map(read).collect::<Vec<Option<Step>>>()
    });
    let repeat = given(&raw.repeat).map_or(REPEAT, |(place, repeat)| {
        if *repeat > REPEAT_MAX {
            let message = format!("`repeat` is {repeat}: it must be from 0 to {REPEAT_MAX}");
            log.add(Problem::new(place, message));
        }
        *repeat
    });
    let repeat_every =
        within(&raw.repeat_every, "repeat_every", REPEAT_EVERY_BOUNDS, REPEAT_EVERY, log);
    let (_, name) = given(&raw.name)?;
    Some(Policy {
        name: PolicyName::new(&name.0).ok()?,
        steps: steps?.into_iter().collect::<Option<_>>()?,
        repeat,
        repeat_every: repeat_every?,
    })
}

fn read_step(
    place: Place,
    raw: &raw::Step,
    first: bool,
    contacts: &Names,
    log: &Log,
) -> Option<Step> {
    not_empty(&raw.notify, "notify", log);
    required(&raw.notify, "notify", place, log);
    let notify = contacts.refer_all(&raw.notify, log, ContactName::new);
    let default = if first { Millis::ZERO } else { AFTER };
    let after = within(&raw.after, "after", (Millis::ZERO, AFTER_MAX), default, log)?;
    Some(Step { after, notify })
}

/// Reads how mail leaves. The outer none: a problem was told.
#[expect(clippy::option_option, reason = "the key may be absent, and it may be spoilt")]
pub fn smtp(raw: &Option<At<raw::Smtp>>, log: &Log) -> Option<Option<Smtp>> {
    let Some((place, raw)) = given(raw) else { return (!spoilt(raw)).then_some(None) };
    let server = required(&raw.server, "server", place, log);
    let from = required(&raw.from, "from", place, log);
    if let Some((place, from)) = from
        && !is_mail_address(from)
    {
        let message = format!("`{}` is not a mail address", cut(from));
        log.add(Problem::new(place, message).hint("such as watchpost@example.com"));
    }
    match (&raw.username, &raw.password) {
        (Some(username), None) => {
            log.add(Problem::new(username.place, "`username` stands without `password`"));
        }
        (None, Some(password)) => {
            log.add(Problem::new(password.place, "`password` stands without `username`"));
        }
        _ => {}
    }
    let text = |value: &Option<At<String>>| given(value).map(|(_, text)| text.clone());
    let (_, server) = server?;
    let (_, from) = from?;
    let (host, port) = server.0.clone();
    Some(Some(Smtp {
        host,
        port: port.unwrap_or(SMTP_PORT),
        security: given(&raw.security).map_or(SmtpSecurity::default(), |(_, word)| *word),
        from: from.clone(),
        username: text(&raw.username),
        password: text(&raw.password),
        ca_file: text(&raw.ca_file),
    }))
}

/// `name@host`, or a name before it in angle brackets, or a secret that holds either.
fn is_mail_address(text: &str) -> bool {
    let address = text
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once('<'))
        .map_or(text, |(_, address)| address);
    let parts = address.rsplit_once('@');
    let plain = parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && !address.chars().any(|c| c.is_whitespace() || c.is_control());
    plain || !crate::secret::references(text).is_empty()
}
