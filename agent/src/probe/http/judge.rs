//! Whether an answer is as wanted. The first thing that is not decides.

use http::{HeaderMap, header};
use memchr::memmem;
use model::result::Reason;
use serde_json::Value;

use super::exchange::{Answer, BODY_BYTES_MAX, BodyEnd};
use super::params::Params;
use super::rules::{HeaderRule, JsonRule};
use crate::probe::Fault;
use crate::secret::Secrets;

/// Headers that are kept as evidence: what helps to find a cause, nothing that identifies a session.
const SHOWN: [http::HeaderName; 15] = [
    header::AGE,
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::DATE,
    header::LOCATION,
    header::RETRY_AFTER,
    header::SERVER,
    header::STRICT_TRANSPORT_SECURITY,
    header::TRANSFER_ENCODING,
    header::VARY,
    header::VIA,
    header::WWW_AUTHENTICATE,
];
/// The same, outside the standard.
const SHOWN_TOO: [&str; 4] = ["cf-ray", "x-cache", "x-request-id", "x-served-by"];
/// How much of a value is quoted in a sentence, in bytes.
const QUOTED_BYTES_MAX: usize = 80;

/// The headers that may be kept as evidence.
pub(super) fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let names = SHOWN.iter().map(http::HeaderName::as_str).chain(SHOWN_TOO);
    let shown = names.filter_map(|name| {
        let value = headers.get(name)?;
        Some((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
    });
    shown.collect()
}

/// Judges the last answer of a run.
///
/// # Errors
/// The first thing that is not as wanted.
pub(super) fn judge(
    params: &Params,
    secrets: &Secrets,
    credentials: bool,
    answer: &Answer,
    body: &[u8],
) -> Result<(), Fault> {
    status(params, credentials, answer)?;
    if let BodyEnd::Broken(fault) = &answer.body {
        return Err(fault.clone());
    }
    for (name, rule) in &params.response_headers {
        header_rule(name, rule, secrets, &answer.headers)?;
    }
    let whole = matches!(answer.body, BodyEnd::Whole);
    body_rules(params, secrets, body, whole)?;
    json_rules(&params.json, secrets, body, whole)
}

fn status(params: &Params, credentials: bool, answer: &Answer) -> Result<(), Fault> {
    if params.status.contains(answer.status.as_u16()) {
        return Ok(());
    }
    let says = format!("status {}, wanted {}", answer.status, params.status);
    Err(match answer.status.as_u16() {
        401 if credentials => Fault::failed(
            Reason::Auth,
            format!("the server refused the credentials: {says}"),
        ),
        _ => Fault::failed(Reason::Status, says),
    })
}

/// A text of the parameters with its secrets.
fn filled(text: &str, secrets: &Secrets) -> Result<String, Fault> {
    secrets.fill(text).ok_or_else(Fault::unreleased)
}

/// The beginning of what was seen, for a sentence.
fn quoted(seen: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(seen).into_owned();
    let length = text.len();
    model::result::cut(&mut text, QUOTED_BYTES_MAX);
    let more = if text.len() < length { "…" } else { "" };
    format!("`{}{more}`", text.escape_debug())
}

fn header_rule(
    name: &str,
    rule: &HeaderRule,
    secrets: &Secrets,
    headers: &HeaderMap,
) -> Result<(), Fault> {
    let values: Vec<&[u8]> =
        headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
    let wrong = |wanted: String| {
        let seen: Vec<_> = values.iter().map(|value| quoted(value)).collect();
        let seen = if seen.is_empty() { "missing".to_owned() } else { seen.join(", ") };
        Err(Fault::failed(Reason::Header, format!("the header {name} is {seen}, wanted {wanted}")))
    };
    match rule {
        HeaderRule::Contains(text) => {
            let text = filled(text, secrets)?;
            match values.iter().any(|value| memmem::find(value, text.as_bytes()).is_some()) {
                true => Ok(()),
                false => wrong(format!("text with {}", quoted(text.as_bytes()))),
            }
        }
        HeaderRule::Equals(text) => {
            let text = filled(text, secrets)?;
            match values.contains(&text.as_bytes()) {
                true => Ok(()),
                false => wrong(quoted(text.as_bytes())),
            }
        }
        HeaderRule::Matches(pattern) => match values.iter().any(|value| pattern.matches(value)) {
            true => Ok(()),
            false => wrong(format!("a match of `{pattern}`")),
        },
        HeaderRule::Present(true) if values.is_empty() => wrong("any value".to_owned()),
        HeaderRule::Present(false) if !values.is_empty() => wrong("none".to_owned()),
        HeaderRule::Present(_) => Ok(()),
    }
}

fn body_rules(params: &Params, secrets: &Secrets, body: &[u8], whole: bool) -> Result<(), Fault> {
    let within = if whole { "" } else { " in its first MiB" };
    let wrong = |says: String| Err(Fault::failed(Reason::Body, says));
    if let Some(text) = &params.body_contains {
        let text = filled(text, secrets)?;
        if memmem::find(body, text.as_bytes()).is_none() {
            return wrong(format!("the body does not hold {}{within}", quoted(text.as_bytes())));
        }
    }
    if let Some(text) = &params.body_excludes {
        let text = filled(text, secrets)?;
        if memmem::find(body, text.as_bytes()).is_some() {
            return wrong(format!("the body holds {}", quoted(text.as_bytes())));
        }
    }
    if let Some(pattern) = &params.body_matches
        && !pattern.matches(body)
    {
        return wrong(format!("the body does not match `{pattern}`{within}"));
    }
    if let Some(text) = &params.body_equals {
        let text = filled(text, secrets)?;
        if body != text.as_bytes() || !whole {
            let (seen, wanted) = (quoted(body), quoted(text.as_bytes()));
            return wrong(format!("the body is {seen}, wanted {wanted}"));
        }
    }
    Ok(())
}

fn json_rules(
    rules: &[JsonRule],
    secrets: &Secrets,
    body: &[u8],
    whole: bool,
) -> Result<(), Fault> {
    if rules.is_empty() {
        return Ok(());
    }
    if !whole {
        let says = format!("the body is longer than {BODY_BYTES_MAX} bytes and not read as JSON");
        return Err(Fault::failed(Reason::Body, says));
    }
    let json: Value = serde_json::from_slice(body).map_err(|error| {
        Fault::failed(Reason::Body, format!("the body is not JSON: {error}")).with_error(&error)
    })?;
    rules.iter().try_for_each(|rule| json_rule(rule, secrets, &json))
}

fn json_rule(rule: &JsonRule, secrets: &Secrets, json: &Value) -> Result<(), Fault> {
    let seen = json.pointer(&rule.pointer);
    let wrong = |wanted: String| {
        let seen = seen.map_or_else(|| "missing".to_owned(), |seen| quoted(seen.to_string().as_bytes()));
        let place = if rule.pointer.is_empty() { "the body" } else { rule.pointer.as_str() };
        Err(Fault::failed(Reason::Body, format!("in the JSON, {place} is {seen}, wanted {wanted}")))
    };
    let Some(value) = seen else {
        return if rule.absent { Ok(()) } else { wrong("a value".to_owned()) };
    };
    if rule.absent {
        return wrong("none".to_owned());
    }
    if let Some(wanted) = &rule.equals {
        let wanted = match wanted {
            Value::String(text) => Value::String(filled(text, secrets)?),
            other => other.clone(),
        };
        if !same(value, &wanted) {
            return wrong(quoted(wanted.to_string().as_bytes()));
        }
    }
    if let Some(pattern) = &rule.matches {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !pattern.matches(text.as_bytes()) {
            return wrong(format!("a match of `{pattern}`"));
        }
    }
    let number = value.as_f64();
    if let Some(min) = &rule.min
        && number.is_none_or(|number| min.as_f64().is_some_and(|min| number < min))
    {
        return wrong(format!("at least {min}"));
    }
    if let Some(max) = &rule.max
        && number.is_none_or(|number| max.as_f64().is_some_and(|max| number > max))
    {
        return wrong(format!("at most {max}"));
    }
    Ok(())
}

/// Equality of JSON values in which 1 and 1.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
