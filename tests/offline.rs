//! Statements from files: each folder of `tests/offline` holds observations, a contract and the
//! exact answer, reckoned by hand or by a second program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn report(folder: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_watchpost"))
        .arg("report")
        .arg("--observations")
        .arg(folder.join("observations.jsonl"))
        .arg("--contract")
        .arg(folder.join("contract.json"))
        .args(["--format", "json"])
        .args(more)
        .output()
        .unwrap()
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/offline");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

#[test]
fn every_folder_gives_exactly_its_answer() {
    for folder in folders() {
        let instants = std::fs::read_to_string(folder.join("burn_at")).unwrap_or_default();
        let more = ["--burn-at", instants.trim()];
        let output = report(&folder, if instants.is_empty() { &[] } else { &more });
        let name = folder.display();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let want = std::fs::read_to_string(folder.join("expected.json")).unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), want, "{name}");
    }
}

/// Any order of lines, and any line twice.
#[test]
fn the_order_of_lines_and_repetition_change_nothing() {
    for folder in folders().iter().filter(|folder| !folder.join("burn_at").exists()) {
        let copy = tempfile::tempdir().unwrap();
        let lines = std::fs::read_to_string(folder.join("observations.jsonl")).unwrap();
        let mut lines: Vec<&str> = lines.lines().collect();
        lines.reverse();
        let mixed: Vec<&str> =
            lines.iter().step_by(2).chain(&lines).chain(lines.iter().skip(1)).copied().collect();
        std::fs::write(copy.path().join("observations.jsonl"), mixed.join("\n")).unwrap();
        std::fs::copy(folder.join("contract.json"), copy.path().join("contract.json")).unwrap();
        let want = std::fs::read_to_string(folder.join("expected.json")).unwrap();
        let found = String::from_utf8(report(copy.path(), &[]).stdout).unwrap();
        assert_eq!(found, want, "{}", folder.display());
    }
}

#[test]
fn a_bad_file_is_a_failure_that_names_the_place_and_prints_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [phases] =
        &folders().into_iter().filter(|one| one.ends_with("phases")).collect::<Vec<_>>()[..]
    else {
        panic!("the folder `phases` is missing");
    };
    std::fs::copy(phases.join("contract.json"), folder.path().join("contract.json")).unwrap();
    let path = folder.path().join("observations.jsonl");
    std::fs::write(&path, "\n{\"id\":1}\n").unwrap();
    let output = report(folder.path(), &[]);
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("observations.jsonl:2: column 7: invalid type"), "{said}");
}

/// As in docs/statements.md: the same statement in the forms for people, of a folder as of a file.
#[test]
fn every_form_is_made_from_a_file_and_from_a_folder() {
    let source =
        folders().into_iter().find(|one| one.ends_with("october")).expect("the folder `october`");
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(source.join("contract.json"), copy.path().join("contract.json")).unwrap();
    let parts = copy.path().join("observations.jsonl");
    std::fs::create_dir(&parts).unwrap();
    let text = std::fs::read_to_string(source.join("observations.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for (part, lines) in lines.chunks(lines.len().div_ceil(3)).enumerate() {
        std::fs::write(parts.join(format!("{part}.jsonl")), lines.join("\n")).unwrap();
    }
    let want = std::fs::read_to_string(source.join("expected.json")).unwrap();
    for (form, begins) in [
        ("json", want.as_str()),
        ("csv", "service,period,record,name,from,to,value,unit\r\nobservations,2026-10,figure,"),
        ("table", "Availability of observations, 2026-10 (Europe/Berlin)\n"),
        ("html", "<!doctype html>\n"),
    ] {
        let forms = ["--format", form];
        let (whole, parted) = (form_of(&source, &forms), form_of(copy.path(), &forms));
        assert!(whole.starts_with(begins), "{form}: {whole}");
        // The page names the files and their hashes.
        assert!(form == "html" || whole == parted, "{form}: {parted}");
    }
    let named = form_of(&source, &["--format", "csv", "--service", "tracking-api"]);
    assert!(named.contains("\r\ntracking-api,2026-10,figure,"), "{named}");
}

fn form_of(folder: &Path, more: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_watchpost"))
        .arg("report")
        .arg("--observations")
        .arg(folder.join("observations.jsonl"))
        .arg("--contract")
        .arg(folder.join("contract.json"))
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
