//! docs/metrics.md lists what a node exports, no more and no less.

use std::collections::BTreeSet;

use super::server::{Server, data_dir};

const DOCUMENTED: &str = include_str!("../../../../docs/metrics.md");

#[test]
fn the_documented_metrics_are_those_that_are_exported() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let key = [("Idempotency-Key", "m:0:1")];
    let first = br#"{"service":"a","message":"one"}"#;
    for (body, status) in
        [(&first[..], 200), (first, 200), (br#"{"service":"a","message":"two"}"#, 409)]
    {
        assert_eq!(server.post("/api/v1/logs", &key, body).status, status);
    }
    assert_eq!(server.total("query=one"), 1);
    let too_deep = server.get("/api/v1/logs/search?page=1000000&page_size=10000");
    assert_eq!(too_deep.status, 400, "{too_deep:?}");

    let exported: BTreeSet<String> = server
        .get("/metrics")
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    let documented: BTreeSet<String> = DOCUMENTED
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split(['`', '{']).next().map(str::to_owned))
        .collect();
    assert_eq!(exported, documented);
}
