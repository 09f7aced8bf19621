use model::config::{Opaque, Word};
use serde_json::{Value, json};

use super::Kind;
use crate::secret::{Destination, Use, references};

fn read(word: &str, parameters: Value) -> Result<Opaque, String> {
    Kind::read(word, parameters).map(|kind| kind.opaque()).map_err(|error| error.to_string())
}

#[test]
fn parameters_are_read_and_travel_without_their_defaults() {
    for (word, written, travels) in [
        ("http", json!({"url": "https://a.example/"}), json!({"url": "https://a.example/"})),
        (
            "http",
            json!({"url": "http://[::1]:80/", "method": "get", "status": ["200-299"], "ip": "any",
                   "follow_redirects": 10, "tls": {}, "headers": {}, "json": []}),
            json!({"url": "http://[::1]:80/"}),
        ),
        (
            "http",
            json!({"url": "http://a/", "status": 404, "ip": 6, "http_version": 1.1, "max_time": "90m",
                   "response_headers": {"a": "x", "b": {"absent": true}, "c": {"matches": "^x"}},
                   "json": [{"pointer": "/a", "equals": null}, {"pointer": "", "min": 1.5}]}),
            json!({"url": "http://a/", "status": [404], "ip": "6", "http_version": "1.1",
                   "max_time": "5400000ms",
                   "response_headers":
                       {"a": {"contains": "x"}, "b": {"absent": true}, "c": {"matches": "^x"}},
                   "json": [{"pointer": "/a", "equals": null}, {"pointer": "", "min": 1.5}]}),
        ),
        (
            "http",
            json!({"url": "https://${env:HOST}/${env:PATH}", "basic_auth":
                   {"username": "u", "password": "${file:/run/p}"}}),
            json!({"url": "https://${env:HOST}/${env:PATH}", "basic_auth":
                   {"username": "u", "password": "${file:/run/p}"}}),
        ),
        ("http", json!({"url": "${env:URL}"}), json!({"url": "${env:URL}"})),
        ("tcp", json!({"address": "a:1", "tls": false}), json!({"address": "a:1"})),
        (
            "tcp",
            json!({"address": "[::1]:25", "tls": {"verify": true}, "send": "a\\r\\n", "expect": "b"}),
            json!({"address": "[::1]:25", "tls": true, "send": "a\\r\\n", "expect": "b"}),
        ),
        (
            "tcp",
            json!({"address": "${env:ADDRESS}", "tls": {"verify": false}}),
            json!({"address": "${env:ADDRESS}", "tls": {"verify": false}}),
        ),
    ] {
        let opaque = read(word, written).unwrap();
        assert_eq!(opaque.parameters, travels);
        assert_eq!(read(word, opaque.parameters.clone()).unwrap(), opaque);
    }
}

#[test]
fn what_is_wrong_is_refused_with_what_would_be_right() {
    let url = "http://a/";
    for (word, written, said) in [
        ("http", json!({}), "missing field `url`"),
        ("http", json!({"url": url, "statu": 200}), "unknown field `statu`, expected one of `url`"),
        ("http", json!({"url": "shop.example"}), "write a whole URL"),
        ("http", json!({"url": "ftp://a/"}), "not with http:// or https://"),
        ("http", json!({"url": "http://a:0/"}), "port 0"),
        ("http", json!({"url": url, "status": 42}), "42 is not a status from 100 to 599"),
        ("http", json!({"url": url, "status": ["299-200"]}), "write \"200-299\""),
        ("http", json!({"url": url, "status": []}), "the list is empty"),
        ("http", json!({"url": url, "max_time": "2"}), "is not a duration"),
        ("http", json!({"url": url, "max_time": "0s"}), "longer than nothing"),
        ("http", json!({"url": url, "body_matches": "("}), "is not a regular expression: unclosed"),
        (
            "http",
            json!({"url": url, "body_matches": "${env:A}"}),
            "cannot hold the secret ${env:A}",
        ),
        ("http", json!({"url": url, "follow_redirects": 21}), "from 0 to 20"),
        ("http", json!({"url": url, "method": "CONNECT"}), "no method to ask with"),
        ("http", json!({"url": url, "method": "HEAD", "body_contains": "x"}), "has no body"),
        ("http", json!({"url": url, "headers": {"a b": "c"}}), "not a header name"),
        ("http", json!({"url": url, "headers": {"a": "b\nc"}}), "control character"),
        ("http", json!({"url": url, "headers": {"a": "b", "A": "c"}}), "given twice"),
        ("http", json!({"url": url, "headers": {"Content-Length": "3"}}), "connection's own"),
        ("http", json!({"url": "http://u:p@a/", "bearer_token": "t"}), "more than one of"),
        ("http", json!({"url": url, "response_headers": {"a": {}}}), "exactly one of"),
        ("http", json!({"url": url, "json": [{"pointer": "a"}]}), "such as /a"),
        (
            "http",
            json!({"url": url, "json": [{"pointer": "/a", "absent": true, "min": 1}]}),
            "drop",
        ),
        ("http", json!({"url": url, "json": [{"pointer": "/a", "min": 2, "max": 1}]}), "above max"),
        ("http", json!({"url": url, "tls": {"verify": false, "ca_file": "x"}}), "trusts everyone"),
        ("http", json!({"url": url, "tls": {"key_file": "x"}}), "needs tls.certificate_file"),
        ("http", json!({"url": url, "tls": {"fail_days": 0}}), "from 1 to 3650"),
        ("http", json!({"url": url, "tls": {"server_name": "a b"}}), "neither a host name"),
        ("http", json!({"url": url, "connect_to": "a"}), "is not host:port"),
        ("http", json!({"url": url, "ip": 5}), "any, 4 or 6"),
        ("http", json!({"url": url, "http_version": 3}), "any, 1.1 or 2"),
        ("tcp", json!({"address": "::1:25"}), "without brackets"),
        ("tcp", json!({"address": "a:0"}), "from 1 to 65535"),
        ("tcp", json!({"address": "http://a:80"}), "is not host:port"),
        ("tcp", json!({"address": "a:1", "send": "\\q"}), "is no escape"),
        ("tcp", json!({"address": "a:1", "expect": "a", "expect_matches": "b"}), "keep one"),
        ("tcp", json!({"address": "a:1", "tls": {"rots": 1}}), "unknown field `rots`"),
        ("smtp", json!({}), "unknown variant `smtp`, expected `http` or `tcp`"),
    ] {
        let error = read(word, written.clone()).unwrap_err();
        assert!(error.contains(said), "{written} said: {error}");
    }
}

/// The uses of one kind's parameters, which all name the secret `env:A`.
fn uses(word: &str, written: &Value) -> Vec<Use> {
    Kind::read(word, written.clone()).unwrap().uses()
}

#[test]
fn secrets_are_named_with_their_field() {
    let url = "https://shop.example/";
    for (word, written, field, made_for_secrets) in [
        ("http", json!({"url": url, "bearer_token": "${env:A}"}), "bearer_token", true),
        (
            "http",
            json!({"url": url, "basic_auth": {"username": "u", "password": "${env:A}"}}),
            "basic_auth.password",
            true,
        ),
        (
            "http",
            json!({"url": url, "headers": {"AUTHORIZATION": "Token ${env:A}"}}),
            "header authorization",
            true,
        ),
        ("http", json!({"url": url, "headers": {"X-Key": "${env:A}"}}), "header x-key", false),
        ("http", json!({"url": "https://shop.example/${env:A}"}), "url", false),
        ("http", json!({"url": "https://u:${env:A}@shop.example/"}), "url", false),
        ("http", json!({"url": url, "body": "${env:A}"}), "body", false),
        ("http", json!({"url": url, "body_contains": "${env:A}"}), "body_contains", false),
        (
            "http",
            json!({"url": url, "response_headers": {"X-A": {"equals": "${env:A}"}}}),
            "response_headers x-a",
            false,
        ),
        (
            "http",
            json!({"url": url, "json": [{"pointer": "/a", "equals": "${env:A}"}]}),
            "json /a",
            false,
        ),
        ("tcp", json!({"address": "a:1", "send": "${env:A}"}), "send", false),
        ("tcp", json!({"address": "a:1", "expect": "${env:A}"}), "expect", false),
    ] {
        let used = uses(word, &written);
        assert_eq!(used.len(), 1, "{written}");
        assert_eq!(used[0].reference, references("${env:A}")[0], "{written}");
        assert_eq!((used[0].field.as_str(), used[0].made_for_secrets), (field, made_for_secrets));
        assert_eq!(used[0].destination.kind, word);
    }
}

#[test]
fn secrets_are_bound_to_whoever_would_receive_them() {
    let own = "shop.example";
    for (word, written, (host, port, tls)) in [
        ("http", json!({"url": "https://Shop.example/"}), (own, 443, true)),
        ("http", json!({"url": "http://shop.example"}), (own, 80, false)),
        ("http", json!({"url": "http://[::1]:81/"}), ("::1", 81, false)),
        ("http", json!({"url": "https://${env:A}:1/"}), ("${…}", 1, true)),
        ("http", json!({"url": "${env:A}"}), ("${env:a}", 0, false)),
        (
            "http",
            json!({"url": "https://shop.example", "tls": {"verify": false}}),
            (own, 443, false),
        ),
        // Whom the certificate names receives it; without TLS, whoever is connected to.
        (
            "http",
            json!({"url": "https://shop.example", "connect_to": "b.example:8443"}),
            (own, 8443, true),
        ),
        (
            "http",
            json!({"url": "http://shop.example", "connect_to": "B.example:81"}),
            ("b.example", 81, false),
        ),
        (
            "http",
            json!({"url": "https://shop.example", "connect_to": "b.example:8443",
                   "tls": {"server_name": "b.example"}}),
            ("b.example", 8443, true),
        ),
        ("tcp", json!({"address": "Mail.example:465", "tls": true}), ("mail.example", 465, true)),
        ("tcp", json!({"address": "mail.example:25"}), ("mail.example", 25, false)),
    ] {
        let mut parameters = written.clone();
        let place = if word == "http" { "bearer_token" } else { "send" };
        parameters[place] = json!("${env:A}");
        let expected = Destination { kind: word.to_owned(), host: host.to_owned(), port, tls };
        for used in uses(word, &parameters) {
            assert_eq!(used.destination, expected, "{written}");
        }
    }
}
