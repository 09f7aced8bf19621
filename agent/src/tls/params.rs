//! How a probe speaks TLS, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::probe::fields::at_default;

/// Which certificate authorities are trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Roots {
    /// The operating system's.
    #[default]
    System,
    /// Mozilla's, built into the program: for machines without a store of their own.
    Bundled,
}

/// How a probe speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Tls")]
pub struct Params {
    /// Whether the certificate must be valid for the name, now, from a trusted authority.
    #[serde(skip_serializing_if = "is_true")]
    pub verify: bool,
    /// PEM file on the agent with the authorities to trust instead of the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// PEM file on the agent with the client certificate and its chain; `key_file` goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<String>,
    /// PEM file on the agent with the client certificate's private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// The name that is asked for (SNI) and verified, instead of the target's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Fails when a certificate of the chain ends within so many days, 1 to 3650.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3650))]
    pub fail_days: Option<u32>,
    /// Which authorities are trusted when there is no `ca_file`.
    #[serde(skip_serializing_if = "at_default")]
    pub roots: Roots,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            verify: true,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            server_name: None,
            fail_days: None,
            roots: Roots::System,
        }
    }
}

/// The most days that `fail_days` may say.
const FAIL_DAYS_MAX: u32 = 3650;

impl Params {
    /// What serde alone cannot tell.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn validate(&self) -> Result<(), String> {
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => {
                return Err("tls.certificate_file needs tls.key_file beside it".into());
            }
            (None, Some(_)) => {
                return Err("tls.key_file needs tls.certificate_file beside it".into());
            }
            _ => {}
        }
        if !self.verify && (self.ca_file.is_some() || self.roots != Roots::System) {
            return Err(
                "tls.verify: false trusts everyone: drop it, or drop ca_file and roots".into()
            );
        }
        if self.ca_file.is_some() && self.roots != Roots::System {
            return Err("tls.ca_file takes the place of tls.roots: keep one of them".into());
        }
        if self.fail_days.is_some_and(|days| !(1..=FAIL_DAYS_MAX).contains(&days)) {
            return Err(format!("tls.fail_days must be from 1 to {FAIL_DAYS_MAX}"));
        }
        let files = [&self.ca_file, &self.certificate_file, &self.key_file];
        if files.iter().any(|file| file.as_ref().is_some_and(|path| path.is_empty())) {
            return Err("a tls file must be a path on the agent, such as /etc/ssl/ca.pem".into());
        }
        let names = files.into_iter().chain([&self.server_name]).flatten();
        if names.flat_map(|name| model::secret::references(name)).next().is_some() {
            return Err("tls takes no secrets: the files it names are the agent's own".into());
        }
        if let Some(name) = &self.server_name {
            rustls::pki_types::ServerName::try_from(name.as_str()).map_err(|_| {
                format!("tls.server_name `{name}` is neither a host name nor an address")
            })?;
        }
        Ok(())
    }
}

fn is_true(value: &bool) -> bool {
    *value
}
