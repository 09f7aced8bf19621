//! What a tcp probe may be told, and what is refused.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::probe::fields::{Address, Family, Length, Pattern, at_default};
use crate::probe::text;
use crate::tls;

/// The longest text that is sent or expected, in bytes.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// An example for the documentation: what stands beside a probe's name in probes.yaml.
pub const EXAMPLE: &str = r#"tcp:
  address: "mail.example:25"
  expect_matches: "^220 "
"#;

/// Connects, and if told so sends text and waits for an answer.
///
/// Phases: `dns`, `connect`, `tls`, `first_byte`, `transfer`. Values: `received_bytes` when an answer
/// is expected, and with TLS `certificate_expiry_s` (when the first certificate of the chain ends,
/// seconds since 1970) and `tls_version` (12, 13). Up to 64 KiB are received and searched; the probe
/// passes as soon as what is expected has come.
// `remote` leaves the trait to the hand-written impl below, which checks the whole after its fields.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
#[schemars(rename = "Tcp", extend("x-example" = EXAMPLE))]
pub struct Params {
    /// `host:port`; IPv6 in brackets.
    pub address: Address,
    /// Sent after the connection stands; `\r`, `\n`, `\t`, `\0`, `\xNN` and `\\` are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// Text that must be received, with the same escapes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// Pattern that must be found in what is received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_matches: Option<Pattern>,
    /// `true`, or how TLS is spoken.
    #[serde(default, skip_serializing_if = "at_default")]
    pub tls: Tls,
    /// A right answer that takes longer than this is a failure: `slow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_time: Option<Length>,
    /// IP version: any, 4 or 6.
    #[serde(default, skip_serializing_if = "at_default")]
    pub ip: Family,
}

/// Whether and how TLS is spoken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls(pub Option<tls::Params>);

impl Serialize for Tls {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            None => to.serialize_bool(false),
            Some(params) if *params == tls::Params::default() => to.serialize_bool(true),
            Some(params) => params.serialize(to),
        }
    }
}

struct TlsVisitor;

impl<'de> Visitor<'de> for TlsVisitor {
    type Value = Tls;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("true, false, or how TLS is spoken, such as {verify: false}")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Tls, E> {
        Ok(Tls(on.then(tls::Params::default)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Tls, A::Error> {
        tls::Params::deserialize(MapAccessDeserializer::new(map)).map(|params| Tls(Some(params)))
    }
}

impl<'de> Deserialize<'de> for Tls {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TlsVisitor)
    }
}

impl JsonSchema for Tls {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TcpTls".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let params = generator.subschema_for::<tls::Params>();
        json_schema!({ "oneOf": [{ "type": "boolean" }, params] })
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is sent may be a credential that was written out.
        write!(out, "tcp::Params({}, …)", self.address.written())
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

impl Params {
    fn validate(&self) -> Result<(), String> {
        for (field, written) in [("send", &self.send), ("expect", &self.expect)] {
            let Some(written) = written else { continue };
            if written.is_empty() || written.len() > TEXT_BYTES_MAX {
                return Err(format!("{field} must have from 1 to {TEXT_BYTES_MAX} bytes"));
            }
            text::unescape(&text::skeleton(written)).map_err(|error| format!("{field}: {error}"))?;
        }
        if self.expect.is_some() && self.expect_matches.is_some() {
            return Err("expect and expect_matches exclude each other: keep one".to_owned());
        }
        self.tls.0.as_ref().map_or(Ok(()), tls::Params::validate)
    }
}
