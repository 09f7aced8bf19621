//! http against a real nginx, in a folder and on ports of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use crate::certificates::Authority;
use crate::{look, said};

const NGINX: &str = "/usr/sbin/nginx";

/// A running nginx; killed by its own process id when dropped.
struct Nginx {
    child: Child,
    plain: u16,
    tls: u16,
    authority: Authority,
    _folder: TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

fn configuration(folder: &Path, plain: u16, tls: u16, authority: &Authority) -> String {
    let leaf = authority.leaf(&["shop.example"]);
    let (certificate, key) = (leaf.certificate_file.display(), leaf.key_file.display());
    let folder = folder.display();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
        events {{ }}
        http {{
            access_log off; absolute_redirect off;
            client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
            uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
            server {{
                listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl http2;
                server_name shop.example;
                ssl_certificate {certificate}; ssl_certificate_key {key};
                ssl_protocols TLSv1.2;
                root {folder};
                location = /ok {{ return 200 'in your Cart'; }}
                location = /gone {{ return 410; }}
                location = /slash {{ return 301 /ok; }}
                location = /secure {{ return 301 https://shop.example/ok; }}
                location = /shut {{ return 444; }}
                location = /status {{ stub_status; }}
                location = /slow {{ limit_rate_after 1000; limit_rate 100; }}
            }}
        }}"
    )
}

impl Nginx {
    async fn start() -> Self {
        assert!(
            Path::new(NGINX).exists(),
            "{NGINX} is missing: tests/run installs what the tests need"
        );
        let folder = TempDir::new().unwrap();
        let authority = Authority::new();
        let (plain, tls) = (free_port().await, free_port().await);
        let config = folder.path().join("nginx.conf");
        std::fs::write(&config, configuration(folder.path(), plain, tls, &authority)).unwrap();
        std::fs::write(folder.path().join("slow"), "x".repeat(100_000)).unwrap();
        let child = Command::new(NGINX)
            .args(["-p".as_ref(), folder.path().as_os_str()])
            .args(["-c".as_ref(), config.as_os_str()])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self { child, plain, tls, authority, _folder: folder };
        let mut poll = tokio::time::interval(Duration::from_millis(10));
        while TcpStream::connect(("127.0.0.1", tls)).await.is_err() {
            assert!(nginx.child.try_wait().unwrap().is_none(), "nginx did not start");
            poll.tick().await;
        }
        nginx
    }
}

#[tokio::test]
async fn nginx_is_judged_as_it_answers() {
    let nginx = Nginx::start().await;
    let (plain, tls) = (format!("127.0.0.1:{}", nginx.plain), format!("127.0.0.1:{}", nginx.tls));
    let trust = json!({"ca_file": nginx.authority.ca_file});
    for (scheme, path, more, verdict) in [
        ("http", "ok", json!({"body_contains": "Cart"}), "passed"),
        ("http", "ok", json!({"response_headers": {"server": {"matches": "^nginx/"}}}), "passed"),
        ("http", "ok", json!({"method": "HEAD"}), "passed"),
        ("https", "ok", json!({"body_equals": "in your Cart"}), "passed"),
        ("https", "ok", json!({"http_version": 1.1}), "passed"),
        ("http", "slash", json!({"body_contains": "Cart"}), "passed"),
        ("https", "slash", json!({}), "passed"),
        ("http", "gone", json!({}), "status: status 410 Gone, wanted 200-299"),
        ("https", "gone", json!({"status": [410]}), "passed"),
        ("http", "shut", json!({}), "protocol: the server closed the connection before an answer"),
        (
            "https",
            "shut",
            json!({"http_version": 1.1}),
            "protocol: the server closed the connection before an answer",
        ),
    ] {
        let at = if scheme == "http" { &plain } else { &tls };
        let mut parameters = json!({
            "url": format!("{scheme}://shop.example/{path}"), "connect_to": at, "tls": trust,
        });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let finding = look("http", parameters).await;
        assert_eq!(said(&finding), verdict, "{scheme} {path} {more}");
        if scheme == "https" {
            assert_eq!(finding.values["tls_version"], 12);
            let version = if more.get("http_version").is_some() { 11 } else { 20 };
            if verdict == "passed" {
                assert_eq!(finding.values["http_version"], version);
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_trickles_from_nginx_times_out() {
    let nginx = Nginx::start().await;
    let url = format!("http://127.0.0.1:{}/slow", nginx.plain);
    let kind = crate::kind("http", json!({"url": url}));
    let finding = kind.look(&crate::attempt(Duration::from_millis(700), &[])).await;
    assert_eq!(said(&finding), "timeout: timed out after 700ms while receiving the answer");
    assert_eq!(finding.values["http_status_code"], 200);
}

#[tokio::test]
async fn a_body_that_breaks_off_when_nginx_dies_is_a_broken_protocol() {
    let mut nginx = Nginx::start().await;
    let url = format!("http://127.0.0.1:{}/slow", nginx.plain);
    let kind = crate::kind("http", json!({"url": url}));
    let attempt = crate::attempt(crate::TIMEOUT, &[]);
    let status = json!({"url": format!("http://127.0.0.1:{}/status", nginx.plain),
        "body_contains": "Writing: 2"});
    let kill = async {
        // The other request is this one.
        let mut poll = tokio::time::interval(Duration::from_millis(10));
        while said(&look("http", status.clone()).await) != "passed" {
            poll.tick().await;
        }
        nginx.child.kill().unwrap();
    };
    let (finding, ()) = tokio::join!(kind.look(&attempt), kill);
    assert!(said(&finding).starts_with("protocol: "), "{}", said(&finding));
    assert!(said(&finding).ends_with("in the middle of the body"), "{}", said(&finding));
}
