//! Bad input of every kind, over HTTP: a clear error that names the place, nothing half stored, and
//! a server that goes on.

use std::fmt::Write as _;
use std::io::Write as _;

use expect_test::expect_file;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::server::{Server, data_dir};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");
const GZIP: (&str, &str) = ("Content-Encoding", "gzip");

type Headers = Vec<(&'static str, &'static str)>;

/// Requests that are refused: a name, headers, a body.
fn refused() -> Vec<(&'static str, Headers, Vec<u8>)> {
    let good = br#"{"service":"a","message":"m"}"#;
    let deep = format!(
        r#"{{"service":"a","message":"m","metadata":{}1{}}}"#,
        r#"{"a":"#.repeat(200),
        "}".repeat(200)
    );
    let truncated = gzip(&good.repeat(100))[..20].to_vec();
    let bomb = gzip(&vec![b' '; 200 << 20]);
    let long_message = format!(r#"{{"service":"a","message":"{}"}}"#, "x".repeat(5 << 20));
    let key = |key| vec![("Idempotency-Key", key)];
    let one = |body: &str| (vec![], body.as_bytes().to_vec());
    let mut cases = vec![
        ("malformed JSON", one(r#"{"service":"a", "message":}"#)),
        (
            "malformed JSON on the third line of NDJSON",
            (
                vec![NDJSON],
                b"{\"service\":\"a\",\"message\":\"m\"}\n\n{\"service\":\"a\",,}\n".to_vec(),
            ),
        ),
        ("a missing service", one(r#"{"message":"m"}"#)),
        ("an empty service", one(r#"{"service":"","message":"m"}"#)),
        ("a missing message", one(r#"{"service":"a"}"#)),
        ("a message that is a number", one(r#"{"service":"a","message":7}"#)),
        ("an unknown field", one(r#"{"service":"a","message":"m","sevrity":"INFO"}"#)),
        ("a time that is none", one(r#"{"service":"a","message":"m","timestamp":"yesterday"}"#)),
        (
            "a time too far away",
            one(r#"{"service":"a","message":"m","timestamp":"9999-01-01T00:00:00Z"}"#),
        ),
        ("a time with a fraction", one(r#"{"service":"a","message":"m","timestamp":1.5}"#)),
        ("metadata that is a list", one(r#"{"service":"a","message":"m","metadata":[1]}"#)),
        (
            "duplicate keys in metadata",
            one(r#"{"service":"a","message":"m","metadata":{"k":{"x":1,"x":2}}}"#),
        ),
        ("an empty body", one("")),
        ("an empty array", one("[]")),
        (
            "an array with one bad record of three",
            one(r#"[{"service":"a","message":"m"},{"message":"m"},{"service":"a","message":"m"}]"#),
        ),
        ("another content type", (vec![("Content-Type", "text/csv")], good.to_vec())),
        ("an unknown encoding", (vec![("Content-Encoding", "br")], good.to_vec())),
        ("invalid UTF-8", (vec![], b"{\"service\":\"a\",\"message\":\"\xFF\"}".to_vec())),
        ("truncated gzip", (vec![GZIP, NDJSON], truncated)),
        ("a zip bomb", (vec![GZIP, NDJSON], bomb)),
        ("deep nesting", (vec![], deep.into_bytes())),
        ("a message of 5 MiB", (vec![], long_message.into_bytes())),
        ("a body of 100 MiB", (vec![NDJSON], vec![b'\n'; 100 << 20])),
        ("a key without parts", (key("abc"), good.to_vec())),
        ("a key with a bad producer", (key("a b:0:1"), good.to_vec())),
        ("a key with sequence 0", (key("a:0:0"), good.to_vec())),
        ("a key with a negative epoch", (key("a:-1:1"), good.to_vec())),
    ];
    cases.drain(..).map(|(name, (headers, body))| (name, headers, body)).collect()
}

#[test]
fn what_is_refused_says_where_and_what_to_do_and_stores_nothing() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let mut said = String::new();
    for (name, headers, body) in refused() {
        let answer = server.post("/api/v1/logs", &headers, &body);
        assert!((400..500).contains(&answer.status), "{name}: {answer:?}");
        writeln!(said, "{name}\n  {}", answer.error()).expect("a String takes all");
    }
    for question in [
        "search?level=loud",
        "search?order=sideways",
        "search?page=0",
        "search?page_size=10001",
        "search?start_time=soon",
        "search?query=%22open",
        "search?total=about",
        "search?explain=please",
        "search?partial=maybe",
        "search?consistency=new",
        "search?order=newest&order=oldest",
        "search?colour=red",
        "aggregates?step=fast",
        "aggregates?step=1us",
        "aggregates?by=service,host",
        "aggregates?level=loud",
        "aggregates?end_time=soon",
        "aggregates?step=1h&step=1d",
        "aggregates?query=word",
    ] {
        let answer = server.get(&format!("/api/v1/logs/{question}"));
        assert_eq!(answer.status, 400, "{question}: {answer:?}");
        writeln!(said, "{question}\n  {}", answer.error()).expect("a String takes all");
    }
    for question in ["service=a&service=b", "level=info&level=warn", "ids=some", "colour=red"] {
        let answer = server.post(&format!("/api/v1/logs?{question}"), &[], br#"{"message":"m"}"#);
        assert_eq!(answer.status, 400, "{question}: {answer:?}");
        writeln!(said, "POST ?{question}\n  {}", answer.error()).expect("a String takes all");
    }
    expect_file!["../../scenarios/bad_input.txt"].assert_eq(&said);
    assert_eq!(server.total(""), 0, "something refused was stored");
}

#[test]
fn what_is_odd_but_right_is_kept_as_it_was_sent() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let many: Value = (0..10_000)
        .map(|n| (format!("key{n}"), json!(n)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let records = [
        json!({"service":"odd","message":"","level":"LOUD"}),
        json!({"service":"odd","message":"nul \u{0} and \u{7f}","timestamp":1_700_000_000}),
        json!({"service":"odd","message":"ms","timestamp":1_700_000_000_000_u64}),
        json!({"service":"odd","message":"µs","timestamp":"1700000000000000"}),
        json!({"service":"odd","message":"ns","timestamp":1_700_000_000_000_000_000_u64}),
        json!({"service":"odd","message":"past","timestamp":"1700-01-01T00:00:00Z"}),
        json!({"service":"odd","message":"future","timestamp":"2260-01-01T00:00:00+02:00"}),
        json!({"service":"odd","message":"x".repeat(1 << 20)}),
        json!({"service":"odd","message":"wide","metadata":many}),
        json!({"service":"odd","message":"types","metadata":{
            "a.b":{"c\\d":null},"e":{},"f":[1,{"g":[]}],"t":true,"i":-7,"u":18_446_744_073_709_551_615_u64,"s":"","":"empty name"}}),
    ];
    for record in &records {
        let answer = server.post("/api/v1/logs", &[], record.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.json()["log_id"].as_str().expect("an id").to_owned();
        let found = server.get(&format!("/api/v1/logs/{id}")).json();
        assert_eq!(found["message"], record["message"]);
        assert_eq!(found["metadata"], *record.get("metadata").unwrap_or(&json!({})));
        assert_eq!(found["log_id"], id.as_str());
    }
    let loud = server.all("service=odd&level=UNKNOWN&query=");
    assert!(loud.iter().any(|log| log["level_text"] == "LOUD" && log["level"] == "UNKNOWN"));
    let range = "start_time=1700000000&end_time=1700000001";
    assert_eq!(server.total(range), 4, "one moment in four units");
    let numbers = br#"{"service":"n","message":"m","metadata":{"a":1.0,"b":1e400,"c":0.1,"d":-0}}"#;
    let answer = server.post("/api/v1/logs", &[], numbers);
    let id = answer.json()["log_id"].as_str().expect("an id").to_owned();
    let found = server.get(&format!("/api/v1/logs/{id}")).body;
    for text in [r#""a":1.0"#, r#""b":1e400"#, r#""c":0.1"#, r#""d":-0"#] {
        assert!(found.contains(text), "{text} in {found}");
    }
}

#[test]
fn the_same_key_is_a_duplicate_with_the_same_content_and_a_conflict_with_other() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let key = [("Idempotency-Key", "till-4:1:1")];
    let send = |body: &str| server.post("/api/v1/logs", &key, body.as_bytes());
    let first = send(r#"{"service":"a","message":"sold"}"#);
    assert_eq!(first.status, 200, "{first:?}");
    let again = send(r#"{"service":"a","message":"sold"}"#);
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(again.json()["duplicate"], true);
    assert_eq!(again.json()["log_id"], first.json()["log_id"]);
    let other = send(r#"{"service":"a","message":"not sold"}"#);
    assert_eq!(other.status, 409, "{other:?}");
    assert_eq!(server.total(""), 1);
}
