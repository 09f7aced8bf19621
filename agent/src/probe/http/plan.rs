//! What one run sends, with its secrets filled in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use model::result::VoidReason;
use url::Url;

use super::params::Params;
use super::target::Unfilled;
use crate::probe::Fault;
use crate::probe::fields::Address;
use crate::probe::text::Masks;
use crate::secret::Secrets;

/// Who asks, when the probe does not say otherwise.
const USER_AGENT: &str = concat!("Watchpost/", env!("CARGO_PKG_VERSION"));
/// Configured headers that another origin may see: they say what is wanted, not who wants it.
const HARMLESS: [HeaderName; 4] =
    [header::ACCEPT, header::ACCEPT_LANGUAGE, header::CACHE_CONTROL, header::USER_AGENT];

/// What one run sends.
pub(super) struct Plan {
    /// Where it begins; without userinfo and fragment.
    pub(super) url: Url,
    /// How.
    pub(super) method: Method,
    /// Body; empty for none.
    pub(super) body: Bytes,
    /// Instead of the URL's host in `Host` and `:authority`.
    pub(super) host: Option<HeaderValue>,
    /// Where to connect instead of to the URL's host.
    pub(super) connect_to: Option<(String, u16)>,
    headers: HeaderMap,
    authorization: Option<HeaderValue>,
}

impl Plan {
    /// Fills the parameters with the secrets of the run.
    ///
    /// # Errors
    /// Void: a secret was not released, or what it holds does not fit its place.
    pub(super) fn fill(params: &Params, secrets: &Secrets) -> Result<Self, Fault> {
        let mut url = params.url.fill(secrets).map_err(|why| match why {
            Unfilled::Unreleased => Fault::unreleased(),
            Unfilled::Unfit => unfit("the url is not a whole http or https URL"),
        })?;
        let userinfo = userinfo(&url);
        // Neither is ever sent as it stands, and both would show up in evidence.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.set_fragment(None);
        let fill = |text: &str| secrets.fill(text).ok_or_else(Fault::unreleased);
        let mut headers = HeaderMap::new();
        for (name, text) in &params.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| unfit(&format!("header name {name}")))?;
            headers.insert(name.clone(), value(&fill(text)?, &format!("header {name}"))?);
        }
        let host = headers.remove(header::HOST);
        let mut authorization = headers.remove(header::AUTHORIZATION);
        if let Some(auth) = &params.basic_auth {
            authorization = Some(basic(&fill(&auth.username)?, &fill(&auth.password)?)?);
        } else if let Some(token) = &params.bearer_token {
            authorization = Some(value(&format!("Bearer {}", fill(token)?), "bearer_token")?);
        } else if let Some((username, password)) = userinfo {
            authorization = Some(basic(&username, &password)?);
        }
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        let body = params.body.as_deref().map(fill).transpose()?.unwrap_or_default();
        let connect_to = params.connect_to.as_ref().map(|address| {
            Address::split(&fill(address.written())?)
                .map_err(|error| unfit(&format!("connect_to {error}")))
        });
        Ok(Self {
            url,
            method: params.method.get(),
            body: body.into(),
            host,
            connect_to: connect_to.transpose()?,
            headers,
            authorization,
        })
    }

    /// Whether the target is asked with a credential.
    pub(super) fn has_credentials(&self) -> bool {
        self.authorization.is_some()
    }

    /// The headers of a request. `own`: it goes to the configured origin; another one sees neither
    /// credentials nor any header that may hold one. `body`: the request has one.
    pub(super) fn headers(&self, own: bool, body: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in &self.headers {
            let about_body = *name == header::CONTENT_TYPE || *name == header::CONTENT_ENCODING;
            if (own || HARMLESS.contains(name)) && (body || !about_body) {
                headers.insert(name.clone(), value.clone());
            }
        }
        if let Some(value) = self.authorization.as_ref().filter(|_| own) {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        headers
    }
}

fn unfit(what: &str) -> Fault {
    Fault::void(VoidReason::Secret, format!("with its secrets filled in, {what} cannot be used"))
}

fn value(text: &str, what: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| unfit(what))
}

fn basic_text(username: &str, password: &str) -> String {
    BASE64.encode(format!("{username}:{password}"))
}

fn basic(username: &str, password: &str) -> Result<HeaderValue, Fault> {
    value(&format!("Basic {}", basic_text(username, password)), "basic_auth")
}

/// User name and password of a URL, decoded.
fn userinfo(url: &Url) -> Option<(String, String)> {
    let decode = |text| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    (!url.username().is_empty() || url.password().is_some())
        .then(|| (decode(url.username()), decode(url.password().unwrap_or_default())))
}

/// What must not be shown of a run: released secrets, credentials that were written out, and both
/// as they stand in the `Authorization` header.
pub(super) fn masks(params: &Params, secrets: &Secrets) -> Masks {
    let mut masks = Masks::of(secrets);
    let mut pair = |username: &str, password: &str| {
        masks.add(password);
        masks.add(&basic_text(username, password));
    };
    if let Some(auth) = &params.basic_auth
        && let (Some(username), Some(password)) =
            (secrets.fill(&auth.username), secrets.fill(&auth.password))
    {
        pair(&username, &password);
    }
    if let Some((username, password)) =
        params.url.fill(secrets).ok().and_then(|url| userinfo(&url))
    {
        pair(&username, &password);
    }
    if let Some(token) = params.bearer_token.as_ref().and_then(|token| secrets.fill(token)) {
        masks.add(&token);
    }
    let written = params.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    if let Some(text) = written.and_then(|(_, text)| secrets.fill(text)) {
        // `Basic …`, `Bearer …`: the scheme is no secret.
        masks.add(text.split_once(' ').map_or(text.as_str(), |(_, credentials)| credentials));
    }
    masks
}
