//! What an http probe may be told, and what is refused.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::rules::{HeaderRule, JsonRule};
use super::status::StatusSet;
use super::target::Target;
use crate::probe::fields::{Address, Family, Length, Pattern, Scalar, at_default};
use crate::probe::text;
use crate::tls;

/// The most redirects that may be followed.
pub const REDIRECTS_MAX: u8 = 20;
const REDIRECTS_DEFAULT: u8 = 10;
/// The most headers that are sent, and the most rules on headers or JSON values.
const RULES_MAX: usize = 64;
/// The longest body that is sent, in bytes.
const SENT_BODY_BYTES_MAX: usize = 64 * 1024;

/// An example for the documentation: what stands beside a probe's name in probes.yaml.
pub const EXAMPLE: &str = r#"http:
  url: "https://shop.example/health"
  headers: { Accept: application/json }
  bearer_token: "${env:SHOP_HEALTH_TOKEN}"
  status: [200-299]
  response_headers: { Content-Type: json, X-Debug: { absent: true } }
  json:
    - { pointer: /state, equals: ok }
    - { pointer: /queue/length, max: 1000 }
  max_time: 2s
  tls: { fail_days: 14 }
"#;

/// Asks an HTTP server and judges its answer.
///
/// Phases: `dns`, `connect`, `tls`, `first_byte`, `transfer`; those of redirects add up. Values:
/// `http_status_code`, `http_version` (11, 20), `redirects`, `body_bytes`, and with TLS
/// `certificate_expiry_s` (when the first certificate of the chain ends, seconds since 1970) and
/// `tls_version` (12, 13). The first MiB of a body is read and judged. Credentials, bodies
/// and configured headers (but `Accept`, `Accept-Language`, `Cache-Control` and `User-Agent`) are never
/// sent to another origin than the URL's.
// `remote` leaves the trait to the hand-written impl below, which checks the whole after its fields.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schemars(rename = "Http", extend("x-example" = EXAMPLE))]
pub struct Params {
    /// What is asked: a whole http or https URL. A user name and password in it are sent as basic
    /// authentication.
    pub url: Target,
    /// GET by default.
    #[serde(default, skip_serializing_if = "at_default")]
    pub method: Method,
    /// Headers to send. `Host` replaces the URL's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Body to send, as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Wanted status codes: numbers and ranges. Default: 200-299.
    #[serde(default, skip_serializing_if = "at_default")]
    pub status: StatusSet,
    /// Wanted headers: name to text that it contains, or to a rule such as `{equals: text}`,
    /// `{matches: pattern}`, `{present: true}`, `{absent: true}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub response_headers: BTreeMap<String, HeaderRule>,
    /// Text that the body must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
    /// Text that the body must not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_excludes: Option<String>,
    /// Pattern that must be found in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_matches: Option<Pattern>,
    /// The whole body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_equals: Option<String>,
    /// Wanted values in a JSON body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<JsonRule>,
    /// A right answer that takes longer than this, redirects included, is a failure: `slow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_time: Option<Length>,
    /// How many redirects are followed, 0 to 20. Default: 10. With 0 the redirect itself is judged.
    #[serde(default = "redirects", skip_serializing_if = "is_redirects")]
    #[schemars(range(max = 20))]
    pub follow_redirects: u8,
    /// Sent as basic authentication, to the URL's own origin alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// Sent as `Authorization: Bearer`, to the URL's own origin alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<String>,
    /// How TLS is spoken, for https URLs.
    #[serde(default, skip_serializing_if = "at_default")]
    pub tls: tls::Params,
    /// Connects here instead of to the URL's host, whose name stays in SNI and `Host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_to: Option<Address>,
    /// IP version: any, 4 or 6.
    #[serde(default, skip_serializing_if = "at_default")]
    pub ip: Family,
    /// HTTP version: any, 1.1 or 2. With 2 an http URL is asked without an upgrade (h2c).
    #[serde(default, skip_serializing_if = "at_default")]
    pub http_version: Version,
}

fn redirects() -> u8 {
    REDIRECTS_DEFAULT
}

fn is_redirects(count: &u8) -> bool {
    *count == REDIRECTS_DEFAULT
}

/// A user name and its password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// User name; no colon.
    pub username: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for BasicAuth {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("BasicAuth(…)")
    }
}

/// A method, upper case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Method(String);

impl Default for Method {
    fn default() -> Self {
        Self("GET".to_owned())
    }
}

impl Method {
    /// The method for a request.
    pub fn get(&self) -> http::Method {
        http::Method::from_bytes(self.0.as_bytes()).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = String::deserialize(from)?.to_ascii_uppercase();
        match http::Method::from_bytes(written.as_bytes()) {
            Ok(http::Method::CONNECT) | Err(_) => {
                Err(D::Error::custom(format!("`{written}` is no method to ask with, such as GET")))
            }
            Ok(_) => Ok(Self(written)),
        }
    }
}

impl JsonSchema for Method {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpMethod".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["GET", "HEAD", "POST"] })
    }
}

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Version {
    /// What the server prefers of 2 and 1.1 over TLS; 1.1 without TLS.
    #[default]
    #[serde(rename = "any")]
    Any,
    /// HTTP/1.1.
    #[serde(rename = "1.1")]
    Http11,
    /// HTTP/2.
    #[serde(rename = "2")]
    Http2,
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match from.deserialize_any(Scalar("any, 1.1 or 2"))?.as_str() {
            "any" => Ok(Self::Any),
            "1.1" => Ok(Self::Http11),
            "2" | "2.0" => Ok(Self::Http2),
            other => Err(D::Error::custom(format!("`{other}` is no HTTP version: any, 1.1 or 2"))),
        }
    }
}

impl JsonSchema for Version {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HttpVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": ["any", "1.1", "2", 1.1, 2] })
    }
}

impl std::fmt::Debug for Params {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Headers, tokens and bodies may hold credentials that were written out.
        write!(out, "http::Params({:?}, …)", self.url)
    }
}

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let params = Self::deserialize(from)?;
        params.validate().map_err(D::Error::custom)?;
        Ok(params)
    }
}

/// Headers that belong to the connection: the probe sets them itself.
const OWN_HEADERS: [&str; 6] =
    ["connection", "content-length", "proxy-authorization", "te", "transfer-encoding", "upgrade"];

impl Params {
    fn validate(&self) -> Result<(), String> {
        if self.follow_redirects > REDIRECTS_MAX {
            return Err(format!("follow_redirects must be from 0 to {REDIRECTS_MAX}"));
        }
        self.tls.validate()?;
        self.validate_headers()?;
        self.validate_credentials()?;
        if self.body.as_ref().is_some_and(|body| body.len() > SENT_BODY_BYTES_MAX) {
            return Err(format!("the body is longer than {SENT_BODY_BYTES_MAX} bytes"));
        }
        if self.json.len() > RULES_MAX {
            return Err(format!("json has more than {RULES_MAX} rules"));
        }
        self.json.iter().try_for_each(JsonRule::validate)?;
        let wants_body = self.body_contains.is_some()
            || self.body_matches.is_some()
            || self.body_equals.as_ref().is_some_and(|body| !body.is_empty())
            || !self.json.is_empty();
        if self.method.get() == http::Method::HEAD && wants_body {
            return Err("the answer to HEAD has no body: use method GET, or drop what is wanted of \
                        the body"
                .to_owned());
        }
        Ok(())
    }

    fn validate_headers(&self) -> Result<(), String> {
        if self.headers.len() > RULES_MAX || self.response_headers.len() > RULES_MAX {
            return Err(format!("more than {RULES_MAX} headers"));
        }
        for name in self.headers.keys().chain(self.response_headers.keys()) {
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("`{name}` is not a header name, such as Accept-Language"))?;
        }
        for (name, value) in &self.headers {
            if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(format!("the header `{name}` is the connection's own: drop it"));
            }
            HeaderValue::from_bytes(text::skeleton(value).as_bytes())
                .map_err(|_| format!("the value of header `{name}` holds a control character"))?;
        }
        let mut names: Vec<_> = self.headers.keys().map(|name| name.to_ascii_lowercase()).collect();
        names.sort();
        if let Some([name, _]) = names.array_windows().find(|[a, b]| a == b) {
            return Err(format!("the header `{name}` is given twice, in other letters"));
        }
        Ok(())
    }

    fn validate_credentials(&self) -> Result<(), String> {
        let in_url = self.url.outline().is_some_and(|url| {
            !url.username().is_empty() || url.password().is_some()
        });
        let in_header = self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        let ways = [self.basic_auth.is_some(), self.bearer_token.is_some(), in_url, in_header];
        if ways.into_iter().filter(|way| *way).count() > 1 {
            return Err("more than one of basic_auth, bearer_token, a user in the url and the \
                        header Authorization: keep one"
                .to_owned());
        }
        if self.basic_auth.as_ref().is_some_and(|auth| auth.username.contains(':')) {
            return Err("basic_auth.username cannot hold a colon".to_owned());
        }
        if let Some(token) = &self.bearer_token
            && (token.is_empty() || HeaderValue::from_bytes(text::skeleton(token).as_bytes()).is_err())
        {
            return Err("bearer_token must be text without control characters".to_owned());
        }
        Ok(())
    }
}
