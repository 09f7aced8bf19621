//! The notifiers. A notifier is one file and one word in the list below.
//!
//! Parameters are checked when they are read; a secret in them stands as `${…}` and is filled only
//! when a notice is sent, so that neither the store nor a log ever holds it.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::config::Smtp;
use model::incident::Notice;
use model::secret::Resolver;
use model::time::Timestamp;

#[cfg(test)]
mod tests;
pub mod text;
pub mod words;

model::word_list! {
    /// How a contact is reached: a word of probes.yaml with its parameters.
    Notifier of Notify: email, log, webhook
}

/// The longest error text of an attempt that is kept, bytes.
pub const WHY_BYTES_MAX: usize = 300;

/// A sending in progress. Dropping it ends it and frees its sockets.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>>;

/// What a notifier does: one attempt to send one notice.
pub trait Notify: Send + Sync + std::fmt::Debug {
    /// Sends the notice once. Must bear to be dropped at any await: the caller limits the time.
    fn send<'a>(&'a self, dispatch: &'a Dispatch<'a>) -> Sending<'a>;
}

/// What an attempt is given.
pub struct Dispatch<'a> {
    /// What to send.
    pub notice: &'a Notice,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The clock at the attempt.
    pub now: Timestamp,
    /// The collector's address as readers reach it, without a slash at its end.
    pub base: &'a str,
    /// The reader's own link to see and acknowledge the incident; none when it is over.
    pub acknowledge: Option<&'a str>,
    /// How mail leaves, if it can.
    pub smtp: Option<&'a Smtp>,
    /// Fills `${…}`.
    pub resolve: &'a Resolver,
    /// For notifiers that speak HTTP: follows no redirect, uses no proxy.
    pub web: &'a reqwest::Client,
    /// Parts of the notice that earlier attempts delivered, such as one recipient of several.
    pub done: &'a Done,
}

/// Why an attempt failed. The text may be shown and stored: it never holds a secret or a reply's body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It may succeed later.
    #[error("{why}")]
    Later {
        /// What happened.
        why: String,
        /// The other side named a time to wait.
        after: Option<Duration>,
    },
    /// It cannot succeed as things are configured.
    #[error("{why}")]
    Never {
        /// What happened.
        why: String,
    },
}

impl Fault {
    /// It may succeed later.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Later { why: cut(why.into()), after: None }
    }

    /// It cannot succeed as things are configured.
    pub fn never(why: impl Into<String>) -> Self {
        Self::Never { why: cut(why.into()) }
    }
}

fn cut(mut why: String) -> String {
    model::result::cut(&mut why, WHY_BYTES_MAX);
    why
}

/// Remembers which parts of a notice were delivered, so that a further attempt does not repeat them.
/// Kept in memory: after a restart a part may be sent again, under the same identity.
#[derive(Debug, Default)]
pub struct Done(Mutex<BTreeSet<String>>);

impl Done {
    /// Whether the part was delivered.
    pub fn has(&self, part: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(part)
    }

    /// The part was delivered.
    pub fn add(&self, part: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part.to_owned());
    }
}
