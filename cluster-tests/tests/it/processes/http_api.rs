//! Writing over HTTP: every form of a body, and what the rest of the paths answer.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use expect_test::expect;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::server::{Server, data_dir, post_to};

const LOGS: &str = "/api/v1/logs";
const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");

fn send(server: &Server, query: &str, headers: &[(&str, &str)], body: &[u8]) -> Value {
    let answer = server.post(&format!("{LOGS}{query}"), headers, body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn get(server: &Server, id: &Value) -> Value {
    let answer = server.get(&format!("{LOGS}/{}", id.as_str().expect("an id")));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// So many lines of JSON, each with its number and filler.
fn lines(service: &str, count: usize, filler: usize) -> Vec<u8> {
    let mut body = String::new();
    let filler = "x".repeat(filler);
    for n in 0..count {
        writeln!(body, r#"{{"service":"{service}","message":"line {n} {filler}"}}"#)
            .expect("a String takes all");
    }
    body.into_bytes()
}

#[test]
fn one_record_an_array_and_lines_are_taken_plain_and_compressed() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let one = send(&server, "", &[], br#"{"service":"one","message":"m"}"#);
    assert_eq!(one["status"], "success");
    assert!(one["log_id"].as_str().expect("an id").len() <= 36);
    assert!(one.get("accepted").is_none() && one.get("log_ids").is_none(), "{one}");

    let array = br#" [{"service":"array","message":"m"} , {"service":"array","message":"n"}] "#;
    assert_eq!(send(&server, "", &[], array), json!({"status":"success","accepted":2}));
    let of_one = send(&server, "", &[], br#"[{"service":"array","message":"m"}]"#);
    assert_eq!(of_one, json!({"status":"success","accepted":1}));
    assert_eq!(server.total("service=array"), 3);

    let text =
        b"\n{\"service\":\"nd\",\"message\":\"a\"}\r\n\n{\"service\":\"nd\",\"message\":\"b\"}";
    assert_eq!(send(&server, "", &[NDJSON], text)["accepted"], 2);
    assert_eq!(server.total("service=nd"), 2);

    let packed = lines("packed", 5_000, 100);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&packed).expect("in memory");
    let gzip = gzip.finish().expect("in memory");
    // Two frames, and two members, as tools that append write them.
    let zstd = zstd::encode_all(&packed[..], 1).expect("in memory");
    for (encoding, body) in [("gzip", &gzip), ("zstd", &zstd), ("GZIP", &gzip)] {
        let headers = [NDJSON, ("Content-Encoding", encoding)];
        assert_eq!(send(&server, "", &headers, body)["accepted"], 5_000, "{encoding}");
    }
    for (encoding, body) in [("gzip", gzip.repeat(2)), ("zstd", zstd.repeat(2))] {
        let headers = [NDJSON, ("Content-Encoding", encoding)];
        assert_eq!(send(&server, "", &headers, &body)["accepted"], 10_000, "{encoding} twice");
    }
    assert_eq!(server.total("service=packed"), 35_000);
}

#[test]
fn defaults_fill_in_what_records_do_not_say_and_nothing_else() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let body = br#"[{"message":"bare"},{"service":"own","level":"fatal","message":"full"}]"#;
    assert_eq!(send(&server, "?service=default&level=warning", &[], body)["accepted"], 2);
    assert_eq!(server.total("service=default&level=WARN"), 1);
    assert_eq!(server.total("service=own&level=FATAL"), 1);
    send(&server, "?service=with%20space&level=LOUD", &[], br#"{"message":"m"}"#);
    let loud = server.all("service=with%20space");
    assert_eq!((&loud[0]["level"], &loud[0]["level_text"]), (&json!("UNKNOWN"), &json!("LOUD")));
    for query in ["?service=", "?servise=a", "?ids=yes", "?level=WARN"] {
        let answer = server.post(&format!("{LOGS}{query}"), &[], br#"{"message":"m"}"#);
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        answer.error();
    }
}

#[test]
fn ids_come_in_record_order_and_each_finds_its_record() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let records: Vec<Value> = (0..200)
        .map(|n| json!({"service": format!("s{}", n % 7), "message": format!("row {n}")}))
        .collect();
    let body = Value::from(records.clone()).to_string();
    let answer = send(&server, "?ids=true", &[], body.as_bytes());
    let ids = answer["log_ids"].as_array().expect("ids");
    assert_eq!((ids.len(), &answer["accepted"]), (200, &json!(200)));
    for (id, record) in ids.iter().zip(&records) {
        let found = get(&server, id);
        assert_eq!(
            (&found["message"], &found["service"]),
            (&record["message"], &record["service"])
        );
        assert_eq!(found["log_id"], *id);
    }
    let single = send(&server, "?ids=true", &[], br#"{"service":"a","message":"m"}"#);
    assert_eq!(single["log_ids"], json!([single["log_id"]]));
    let key = ("Idempotency-Key", "resend:0:1");
    let first = send(&server, "?ids=true", &[key], body.as_bytes());
    let again = send(&server, "?ids=true", &[key], body.as_bytes());
    assert_eq!((&again["duplicate"], first.get("duplicate")), (&json!(true), None));
    assert_eq!(first["log_ids"], again["log_ids"]);
}

#[test]
fn bytes_that_are_not_text_and_resources_come_back_as_they_were_sent() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let resource =
        json!({"host":{"name":"a","cpus":8},"tags":["x",{"y":1.50}],"none":{},"nil":null});
    let body = json!({"service":"b","message_base64":"//4AgA==","resource":resource});
    let id = send(&server, "", &[], body.to_string().as_bytes())["log_id"].clone();
    let found = get(&server, &id);
    assert_eq!((&found["message_base64"], found.get("message")), (&json!("//4AgA=="), None));
    assert_eq!((&found["resource"], &found["metadata"]), (&resource, &json!({})));
    assert_eq!(server.total("attr.host.name=a"), 1, "a resource attribute is an attribute");

    // Bytes that are UTF-8 after all are a message like any other.
    let id =
        send(&server, "", &[], br#"{"service":"b","message_base64":"aMOp"}"#)["log_id"].clone();
    let found = get(&server, &id);
    assert_eq!((&found["message"], found.get("message_base64")), (&json!("hé"), None));
    assert_eq!(found.get("resource"), None);
    for bad in [
        r#"{"service":"b","message_base64":"*"}"#,
        r#"{"service":"b","message_base64":"aA==","message":"both"}"#,
        r#"{"service":"b","message":"m","resource":[]}"#,
    ] {
        let answer = server.post(LOGS, &[], bad.as_bytes());
        assert_eq!(answer.status, 400, "{bad}: {answer:?}");
    }
}

#[test]
fn a_large_request_without_a_key_is_stored_whole_and_one_with_a_key_is_refused() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let body = lines("big", 100_000, 175);
    assert!(body.len() > 20 << 20);
    let refused = server.post(LOGS, &[NDJSON, ("Idempotency-Key", "big:0:1")], &body);
    assert_eq!(refused.status, 413, "{refused:?}");
    // One record is never cut: it must fit by itself, its resource included.
    let text = "x".repeat(20 << 20);
    for part in ["metadata", "resource"] {
        let one = json!({"service":"big","message":"m",part:{"text":text}}).to_string();
        let refused = server.post(LOGS, &[], one.as_bytes());
        assert_eq!(refused.status, 413, "{part}: {refused:?}");
    }
    assert_eq!(server.total(""), 0);
    let answer = send(&server, "?ids=true", &[NDJSON], &body);
    assert_eq!(answer["accepted"], 100_000);
    assert_eq!(server.total("service=big"), 100_000);
    let ids = answer["log_ids"].as_array().expect("ids");
    let distinct: BTreeSet<_> = ids.iter().map(|id| id.as_str().expect("an id")).collect();
    assert_eq!(distinct.len(), 100_000);
    for n in (0..100_000).step_by(9_999) {
        let message = get(&server, &ids[n])["message"].clone();
        let wanted = format!("line {n} x");
        assert!(message.as_str().expect("text").starts_with(&wanted), "{wanted}: {message}");
    }
}

#[test]
fn many_clients_at_once_lose_nothing() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let clients: Vec<_> = (0..64)
        .map(|client| {
            let http = server.http().to_owned();
            let post = move |n: u32| {
                let body =
                    json!({"service":"many","message":format!("client {client} record {n}")});
                let answer = post_to(&http, LOGS, &[], body.to_string().as_bytes());
                let answer = answer.expect("the server answers");
                assert_eq!(answer.status, 200, "{answer:?}");
                let id = answer.json()["log_id"].as_str().expect("an id").to_owned();
                (id, body["message"].as_str().expect("text").to_owned())
            };
            #[expect(clippy::disallowed_methods, reason = "a client of a real process")]
            std::thread::spawn(move || (0..20).map(post).collect::<Vec<_>>())
        })
        .collect();
    let sent = clients.into_iter().flat_map(|client| client.join().expect("a client failed"));
    let sent: BTreeSet<(String, String)> = sent.collect();
    let text = |log: &Value, name: &str| log[name].as_str().expect("text").to_owned();
    let found = server.all("service=many");
    assert_eq!(found.len(), 64 * 20);
    let found: BTreeSet<_> =
        found.iter().map(|log| (text(log, "log_id"), text(log, "message"))).collect();
    assert_eq!(found, sent);
}

#[test]
fn what_is_acknowledged_is_seen_by_the_next_search() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    for n in 1..=200 {
        let body = format!(r#"{{"service":"seen","message":"unique{n} word"}}"#);
        let id = send(&server, "", &[], body.as_bytes())["log_id"].clone();
        assert_eq!(server.total(&format!("query=unique{n}")), 1, "{n}");
        assert_eq!(server.total("service=seen"), n);
        assert_eq!(get(&server, &id)["message"], format!("unique{n} word"));
    }
}

#[test]
fn every_other_path_and_method_is_answered_in_the_same_form() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let nowhere = format!("{LOGS}/{}", "A".repeat(32));
    let mut said = String::new();
    for (method, path) in [
        ("GET", "/nowhere"),
        ("GET", "/api/v1/logs/"),
        ("GET", "/api/v1/logs/a/b"),
        ("DELETE", "/nowhere"),
        ("GET", LOGS),
        ("DELETE", LOGS),
        ("DELETE", "/api/v1/logs/search"),
        ("DELETE", "/metrics"),
        ("DELETE", "/health/live"),
        ("GET", "/api/v1/logs/nonsense"),
        ("GET", "/api/v1/logs/%FF"),
        ("GET", nowhere.as_str()),
    ] {
        let answer = server.request(method, path);
        assert_eq!(answer.content_type.as_deref(), Some("application/json"), "{path}: {answer:?}");
        let allow = answer.allow.as_deref().unwrap_or("-");
        writeln!(said, "{method} {path}\n  allow {allow}; {}", answer.error())
            .expect("a String takes all");
    }
    expect![[r#"
        GET /nowhere
          allow -; 404 not_found: there is nothing at /nowhere (POST /api/v1/logs, GET /api/v1/logs/search, GET /api/v1/logs/aggregates, GET /api/v1/logs/{log_id}, GET /metrics, GET /health/ready)
        GET /api/v1/logs/
          allow -; 404 not_found: there is nothing at /api/v1/logs/ (POST /api/v1/logs, GET /api/v1/logs/search, GET /api/v1/logs/aggregates, GET /api/v1/logs/{log_id}, GET /metrics, GET /health/ready)
        GET /api/v1/logs/a/b
          allow -; 404 not_found: there is nothing at /api/v1/logs/a/b (POST /api/v1/logs, GET /api/v1/logs/search, GET /api/v1/logs/aggregates, GET /api/v1/logs/{log_id}, GET /metrics, GET /health/ready)
        DELETE /nowhere
          allow -; 404 not_found: there is nothing at /nowhere (POST /api/v1/logs, GET /api/v1/logs/search, GET /api/v1/logs/aggregates, GET /api/v1/logs/{log_id}, GET /metrics, GET /health/ready)
        GET /api/v1/logs
          allow POST; 405 method_not_allowed: /api/v1/logs does not take GET (records are sent by POST /api/v1/logs, everything else is GET)
        DELETE /api/v1/logs
          allow POST; 405 method_not_allowed: /api/v1/logs does not take DELETE (records are sent by POST /api/v1/logs, everything else is GET)
        DELETE /api/v1/logs/search
          allow GET,HEAD; 405 method_not_allowed: /api/v1/logs/search does not take DELETE (records are sent by POST /api/v1/logs, everything else is GET)
        DELETE /metrics
          allow GET,HEAD; 405 method_not_allowed: /metrics does not take DELETE (records are sent by POST /api/v1/logs, everything else is GET)
        DELETE /health/live
          allow GET,HEAD; 405 method_not_allowed: /health/live does not take DELETE (records are sent by POST /api/v1/logs, everything else is GET)
        GET /api/v1/logs/nonsense
          allow -; 400 invalid: log_id "nonsense" is not an id of this store (32 characters of base32) (ids come from answers: log_id, log_ids)
        GET /api/v1/logs/%FF
          allow -; 400 invalid: Invalid URL: Invalid UTF-8 in `log_id` (ids come from answers: log_id, log_ids)
        GET /api/v1/logs/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
          allow -; 404 not_found: no record has the id AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA (ids come from answers: log_id, log_ids)
    "#]].assert_eq(&said);

    let posted = server.post("/api/v1/logs/search", &[], b"{}");
    assert_eq!(posted.status, 405, "{posted:?}");
    posted.error();
    for (path, content_type) in [
        ("/health/live", "text/plain; charset=utf-8"),
        ("/health/ready", "application/json"),
        ("/metrics", "text/plain; version=0.0.4"),
        ("/api/v1/logs/search", "application/json"),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.content_type.as_deref(), Some(content_type), "{path}");
        assert!(!answer.body.is_empty());
        let head = server.request("HEAD", path);
        assert_eq!((head.status, head.body.as_str()), (200, ""), "HEAD {path}");
        assert_eq!(head.content_type.as_deref(), Some(content_type), "HEAD {path}");
    }
    assert_eq!(server.request("HEAD", "/nowhere").status, 404);
    assert_eq!(server.request("HEAD", &nowhere).status, 404);
}
