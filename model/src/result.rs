//! What one run of a probe found.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::name::{ProbeName, Region};
use crate::time::{Millis, Timestamp};

/// The longest detail of a result, in bytes; longer text is cut at a character.
pub const DETAIL_BYTES_MAX: usize = 300;
/// How much of a body is kept as evidence, in bytes.
pub const EVIDENCE_BODY_BYTES_MAX: usize = 2048;
/// How many values a result may carry.
pub const VALUES_MAX: usize = 32;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant = $number),* }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word for it in JSON, metrics and text.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The one with this number on the wire.
            pub fn from_number(number: i32) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// The one with this word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                out.pad(self.word())
            }
        }
    };
}

words! {
    /// Why a target failed its probe. The numbers are the wire's and never change.
    Reason {
        /// The name could not be resolved.
        Dns = 1 "dns",
        /// No connection: refused, unreachable, reset before it stood.
        Connect = 2 "connect",
        /// The TLS handshake failed for a cause other than the certificate.
        Tls = 3 "tls",
        /// The certificate is not valid for this name at this time, or ends too soon.
        Certificate = 4 "certificate",
        /// No complete answer within the timeout.
        Timeout = 5 "timeout",
        /// The answer breaks the protocol, or the connection ended in the middle of it.
        Protocol = 6 "protocol",
        /// An answer with a status that was not wanted.
        Status = 7 "status",
        /// A header is missing or is not as wanted.
        Header = 8 "header",
        /// The body, or what was received, is not as wanted.
        Body = 9 "body",
        /// A right answer, but later than `max_time`.
        Slow = 10 "slow",
        /// Too many redirects, a loop, or one to a place that is not allowed.
        Redirect = 11 "redirect",
        /// The target refused the credentials.
        Auth = 12 "auth",
        /// The target answered, and said or showed that it is not well.
        Unhealthy = 13 "unhealthy",
    }
}

words! {
    /// Why a run says nothing about the target. The numbers are the wire's and never change.
    VoidReason {
        /// The agent's own anchors failed too.
        Isolated = 1 "isolated",
        /// The agent itself stood still for more than 500 ms during the run.
        Stalled = 2 "stalled",
        /// The agent's clock is off by more than 5 s, or was never measured for 24 h.
        Clock = 3 "clock",
        /// A secret is missing, or is not released to this target and field.
        Secret = 4 "secret",
        /// The probe's own code panicked.
        Panic = 5 "panic",
        /// The agent had no room to run it.
        Overloaded = 6 "overloaded",
        /// The agent does not know the kind or cannot read its parameters.
        Unsupported = 7 "unsupported",
        /// The agent or its role may not look: a right is missing.
        Privilege = 8 "privilege",
    }
}

/// What one run found. A failing target is a value with a reason, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The target answered as wanted.
    Passed,
    /// It did not.
    Failed(Reason),
    /// The run says nothing about the target and never counts against it.
    Void(VoidReason),
}

impl Outcome {
    /// `passed`, `failed` or `void`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Void(_) => "void",
        }
    }

    /// The reason's word, if there is a reason.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Passed => None,
            Self::Failed(reason) => Some(reason.word()),
            Self::Void(reason) => Some(reason.word()),
        }
    }
}

/// One part of a run and how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// `dns`, `connect`, `tls`, `first_byte`, `transfer`, …
    pub name: String,
    /// Microseconds.
    pub us: u64,
}

/// How far the agent's clock is from the collector's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Collector's clock minus agent's clock, ms: what to add to the agent's stamp.
    pub offset_ms: i64,
    /// Half the round trip of the measurement, ms.
    pub error_ms: i64,
}

/// What was seen of a failure, bounded, so that people need not reproduce it. Holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The addresses the name resolved to; the one that was used first.
    pub addresses: Vec<String>,
    /// The first line of the answer.
    pub status_line: Option<String>,
    /// Headers of the answer that are on the allow list.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, at most [`EVIDENCE_BODY_BYTES_MAX`], lossy UTF-8.
    pub body: Option<String>,
    /// Subject, issuer, names and dates of the certificate in one line.
    pub certificate: Option<String>,
    /// Where redirects led, in order.
    pub redirects: Vec<String>,
    /// The chain of errors, outermost first.
    pub errors: Vec<String>,
}

/// An outcome with who, where, when and in which order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// The probe that ran.
    pub probe: ProbeName,
    /// Where it ran.
    pub region: Region,
    /// The number given at spooling, from 1, rising by 1 within one incarnation of the agent.
    pub seq: u64,
    /// The due time: a multiple of the interval plus the region's phase, wall clock.
    pub slot: Timestamp,
    /// Start of the first attempt on the agent's clock, never changed afterwards. The ledger's time.
    pub started: Timestamp,
    /// The interval in force for this run; the ledger bridges twice this.
    pub interval: Millis,
    /// What was found.
    pub outcome: Outcome,
    /// One sentence for a person, at most [`DETAIL_BYTES_MAX`]; empty when passed.
    pub detail: String,
    /// How many attempts were made, from 1.
    pub attempts: u32,
    /// Length of the deciding attempt, microseconds.
    pub duration_us: u64,
    /// Its parts in order.
    pub phases: Vec<Phase>,
    /// Numbers worth keeping, unit in the name: `http_status_code`, `certificate_expiry_s`, …
    pub values: BTreeMap<String, i64>,
    /// The last measured clock offset at that time; none if it was never measured.
    pub clock: Option<Clock>,
    /// What was seen, for failures.
    pub evidence: Option<Evidence>,
}

/// How far an agent's clock may be off before its results are void for the accounts.
pub const CLOCK_OFFSET_MAX: Millis = Millis::from_secs(5);

impl ProbeResult {
    /// The outcome as it counts for the ledger: what was found, but void when the agent's clock is
    /// known to be off by more than [`CLOCK_OFFSET_MAX`]. Alerts use [`ProbeResult::outcome`].
    pub fn accounted(&self) -> Outcome {
        let bound = CLOCK_OFFSET_MAX.ms().unsigned_abs();
        match self.clock {
            Some(clock) if clock.offset_ms.unsigned_abs() > bound => {
                Outcome::Void(VoidReason::Clock)
            }
            _ => self.outcome,
        }
    }
}

/// Cuts `text` to at most `bytes_max` bytes at a character.
pub fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        let mut end = bytes_max;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
}
