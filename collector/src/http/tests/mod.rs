//! The edge over a real socket, before a fake core.

mod agents;
mod connections;
mod links;
mod matrix;

use std::net::SocketAddr;

use model::incident::IncidentId;
use model::name::ContactName;
use reqwest::{Client, Method, RequestBuilder, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::now;
use crate::fake::Fake;
use crate::handle::Handle;
use crate::links::Links;

/// A collector's edge that runs.
pub struct Running {
    pub core: Fake,
    pub handle: Handle,
    pub links: Links,
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub served: JoinHandle<std::io::Result<()>>,
    client: Client,
}

pub async fn running() -> Running {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (core, handle) = Fake::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let links = Links::new([5; 32], format!("http://{address}"));
    let stop = CancellationToken::new();
    let served = tokio::spawn(super::serve(listener, handle.clone(), links.clone(), stop.clone()));
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    Running { core, handle, links, address, stop, served, client: client.build().unwrap() }
}

impl Running {
    pub fn ask(&self, method: &str, path: &str, token: Option<&str>) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub fn link(&self, incident: u64, contact: &str) -> String {
        let contact = ContactName::new(contact).unwrap();
        let url = self.links.acknowledge_url(IncidentId(incident), &contact, now());
        url.strip_prefix(self.links.base()).unwrap().to_owned()
    }
}

/// Status and the word of the error, empty when there is none.
pub async fn verdict(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    // A stream has no end to wait for.
    if answer.headers().get("content-type").is_some_and(|kind| kind == "application/x-ndjson") {
        return (status, String::new());
    }
    let body: serde_json::Value =
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
    let code = body["error"]["code"].as_str().unwrap_or_default().to_owned();
    assert!(
        code.is_empty() || body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()),
        "an error has a sentence"
    );
    (status, code)
}
