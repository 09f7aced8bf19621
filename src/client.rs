//! Asks a collector over its API: finds it, speaks for somebody, and says in plain words why not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use reqwest::{Certificate, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::arguments::Where;
use crate::exit::Failure;
use crate::run::agent::{TOKEN, is_loopback};
use crate::{out, secrets};

/// How long a whole answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The largest answer that is read, bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What the collector writes into its folder for us.
const FILE: &str = "client.json";

/// The contents of [`FILE`].
#[derive(Deserialize)]
struct Found {
    url: Url,
    token: String,
}

/// The collector's words about a refusal.
#[derive(Deserialize)]
struct Refused {
    error: Sentence,
}

/// One refusal.
#[derive(Deserialize)]
struct Sentence {
    message: String,
}

/// One collector and the token to ask with.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: String,
    /// Where the address was found, for errors.
    found: String,
}

/// Reads address and token of a collector that ran in `data`.
fn look_up(data: &Path) -> Result<(Found, PathBuf), Failure> {
    let path = data.join(FILE);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::NotFound => {
                ": no collector has run there; start one with `watchpost up`, name its folder with \
                 --data DIR, or give --collector URL and a token in $WATCHPOST_TOKEN"
            }
            std::io::ErrorKind::PermissionDenied => {
                ": it belongs to another user; run this as that one, or give --collector URL and a \
                 token in $WATCHPOST_TOKEN"
            }
            _ => "",
        };
        anyhow!(error).context(format!("cannot read {}{advice}", path.display()))
    })?;
    // No source: serde_json could quote a part of the token.
    let found = serde_json::from_str(&text).map_err(|_| {
        anyhow!("{} is damaged: restart the collector, which writes it anew", path.display())
    })?;
    Ok((found, path))
}

fn http(base: &Url, ca: Option<&Path>) -> Result<reqwest::Client, Failure> {
    let mut builder = reqwest::Client::builder()
        .timeout(ANSWER_MAX)
        .connect_timeout(CONNECT_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("watchpost/", env!("CARGO_PKG_VERSION")));
    if is_loopback(base) {
        // A proxy of the environment would look for it on its own host.
        builder = builder.no_proxy();
    }
    if let Some(path) = ca {
        let pem = std::fs::read(path)
            .with_context(|| format!("cannot read --collector-ca {}", path.display()))?;
        let authorities = Certificate::from_pem_bundle(&pem)
            .with_context(|| format!("--collector-ca {} holds no certificates", path.display()))?;
        builder = builder.tls_certs_only(authorities);
    } else if base.scheme() == "http" {
        // No authorities are needed, so a host without any can ask too.
        builder = builder.tls_certs_only([]);
    }
    Ok(builder.build().context("cannot prepare connections")?)
}

impl Client {
    /// The collector that `place` names.
    pub fn find(place: &Where) -> Result<Self, Failure> {
        let (base, token, found) = match &place.collector {
            Some(url) => {
                let token = secrets::environment(TOKEN).ok_or_else(|| {
                    Failure::Usage(format!(
                        "--collector needs a token in ${TOKEN}; `watchpost token add` makes one on \
                         the collector's host"
                    ))
                })?;
                (url.clone(), token.trim().to_owned(), "given by --collector".to_owned())
            }
            None => {
                let (found, path) = look_up(&place.data)?;
                (found.url, found.token, format!("looked in {}", path.display()))
            }
        };
        let http = http(&base, place.collector_ca.as_deref())?;
        Ok(Self { http, base, token, found })
    }

    /// The answer to a question as the collector wrote it.
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<String, Failure> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.ask(self.http.request(Method::GET, url)).await
    }

    /// The answer to an order as the collector wrote it.
    pub async fn post(&self, path: &[&str], body: &serde_json::Value) -> Result<String, Failure> {
        self.ask(self.http.request(Method::POST, self.url(path)?).json(body)).await
    }

    fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow!("{} is no address of a collector", self.base))?
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(path);
        Ok(url)
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<String, Failure> {
        let answer = request.bearer_auth(&self.token).send().await;
        let mut answer = answer.map_err(|error| self.unreached(error))?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| self.unreached(error))? {
            if bytes.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(anyhow!(
                    "the answer is larger than {ANSWER_BYTES_MAX} bytes: ask for less"
                )
                .into());
            }
            bytes.extend_from_slice(&part);
        }
        let text = String::from_utf8(bytes).map_err(|_| self.stranger(status))?;
        if status.is_success() {
            return Ok(text);
        }
        let refused: Result<Refused, _> = serde_json::from_str(&text);
        Err(match refused {
            Ok(refused) => anyhow!(
                "the collector refused ({}): {}",
                status.as_u16(),
                out::clean(&refused.error.message)
            )
            .into(),
            Err(_) if status == StatusCode::UNAUTHORIZED => {
                anyhow!("the collector at {} does not know this token ({})", self.base, self.found)
                    .into()
            }
            Err(_) => self.stranger(status),
        })
    }

    fn unreached(&self, error: reqwest::Error) -> Failure {
        let (base, found) = (&self.base, &self.found);
        // The address stands in the sentence already.
        let error = error.without_url();
        let sentence = if error.is_connect() {
            format!("no collector answers at {base}: is it running? ({found})")
        } else if error.is_timeout() {
            format!("the collector at {base} did not answer within {} s", ANSWER_MAX.as_secs())
        } else {
            format!("the connection to the collector at {base} failed")
        };
        anyhow!(error).context(sentence).into()
    }

    fn stranger(&self, status: StatusCode) -> Failure {
        anyhow!(
            "what answers at {} (status {}) is not a Watchpost collector ({})",
            self.base,
            status.as_u16(),
            self.found
        )
        .into()
    }
}

/// Reads an answer; an older or newer collector may add fields.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    Ok(serde_json::from_str(text).context("the collector's answer cannot be read")?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// A server that gives one answer; the head of what it was asked comes back.
    fn once(answer: &str) -> (Url, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let answer = answer.to_owned();
        let asked = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && peer.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            peer.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(head).unwrap()
        });
        (url, asked)
    }

    fn client(data: &Path, url: &Url) -> Client {
        let found = format!(r#"{{"url":"{url}","token":"wpt_abcdefgh_secret"}}"#);
        std::fs::write(data.join(FILE), found).unwrap();
        let place = Where { data: data.to_owned(), collector: None, collector_ca: None };
        Client::find(&place).unwrap()
    }

    #[tokio::test]
    async fn an_answer_or_a_plain_reason_comes_back() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let data = tempfile::tempdir().unwrap();
        let refused =
            r#"{"error":{"code":"not_found","message":"incident 7\u001b[2J was not found"}}"#;
        for (status, body, want) in [
            ("200 OK", "[]", Ok("[]")),
            ("404 Not Found", refused, Err("refused (404): incident 7[2J was not found")),
            ("401 Unauthorized", "", Err("does not know this token")),
            ("302 Found", "", Err("is not a Watchpost collector")),
            ("502 Bad Gateway", "<html>", Err("is not a Watchpost collector")),
        ] {
            let head = format!("HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\n");
            let length = format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let (url, asked) = once(&format!("{head}{length}{body}"));
            let client = client(data.path(), &url);
            let got = client.get(&["incidents", "a/b"], &[("state", "open")]).await;
            match (got, want) {
                (Ok(text), Ok(wanted)) => assert_eq!(text, wanted),
                (Err(Failure::Failed(error)), Err(part)) => {
                    let said = format!("{error:#}");
                    assert!(said.contains(part) && !said.contains("wpt_"), "{said}");
                }
                (got, _) => panic!("{status}: {got:?}"),
            }
            let head = asked.join().unwrap();
            assert!(head.starts_with("GET /api/v1/incidents/a%2Fb?state=open HTTP/1.1"), "{head}");
            assert!(head.contains("authorization: Bearer wpt_abcdefgh_secret"), "{head}");
        }
    }

    #[test]
    fn a_damaged_file_is_named_and_not_quoted() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join(FILE), r#"{"url":"x","token":"wpt_secret"}"#).unwrap();
        let place = Where { data: data.path().to_owned(), collector: None, collector_ca: None };
        let Err(Failure::Failed(error)) = Client::find(&place) else { panic!("it was found") };
        let said = format!("{error:#}");
        assert!(said.contains("client.json is damaged") && !said.contains("secret"), "{said}");
    }
}
