//! docs/probes.md is written by this test from what the kinds say of themselves; UPDATE_EXPECT=1
//! writes it anew.

use std::fmt::Write as _;

use agent::probe::Kind;
use expect_test::expect_file;
use model::config::Word;
use schemars::SchemaGenerator;
use serde_json::{Map, Value};

const HEAD: &str = "# Probe kinds

What may stand beside a probe's name in probes.yaml. This page is generated from the program
(`UPDATE_EXPECT=1 cargo test -p agent --test probes docs`).

Any text may hold secrets, `${env:NAME}` or `${file:PATH}`: they are read on the agent. Unknown
parameters are errors. Every attempt begins anew, with its own resolution, connection and TLS
handshake. Addresses where clouds hand out credentials (169.254.169.254 and the like) are refused.
";

/// The kind's own schema, and those that it refers to.
fn schema(word: &str) -> (Map<String, Value>, Map<String, Value>) {
    let mut generator = SchemaGenerator::default();
    let reference = Kind::schema(word, &mut generator).unwrap();
    let mut definitions = generator.take_definitions(true);
    let reference = reference.as_value()["$ref"].as_str().unwrap().to_owned();
    let name = reference.rsplit('/').next().unwrap();
    let Some(Value::Object(own)) = definitions.remove(name) else { panic!("{word}") };
    (own, definitions)
}

/// A description in one line.
fn line(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn table(page: &mut String, schema: &Map<String, Value>) {
    let required = schema.get("required").and_then(Value::as_array);
    let required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    page.push_str("| parameter | meaning |\n| --- | --- |\n");
    let (needed, others): (Vec<_>, Vec<_>) =
        properties.iter().partition(|(name, _)| required(name));
    for (name, property) in needed {
        let _ = writeln!(page, "| `{name}` (required) | {} |", line(property));
    }
    for (name, property) in others {
        let _ = writeln!(page, "| `{name}` | {} |", line(property));
    }
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut shared = Map::new();
    for word in Kind::words() {
        let (own, others) = schema(word);
        shared.extend(others);
        let description = own["description"].as_str().unwrap();
        let example = own["x-example"].as_str().unwrap();
        let _ = write!(page, "\n## {word}\n\n{description}\n\n```yaml\n{example}```\n\n");
        table(&mut page, &own);
    }
    for (title, name) in [
        ("tls", "Tls"),
        ("response_headers", "HeaderRuleFields"),
        ("json", "JsonRule"),
        ("basic_auth", "BasicAuth"),
    ] {
        let schema = shared.get(name).and_then(Value::as_object);
        let schema = schema.unwrap_or_else(|| panic!("no schema {name}: {:?}", shared.keys()));
        let _ = write!(page, "\n## {title}\n\n");
        let about = line(&Value::Object(schema.clone()));
        if !about.is_empty() {
            let _ = write!(page, "{about}\n\n");
        }
        table(&mut page, schema);
    }
    page
}

#[test]
fn the_page_about_probes_says_what_the_program_takes() {
    expect_file!["../../../docs/probes.md"].assert_eq(&page());
}

#[test]
fn every_parameter_is_explained_and_every_example_is_read() {
    for word in Kind::words() {
        let (own, _) = schema(word);
        for (name, property) in own["properties"].as_object().unwrap() {
            assert!(!line(property).is_empty(), "{word}: {name} has no description");
        }
        let example: Value = serde_saphyr::from_str(own["x-example"].as_str().unwrap()).unwrap();
        let kind = Kind::read(word, example[*word].clone()).unwrap();
        assert_eq!(kind.word(), *word);
    }
}
