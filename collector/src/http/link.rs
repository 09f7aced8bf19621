//! `/n/{token}`: the page behind a notice's link. Looking changes nothing; its button takes the
//! incident.

use std::sync::LazyLock;

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::engine::Input;
use model::incident::{Incident, State as Stands};
use sha2::{Digest, Sha256};

use super::Edge;
use super::problem::{Problem, RefusedBecause};
use crate::clock::now;
use crate::handle::Refusal;
use crate::links::{Bad, Link};
use crate::notify::words::{Tone, Words, line};

/// Allows the page's one style and its own form, nothing else. The style is taken from a page as it is
/// rendered, so that the hash is always that of what the browser sees.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let page = Page { title: "", tone: "unknown", words: None, said: "", button: false };
    let html = page.render().ok()?;
    let (style, _) = html.split_once("<style>")?.1.split_once("</style>")?;
    let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).ok()
});

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    title: &'a str,
    tone: &'static str,
    words: Option<&'a Words>,
    /// What has just happened or is wrong.
    said: &'a str,
    button: bool,
}

type Token = Result<Path<String>, PathRejection>;

/// What is not even text is as good as forged.
fn text(token: Token) -> String {
    token.map(|Path(text)| text).unwrap_or_default()
}

/// `GET /n/{token}`
pub async fn show(State(edge): State<Edge>, token: Token) -> Response {
    match find(&edge, &text(token)).await {
        Ok((link, incident)) => {
            let button = incident.state == Stands::Triggered;
            page(StatusCode::OK, &incident, &who_has_it(&incident, &link), button)
        }
        Err(problem) => sorry(&problem),
    }
}

/// `POST /n/{token}`
pub async fn press(State(edge): State<Edge>, token: Token) -> Response {
    match take(&edge, &text(token)).await {
        Ok(answer) => answer,
        Err(problem) => sorry(&problem),
    }
}

async fn take(edge: &Edge, token: &str) -> Result<Response, Problem> {
    let (link, incident) = find(edge, token).await?;
    match incident.state {
        Stands::Resolved => {
            let said = "It is over already: there is nothing to take.";
            let mut answer = page(StatusCode::CONFLICT, &incident, said, false);
            answer.extensions_mut().insert(RefusedBecause("conflict"));
            Ok(answer)
        }
        // Pressed twice, or by two: say who has it and change nothing.
        Stands::Acknowledged => {
            Ok(page(StatusCode::OK, &incident, &who_has_it(&incident, &link), false))
        }
        Stands::Triggered => {
            let who = link.contact.to_string();
            let input = Input::Acknowledge { incident: link.incident, who };
            let incident = edge.handle.act(Box::new(input)).await?;
            Ok(page(StatusCode::OK, &incident, &who_has_it(&incident, &link), false))
        }
    }
}

/// The incident that a token is for, if the token is good and its contact is still one of ours.
async fn find(edge: &Edge, token: &str) -> Result<(Link, Incident), Problem> {
    let link = edge.links.read(token, now()).map_err(|bad| match bad {
        Bad::Forged => Problem::new(
            StatusCode::FORBIDDEN,
            "link_forged",
            "This link is not one of ours, or a part of it is missing. Open it again from the message.",
        ),
        Bad::Expired => Problem::new(
            StatusCode::GONE,
            "link_expired",
            "This link is older than 24 hours and does not work any more. Open the one in the newest message.",
        ),
    })?;
    let view = edge.handle.view().await?;
    let is_ours = |contact: &model::name::ContactName| {
        view.watch.as_ref().is_some_and(|watch| {
            watch.contacts.iter().any(|configured| configured.name == *contact)
        })
    };
    if !is_ours(&link.contact) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "link_contact",
            "This link belongs to a contact that is not configured any more.",
        ));
    }
    let incident = edge.handle.incident(link.incident).await.map_err(|refusal| match refusal {
        Refusal::NotFound(_) => Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "The incident of this link is not known any more.",
        ),
        other => other.into(),
    })?;
    Ok((link, incident))
}

fn who_has_it(incident: &Incident, link: &Link) -> String {
    match (incident.state, incident.owner.as_deref()) {
        (Stands::Resolved, _) => "It is over. There is nothing to do.".into(),
        (Stands::Triggered, _) => String::new(),
        (Stands::Acknowledged, Some(owner)) if owner == link.contact.as_str() => {
            "You have it.".into()
        }
        (Stands::Acknowledged, Some(owner)) => format!("{} has it.", line(owner)),
        (Stands::Acknowledged, None) => "Somebody has it.".into(),
    }
}

fn page(status: StatusCode, incident: &Incident, said: &str, button: bool) -> Response {
    let words = Words::now(incident);
    let tone = match words.tone {
        Tone::Down => "down",
        Tone::Taken => "taken",
        Tone::Up => "up",
    };
    render(status, &Page { title: &words.subject, tone, words: Some(&words), said, button })
}

fn sorry(problem: &Problem) -> Response {
    let said = match problem.code {
        "busy" | "unwritable" | "stopping" => {
            format!("Nothing was changed, {}. Try again in a moment.", problem.message)
        }
        _ => problem.message.clone(),
    };
    let page =
        Page { title: "Watchpost", tone: "unknown", words: None, said: &said, button: false };
    let mut answer = render(problem.status, &page);
    answer.extensions_mut().insert(RefusedBecause(problem.code));
    answer
}

fn render(status: StatusCode, page: &Page<'_>) -> Response {
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "a page cannot be made");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Problem::new(status, "page", "the page cannot be made").into_response();
        }
    };
    let mut answer = (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
    if let Some(policy) = &*POLICY {
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy.clone());
    }
    answer
}
