//! Redirects: which answers are one, where they lead, and what may go there.

use http::{HeaderMap, Method, StatusCode, header};
use model::result::Reason;
use url::Url;

use super::plan::Plan;
use crate::probe::Fault;

/// One request of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// Where to.
    pub(super) url: Url,
    /// How.
    pub(super) method: Method,
    /// Whether the configured body goes along.
    pub(super) body: bool,
    /// Whether it goes to the configured origin: only there go credentials, the configured headers,
    /// the client certificate and `connect_to`.
    pub(super) own: bool,
}

impl Hop {
    /// The first request.
    pub(super) fn first(plan: &Plan) -> Self {
        Self {
            url: plan.url.clone(),
            method: plan.method.clone(),
            body: !plan.body.is_empty(),
            own: true,
        }
    }

    /// The request that a redirect asks for.
    ///
    /// # Errors
    /// `redirect`: it leads to no http or https URL, or would carry the body to another origin.
    pub(super) fn next(
        &self,
        plan: &Plan,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Self, Fault> {
        let location = location(headers).unwrap_or_default();
        let wrong = |why: &str| {
            Fault::failed(Reason::Redirect, format!("the redirect {status} leads to {why}"))
        };
        let mut url = self.url.join(&location).map_err(|_| wrong("no valid URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(wrong(&format!("`{}:`, which is not http or https", url.scheme())));
        }
        // What a server writes into a URL is not a credential of ours to send.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.set_fragment(None);
        let get = match status.as_u16() {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        let method = if get { Method::GET } else { self.method.clone() };
        let own = url.origin() == plan.url.origin();
        let body = self.body && !get;
        if body && !own {
            return Err(wrong(&format!(
                "another origin, {}: the body is not sent there",
                url.origin().ascii_serialization()
            )));
        }
        Ok(Self { url, method, body, own })
    }
}

/// Whether an answer asks to go elsewhere.
pub(super) fn is_redirect(status: StatusCode, headers: &HeaderMap) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) && headers.contains_key(header::LOCATION)
}

fn location(headers: &HeaderMap) -> Option<String> {
    // Servers write raw UTF-8 there.
    headers.get(header::LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Refuses a hop that was made before: without cookies it can only lead round again.
///
/// # Errors
/// `redirect`, with the place.
pub(super) fn refuse_loop(made: &[Hop], next: &Hop) -> Result<(), Fault> {
    match made.contains(next) {
        true => Err(Fault::failed(
            Reason::Redirect,
            format!("redirects go round in a loop: back to {}", next.url),
        )),
        false => Ok(()),
    }
}
