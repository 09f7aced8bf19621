//! The URL of an http probe: checked with its secrets unknown, filled when they are known.

use std::cell::Cell;
use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use crate::probe::text;
use crate::secret::Secrets;

/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 2048;

/// An http or https URL as written; secrets may stand in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(String);

impl fmt::Debug for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Userinfo and query may hold credentials that were written out.
        let outline = self.outline();
        let host = outline.as_ref().and_then(Url::host_str).unwrap_or("…");
        write!(out, "Target({host})")
    }
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn parse(written: &str) -> Result<Self, String> {
        if written.len() > URL_BYTES_MAX {
            return Err(format!("the url is longer than {URL_BYTES_MAX} bytes"));
        }
        let skeleton = text::skeleton(written);
        if !skeleton.starts_with(text::STAND_IN) {
            check(&skeleton)?;
        }
        Ok(Self(written.to_owned()))
    }

    /// The text as written, with references instead of secrets.
    pub fn written(&self) -> &str {
        &self.0
    }

    /// The URL with the stand-in for secrets; none when the whole of it is one.
    pub fn outline(&self) -> Option<Url> {
        check(&text::skeleton(&self.0)).ok()
    }

    /// The URL with the values of its secrets. A value in the userinfo is encoded; elsewhere it is
    /// taken as it is, so that a path or a query may come from a secret.
    ///
    /// # Errors
    /// Why there is no URL; without any value.
    pub fn fill(&self, secrets: &Secrets) -> Result<Url, Unfilled> {
        // The userinfo stands before every other place where a secret may stand.
        let encoded = userinfo(&text::skeleton(&self.0)).matches(text::STAND_IN).count();
        let seen = Cell::new(0);
        let filled = text::fill_with(&self.0, secrets, |value| {
            let nth = seen.replace(seen.get() + 1);
            if nth < encoded {
                utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string()
            } else {
                value
            }
        });
        check(&filled.ok_or(Unfilled::Unreleased)?).map_err(|_| Unfilled::Unfit)
    }
}

/// Why a URL could not be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfilled {
    /// A secret was not released.
    Unreleased,
    /// With its secrets it is no http or https URL.
    Unfit,
}

/// The text between `://` and the last `@` before the path; empty if there is none.
fn userinfo(url: &str) -> &str {
    let after = url.split_once("://").map_or("", |(_, after)| after);
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or("", |(userinfo, _)| userinfo)
}

/// Parses a URL and refuses what a probe cannot ask.
fn check(text: &str) -> Result<Url, String> {
    const WANTED: &str = "write a whole URL, such as https://shop.example/";
    let url = Url::parse(text).map_err(|error| format!("the url is not valid ({error}): {WANTED}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the url begins with `{}:`, not with http:// or https://", url.scheme()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("the url has no host: {WANTED}"));
    }
    if url.port() == Some(0) {
        return Err("the url has port 0: write one from 1 to 65535".to_owned());
    }
    Ok(url)
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Target {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "maxLength": URL_BYTES_MAX, "examples": ["https://shop.example/"],
            "description": "A whole http or https URL."
        })
    }
}
