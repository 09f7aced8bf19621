//! The binary as a person or a script meets it: words, exit codes, streams.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use expect_test::expect;

/// A command in an empty folder, without anything of this shell that it listens to.
fn watchpost(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchpost"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("WATCHPOST_TOKEN")
        .env_remove("SENTRY_DSN")
        .env_remove("RUST_LOG")
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs it to its end: exit code, stdout, stderr.
fn end(output: Output) -> (i32, String, String) {
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

const ONE_PROBE: &str =
    "version: 1\nprobes:\n  - name: here\n    tcp: { address: \"127.0.0.1:9\" }\n";

#[test]
fn help_lists_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = end(watchpost(folder.path(), &["--help"]).output().unwrap());
    assert_eq!((code, err.as_str()), (0, ""));
    let commands: Vec<&str> = out
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    expect![[r#"
        up collector agent check probe status incidents incident report token replay backup restore schema"#]]
    .assert_eq(&commands.join(" "));
}

#[test]
fn a_wrong_command_line_ends_with_2_and_says_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, part) in [
        (&["nonsense"][..], "unrecognized subcommand"),
        (&[], "Usage: watchpost"),
        (&["up", "--listen", "8420"], "such as 127.0.0.1:8420"),
        (&["up", "--region", "a b"], "is not a name"),
        (&["collector"], "--config <FILE>"),
        (
            &[
                "collector",
                "--config",
                "x",
                "--data",
                "d",
                "--listen",
                "127.0.0.1:0",
                "--database",
                "postgres://x",
            ],
            "SQLite",
        ),
        (&["agent"], "--collector <URL>"),
        (
            &["agent", "--collector", "10.0.0.1:1", "--region", "eu", "--data", "d"],
            "such as https://",
        ),
        (
            &["agent", "--collector", "http://127.0.0.1:1", "--region", "eu", "--data", "d"],
            "--token-file FILE, or $WATCHPOST_TOKEN",
        ),
        (&["agent", "approve"], "--data <DIR>"),
        (&["token", "add"], "<--agent <NAME>|--name <NAME>>"),
        (&["token", "add", "--agent", "a"], "--region <NAME>"),
        (&["token", "add", "--name", "n"], "--role <ROLE>"),
        (&["token", "add", "--agent", "a", "--region", "r", "--role", "admin"], "cannot be used"),
        (&["report", "--format", "pdf"], "[possible values: table, json, csv, html]"),
        (&["report", "--observations", "x"], "--contract <FILE>"),
        (&["report", "--burn-at", "1"], "--observations <FILE>"),
        (&["status", "--collector", "http://127.0.0.1:1"], "a token in $WATCHPOST_TOKEN"),
        (&["incident", "show", "seven"], "named by its number"),
        (&["incident", "note", "7"], "a note needs its text"),
        (&["-v", "-q", "schema"], "cannot be used"),
        (&["--sentry-dsn", "nonsense", "schema"], "Sentry DSN"),
    ] {
        let (code, out, err) = end(watchpost(folder.path(), arguments).output().unwrap());
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(part), "{arguments:?}: {err}");
        assert!(!err.contains("stack backtrace") && !err.contains("panicked"), "{err}");
    }
}

#[test]
fn a_configuration_that_is_missing_or_wrong_ends_with_64() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.yaml"), "version: 1\nprobs: []\n").unwrap();
    for (arguments, part) in [
        (&["up"][..], "probes.yaml"),
        (&["check"], "probes.yaml"),
        (&["probe", "x"], "probes.yaml"),
        (&["check", "bad.yaml"], "probs"),
        (&["up", "--config", "bad.yaml"], "probs"),
        (&["collector", "--config", "bad.yaml", "--data", "d", "--listen", "127.0.0.1:0"], "probs"),
    ] {
        let (code, out, err) = end(watchpost(folder.path(), arguments).output().unwrap());
        assert_eq!(code, 64, "{arguments:?}: {out}{err}");
        assert!(format!("{out}{err}").contains(part), "{arguments:?}: {out}{err}");
        assert!(!err.contains("backtrace"), "{err}");
    }
    assert!(!folder.path().join("watchpost-data").exists(), "nothing is made for a wrong file");
}

#[test]
fn without_a_collector_a_question_fails_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = end(watchpost(folder.path(), &["status"]).output().unwrap());
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("client.json: no collector has run there"), "{err}");

    // A port that nobody has: bound once and given back.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let found = format!(r#"{{"url":"http://{address}","token":"wpt_abcdefgh_0123456789"}}"#);
    fs::create_dir(folder.path().join("watchpost-data")).unwrap();
    fs::write(folder.path().join("watchpost-data/client.json"), found).unwrap();
    let (code, out, err) = end(watchpost(folder.path(), &["incidents"]).output().unwrap());
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains(&format!("no collector answers at http://{address}/: is it running?")));
    assert!(!err.contains("wpt_"), "{err}");
    assert_eq!(err.trim_end().lines().count(), 1, "one sentence: {err}");
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["schema"][..], &["--help"]] {
        let mut child = watchpost(folder.path(), arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let (code, _, err) = end(child.wait_with_output().unwrap());
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn a_taken_port_is_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("probes.yaml"), ONE_PROBE).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, out, err) =
        end(watchpost(folder.path(), &["up", "--listen", &address]).output().unwrap());
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains(&format!("cannot listen on {address}: another program has it")), "{err}");
}

#[test]
fn regions_without_this_one_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let config = ONE_PROBE.replace("version: 1\n", "version: 1\nregions: [eu, us]\n");
    fs::write(folder.path().join("probes.yaml"), config).unwrap();
    for (arguments, part) in [
        (&["up"][..], "regions eu, us and no `local`: say with --region NAME"),
        (&["up", "--region", "ap"], "no region `ap`; it has eu, us"),
    ] {
        let (code, _, err) = end(watchpost(folder.path(), arguments).output().unwrap());
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(part), "{err}");
    }
}

/// A running `up` or agent, ended when the test is over however it ends.
struct Up {
    child: Child,
    out: BufReader<ChildStdout>,
    log: BufReader<ChildStderr>,
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Up {
    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, out, log }
    }

    fn start(folder: &Path) -> Self {
        let arguments = ["up", "--listen", "127.0.0.1:0", "--log-format", "json"];
        let mut up = Self::spawn(&mut watchpost(folder, &arguments));
        let mut first = String::new();
        up.out.read_line(&mut first).unwrap();
        assert!(first.starts_with("Watchpost is at http://127.0.0.1:"), "{first}{}", up.rest());
        up
    }

    /// Reads the log up to a line that contains `part`.
    fn wait_for(&mut self, part: &str) -> String {
        let mut line = String::new();
        while self.log.read_line(&mut line).unwrap() > 0 {
            assert!(line.starts_with('{'), "a log line is not JSON: {line}");
            if line.contains(part) {
                return line;
            }
            line.clear();
        }
        panic!("the log ended without `{part}`");
    }

    /// The log to its end.
    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        rest
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

/// The names of the probes that `status` shows.
fn names(folder: &Path) -> Vec<String> {
    let (code, out, err) =
        end(watchpost(folder, &["status", "--format", "json"]).output().unwrap());
    assert_eq!(code, 0, "{err}");
    let probes: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    probes.iter().map(|probe| probe["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn up_says_where_it_is_answers_and_ends_when_asked() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("probes.yaml"), ONE_PROBE).unwrap();
    let mut up = Up::start(folder.path());
    let data = folder.path().join("watchpost-data");
    for (path, mode) in [("", 0o700), ("client.json", 0o600), ("agent/token", 0o600)] {
        let meta = fs::metadata(data.join(path)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, mode, "{path}");
    }
    assert_eq!(names(folder.path()), ["here"]);
    let (code, table, _) = end(watchpost(folder.path(), &["status"]).output().unwrap());
    assert_eq!(code, 0);
    assert!(table.contains("PROBE") && table.contains("here"), "{table}");

    up.signal("-TERM");
    let log = up.rest();
    assert_eq!(up.child.wait().unwrap().code(), Some(0), "{log}");
    let token = fs::read(data.join("agent/token")).unwrap();
    let mut again = Up::start(folder.path());
    assert_eq!(fs::read(data.join("agent/token")).unwrap(), token, "kept over a restart");
    again.signal("-INT");
    again.wait_for("SIGINT");
    assert_eq!(again.child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_agent_lives_through_a_hangup_and_ends_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["agent", "--collector", "http://127.0.0.1:1", "--region", "eu"];
    let mut command = watchpost(folder.path(), &arguments);
    command.args(["--data", "a", "--log-format", "json"]).env("WATCHPOST_TOKEN", "wpa_nobody");
    let mut agent = Up::spawn(&mut command);
    agent.wait_for("agent started");
    agent.signal("-HUP");
    agent.wait_for("SIGHUP");
    agent.signal("-TERM");
    agent.wait_for("agent stopped");
    assert_eq!(agent.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_changed_configuration_is_taken_and_a_wrong_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probes.yaml");
    fs::write(&path, ONE_PROBE).unwrap();
    let mut up = Up::start(folder.path());
    fs::write(&path, ONE_PROBE.replace("probes:", "probs:")).unwrap();
    let line = up.wait_for("the one before stays in force");
    assert!(line.contains("probs"), "{line}");
    assert_eq!(names(folder.path()), ["here"]);
    let two = format!("{ONE_PROBE}  - name: there\n    tcp: {{ address: \"127.0.0.1:9\" }}\n");
    fs::write(&path, two).unwrap();
    up.signal("-HUP");
    up.wait_for("configuration read again");
    while names(folder.path()) != ["here", "there"] {
        assert!(up.child.try_wait().unwrap().is_none(), "it ended: {}", up.rest());
    }
}

#[test]
fn tokens_are_made_listed_and_revoked_beside_a_running_collector() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("probes.yaml"), ONE_PROBE).unwrap();
    let _up = Up::start(folder.path());
    let run = |arguments: &[&str]| end(watchpost(folder.path(), arguments).output().unwrap());
    let (code, secret, err) = run(&["token", "add", "--name", "anna", "--role", "viewer"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let secret = secret.strip_suffix('\n').unwrap();
    assert!(secret.starts_with("wpt_") && !secret.contains(char::is_whitespace), "{secret}");

    let found = fs::read_to_string(folder.path().join("watchpost-data/client.json")).unwrap();
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let ask = || {
        let mut status = watchpost(folder.path(), &["status", "--collector"]);
        status.arg(found["url"].as_str().unwrap()).env("WATCHPOST_TOKEN", secret);
        end(status.output().unwrap())
    };
    assert_eq!(ask().0, 0, "{}", ask().2);
    let (code, list, _) = run(&["token", "list"]);
    assert_eq!(code, 0);
    assert!(list.contains("anna") && list.contains("agent local"), "{list}");
    assert!(!list.contains(secret), "{list}");
    assert_eq!(run(&["token", "revoke", "anna"]).0, 0);
    let (code, _, err) = ask();
    assert_eq!(code, 1);
    assert!(err.contains("token"), "{err}");

    let copy = folder.path().join("copy");
    let copy = copy.to_str().unwrap();
    assert_eq!(run(&["backup", copy]).0, 0);
    assert_eq!(run(&["backup", "verify", copy]).0, 0);
    assert_eq!(run(&["restore", copy, "--data", "restored"]).0, 0);
    assert!(run(&["token", "list", "--data", "restored"]).1.contains("anna"));
}
