//! The page behind a notice's link.

use base64::Engine as _;
use sha2::Digest;

use super::{Running, running};
use crate::clock::now;
use crate::links::Links;
use model::incident::{IncidentId, State};
use model::name::ContactName;
use model::time::Millis;

async fn page(edge: &Running, method: &str, path: &str) -> (u16, String) {
    let answer = edge.ask(method, path, None).send().await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn looking_changes_nothing_and_the_button_takes_it_once() {
    let edge = running().await;
    let path = edge.link(482, "ops-log");
    for method in ["GET", "HEAD", "GET"] {
        let (status, html) = page(&edge, method, &path).await;
        assert_eq!(status, 200);
        assert_eq!(html.contains("<button>"), method == "GET", "{html}");
    }
    assert!(edge.core.known().acts.is_empty(), "looking acted");
    for says in ["You have it.", "You have it."] {
        let (status, html) = page(&edge, "POST", &path).await;
        assert_eq!(status, 200);
        assert!(html.contains(says) && !html.contains("<button>"), "{html}");
    }
    assert_eq!(edge.core.known().acts.len(), 1, "a second press changes nothing");
    edge.core.known().incidents.get_mut(&482).unwrap().owner = Some("Jonas <b>".into());
    let (_, html) = page(&edge, "POST", &path).await;
    assert!(html.contains("Jonas &#60;b&#62; has it."), "{html}");
    edge.core.known().incidents.get_mut(&482).unwrap().state = State::Resolved;
    let (status, html) = page(&edge, "GET", &path).await;
    assert!(status == 200 && html.contains("It is over.") && !html.contains("<button>"), "{html}");
    let (status, html) = page(&edge, "POST", &path).await;
    assert!(status == 409 && html.contains("nothing to take"), "{html}");
    assert_eq!(edge.core.known().acts.len(), 1);
}

#[tokio::test]
async fn a_link_that_is_no_good_says_why_and_does_nothing() {
    let edge = running().await;
    let good = edge.link(482, "ops-log");
    let contact = ContactName::new("ops-log").unwrap();
    let made = |links: &Links, ago_s| {
        let then = now() - Millis::from_secs(ago_s);
        let url = links.acknowledge_url(IncidentId(482), &contact, then);
        url.strip_prefix(links.base()).unwrap().to_owned()
    };
    let foreign = Links::new([6; 32], String::new());
    let changed = good.replace(&good[5..7], "zz");
    for (name, path, status, says) in [
        ("changed", changed, 403, "not one of ours"),
        ("cut", good[..good.len() - 2].to_owned(), 403, "not one of ours"),
        ("no text", "/n/%ff%fe".to_owned(), 403, "not one of ours"),
        ("foreign", made(&foreign, 0), 403, "not one of ours"),
        ("expired", made(&edge.links, 24 * 3600), 410, "older than 24 hours"),
        ("other incident", edge.link(7, "ops-log"), 404, "not known"),
        ("other contact", edge.link(482, "gone"), 403, "not configured"),
    ] {
        for method in ["GET", "POST"] {
            let (got, html) = page(&edge, method, &path).await;
            assert_eq!(got, status, "{method} {name}");
            assert!(html.contains(says) && !html.contains("<button>"), "{method} {name}: {html}");
        }
    }
    assert!(edge.core.known().acts.is_empty());
}

#[tokio::test]
async fn the_page_brings_its_style_and_allows_nothing_else() {
    let edge = running().await;
    let answer = edge.ask("GET", &edge.link(482, "ops-log"), None).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let html = answer.text().await.unwrap();
    let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{policy}");
    assert!(!policy.contains("unsafe") && !html.contains("<script") && !html.contains(" style="));
    expect_test::expect_file!["page.html"].assert_eq(&html);
}

#[tokio::test]
async fn hostile_words_stay_words() {
    let edge = running().await;
    {
        let mut known = edge.core.known();
        let incident = known.incidents.get_mut(&482).unwrap();
        incident.summary = "<script>alert(1)</script>\r\nSet-Cookie: a".into();
        incident.runbook = Some("javascript:alert(1)".into());
        for says in incident.regions.values_mut() {
            says.reason = Some("\"><img src=x onerror=alert(1)>\u{202e}".into());
        }
    }
    let (_, html) = page(&edge, "GET", &edge.link(482, "ops-log")).await;
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(!html.contains("href") && !html.contains('\u{202e}'), "{html}");
}
