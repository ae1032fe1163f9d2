//! Searching over HTTP: pages, bounds of time, words, phrases and attributes.

use serde_json::{Value, json};

use super::server::{Server, data_dir, encoded};

fn store(server: &Server, records: &[Value]) {
    let body = Value::from(records.to_vec()).to_string();
    let answer = server.post("/api/v1/logs", &[], body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn search(server: &Server, query: &str) -> Value {
    let answer = server.get(&format!("/api/v1/logs/search?{query}"));
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json()
}

/// The ids of one page.
fn ids(answer: &Value) -> Vec<String> {
    let logs = answer["logs"].as_array().expect("logs");
    logs.iter().map(|log| log["log_id"].as_str().expect("an id").to_owned()).collect()
}

/// All pages, one after the other, until an empty one; each must tell the same total.
fn pages(server: &Server, order: &str, page_size: usize, total: usize) -> Vec<String> {
    let mut all = Vec::new();
    for page in 1.. {
        let answer = search(server, &format!("order={order}&page={page}&page_size={page_size}"));
        assert_eq!((&answer["total"], &answer["page"]), (&json!(total), &json!(page)));
        let ids = ids(&answer);
        if ids.is_empty() {
            break;
        }
        assert_eq!(ids.len(), page_size.min(total - all.len()));
        all.extend(ids);
    }
    all
}

#[test]
fn pages_make_the_whole_in_an_order_that_is_stable_both_ways() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    // Twelve requests, four timestamps: most records share theirs, within and across requests.
    for request in 0..12 {
        let records: Vec<Value> = (0..40)
            .map(|n| {
                json!({"service":format!("s{}", n % 3), "message":format!("{request} {n}"),
                            "timestamp":1_700_000_000 + (request + n) % 4})
            })
            .collect();
        store(&server, &records);
        // Half of them are written out, half are still in memory.
        if request == 5 {
            assert!(server.run(&["cluster", "seal"]).status.success());
        }
    }
    let whole = search(&server, "order=oldest&page_size=10000");
    let logs = whole["logs"].as_array().expect("logs");
    assert!(logs.is_sorted_by_key(|log| log["timestamp"].as_str().expect("a time")));
    let oldest = ids(&whole);
    assert_eq!(oldest.len(), 480);
    let newest: Vec<String> = oldest.iter().rev().cloned().collect();
    for page_size in [7_usize, 40, 160, 480, 481] {
        assert_eq!(pages(&server, "oldest", page_size, 480), oldest, "{page_size}");
        assert_eq!(pages(&server, "newest", page_size, 480), newest, "{page_size}");
    }
    let default = search(&server, "");
    assert_eq!((ids(&default), &default["page"]), (newest[..100].to_vec(), &json!(1)));
    assert!(default["as_of"].is_object());
}

#[test]
fn start_is_inclusive_and_end_exclusive_in_every_unit() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let at = |time: Value| json!({"service":"t","message":"m","timestamp":time});
    store(
        &server,
        &[
            at(json!("2023-11-14T22:13:19.999999999Z")),
            at(json!(1_700_000_000)),
            at(json!("2023-11-14T23:13:20.000000001+01:00")),
            at(json!(1_700_000_000_500_u64)),
            at(json!("2023-11-14T22:13:21Z")),
        ],
    );
    let offset = encoded(b"2023-11-14T23:13:20+01:00");
    for (query, total) in [
        ("start_time=1700000000".to_owned(), 4),
        ("end_time=1700000000".to_owned(), 1),
        ("start_time=1700000000&end_time=1700000001".to_owned(), 3),
        ("start_time=1700000000&end_time=1700000000".to_owned(), 0),
        ("start_time=1700000001&end_time=1700000000".to_owned(), 0),
        ("start_time=1700000000000000000&end_time=1700000000000000001".to_owned(), 1),
        ("start_time=1700000000000000001&end_time=1700000000500".to_owned(), 1),
        ("start_time=2023-11-14T22:13:21Z".to_owned(), 1),
        (format!("start_time={offset}&end_time=2023-11-14T22:13:21Z"), 3),
        ("start_time=1600-01-01T00:00:00Z".to_owned(), 5),
    ] {
        let answer = server.get(&format!("/api/v1/logs/search?{query}"));
        if query.contains("1600") {
            // Before the first time that a record may have: refused or unbounded, but not wrong.
            assert!(answer.status == 400 || answer.json()["total"] == total, "{answer:?}");
            continue;
        }
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert_eq!(answer.json()["total"], total, "{query}");
    }
}

/// What is typed into the search box, and how many of the three records it finds.
const WORDS: &[(&str, u64)] = &[
    ("read", 1),
    ("READ failed", 1),
    ("read_failed", 1),
    ("failed reset", 1),
    ("fail", 0),
    ("failed read missing", 0),
    ("b txt", 1),
    ("é", 1),
    ("hi windows 100", 1),
    ("", 3),
    ("\"read failed\"", 1),
    ("\"ead_fai\"", 1),
    ("\"Connection RESET by\"", 1),
    ("\"reset connection\"", 0),
    ("\"failed\" peer", 1),
    ("\"\\\"hi\\\" c:\\\\windows\"", 1),
    ("77", 1),
    ("abc", 1),
    ("\"Abc-77\"", 0),
    ("500", 2),
    ("two", 1),
    ("zoë", 1),
    ("read abc", 1),
    ("read h", 0),
    ("retry h", 1),
    ("...", 3),
];

/// Other parameters, as they stand in a URL, and how many of the three records they find.
const FILTERS: &[(&str, u64)] = &[
    ("attr.request_id=Abc-77", 1),
    ("attr.request_id=abc-77", 0),
    ("attr.code=500", 2),
    ("attr.code=501&attr.host=h-1", 1),
    ("attr.host=h-1", 2),
    ("attr.ratio=0.5", 1),
    ("attr.ratio=0.50", 0),
    ("attr.ok=false", 1),
    ("attr.user.name=zo%C3%AB", 1),
    (r"attr.user.a%5C.b=1", 1),
    ("attr.user.a.b=1", 0),
    ("attr.nil=null", 1),
    ("attr.none=%7B%7D", 1),
    ("attr.list=%5B1%2C%22two%22%5D", 1),
    ("attr.big=1.50", 1),
    ("attr.absent=1", 0),
    ("service=db", 2),
    ("service=db&service=web", 3),
    ("service=d", 0),
    ("level=ERROR", 1),
    ("level=err&level=warning", 2),
    ("level=unknown", 1),
    ("service=db&level=warn&attr.host=h-1&query=retry&start_time=1", 1),
];

#[test]
fn words_phrases_and_attributes_find_what_they_say() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let number: Value = serde_json::from_str("1.50").expect("a number, kept as text");
    store(
        &server,
        &[
            json!({"service":"db","level":"error","message":"Read FAILED: connection reset by peer",
               "metadata":{"request_id":"Abc-77","code":500,"ratio":0.5,"ok":false,"user":{"name":"zoë","a.b":1},
                           "nil":null,"none":{},"list":[1,"two"],"big":number}}),
            json!({"service":"db","level":"warn","message":"read_failed retry=3 path=/a/b.txt é",
               "resource":{"host":"h-1"},"metadata":{"code":"500"}}),
            json!({"service":"web","message":"say \"hi\" C:\\Windows\\x 100%","metadata":{"host":"h-1","code":501}}),
        ],
    );
    for seal in [false, true] {
        if seal {
            assert!(server.run(&["cluster", "seal"]).status.success());
        }
        for (query, total) in WORDS {
            let found = server.total(&format!("query={}", encoded(query.as_bytes())));
            assert_eq!(found, *total, "{query}");
        }
        for (query, total) in FILTERS {
            assert_eq!(server.total(query), *total, "{query}");
        }
    }
}
