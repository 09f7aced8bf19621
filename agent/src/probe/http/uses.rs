//! Which secrets an http probe names, in which field, and where they would go.

use super::params::Params;
use crate::probe::text::{self, STAND_IN};
use crate::secret::{Destination, Use, references};

/// Every place in the parameters that names a secret.
pub(super) fn uses(params: &Params) -> Vec<Use> {
    let destination = destination(params);
    let mut uses = Vec::new();
    let mut add = |field: &str, text: &str, made_for_secrets: bool| {
        uses.extend(references(text).into_iter().map(|reference| Use {
            reference,
            field: field.to_owned(),
            made_for_secrets,
            destination: destination.clone(),
        }));
    };
    add("url", params.url.written(), false);
    for (name, value) in &params.headers {
        let name = name.to_ascii_lowercase();
        add(&format!("header {name}"), value, name == "authorization");
    }
    if let Some(auth) = &params.basic_auth {
        add("basic_auth.username", &auth.username, true);
        add("basic_auth.password", &auth.password, true);
    }
    add("bearer_token", params.bearer_token.as_deref().unwrap_or_default(), true);
    for (field, text) in [
        ("body", &params.body),
        ("body_contains", &params.body_contains),
        ("body_excludes", &params.body_excludes),
        ("body_equals", &params.body_equals),
    ] {
        add(field, text.as_deref().unwrap_or_default(), false);
    }
    for (name, rule) in &params.response_headers {
        add(&format!("response_headers {}", name.to_ascii_lowercase()), rule.text(), false);
    }
    for rule in &params.json {
        let text = rule.equals.as_ref().and_then(|value| value.as_str());
        add(&format!("json {}", rule.pointer), text.unwrap_or_default(), false);
    }
    if let Some(address) = &params.connect_to {
        add("connect_to", address.written(), false);
    }
    uses
}

/// Where the first request goes; redirects to another origin carry no secret. With verified TLS
/// the name that the certificate must have tells who receives it; without, the address does.
fn destination(params: &Params) -> Destination {
    let kind = "http".to_owned();
    let Some(url) = params.url.outline() else {
        let host = params.url.written().to_ascii_lowercase();
        return Destination { kind, host, port: 0, tls: false };
    };
    let tls = url.scheme() == "https" && params.tls.verify;
    let mut host = super::exchange::host(&url);
    let mut port = url.port_or_known_default().unwrap_or_default();
    if let Some(address) = &params.connect_to {
        let written = address.written().to_ascii_lowercase();
        let skeleton = text::skeleton(address.written());
        let (to, to_port) =
            crate::probe::fields::Address::split(&skeleton).unwrap_or((written, 0));
        port = to_port;
        if !tls {
            host = to;
        }
    }
    if let Some(name) = params.tls.server_name.as_ref().filter(|_| tls) {
        host = name.to_ascii_lowercase();
    }
    Destination { kind, host: host.replace(STAND_IN, "${…}"), port, tls }
}
