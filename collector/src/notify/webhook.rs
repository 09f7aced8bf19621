//! Posts the notice as JSON; with a secret the body is signed.

use std::collections::BTreeMap;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use model::incident::Incident;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

use super::text::{self, Text, WebAddress};
use super::{Dispatch, Fault, Notify, Sending};

/// How much of a reply is read so that the connection ends in order, bytes.
pub const REPLY_BYTES_MAX: usize = 64 * 1024;
/// The longest wait that a `Retry-After` may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The parameters of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Where to post: an http(s) address; may be or hold `${env:NAME}`.
    pub url: WebAddress,
    /// With it the body is signed: header `X-Watchpost-Signature: sha256=<hex HMAC of the body>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Text>,
    /// More headers, such as `Authorization: "Bearer ${env:NAME}"`.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "text::headers"
    )]
    pub headers: BTreeMap<String, Text>,
}

impl Notify for Params {
    fn send<'a>(&'a self, dispatch: &'a Dispatch<'a>) -> Sending<'a> {
        Box::pin(self.post(dispatch))
    }
}

impl Params {
    async fn post(&self, dispatch: &Dispatch<'_>) -> Result<(), Fault> {
        let url = self.url.url(dispatch.resolve)?;
        let body = payload(dispatch).to_string();
        let headers = self.headers(dispatch, &body)?;
        let sent = dispatch.web.post(url).headers(headers).body(body).send().await;
        let reply = sent.map_err(|error| Fault::later(what_failed(&error)))?;
        judge(reply).await
    }

    fn headers(&self, dispatch: &Dispatch<'_>, body: &str) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let wrong = || Fault::never(format!("the value of header `{name}` cannot be sent"));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let value = value.filled(dispatch.resolve)?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let key = HeaderValue::from_str(&dispatch.notice.key.0)
            .map_err(|_| Fault::never("the notice's key cannot be sent in a header"))?;
        headers.insert(HeaderName::from_static("idempotency-key"), key);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(secret) = &self.secret {
            let signature = sign(secret.filled(dispatch.resolve)?.as_bytes(), body.as_bytes())?;
            headers.insert(HeaderName::from_static("x-watchpost-signature"), signature);
        }
        Ok(headers)
    }
}

fn sign(secret: &[u8], body: &[u8]) -> Result<HeaderValue, Fault> {
    let unusable = || Fault::never("the secret cannot be used to sign");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| unusable())?;
    mac.update(body);
    let mut text = String::from("sha256=");
    for byte in mac.finalize().into_bytes() {
        text.push_str(&format!("{byte:02x}"));
    }
    HeaderValue::from_str(&text).map_err(|_| unusable())
}

/// What is sent, exactly as the interface says.
fn payload(dispatch: &Dispatch<'_>) -> Value {
    let notice = dispatch.notice;
    json!({
        "version": 1,
        "event": notice.event.word(),
        "incident": incident(&notice.incident),
        "notice": {
            "key": notice.key,
            "step": notice.step,
            "contact": notice.contact,
        },
        "links": {
            "collector": dispatch.base,
            "acknowledge": dispatch.acknowledge,
            "runbook": notice.incident.runbook,
        },
    })
}

fn incident(incident: &Incident) -> Value {
    json!({
        "id": incident.id,
        "key": incident.key,
        "service": incident.service,
        "probe": incident.probe,
        "severity": incident.severity.word(),
        "state": incident.state.word(),
        "started_ms": incident.started,
        "resolved_ms": incident.resolved,
        "summary": incident.summary,
        "regions": incident.regions,
    })
}

/// What a reply means. Its body is read within a bound and shown to nobody.
async fn judge(mut reply: Response) -> Result<(), Fault> {
    let status = reply.status();
    let after = retry_after(&reply);
    let mut size = 0_usize;
    while size < REPLY_BYTES_MAX {
        match reply.chunk().await {
            Ok(Some(chunk)) => size = size.saturating_add(chunk.len()),
            // The status has been said; how the rest of the reply ends changes nothing.
            Ok(None) | Err(_) => break,
        }
    }
    let why = format!("HTTP {} with a reply of {size} bytes", status.as_u16());
    if status.is_success() {
        Ok(())
    } else if status.is_redirection() {
        Err(Fault::never(format!("{why}: redirects are not followed, configure the final address")))
    } else if status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
    {
        Err(Fault::Later { why, after })
    } else {
        Err(Fault::never(why))
    }
}

/// The seconds form of `Retry-After`; its date form is rare and the usual wait serves as well.
fn retry_after(reply: &Response) -> Option<Duration> {
    let seconds = reply.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// Says what failed without the address, which may be a secret.
fn what_failed(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_builder() {
        "the request could not be made"
    } else {
        "the connection broke before an answer came"
    }
}
