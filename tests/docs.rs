//! What the pages say is so: examples are read, links lead somewhere, named tests exist.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` with this ending, but for what cargo and Watchpost make.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "watchpost-data" {
                found.extend(files(&path, ending));
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_example_of_the_readme_is_a_good_configuration() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```yaml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("probes.yaml");
    fs::write(&file, example).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_watchpost"))
        .arg("check")
        .arg(&file)
        .envs([("HOOK_SECRET", "x"), ("SMTP_PASSWORD", "x")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn every_subcommand_that_a_page_names_exists() {
    let help = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchpost"));
        command.args(arguments).arg("--help").output().unwrap().status.success()
    };
    let named = Regex::new(r"(?:`|\n    )watchpost ([a-z]+)").unwrap();
    for page in [
        "README.md",
        "docs/configuration.md",
        "docs/decisions/0004-an-open-period-is-stated-whole.md",
    ] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for found in named.captures_iter(&text) {
            assert!(help(&[&found[1]]), "{page}: watchpost {}", &found[1]);
        }
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#]+)").unwrap();
    for page in files(root(), ".md") {
        let text = fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&text).map(|found| found[1].to_owned()) {
            if !found.contains("://") && !found.starts_with("mailto:") {
                let to = page.parent().unwrap().join(&found);
                assert!(to.exists(), "{}: {found}", page.display());
            }
        }
    }
}

#[test]
fn the_tests_that_hold_the_invariants_exist() {
    let mut known = BTreeSet::new();
    let function = Regex::new(r"fn ([a-z0-9_]+)\(").unwrap();
    for file in files(root(), ".rs") {
        let text = fs::read_to_string(file).unwrap();
        known.extend(function.captures_iter(&text).map(|found| found[1].to_owned()));
    }
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let name = Regex::new(r"\b[a-z0-9]+(?:_[a-z0-9]+){3,}\b").unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let named: Vec<String> =
        rows.flat_map(|row| name.find_iter(row)).map(|found| found.as_str().to_owned()).collect();
    assert!(named.len() >= 16, "each invariant names a test: {named:?}");
    for test in named {
        assert!(known.contains(&test), "there is no test {test}");
    }
}
