//! A small world of its own: a network namespace for the collector and the target, one for each
//! region, and the real programs in them. Everything ends with the [`Lab`].

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

/// Where the collector, the mail server and the webhook receiver are.
pub const COLLECTOR: &str = "10.231.0.1";
/// Where the target is.
pub const TARGET: &str = "10.231.0.2";
/// Where the anchor is.
pub const ANCHOR: &str = "10.231.0.3";

static LABS: AtomicU32 = AtomicU32::new(0);

/// Asks `condition` again and again until it gives something; panics with `what` after `limit`.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> F,
) -> T {
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        beat.tick().await;
        if let Some(found) = condition().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "not within {limit:?}: {what}");
    }
}

pub struct Lab {
    pub folder: tempfile::TempDir,
    name: String,
    regions: Vec<String>,
    running: BTreeMap<String, Child>,
    tokens: BTreeMap<String, PathBuf>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for region in &self.regions {
            let _ = Command::new("ip").args(["netns", "del", &self.space(region)]).status();
        }
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
        if std::thread::panicking() {
            for program in self.running.keys() {
                let log =
                    std::fs::read_to_string(self.folder.path().join(format!("{program}.log")));
                let log = log.unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                eprintln!("--- the end of the log of {program}");
                eprintln!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
            }
        }
    }
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("ip runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {error}");
}

impl Lab {
    /// A hub with three addresses, and a namespace for each region that reaches them.
    pub fn new(regions: &[&str]) -> Self {
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let name = format!("wp{}-{number}", std::process::id());
        let regions: Vec<String> = regions.iter().map(ToString::to_string).collect();
        let lab = Self {
            folder: tempfile::tempdir().expect("a folder"),
            name,
            regions,
            running: BTreeMap::new(),
            tokens: BTreeMap::new(),
        };
        let hub = &lab.name;
        ip(&format!("netns add {hub}"));
        ip(&format!("-n {hub} link set lo up"));
        ip(&format!("-n {hub} link add hub type bridge"));
        ip(&format!("-n {hub} link set hub up"));
        for address in [COLLECTOR, TARGET, ANCHOR] {
            ip(&format!("-n {hub} addr add {address}/24 dev hub"));
        }
        for (place, region) in lab.regions.iter().enumerate() {
            let space = lab.space(region);
            ip(&format!("netns add {space}"));
            ip(&format!("-n {space} link set lo up"));
            ip(&format!("-n {hub} link add to-{region} type veth peer name up0 netns {space}"));
            ip(&format!("-n {hub} link set to-{region} master hub up"));
            ip(&format!("-n {space} addr add 10.231.0.{}/24 dev up0", 11 + place));
            ip(&format!("-n {space} link set up0 up"));
        }
        lab
    }

    fn space(&self, region: &str) -> String {
        format!("{}-{region}", self.name)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// From now on a region's packets to an address are dropped at its own edge.
    pub fn cut(&self, region: &str, address: &str) {
        ip(&format!("-n {} route add blackhole {address}/32", self.space(region)));
    }

    pub fn heal(&self, region: &str, address: &str) {
        ip(&format!("-n {} route del blackhole {address}/32", self.space(region)));
    }

    fn inside(&self, space: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", space, program]);
        command.env("RUST_BACKTRACE", "0");
        command
    }

    /// Starts a program under a name; its log goes to NAME.log. Waits for a line of its output that
    /// contains `ready`, when there is one to wait for.
    fn start(&mut self, name: &str, mut command: Command, ready: Option<&str>) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path(&format!("{name}.log")))
            .expect("a log");
        command.stdin(Stdio::null()).stderr(log);
        command.stdout(if ready.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        if let (Some(ready), Some(output)) = (ready, child.stdout.take()) {
            let mut lines = BufReader::new(output).lines().map_while(Result::ok);
            let said = lines.any(|line| line.contains(ready));
            // The pipe is drained to its end, so that the program never blocks on it.
            std::thread::spawn(move || lines.for_each(drop));
            self.running.insert(name.into(), child);
            assert!(said, "{name} ended before it was ready");
        } else {
            self.running.insert(name.into(), child);
        }
    }

    /// SIGKILL: no program gets to say goodbye.
    pub fn kill(&mut self, name: &str) {
        let mut child = self.running.remove(name).expect("a running program");
        child.kill().expect("it was there");
        child.wait().expect("it ended");
    }

    /// SIGTERM, and the exit code.
    pub fn stop(&mut self, name: &str) -> Option<i32> {
        let mut child = self.running.remove(name).expect("a running program");
        self.signal_pid(child.id(), "TERM");
        child.wait().expect("it ended").code()
    }

    pub fn signal(&self, name: &str, signal: &str) {
        self.signal_pid(self.running[name].id(), signal);
    }

    fn signal_pid(&self, pid: u32, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    pub fn start_receivers(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/receivers.py");
        let folder = self.folder.path().to_owned();
        let mut command = self.inside(&self.name, "/usr/bin/python3");
        command.arg(script).args([COLLECTOR, "2525", "9000"]).arg(folder);
        self.start("receivers", command, Some("ready"));
    }

    /// nginx on the target's port 8080 (and 8081, so that a test can have two targets), and on the
    /// anchor's 7000.
    pub fn start_nginx(&mut self, name: &str, listen: &str) {
        let folder = self.path(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let shown = folder.display();
        let config = self.write(
            &format!("{name}.conf"),
            &format!(
                "daemon off; master_process off; pid {shown}/pid; error_log {shown}/error.log;\n\
                 events {{}}\nhttp {{ access_log off; client_body_temp_path {shown}/b; \
                 proxy_temp_path {shown}/p; fastcgi_temp_path {shown}/f; uwsgi_temp_path {shown}/u; \
                 scgi_temp_path {shown}/s;\n\
                 server {{ listen {listen}; location / {{ return 200 'all is well'; }} }} }}\n"
            ),
        );
        let mut command = self.inside(&self.name, "/usr/sbin/nginx");
        command
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(config)
            .arg("-e")
            .arg(folder.join("start.log"));
        self.start(name, command, None);
    }

    pub fn start_collector(&mut self) {
        let mut command = self.inside(&self.name, env!("CARGO_BIN_EXE_watchpost"));
        command.args(["collector", "--listen", &format!("{COLLECTOR}:8420"), "--config"]);
        command.arg(self.path("probes.yaml")).arg("--data").arg(self.path("collector"));
        command.env("HOOK_SECRET", "hook-secret-of-the-test");
        self.start("collector", command, Some("listening on http://"));
    }

    /// Starts the agent of a region; its token is made when it starts for the first time.
    pub fn start_agent(&mut self, region: &str) {
        if !self.tokens.contains_key(region) {
            let agent = format!("{region}-1");
            let data = self.path("collector");
            let token = self.run(&[
                "token",
                "add",
                "--data",
                data.to_str().expect("a path"),
                "--agent",
                &agent,
                "--region",
                region,
            ]);
            let file = self.write(&format!("{region}.token"), &token);
            self.tokens.insert(region.into(), file);
        }
        let mut command = self.inside(&self.space(region), env!("CARGO_BIN_EXE_watchpost"));
        command.args(["agent", "--collector", &format!("http://{COLLECTOR}:8420")]);
        command.args(["--region", region, "--token-file"]).arg(&self.tokens[region]);
        command.arg("--data").arg(self.path(&format!("agent-{region}")));
        command.arg("--record").arg(self.path(&format!("{region}.jsonl")));
        self.start(&format!("agent-{region}"), command, None);
    }

    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut command = self.inside(&self.name, env!("CARGO_BIN_EXE_watchpost"));
        command.args(arguments).output().expect("it runs")
    }

    /// Runs the binary in the hub; its output. Panics when it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a subcommand that talks to the collector, and reads its JSON.
    pub fn ask(&self, arguments: &[&str]) -> Value {
        self.try_ask(arguments).expect("JSON")
    }

    pub fn try_ask(&self, arguments: &[&str]) -> Option<Value> {
        let data = self.path("collector");
        let mut all = arguments.to_vec();
        all.extend(["--data", data.to_str().expect("a path"), "--format", "json"]);
        let output = self.command(&all);
        serde_json::from_slice(&output.stdout).ok()
    }

    /// GET of the collector's API or pages by curl, with the token of the data folder.
    pub fn get(&self, path: &str) -> String {
        self.fetch(path, &[])
    }

    fn fetch(&self, path: &str, options: &[&str]) -> String {
        let client: Value = serde_json::from_slice(
            &std::fs::read(self.path("collector/client.json")).expect("client.json"),
        )
        .expect("JSON");
        let token = client["token"].as_str().expect("a token").to_owned();
        let mut curl = self.inside(&self.name, "curl");
        curl.args(["-sS", "--max-time", "20", "-H", &format!("Authorization: Bearer {token}")]);
        curl.args(options);
        let output = curl.arg(format!("http://{COLLECTOR}:8420{path}")).output().expect("curl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// As [`Lab::get`], with the head of the answer.
    pub fn get_with_head(&self, path: &str) -> (String, String) {
        let text = self.fetch(path, &["-i"]);
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_owned(), body.to_owned())
    }

    /// POST of a page by curl, without a token.
    pub fn post(&self, path: &str) -> String {
        let mut curl = self.inside(&self.name, "curl");
        curl.args(["-sS", "--max-time", "20", "-X", "POST"]);
        let output = curl.arg(format!("http://{COLLECTOR}:8420{path}")).output().expect("curl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Rows that a receiver wrote: `mails` or `hooks`.
    pub fn received(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(&format!("{name}.jsonl"))).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits until a probe has this verdict, partial or not; gives its row of `status`.
    pub async fn verdict(&self, probe: &str, word: &str, partial: bool, limit: Duration) -> Value {
        eventually(&format!("{probe} is {word}, partial {partial}"), limit, || async {
            let status = self.try_ask(&["status"])?;
            let rows = status.as_array()?.iter().find(|row| row["name"] == probe)?.clone();
            (rows["verdict"] == word && rows["partial"] == partial).then_some(rows)
        })
        .await
    }
}
