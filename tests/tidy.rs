//! The rules of the repository that a compiler cannot hold, as tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use regex::Regex;

/// The most lines of a source file, tests included.
const LINES_MAX: usize = 500;
/// The most lines of README.md: what a newcomer reads first.
const README_LINES_MAX: usize = 150;
/// The most lines of ARCHITECTURE.md.
const ARCHITECTURE_LINES_MAX: usize = 250;

/// The longest rest between two looks at a condition in a test, ms. A longer one is a hope.
const POLL_MS_MAX: u64 = 20;

/// Words that name nothing, or that this project has a better word for.
const UNUSED_WORDS: [&str; 12] = [
    "handler",
    "manager",
    "helper",
    "helpers",
    "util",
    "utils",
    "common",
    "misc",
    "endpoint",
    "endpoints",
    "monitor",
    "processor",
];

/// What the model may be built from.
const MODEL_DEPENDENCIES: [&str; 6] =
    ["jiff", "prost", "schemars", "serde", "serde_json", "unicode-width"];

/// Where the clock and the environment are read: once a crate.
const EDGES: [&str; 4] =
    ["agent/src/run.rs", "collector/src/clock.rs", "src/secrets.rs", "tests/e2e/lab.rs"];

/// What has a written form, by folder: the configuration, the wire, the journal, what is on disk, and
/// what is read or shown as JSON. Whatever else is serialised would be a format nobody knows of.
const WRITTEN: [&str; 15] = [
    "model/src/",
    "agent/src/policy",
    "agent/src/probe/",
    "agent/src/run/work.rs",
    "agent/src/secret.rs",
    "agent/src/spool/",
    "agent/src/tls/params.rs",
    "collector/src/http/",
    "collector/src/journal.rs",
    "collector/src/notify/",
    "collector/src/run.rs",
    "src/ask/",
    "src/client.rs",
    "src/offline/",
    "src/token.rs",
];

/// Crates that must not be compiled in: a second TLS, a second crypto, an archived parser.
const BANNED: [&str; 6] = ["ring", "openssl-sys", "native-tls", "serde_yaml", "serde_yml", "rsa"];

/// One file of the repository: its path from the root, with its text.
struct File {
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file with one of these endings that belongs to the project.
fn files(endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let hidden = name.starts_with('.') && name != ".ci" && name != ".github";
            if path.is_dir() {
                if !hidden && name != "target" && name != "watchpost-data" {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                // Some files of tests are wrong on purpose.
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                found.push(File { path: from_root(&path), text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!found.is_empty());
    found
}

fn from_root(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

fn sources() -> Vec<File> {
    files(&[".rs"])
}

/// Fails with every line that breaks a rule, so that one run shows all of them.
fn none(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// Every line of `files` that `wrong` says is wrong, with its place.
fn lines(files: &[File], wrong: impl Fn(&File, &str) -> bool) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            if wrong(file, line) {
                broken.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    broken
}

#[test]
fn source_files_stay_short() {
    let long = sources().into_iter().filter_map(|file| {
        let count = file.text.lines().count();
        (count > LINES_MAX).then(|| format!("{}: {count} lines", file.path))
    });
    none("split a file of more than 500 lines by meaning", long.collect());
}

#[test]
fn every_source_file_begins_by_saying_what_it_is() {
    // The tests of a file in a file of their own are told by that file's first line.
    let own = |file: &File| !file.path.ends_with("tests.rs") && !file.path.contains("/tests/");
    let silent = sources().into_iter().filter(own).filter(|file| !file.text.starts_with("//!"));
    none("begin with a //! line", silent.map(|file| file.path).collect());
}

/// The words of a name: split at underscores and where capitals begin.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for sign in name.chars() {
        if !sign.is_alphanumeric() || sign.is_uppercase() {
            words.push(String::new());
        }
        if sign.is_alphanumeric() {
            words.last_mut().unwrap().extend(sign.to_lowercase());
        }
    }
    words
}

#[test]
fn names_use_the_vocabulary() {
    let unused: BTreeSet<&str> = UNUSED_WORDS.into();
    let bad = |name: &str| words(name).iter().any(|word| unused.contains(word.as_str()));
    let definition =
        Regex::new(r"\b(?:fn|struct|enum|trait|mod|type|const|static|union)\s+([A-Za-z_]\w*)")
            .unwrap();
    let sources = sources();
    let mut broken = lines(&sources, |_, line| {
        !line.trim_start().starts_with("//")
            && definition.captures_iter(line).any(|found| bad(&found[1]))
    });
    broken.extend(sources.iter().filter(|file| bad(&file.path)).map(|file| file.path.clone()));
    none("use a word of docs/vocabulary.md", broken);
}

/// The names in a table of a manifest.
fn table(manifest: &str, header: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let lines = text.lines().skip_while(|line| line.trim() != header).skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn the_model_is_pure_and_needs_little() {
    let library = fs::read_to_string(root().join("model/src/lib.rs")).unwrap();
    assert!(library.lines().any(|line| line == "#![no_std]"), "model is no_std");
    assert_eq!(
        library.matches("extern crate std").count(),
        library.matches("#[cfg(test)]\nextern crate std;").count(),
        "model has std in its tests only"
    );
    let needed = table("model/Cargo.toml", "[dependencies]");
    assert_eq!(needed, MODEL_DEPENDENCIES.map(ToOwned::to_owned).into());
}

#[test]
fn agent_and_collector_know_the_model_and_not_each_other() {
    for (manifest, wanted, barred) in [
        ("agent/Cargo.toml", "model", &["collector", "watchpost"][..]),
        ("collector/Cargo.toml", "model", &["agent", "watchpost"]),
        ("model/Cargo.toml", "serde", &["agent", "collector", "watchpost"]),
    ] {
        let mut needed = table(manifest, "[dependencies]");
        assert!(needed.contains(wanted), "{manifest} needs {wanted}");
        needed.extend(table(manifest, "[dev-dependencies]"));
        for name in barred {
            assert!(!needed.contains(*name), "{manifest} must not need {name}");
        }
    }
}

#[test]
fn a_kind_does_not_know_other_kinds() {
    let words = Regex::new(r"word_list! \{[^}]*: ([^}]*)\}").unwrap();
    for folder in ["agent/src/probe", "collector/src/notify"] {
        let list = fs::read_to_string(root().join(folder).join("mod.rs")).unwrap();
        let list = words.captures(&list).unwrap();
        let kinds: Vec<&str> =
            list[1].split(',').map(str::trim).filter(|k| !k.is_empty()).collect();
        let broken = lines(&sources(), |file, line| {
            let Some(inside) = file.path.strip_prefix(&format!("{folder}/")) else { return false };
            let own = inside.split(['/', '.']).next().unwrap();
            kinds.contains(&own)
                && kinds.iter().filter(|kind| **kind != own).any(|kind| {
                    ["probe", "notify"]
                        .iter()
                        .any(|door| line.contains(&format!("crate::{door}::{kind}::")))
                })
        });
        none("a kind or notifier uses the model, its mod.rs and shared files only", broken);
    }
}

#[test]
fn one_tls_one_crypto_and_no_archived_parser_are_compiled_in() {
    for name in BANNED {
        let tree = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--locked", "--workspace", "-e", "normal", "-i", name])
            .current_dir(root())
            .output()
            .unwrap();
        let users = String::from_utf8_lossy(&tree.stdout);
        let said = String::from_utf8_lossy(&tree.stderr);
        assert!(users.is_empty(), "{name} is compiled in:\n{users}");
        assert!(
            said.contains("did not match any packages") || said.contains("nothing to print"),
            "cargo tree did not look for {name}: {said}"
        );
    }
}

/// Whether this place of a file is a test's: a file of tests, or below the mark in another file.
fn is_test(file: &File, at: usize) -> bool {
    let tested = file.text.find("#[cfg(test)]\nmod tests {");
    file.path.starts_with("tests/")
        || file.path.ends_with("tests.rs")
        || file.path.contains("/tests/")
        || tested.is_some_and(|from| at > from)
}

#[test]
fn the_clock_and_the_environment_are_read_at_the_edge_only() {
    let exempt = Regex::new(r"(?:expect|allow)\(\s*clippy::disallowed_methods").unwrap();
    let found: Vec<String> = sources()
        .iter()
        .flat_map(|file| exempt.find_iter(&file.text).map(|_| file.path.clone()))
        .collect();
    assert_eq!(found, EDGES, "a new reading of clock or environment needs a reason and this list");
}

#[test]
fn only_what_has_a_written_form_is_serialised() {
    let derive = Regex::new(r"derive\([^)]*\b(?:Serialize|Deserialize)\b").unwrap();
    let sources: Vec<File> = sources()
        .into_iter()
        .filter(|file| !file.path.starts_with("tests/") && !file.path.starts_with("benches/"))
        .filter(|file| !WRITTEN.iter().any(|place| file.path.starts_with(place)))
        .collect();
    none(
        "name its form in WRITTEN, or do not serialise it",
        lines(&sources, |_, line| derive.is_match(line)),
    );
}

#[test]
fn nothing_is_left_for_later_and_no_test_is_skipped() {
    // Written in halves, so that this file does not break its own rule.
    let later = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("unimpl", "emented!("),
        concat!("to", "do!("),
        concat!("#[ign", "ore"),
        concat!("should_", "panic"),
    ];
    let all = files(&[".rs", ".md", ".toml", ".yaml", ".yml", ".service", ".html", ".css"]);
    let broken = lines(&all, |_, line| later.iter().any(|word| line.contains(word)));
    none("do it, or say in docs/ that it is not there", broken);
}

#[test]
fn tests_wait_for_conditions_and_not_for_luck() {
    let nap = Regex::new(concat!(r"(thread|time)::", r"sleep\(")).unwrap();
    let poll = Regex::new(r"^Duration::from_millis\((\d+)\)").unwrap();
    let mut broken = Vec::new();
    for file in sources() {
        // In paused time a sleep is a step of the story and takes no time.
        let virtual_time = file.text.contains("start_paused = true");
        for found in nap.find_iter(&file.text) {
            let length = poll.captures(&file.text[found.end()..]);
            let between_looks = found.as_str().starts_with("time")
                && length.is_some_and(|ms| ms[1].parse::<u64>().unwrap() <= POLL_MS_MAX);
            if is_test(&file, found.start()) && !virtual_time && !between_looks {
                broken.push(format!("{}: {}", file.path, found.as_str()));
            }
        }
    }
    none("wait for an event, or look for it often, with a deadline", broken);
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    let places = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let all = files(&[".rs", ".md", ".toml", ".yaml", ".yml", ".service", ".html", ".json"]);
    let broken = lines(&all, |_, line| places.iter().any(|place| line.contains(place)));
    none("paths of one machine mean nothing on another", broken);
}

#[test]
fn pages_for_newcomers_stay_short() {
    for (page, lines_max) in
        [("README.md", README_LINES_MAX), ("ARCHITECTURE.md", ARCHITECTURE_LINES_MAX)]
    {
        if let Ok(text) = fs::read_to_string(root().join(page)) {
            let count = text.lines().count();
            assert!(count <= lines_max, "{page} has {count} lines, at most {lines_max}");
        }
    }
}

#[test]
fn a_decision_says_why_what_and_what_follows() {
    let Ok(folder) = fs::read_dir(root().join("docs/decisions")) else { return };
    let named = Regex::new(r"^\d{4}-[a-z0-9-]+\.md$").unwrap();
    for entry in folder {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        assert!(named.is_match(&name), "{name} is not named NNNN-title.md");
        let text = fs::read_to_string(&path).unwrap().to_lowercase();
        for part in ["context", "decision", "consequence"] {
            assert!(text.contains(&format!("## {part}")), "{name} has no part `{part}`");
        }
    }
}
