//! TLS against rustls servers with certificates of every sort.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::certificates::{Authority, Leaf};
use crate::servers::{Server, Then, greeting, raw};
use crate::{look, said};

/// A hyper server inside TLS, for HTTP/1.1 and 2; answers `METHOD version host`.
async fn https(config: Arc<ServerConfig>) -> Server {
    let acceptor = TlsAcceptor::from(config);
    raw(Arc::default(), move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(TokioIo::new(stream)).await;
            }
        }
    })
    .await
}

async fn serve(io: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
        let host = host.or_else(|| request.uri().authority().map(ToString::to_string));
        let (method, version) = (request.method(), request.version());
        let body = format!("{method} {version:?} {}", host.unwrap_or_default());
        Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(body))))
    });
    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
        .serve_connection(io, service)
        .await;
}

struct Scene {
    authority: Authority,
    leaf: Leaf,
}

impl Scene {
    fn new(names: &[&str], years: (i32, i32)) -> Self {
        let authority = Authority::new();
        let leaf = authority.leaf_between(names, years);
        Self { authority, leaf }
    }

    async fn https(&self, alpn: &[&str], clients: bool) -> Server {
        https(self.authority.server(&self.leaf, alpn, clients)).await
    }

    fn trust(&self) -> Value {
        json!({"ca_file": self.authority.ca_file})
    }
}

fn with(mut parameters: Value, more: &Value) -> Value {
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    parameters
}

#[tokio::test]
async fn a_trusted_server_passes_over_both_versions_of_http() {
    let scene = Scene::new(&["shop.example"], (2020, 2045));
    let both = scene.https(&["h2", "http/1.1"], false).await;
    let old = scene.https(&["http/1.1"], false).await;
    let none = scene.https(&[], false).await;
    for (server, wish, version, verdict) in [
        (&both, json!({}), "HTTP/2.0", "passed"),
        (&both, json!({"http_version": 1.1}), "HTTP/1.1", "passed"),
        (&both, json!({"http_version": 2}), "HTTP/2.0", "passed"),
        (&old, json!({}), "HTTP/1.1", "passed"),
        (&none, json!({}), "HTTP/1.1", "passed"),
        (&none, json!({"http_version": 2}), "", "protocol: the server does not offer HTTP/2"),
        (
            &old,
            json!({"http_version": 2}),
            "",
            "tls: the server speaks none of the offered protocols",
        ),
    ] {
        let parameters = json!({
            "url": "https://shop.example:8443/a?b", "connect_to": server.at.to_string(),
            "tls": scene.trust(),
        });
        let finding = look("http", with(parameters, &wish)).await;
        assert!(said(&finding).starts_with(verdict), "{wish} {version}: {}", said(&finding));
        let evidence = finding.evidence.unwrap();
        if verdict == "passed" {
            let body = format!("GET {version} shop.example:8443");
            assert_eq!(evidence.body, Some(body), "{wish}");
            let phases: Vec<_> = finding.phases.iter().map(|phase| phase.name.as_str()).collect();
            assert_eq!(phases, ["dns", "connect", "tls", "first_byte", "transfer"]);
            assert_eq!(finding.values["tls_version"], 13);
            assert_eq!(finding.values["certificate_expiry_s"], 2_366_841_600);
            let certificate = evidence.certificate.unwrap();
            for part in ["subject CN=shop.example", "issuer CN=Test Authority", "TLS 1.3"] {
                assert!(certificate.contains(part), "{certificate}");
            }
        }
    }
}

#[tokio::test]
async fn http2_without_tls_is_spoken_when_it_is_asked_for() {
    let server = raw(Arc::default(), |stream| serve(TokioIo::new(stream))).await;
    let parameters = json!({"url": server.url("/"), "http_version": 2});
    let finding = look("http", parameters).await;
    assert_eq!(said(&finding), "passed");
    assert_eq!(finding.values["http_version"], 20);
    let old = crate::servers::scripted(|_| crate::servers::answer("200 OK", "", "")).await;
    let finding = look("http", json!({"url": old.url("/"), "http_version": 2})).await;
    assert!(said(&finding).starts_with("protocol: "), "{}", said(&finding));
}

#[tokio::test]
async fn faulty_certificates_are_told_in_plain_words_and_with_their_facts() {
    let expired = Scene::new(&["shop.example"], (2019, 2021));
    let early = Scene::new(&["shop.example"], (2040, 2045));
    let other = Scene::new(&["other.example", "*.other.example"], (2020, 2045));
    let stranger = Authority::named("Other Authority");
    for (scene, trust, verdict) in [
        (&expired, expired.trust(), "the certificate expired on 2021-01-01T00:00:00Z"),
        (&early, early.trust(), "the certificate is not valid before 2040-01-01T00:00:00Z"),
        (
            &other,
            other.trust(),
            "the certificate is not valid for shop.example, but for other.example, *.other.example",
        ),
        (
            &other,
            json!({"ca_file": stranger.ca_file, "server_name": "other.example"}),
            "the certificate is from an unknown issuer: CN=Test Authority is not trusted",
        ),
        (
            &other,
            json!({"server_name": "other.example", "roots": "bundled"}),
            "the certificate is from an unknown issuer",
        ),
        (
            &other,
            json!({"server_name": "other.example", "roots": "system"}),
            "the certificate is from an unknown issuer",
        ),
        (
            &other,
            json!({"ca_file": other.authority.ca_file, "server_name": "other.example",
                   "fail_days": 3650, }),
            "passed",
        ),
        (&expired, json!({"verify": false}), "passed"),
        (
            &expired,
            json!({"verify": false, "fail_days": 1}),
            "the certificate of CN=shop.example ends on 2021-01-01T00:00:00Z, in -",
        ),
    ] {
        let server = scene.https(&["h2"], false).await;
        let parameters = json!({
            "url": "https://shop.example/", "connect_to": server.at.to_string(), "tls": trust,
        });
        let finding = look("http", parameters).await;
        let verdict = match verdict {
            "passed" => verdict.to_owned(),
            says => format!("certificate: {says}"),
        };
        assert!(said(&finding).starts_with(&verdict), "{trust}: {}", said(&finding));
        // The facts are there although the handshake was not trusted.
        assert_eq!(finding.values["tls_version"], 13, "{trust}");
        let certificate = finding.evidence.unwrap().certificate.unwrap();
        assert!(certificate.contains("; TLS 1.3; TLS13_AES_"), "{certificate}");
    }
}

#[tokio::test]
async fn a_certificate_that_ends_soon_fails_with_days() {
    // In 2044 this test must be given another year.
    let scene = Scene::new(&["shop.example"], (2020, 2045));
    let server = scene.https(&[], false).await;
    let tls = json!({"ca_file": scene.authority.ca_file, "server_name": "shop.example",
                     "fail_days": 1});
    let address = server.at.to_string();
    let finding = look("tcp", json!({"address": address, "tls": tls})).await;
    assert_eq!(said(&finding), "passed");
    assert_eq!(finding.values["certificate_expiry_s"], 2_366_841_600);
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_trusted_server_alone() {
    let scene = Scene::new(&["127.0.0.1"], (2020, 2045));
    let client = scene.authority.leaf(&["client.example"]);
    let files = json!({"ca_file": scene.authority.ca_file,
        "certificate_file": client.certificate_file, "key_file": client.key_file});
    let server = scene.https(&["http/1.1"], true).await;
    let url = format!("https://{}/", server.at);
    let finding = look("http", json!({"url": url, "tls": files})).await;
    assert_eq!(said(&finding), "passed");
    let finding = look("http", json!({"url": url, "tls": scene.trust()})).await;
    assert_eq!(said(&finding), "tls: the server wants a client certificate");
    let stranger = Authority::named("Other Authority");
    let files = json!({"ca_file": stranger.ca_file,
        "certificate_file": client.certificate_file, "key_file": client.key_file});
    let finding = look("http", json!({"url": url, "tls": files})).await;
    assert!(said(&finding).starts_with("certificate: the certificate is from an unknown issuer"));
    // Whoever is not trusted sees no client certificate: the handshake ends before.
    assert!(!finding.values.contains_key("tls_version"));
    let stranger = stranger.leaf(&["client.example"]);
    let files = json!({"ca_file": scene.authority.ca_file,
        "certificate_file": stranger.certificate_file, "key_file": stranger.key_file});
    let finding = look("http", json!({"url": url, "tls": files})).await;
    assert!(said(&finding).starts_with("tls: the server refused"), "{}", said(&finding));
}

#[tokio::test]
async fn what_the_agent_lacks_is_not_the_target_s_fault() {
    let scene = Scene::new(&["127.0.0.1"], (2020, 2045));
    let server = scene.https(&[], false).await;
    let url = format!("https://{}/", server.at);
    let key = &scene.leaf.key_file;
    for (tls, says) in [
        (json!({"ca_file": "/no/such/file"}), "tls.ca_file /no/such/file cannot be read"),
        (json!({"ca_file": key}), "holds no certificate in PEM"),
        (
            json!({"ca_file": scene.authority.ca_file, "certificate_file": key, "key_file": key}),
            "holds no certificate in PEM",
        ),
        (
            json!({"ca_file": scene.authority.ca_file, "key_file": scene.authority.ca_file,
                   "certificate_file": scene.authority.ca_file}),
            "holds no private key in PEM",
        ),
    ] {
        let finding = look("http", json!({"url": url, "tls": tls})).await;
        assert!(said(&finding).starts_with("unsupported: "), "{}", said(&finding));
        assert!(said(&finding).contains(says), "{}", said(&finding));
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told_so() {
    for (bytes, then, verdict) in [
        (b"220 ready\r\n".to_vec(), Then::Hold, "tls: the server does not answer with TLS"),
        (Vec::new(), Then::Close, "tls: the server closed the connection in the TLS handshake"),
        // Alert 40, handshake failure.
        (vec![21, 3, 3, 0, 2, 2, 40], Then::Hold, "tls: the server refused the TLS handshake: "),
        (vec![21, 3, 3, 0, 2, 2, 112], Then::Hold, "tls: the server does not know this name"),
    ] {
        let server = greeting(bytes, then).await;
        let finding = look("tcp", json!({"address": server.at.to_string(), "tls": true})).await;
        assert!(said(&finding).starts_with(verdict), "{verdict}: {}", said(&finding));
    }
}
