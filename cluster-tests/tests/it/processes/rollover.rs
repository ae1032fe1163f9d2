//! Rollover under load: no write is refused, and every batch is stored once.

use super::load::Load;
use super::server::{Server, data_dir};

const ROLLOVERS: usize = 20;

#[test]
fn no_write_is_refused_and_none_is_doubled_across_twenty_rollovers() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let load = Load::start([&server], 4);
    for _ in 0..ROLLOVERS {
        load.wait_for_more(4);
        let sealed = server.run(&["cluster", "seal", "--no-wait"]);
        let said = String::from_utf8_lossy(&sealed.stderr);
        assert!(sealed.status.success(), "{said}");
    }
    load.wait_for_more(4);
    server.kill();
    let server = Server::start(dir.path(), &[]);
    load.redirect([&server]);
    let refused = load.check(&server);
    assert!(refused.is_empty(), "refused: {refused:?}");
    let status = server.run(&["cluster", "status", "--output", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let closed = status["shards"].as_array().expect("shards").iter();
    let closed = closed.filter(|shard| shard["state"] == "CLOSED").count();
    assert!(closed >= ROLLOVERS, "{status:#}");
}
