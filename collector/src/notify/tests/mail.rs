//! Mail through a real SMTP server (Debian package python3-aiosmtpd).

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use model::config::{Smtp, SmtpSecurity};
use model::incident::{Event, Notice};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SECRET, send};
use crate::fake::notice;
use crate::notify::{Done, Fault};

/// A mail server that runs until it is dropped.
struct Server {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends by itself when its standard input does; this is for one that hangs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(mode: &str, login: Option<(&str, &str)>) -> Self {
        let python = "/usr/bin/python3";
        let has = Command::new(python).args(["-c", "import aiosmtpd"]).output();
        assert!(
            has.is_ok_and(|output| output.status.success()),
            "python3-aiosmtpd is missing: tests/run installs what the tests need"
        );
        let directory = tempfile::tempdir().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/notify/tests/smtpd.py");
        let mut command = Command::new(python);
        command.arg(script).arg(directory.path()).arg(mode).arg(&cert).arg(&key);
        if let Some((user, password)) = login {
            command.args([user, password]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { child, port: port.trim().parse().unwrap(), directory }
    }

    fn smtp(&self, security: SmtpSecurity) -> Smtp {
        let ca_file = self.directory.path().join("cert.pem").to_str().unwrap().to_owned();
        Smtp {
            host: "localhost".into(),
            port: self.port,
            security,
            from: "Watchpost <watchpost@example.com>".into(),
            username: None,
            password: None,
            ca_file: (security != SmtpSecurity::None).then_some(ca_file),
        }
    }

    /// The mails that arrived: envelope and text, in order.
    fn mails(&self) -> Vec<(Value, String)> {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let mut paths: Vec<_> = std::fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        paths.sort();
        paths
            .iter()
            .map(|path| {
                let facts = serde_json::from_str(&read(path)).unwrap();
                (facts, read(&path.with_extension("eml")))
            })
            .collect()
    }
}

async fn mail(server: &Server, smtp: &Smtp, to: &[&str], notice: &Notice) -> Result<(), Fault> {
    let _ = server;
    send("email", json!({ "to": to }), Some(smtp), notice, &Done::default()).await
}

fn header<'a>(mail: &'a str, name: &str) -> Option<&'a str> {
    let head = mail.split("\r\n\r\n").next().unwrap();
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn mail_leaves_plain_by_starttls_and_by_tls_and_logs_in_where_it_must() {
    use SmtpSecurity::{None as Plain, Starttls, Tls};
    for (mode, security, login, tls) in [
        ("plain", Plain, None, false),
        ("starttls", Starttls, None, true),
        ("starttls", Starttls, Some(("post", SECRET)), true),
        ("tls", Tls, Some(("post", SECRET)), true),
    ] {
        let server = Server::start(mode, login);
        let mut smtp = server.smtp(security);
        smtp.username = login.map(|(user, _)| user.into());
        smtp.password = login.map(|_| "${env:SMTP_PASSWORD}".into());
        let notice = notice(Event::Triggered, "ops-mail");
        mail(&server, &smtp, &["ops@example.com"], &notice).await.unwrap();
        let (facts, _) = server.mails().pop().unwrap();
        assert_eq!(facts["tls"], tls, "{mode}");
        assert_eq!(facts["user"], login.map_or("", |(user, _)| user), "{mode}");
        assert_eq!(facts["from"], "watchpost@example.com");
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_sorted_into_later_and_never_and_is_not_quoted() {
    let server = Server::start("plain", None);
    let smtp = server.smtp(SmtpSecurity::None);
    let notice = notice(Event::Triggered, "ops-mail");
    for (to, want, mails) in [
        (&["refused@example.com"][..], Err(Fault::never("the mail server answered 550")), 0),
        (&["grey@example.com"], Err(Fault::later("the mail server answered 451")), 0),
        (&["refused@example.com", "ops@example.com"], Ok(()), 1),
        (
            &["ops@example.com", "grey@example.com"],
            Err(Fault::later("the mail server answered 451")),
            2,
        ),
    ] {
        let got = mail(&server, &smtp, to, &notice).await;
        assert_eq!(got, want, "{to:?}");
        assert_eq!(server.mails().len(), mails, "{to:?}");
    }
    let done = Done::default();
    for _ in 0..3 {
        let to = json!({ "to": ["ops@example.com", "grey@example.com"] });
        let got = send("email", to, Some(&smtp), &notice, &done).await;
        assert_eq!(got, Err(Fault::later("the mail server answered 451")));
    }
    assert_eq!(server.mails().len(), 3, "who has the mail does not get it again");
}

#[tokio::test]
async fn protection_that_is_asked_for_is_never_done_without() {
    use SmtpSecurity::{Starttls, Tls};
    let plain = Server::start("plain", None);
    let secure = Server::start("starttls", None);
    let notice = notice(Event::Triggered, "ops-mail");
    let mut stranger = secure.smtp(Starttls);
    stranger.ca_file = plain.smtp(Starttls).ca_file;
    let mut wrong = secure.smtp(Starttls);
    wrong.ca_file = Some("/nowhere/ca.pem".into());
    let mut nobody = plain.smtp(SmtpSecurity::None);
    nobody.port = 1;
    for (name, smtp, says) in [
        ("no STARTTLS there", plain.smtp(Starttls), "STARTTLS"),
        ("no TLS there", plain.smtp(Tls), "mail server"),
        ("another's certificate", stranger, "mail server"),
        ("no such file", wrong, "`ca_file` of smtp, /nowhere/ca.pem"),
        ("nobody there", nobody, "no connection"),
    ] {
        let fault = mail(&plain, &smtp, &["ops@example.com"], &notice).await.unwrap_err();
        assert!(fault.to_string().contains(says), "{name}: {fault}");
    }
    assert!(plain.mails().is_empty() && secure.mails().is_empty());
    let fault = send("email", json!({ "to": ["a@b.c"] }), None, &notice, &Done::default()).await;
    assert!(fault.unwrap_err().to_string().contains("no `smtp`"));
}

#[tokio::test]
async fn a_mail_has_the_headers_that_thread_it_and_two_parts_with_the_same_words() {
    let server = Server::start("plain", None);
    let smtp = server.smtp(SmtpSecurity::None);
    let events = [Event::Triggered, Event::Triggered, Event::Resolved];
    for event in events {
        let notice = notice(event, "ops-mail");
        mail(&server, &smtp, &["ops@example.com"], &notice).await.unwrap();
    }
    let mails: Vec<String> = server.mails().into_iter().map(|(_, mail)| mail).collect();
    let [first, again, over] = &mails[..] else { panic!("three mails") };
    assert_eq!(header(first, "Subject"), Some("DOWN: shop since 02:07 UTC (#482)"));
    assert_eq!(header(over, "Subject"), Some("Up again: shop after 16 min 39 s (#482)"));
    assert_eq!(header(first, "Auto-Submitted"), Some("auto-generated"));
    assert_eq!(header(first, "X-Priority"), Some("1"));
    assert_eq!(header(over, "X-Priority"), None);
    assert_eq!(header(first, "Message-ID"), header(again, "Message-ID"), "the same notice");
    assert_ne!(header(first, "Message-ID"), header(over, "Message-ID"));
    for mail in [first, again, over] {
        assert_eq!(header(mail, "References"), header(first, "References"));
        assert_eq!(header(mail, "In-Reply-To"), header(mail, "References"));
        assert!(header(mail, "Content-Type").unwrap().starts_with("multipart/alternative"));
        assert!(mail.contains("text/plain") && mail.contains("text/html"));
    }
}

#[test]
fn the_parts_of_a_mail_look_so() {
    for (event, html, text) in [
        (
            Event::Triggered,
            expect_test::expect_file!["down.html"],
            expect_test::expect_file!["down.txt"],
        ),
        (
            Event::Resolved,
            expect_test::expect_file!["up.html"],
            expect_test::expect_file!["up.txt"],
        ),
    ] {
        let link = Some("https://watch.example/n/TOKEN");
        let notice = notice(event, "ops-mail");
        let (plain, rich) =
            crate::notify::email::parts(&notice, Some("Europe/Berlin"), link).unwrap();
        html.assert_eq(&rich);
        text.assert_eq(&plain);
    }
}

#[tokio::test]
async fn hostile_words_reach_neither_headers_nor_markup() {
    let server = Server::start("plain", None);
    let mut notice = notice(Event::Triggered, "ops-mail");
    notice.incident.probe = None;
    notice.incident.summary = "x\r\nBcc: evil@example.com\r\n\r\n<script>alert(1)</script>".into();
    notice.incident.owner = Some("\"><img src=x>".into());
    notice.incident.runbook = Some("javascript:alert(1)".into());
    let smtp = server.smtp(SmtpSecurity::None);
    mail(&server, &smtp, &["ops@example.com"], &notice).await.unwrap();
    let (facts, mail) = server.mails().pop().unwrap();
    assert_eq!(facts["to"], json!(["ops@example.com"]));
    assert_eq!(header(&mail, "Bcc"), None, "{mail}");
    let (_, html) = crate::notify::email::parts(&notice, None, None).unwrap();
    assert!(
        !html.contains("<script") && !html.contains("<img") && !html.contains("href"),
        "{html}"
    );
}
