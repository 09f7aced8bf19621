//! Every file in tests/config: good ones are taken, bad ones are refused with exactly the text that
//! stands beside them. `UPDATE_EXPECT=1` rewrites that text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../src/check.rs"]
mod check;
#[path = "../src/load/mod.rs"]
mod load;
#[path = "../src/schema.rs"]
mod schema;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent::probe::Kind;
use collector::notify::Notifier;
use expect_test::expect_file;
use model::config::Word as _;
use model::secret::Resolver;
use proptest::prelude::*;

/// A world with two secrets.
fn resolver() -> Resolver {
    Arc::new(|reference| match reference {
        "env:HOOK_SECRET" | "env:SMTP_PASSWORD" => Ok("not to be seen".into()),
        other => match other.split_once(':') {
            Some(("env", name)) => Err(format!("the environment variable {name} is not set")),
            _ => Err(format!("`{other}` is not there")),
        },
    })
}

/// What `watchpost check` prints for the file at `path`, and its exit code.
fn checked(path: &Path) -> (String, u8) {
    let mut out = Vec::new();
    let code = check::run::<Kind, Notifier>(path, &resolver(), &mut out).unwrap();
    (String::from_utf8(out).unwrap(), code)
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(name)
}

/// The YAML files in a folder, in order.
fn files(name: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

/// The text without the folder, which is another one on every machine.
fn without_folder(text: &str, path: &Path) -> String {
    text.replace(&format!("{}/", path.parent().unwrap().display()), "")
}

#[test]
fn good_files_are_taken_with_the_values_beside_them() {
    let files = files("good");
    assert!(files.len() >= 6);
    for path in files {
        let (text, code) = checked(&path);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains(": ok, "), "{text}");
        let config = load::load::<Kind, Notifier>(&path, &resolver()).unwrap();
        let watch = config.map(|kind| kind.opaque(), |notifier| notifier.opaque());
        let json = serde_json::to_string_pretty(&watch).unwrap() + "\n";
        expect_file![path.with_extension("json")].assert_eq(&json);
        // What travels is read back by the words it came from.
        for probe in &watch.probes {
            let kind = Kind::read(&probe.kind.word, probe.kind.parameters.clone()).unwrap();
            assert_eq!(kind.opaque(), probe.kind);
        }
    }
}

#[test]
fn bad_files_are_refused_with_the_text_beside_them() {
    let files = files("bad");
    assert!(files.len() >= 34);
    for path in files {
        let (text, code) = checked(&path);
        assert_eq!(code, 64, "{}: {text}", path.display());
        expect_file![path.with_extension("txt")].assert_eq(&without_folder(&text, &path));
    }
}

#[test]
fn no_secret_is_ever_shown() {
    for path in files("bad").into_iter().chain(files("good")) {
        assert!(!checked(&path).0.contains("not to be seen"), "{}", path.display());
    }
}

#[test]
fn a_file_that_is_not_there_or_too_large_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probes.yaml");
    let text = without_folder(&checked(&path).0, &path);
    assert_eq!(
        text,
        "probes.yaml: this file cannot be read: No such file or directory (os error 2)\n"
    );
    fs::write(&path, vec![b'#'; 10_000_000]).unwrap();
    let (text, code) = checked(&path);
    assert_eq!(code, 64);
    assert_eq!(
        without_folder(&text, &path),
        "probes.yaml: this file is larger than 4 MiB, the most that is read\n"
    );
}

#[test]
fn the_shipped_file_runs_as_it_is_and_shows_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("probes.yaml");
    let (text, code) = checked(&path);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.ends_with(": ok, 2 probes in 1 region, 1 service, 1 contact, 1 policy\n"),
        "{text}"
    );
    let source = fs::read_to_string(path).unwrap();
    let mut keys = Vec::new();
    keys_of(&model::config::schema::<Kind, Notifier>(), &mut keys);
    let kinds_have_their_own_page = ["http", "tcp", "email", "webhook", "log"];
    for key in keys {
        let shown = source.contains(&format!("{key}: ")) || source.contains(&format!("{key}:\n"));
        assert!(shown || kinds_have_their_own_page.contains(&key.as_str()), "{key} is not shown");
    }
}

/// The keys of the shapes that belong to the file itself, not to its kinds and notifiers.
fn keys_of(schema: &serde_json::Value, keys: &mut Vec<String>) {
    let own =
        ["Defaults", "Service", "Objective", "Credit", "Policy", "Step", "Maintenance", "Smtp"];
    let items = |key: &str| schema["properties"][key]["items"]["properties"].clone();
    let shapes = own.map(|shape| schema["$defs"][shape]["properties"].clone());
    for shape in
        [schema["properties"].clone(), items("probes"), items("contacts")].into_iter().chain(shapes)
    {
        keys.extend(shape.as_object().expect("a shape").keys().cloned());
    }
}

#[test]
fn the_schema_names_its_draft_every_kind_and_every_notifier() {
    let mut out = Vec::new();
    schema::run::<Kind, Notifier>(&mut out).unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let words = |key: &str| schema["properties"][key]["items"]["properties"].clone();
    for kind in Kind::words() {
        assert!(words("probes").get(kind).is_some(), "{kind}");
    }
    for notifier in Notifier::words() {
        assert!(words("contacts").get(notifier).is_some(), "{notifier}");
    }
    assert_eq!(schema["required"], serde_json::json!(["version"]));
    // Every reference leads somewhere.
    let text = schema.to_string();
    for part in text.split("\"#/$defs/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(schema["$defs"].get(name).is_some(), "{name}");
    }
}

/// Reads `source`; whatever it is, it is taken or refused with at least one problem.
fn survives(source: &str) {
    if let Err(problems) = load::parse::<Kind, Notifier>("probes.yaml", source, &resolver()) {
        assert!(!problems.to_string().is_empty());
    }
}

const SHIPPED: &str = include_str!("../probes.yaml");
const FULL: &str = include_str!("config/good/full.yaml");

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probes.yaml");
        fs::write(&path, &bytes).unwrap();
        prop_assert_eq!(checked(&path).1, 64);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-a-z:{}\\[\\]&*!|>'\"%@`#,? \n\t$\u{e9}\u{65e5}0-9]{0,400}") {
        survives(&text);
    }

    #[test]
    fn no_change_of_a_good_file_makes_it_panic(
        full in any::<bool>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..6, any::<prop::sample::Index>()), 1..8),
    ) {
        let mut text: Vec<char> = if full { FULL } else { SHIPPED }.chars().collect();
        let odd: Vec<char> = ":-{}[]&*!|>'\"%#,?\n\t ${}0a\u{0}\u{feff}\u{2028}\u{1f980}".chars().collect();
        for (place, change, other) in changes {
            if text.is_empty() {
                break;
            }
            let place = place.index(text.len());
            match change {
                0 => { text.remove(place); }
                1 => text.insert(place, odd[other.index(odd.len())]),
                2 => text[place] = odd[other.index(odd.len())],
                3 => text.truncate(place.max(1)),
                4 => { let other = other.index(text.len()); text.swap(place, other); }
                _ => {
                    // A line stands twice.
                    let end = text[place..].iter().position(|c| *c == '\n').map_or(text.len(), |end| place + end);
                    let line: Vec<char> = text[place..end].to_vec();
                    text.splice(end..end, std::iter::once('\n').chain(line));
                }
            }
        }
        survives(&text.into_iter().collect::<String>());
    }
}
