//! kill -9 under load, again and again: acknowledged means stored, once.

use std::time::Duration;

use super::load::Load;
use super::server::{Server, data_dir, pause};

const KILLS: u64 = 20;

#[test]
fn every_acknowledged_batch_is_there_once_after_twenty_kills() {
    let dir = data_dir();
    let mut server = Server::start(dir.path(), &["--tail-size", "64 KiB"]);
    let load = Load::start([&server], 4);
    for kill in 0..KILLS {
        load.wait_for_more(8);
        // Not always right after an acknowledgement.
        pause(Duration::from_millis(kill * 7 % 50));
        server.kill();
        server = Server::start(dir.path(), &["--tail-size", "64 KiB"]);
        load.redirect([&server]);
    }
    load.wait_for_more(8);
    let batches = load.acknowledged();
    load.check(&server);
    println!("{KILLS} kills, {batches} batches acknowledged: each there once");
}

#[test]
fn a_server_told_to_stop_ends_well_and_keeps_everything() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let answer = server.post("/api/v1/logs", &[], br#"{"service":"a","message":"kept"}"#);
    let id = answer.json()["log_id"].as_str().expect("an id").to_owned();
    server.stop();
    let server = Server::start(dir.path(), &[]);
    let found = server.get(&format!("/api/v1/logs/{id}"));
    assert_eq!(found.json()["message"], "kept", "{found:?}");
}
