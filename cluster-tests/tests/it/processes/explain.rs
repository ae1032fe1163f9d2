//! What a search says it did, and a search that counts nothing: over HTTP and on the command line.

use std::fmt::Write as _;

use serde_json::Value;

use super::server::{Server, data_dir};

fn search(server: &Server, query: &str) -> Value {
    let answer = server.get(&format!("/api/v1/logs/search?{query}"));
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json()
}

/// A server with 40,000 rows in segments, one of them with a word of its own.
fn filled(dir: &std::path::Path) -> Server {
    let server = Server::start(dir, &[]);
    for batch in 0..4 {
        let mut body = String::new();
        for row in 0..10_000 {
            let rare = if (batch, row) == (2, 77) { " needle" } else { "" };
            let (service, time) = (row % 10, 1_767_225_600 + batch * 10_000 + row);
            writeln!(
                body,
                r#"{{"service":"s{service}","level":"info","timestamp":{time},"message":"request {row} took {batch} ms{rare}"}}"#
            )
            .expect("a String takes all");
        }
        let answer = server.post("/api/v1/logs", &[], body.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(server.run(&["cluster", "seal"]).status.success());
    server
}

#[test]
fn explain_tells_what_each_step_ruled_out_and_what_was_read() {
    let dir = data_dir();
    let server = filled(dir.path());
    assert!(search(&server, "query=needle")["explain"].is_null(), "only who asks is told");
    let answer = search(&server, "query=needle&explain=true");
    assert_eq!(answer["total"], 1);
    let explain = &answer["explain"];
    let steps = explain["steps"].as_array().expect("steps");
    let filter = steps.iter().find(|step| step["name"] == "filter").expect("the filter ran");
    assert!(filter["pruned"].as_u64() > Some(0), "one group of several has the word: {explain}");
    assert!(filter["pruned"].as_u64() < filter["considered"].as_u64(), "{explain}");
    assert_eq!(explain["rows_matched"], 1);
    assert!(explain["pages_read"].as_u64() > Some(0), "{explain}");
    assert!(explain["bytes_read"].as_u64() > Some(0), "{explain}");

    // The filter may take a word to be where it is not, but not often.
    let (mut considered, mut pruned) = (0, 0);
    for number in 0..20 {
        let answer = search(&server, &format!("query=absent{number}&explain=true"));
        assert_eq!(answer["total"], 0);
        let steps = answer["explain"]["steps"].as_array().expect("steps");
        let filter = steps.iter().find(|step| step["name"] == "filter").expect("the filter ran");
        considered += filter["considered"].as_u64().expect("a number");
        pruned += filter["pruned"].as_u64().expect("a number");
    }
    assert!(pruned * 4 > considered * 3, "{pruned} of {considered}");

    let output = server.run(&["query", "needle", "--explain"]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    for expected in ["step", "considered", "ruled out", "filter", "pages read", "1 matched"] {
        assert!(said.contains(expected), "{expected} in:\n{said}");
    }
    assert_eq!(String::from_utf8(output.stdout).expect("UTF-8").lines().count(), 1);
}

#[test]
fn a_search_without_a_total_answers_the_same_page() {
    let dir = data_dir();
    let server = filled(dir.path());
    for query in ["query=took&page_size=50", "page_size=10", "service=s3&order=oldest&page=3"] {
        let counted = search(&server, query);
        let uncounted = search(&server, &format!("{query}&total=none"));
        assert_eq!(uncounted["logs"], counted["logs"], "{query}");
        assert!(counted["total"].is_u64() && uncounted.get("total").is_none(), "{uncounted}");
    }
    let output = server.run(&["query", "took", "--limit", "5", "--no-total", "--output", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["logs"].as_array().map(Vec::len), Some(5));
    assert!(answer["total"].is_null());
    assert!(String::from_utf8_lossy(&output.stderr).contains("there may be more"));
}
