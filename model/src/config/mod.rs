//! What the operator wrote in probes.yaml, in types that cannot be wrong.
//!
//! [`Config`] is generic over the probe kinds and the notifiers: the binary reads it with the real
//! ones, so that every mistake in their parameters is found with its place; the collector's
//! decisions, the journal and the wire carry them as [`Opaque`].

mod access;
mod address;
mod at;
mod fault;
mod problem;
mod raw;
mod reader;
mod rules;
mod scalar;
mod schema;
pub mod tree;
mod value;
mod word;
mod worded;

pub use problem::{PROBLEMS_MAX, Problem, cut, render};
pub use rules::read;
pub use schema::schema;
pub use word::{Opaque, Word};

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::name::{ContactName, PolicyName, ProbeName, Region, ServiceName};
use crate::time::{Millis, Timestamp};

/// How long results are kept unless the configuration says otherwise.
pub const RETENTION_DEFAULT: Millis = Millis::from_secs(180 * 86_400);

/// The whole configuration as decisions see it.
pub type Watch = Config<Opaque, Opaque>;

/// Everything probes.yaml says, checked. The default watches nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config<K, N> {
    /// All regions, in the order written.
    pub regions: Vec<Region>,
    /// What is asked, in the order written.
    pub probes: Vec<Probe<K>>,
    /// What customers buy.
    pub services: Vec<Service>,
    /// Where notices can go.
    pub contacts: Vec<Contact<N>>,
    /// Who is told, when. A probe without a policy uses the first one; without any, nobody is told.
    pub policies: Vec<Policy>,
    /// What agents try to know that their own uplink works: `tcp://host:port` or an http(s) URL.
    pub anchors: Vec<String>,
    /// Planned windows.
    pub maintenance: Vec<Maintenance>,
    /// How mail leaves.
    pub smtp: Option<Smtp>,
    /// How this collector is reached from outside, for links in notices; default: its own address.
    pub public_url: Option<String>,
    /// How long results are kept; default 180 days.
    pub retention: Millis,
}

/// A configured question to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe<K> {
    /// Unique name.
    pub name: ProbeName,
    /// The protocol with its parameters.
    pub kind: K,
    /// 1 s to 1 d.
    pub every: Millis,
    /// At most `every`.
    pub timeout: Millis,
    /// The voters, never empty: N of the quorum.
    pub regions: Vec<Region>,
    /// When votes make it down.
    pub down_when: DownWhen,
    /// Who is told.
    pub policy: Option<PolicyName>,
    /// Free labels, carried to metrics and notices.
    pub labels: BTreeMap<String, String>,
    /// How bad it is when it is down.
    pub severity: Severity,
    /// Not run; its verdict is unknown, its time is not excluded.
    pub paused: bool,
    /// Probes whose being down explains this one's.
    pub depends_on: Vec<ProbeName>,
    /// What to do, for the notice.
    pub runbook: Option<String>,
}

/// The rule from down votes to down; enough votes must be known first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownWhen {
    /// More than half of the known votes.
    #[default]
    Majority,
    /// One down vote is enough.
    Any,
    /// Every known vote.
    All,
    /// At least so many.
    AtLeast(u32),
}

/// How bad an incident is. `Critical` wakes people.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the log.
    Info,
    /// Soon.
    Warning,
    /// Today.
    Error,
    /// Now.
    #[default]
    Critical,
}

impl Severity {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// What customers buy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Unique name.
    pub name: ServiceName,
    /// How many of the probes must be up for the service to be up.
    pub needs: Needs,
    /// Never empty.
    pub probes: Vec<ProbeName>,
    /// What is promised.
    pub objective: Option<Objective>,
}

/// How many probes a service needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// Every one.
    #[default]
    All,
    /// One.
    Any,
    /// At least so many.
    AtLeast(u32),
}

/// The promised number and how it is reckoned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// Parts per million: 99.9 % is 999000.
    pub target_ppm: u32,
    /// Over what.
    pub period: Period,
    /// IANA zone of the calendar; checked.
    pub zone: String,
    /// How long before its start a maintenance must have been announced to be excluded.
    pub notice: Millis,
    /// What a vote outlives twice its interval by.
    pub grace: Millis,
    /// Shorter outages count as up and partial.
    pub min_outage: Millis,
    /// `(below this availability in ppm, percent)`, highest first.
    pub credits: Vec<(u32, u32)>,
}

/// The length of an objective's period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A calendar month.
    #[default]
    Month,
    /// A calendar quarter.
    Quarter,
    /// A calendar year.
    Year,
    /// So many days up to now.
    Days(u32),
}

/// Where a notice goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact<N> {
    /// Unique name.
    pub name: ContactName,
    /// The notifier with its parameters.
    pub notifier: N,
}

/// Who is told, when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Unique name.
    pub name: PolicyName,
    /// Never empty.
    pub steps: Vec<Step>,
    /// How often the whole chain runs again after its first run.
    pub repeat: u32,
    /// Time between the last step and the next run; afterwards between repeats of the last step.
    pub repeat_every: Millis,
}

/// One step of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Time after the step before (the first: after the incident was triggered).
    pub after: Millis,
    /// Never empty.
    pub notify: Vec<ContactName>,
}

/// A planned window, half open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// The services it covers; never empty.
    pub services: Vec<ServiceName>,
    /// When.
    pub when: When,
    /// When it was announced; none: accepted without announcement.
    pub announced: Option<Timestamp>,
    /// It was called off.
    pub cancelled: bool,
}

/// Once, or again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// One window.
    Once {
        /// First instant.
        from: Timestamp,
        /// First instant after it.
        to: Timestamp,
    },
    /// A window at each match of a cron line.
    Every {
        /// Five fields, read in `zone`.
        cron: String,
        /// Length of each window.
        length: Millis,
        /// IANA zone.
        zone: String,
    },
}

/// How mail leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smtp {
    /// Host name or address.
    pub host: String,
    /// Port; 587 by default.
    pub port: u16,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// The sender.
    pub from: String,
    /// With `password`, for AUTH.
    pub username: Option<String>,
    /// May be `${env:…}` or `${file:…}`, resolved on the collector.
    pub password: Option<String>,
    /// PEM file of the certificate authorities to trust instead of the system's.
    pub ca_file: Option<String>,
}

/// How an SMTP connection is protected.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SmtpSecurity {
    /// STARTTLS, required.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None; for loopback and tests.
    None,
}

impl<K, N> Default for Config<K, N> {
    fn default() -> Self {
        Self {
            regions: Vec::new(),
            probes: Vec::new(),
            services: Vec::new(),
            contacts: Vec::new(),
            policies: Vec::new(),
            anchors: Vec::new(),
            maintenance: Vec::new(),
            smtp: None,
            public_url: None,
            retention: RETENTION_DEFAULT,
        }
    }
}

impl<K, N> Config<K, N> {
    /// The same configuration with kinds and notifiers turned into something else.
    pub fn map<K2, N2>(self, kind: impl Fn(K) -> K2, notifier: impl Fn(N) -> N2) -> Config<K2, N2> {
        Config {
            regions: self.regions,
            probes: self.probes.into_iter().map(|probe| probe.map(&kind)).collect(),
            services: self.services,
            contacts: self
                .contacts
                .into_iter()
                .map(|contact| Contact { name: contact.name, notifier: notifier(contact.notifier) })
                .collect(),
            policies: self.policies,
            anchors: self.anchors,
            maintenance: self.maintenance,
            smtp: self.smtp,
            public_url: self.public_url,
            retention: self.retention,
        }
    }

    /// The probe of this name.
    pub fn probe(&self, name: &ProbeName) -> Option<&Probe<K>> {
        self.probes.iter().find(|probe| probe.name == *name)
    }
}

impl<K> Probe<K> {
    fn map<K2>(self, kind: impl Fn(K) -> K2) -> Probe<K2> {
        Probe {
            name: self.name,
            kind: kind(self.kind),
            every: self.every,
            timeout: self.timeout,
            regions: self.regions,
            down_when: self.down_when,
            policy: self.policy,
            labels: self.labels,
            severity: self.severity,
            paused: self.paused,
            depends_on: self.depends_on,
            runbook: self.runbook,
        }
    }
}

/// A boxed watch, as it travels in inputs.
pub type BoxedWatch = Box<Watch>;
