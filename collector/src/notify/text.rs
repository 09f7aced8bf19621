//! Texts of parameters in which a secret may stand as `${env:NAME}` or `${file:PATH}`.

use std::collections::BTreeMap;
use std::fmt;

use lettre::message::Mailbox;
use model::secret::{Resolver, fill, references};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::Fault;

/// The longest text of a parameter, bytes.
pub const TEXT_BYTES_MAX: usize = 4096;
/// The most recipients of one contact.
pub const RECIPIENTS_MAX: usize = 20;
/// The most extra headers of one contact.
pub const HEADERS_MAX: usize = 32;

/// A text that may hold secrets, as references or, if somebody wrote so, as they are. Its `Debug`
/// form shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// The text with every reference replaced.
    ///
    /// # Errors
    /// [`Fault::Later`]: a reference cannot be looked up now; names the reference, not a value.
    pub fn filled(&self, resolve: &Resolver) -> Result<String, Fault> {
        fill(&self.0, |name| resolve(name)).map_err(Fault::later)
    }

    /// The text as it was written.
    pub fn written(&self) -> &str {
        &self.0
    }

    /// Whether what is meant is known only when the references are filled.
    fn is_open(&self) -> bool {
        !references(&self.0).is_empty()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("…")
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.is_empty() {
            return Err(de::Error::custom("must not be empty"));
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(de::Error::custom(format!("must have at most {TEXT_BYTES_MAX} bytes")));
        }
        Ok(Self(text))
    }
}

/// A mail address, such as `ops@example.com` or `Ops <ops@example.com>`.
#[derive(Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Address(Text);

impl Address {
    /// The address with its references filled.
    ///
    /// # Errors
    /// A reference cannot be looked up, or what it gives is no address.
    pub fn mailbox(&self, resolve: &Resolver) -> Result<Mailbox, Fault> {
        let filled = self.0.filled(resolve)?;
        filled.parse().map_err(|_| Fault::never("a recipient is not a mail address"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(from)?;
        if !text.is_open() && text.0.parse::<Mailbox>().is_err() {
            let shown = text.0.escape_debug();
            return Err(de::Error::custom(format!(
                "`{shown}` is not a mail address: write ops@example.com or Ops <ops@example.com>"
            )));
        }
        Ok(Self(text))
    }
}

/// 1 to [`RECIPIENTS_MAX`] addresses.
///
/// # Errors
/// The deserializer's: none, too many, or one that is wrong.
pub fn recipients<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Address>, D::Error> {
    let to = Vec::<Address>::deserialize(from)?;
    match to.len() {
        1..=RECIPIENTS_MAX => Ok(to),
        0 => Err(de::Error::custom("`to` is empty: name at least one mail address")),
        many => Err(de::Error::custom(format!(
            "`to` has {many} addresses, at most {RECIPIENTS_MAX} are allowed: use a mailing list"
        ))),
    }
}

/// Where a webhook goes. Its `Debug` form shows nothing: such addresses often are the secret.
#[derive(Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct WebAddress(Text);

impl WebAddress {
    /// The address with its references filled.
    ///
    /// # Errors
    /// A reference cannot be looked up, or what it gives is no http(s) address.
    pub fn url(&self, resolve: &Resolver) -> Result<url::Url, Fault> {
        let filled = self.0.filled(resolve)?;
        web_address(&filled).map_err(Fault::never)
    }
}

impl fmt::Debug for WebAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl<'de> Deserialize<'de> for WebAddress {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(from)?;
        if !text.is_open() {
            web_address(&text.0).map_err(de::Error::custom)?;
        }
        Ok(Self(text))
    }
}

fn web_address(text: &str) -> Result<url::Url, String> {
    const RIGHT: &str = "write an address such as https://hooks.example/path";
    let url = url::Url::parse(text).map_err(|wrong| format!("not a URL ({wrong}): {RIGHT}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(format!("only http and https addresses can be called: {RIGHT}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "a name or password does not belong into the address: use `headers: { Authorization: \"${env:NAME}\" }`"
                .into(),
        );
    }
    Ok(url)
}

/// Headers that the notifier or the protocol sets, in lower case.
const OWN_HEADERS: [&str; 8] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "te",
    "transfer-encoding",
    "x-watchpost-signature",
];

/// Extra headers by name: names that can be sent and are not set by the notifier itself.
///
/// # Errors
/// The deserializer's: too many, or a name that is wrong.
pub fn headers<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Text>, D::Error> {
    let headers = BTreeMap::<String, Text>::deserialize(from)?;
    if headers.len() > HEADERS_MAX {
        return Err(de::Error::custom(format!("at most {HEADERS_MAX} headers are allowed")));
    }
    for name in headers.keys() {
        let shown = name.escape_debug();
        if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(de::Error::custom(format!(
                "`{shown}` is not a header name: use letters, digits and `-`"
            )));
        }
        if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(de::Error::custom(format!("the header `{shown}` is set by Watchpost")));
        }
    }
    Ok(headers)
}

/// An IANA zone, such as `Europe/Berlin`.
///
/// # Errors
/// The deserializer's: there is no such zone.
pub fn zone<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let zone = Option::<String>::deserialize(from)?;
    match zone {
        Some(name) if !model::calendar::zone_exists(&name) => Err(de::Error::custom(format!(
            "`{}` is not a time zone: write an IANA name such as Europe/Berlin",
            name.escape_debug()
        ))),
        zone => Ok(zone),
    }
}
