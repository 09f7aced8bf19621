//! The shapes of probes.yaml as they are written: the one list of its keys. The sentences on the
//! fields are the descriptions in its JSON Schema.
//!
//! Every value is optional here and stands in an [`At`], so that one bad value does not hide the
//! next; what must be there, and what fits to what, is said in [`super::rules`].

use alloc::string::String;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::{At, List};
use super::value::{
    Anchor, Cron, HostPort, Instant, Length, Name, NeedsWord, Percent, PeriodName, Quorum, Regions,
    Web, Zone,
};
use super::worded::{Labels, Unread};
use super::{Severity, SmtpSecurity, Word};

/// What Watchpost watches, what it promises, and whom it tells.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(bound = "K: Word, N: Word", rename = "probes.yaml")]
pub struct Top<K, N> {
    /// The version of this format; always 1.
    #[schemars(required, range(min = 1, max = 1))]
    pub version: Option<At<u64>>,
    /// The regions in which agents run: the voters. Default: [local].
    pub regions: List<Name>,
    /// What holds for probes that do not say otherwise.
    pub defaults: Option<At<Defaults>>,
    /// What is asked.
    #[expect(dead_code, reason = "read over the tree; here for its key and its schema")]
    pub probes: Option<Unread<ProbeKeys, K>>,
    /// What customers buy: one or more probes, and what is promised.
    pub services: List<Service>,
    /// Where notices can go.
    #[expect(dead_code, reason = "read over the tree; here for its key and its schema")]
    pub contacts: Option<Unread<ContactKeys, N>>,
    /// Who is told, when. A probe without a policy uses the first.
    pub policies: List<Policy>,
    /// What an agent tries to know that its own uplink works: tcp://host:port or a web address.
    pub anchors: List<Anchor>,
    /// Planned windows that are left out of the accounts.
    pub maintenance: List<Maintenance>,
    /// How mail leaves.
    pub smtp: Option<At<Smtp>>,
    /// How this collector is reached from outside, for links in notices.
    pub public_url: Option<At<Web>>,
    /// How long results are kept, 1d to 3650d. Default: 180d.
    pub retention: Option<At<Length>>,
}

/// What holds for probes that do not say otherwise.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Time between runs in one region, 1s to 1d. Default: 60s.
    pub every: Option<At<Length>>,
    /// How long one attempt may take. Default: 10s, or `every` if that is shorter.
    pub timeout: Option<At<Length>>,
    /// How many down votes make a probe down. Default: majority.
    pub down_when: Option<At<Quorum>>,
}

/// A question to a target, asked from several regions. Beside these keys stands the kind.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeKeys {
    /// Unique name: 1 to 64 letters, digits, `.`, `_`, `-`.
    #[schemars(required)]
    pub name: Option<At<Name>>,
    /// Time between runs in one region, 1s to 1d.
    pub every: Option<At<Length>>,
    /// How long one attempt may take, at most `every`.
    pub timeout: Option<At<Length>>,
    /// The regions that ask and vote: `all` or a list. Default: all.
    pub regions: Option<At<Regions>>,
    /// How many down votes make it down: majority, any, all or a number.
    pub down_when: Option<At<Quorum>>,
    /// Who is told when it is down. Default: the first policy.
    pub policy: Option<At<Name>>,
    /// Free labels for metrics and notices.
    pub labels: Option<At<Labels>>,
    /// How bad it is when it is down. Default: critical.
    pub severity: Option<At<Severity>>,
    /// Not run while true; the verdict is unknown and the time is not excluded.
    pub paused: Option<At<bool>>,
    /// Probes whose being down explains this one's.
    pub depends_on: List<Name>,
    /// Where it is written what to do; a web address.
    pub runbook: Option<At<Web>>,
}

/// What customers buy.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Unique name.
    #[schemars(required)]
    pub name: Option<At<Name>>,
    /// How many of the probes must be up: all, any or a number. Default: all.
    pub needs: Option<At<NeedsWord>>,
    /// The probes it is made of.
    #[schemars(required, length(min = 1))]
    pub probes: List<Name>,
    /// What is promised.
    pub objective: Option<At<Objective>>,
}

/// The promised number and how it is reckoned.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// The promised availability, such as 99.9%; less than 100%.
    #[schemars(required)]
    pub availability: Option<At<Percent>>,
    /// month, quarter, year or a number of days such as 30d. Default: month.
    pub period: Option<At<PeriodName>>,
    /// The IANA time zone of the calendar. Default: UTC.
    pub time_zone: Option<At<Zone>>,
    /// How long before its start a maintenance must be announced to be excluded. Default: 0s.
    pub notice: Option<At<Length>>,
    /// How much longer than two intervals a vote lives. Default: 10s.
    pub grace: Option<At<Length>>,
    /// Shorter outages count as partial. Default: 0s.
    pub min_outage: Option<At<Length>>,
    /// What is paid back below which availability.
    pub credits: List<Credit>,
}

/// A tier of credits.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credit {
    /// It is paid below this availability.
    #[schemars(required)]
    pub below: Option<At<Percent>>,
    /// Percent of the price, 0 to 100.
    #[schemars(required, range(max = 100))]
    pub percent: Option<At<u32>>,
}

/// Where a notice goes. Beside the name stands the notifier.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactKeys {
    /// Unique name.
    #[schemars(required)]
    pub name: Option<At<Name>>,
}

/// Who is told, when.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Unique name.
    #[schemars(required)]
    pub name: Option<At<Name>>,
    /// One after the other until somebody acknowledges.
    #[schemars(required, length(min = 1))]
    pub steps: List<Step>,
    /// How often all steps run again, 0 to 100. Default: 3.
    #[schemars(range(max = 100))]
    pub repeat: Option<At<u32>>,
    /// Time before they run again, and then between repeats of the last step, 1m to 1d. Default: 30m.
    pub repeat_every: Option<At<Length>>,
}

/// One step of a policy.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Time after the step before, at most 7d. Default: 0s for the first, 5m for the others.
    pub after: Option<At<Length>>,
    /// The contacts that are told.
    #[schemars(required, length(min = 1))]
    pub notify: List<Name>,
}

/// A planned window, once (from, to) or again and again (every, for).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// The services it covers.
    #[schemars(required, length(min = 1))]
    pub services: List<Name>,
    /// Its first instant.
    pub from: Option<At<Instant>>,
    /// The first instant after it.
    pub to: Option<At<Instant>>,
    /// A cron line of five fields: when windows begin.
    pub every: Option<At<Cron>>,
    /// The length of each window, 1m to 7d.
    #[serde(rename = "for")]
    pub length: Option<At<Length>>,
    /// The IANA time zone of the cron line. Default: UTC.
    pub time_zone: Option<At<Zone>>,
    /// When it was announced. Default: accepted without announcement.
    pub announced: Option<At<Instant>>,
    /// It was called off.
    pub cancelled: Option<At<bool>>,
}

/// How mail leaves.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// host or host:port. Default port: 587.
    #[schemars(required)]
    pub server: Option<At<HostPort>>,
    /// How the connection is protected. Default: starttls.
    pub security: Option<At<SmtpSecurity>>,
    /// The sender's address.
    #[schemars(required)]
    pub from: Option<At<String>>,
    /// The name to log in with.
    pub username: Option<At<String>>,
    /// The password, as ${env:NAME} or ${file:PATH}.
    pub password: Option<At<String>>,
    /// A PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<At<String>>,
}
