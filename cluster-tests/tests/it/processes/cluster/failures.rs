//! Nodes die, or stand still, while clients write: what was acknowledged stays, and writes resume.

use std::time::Duration;

use super::super::load::Load;
use super::super::server::{now, pause};
use super::nodes::Cluster;
use super::reads::Reads;

/// Leaders killed in a quick run.
const KILLS: u64 = 3;

/// How long no write may be acknowledged after a leader was killed: an election, and what a client
/// needs to ask the next node. The machine may be busy with other tests.
const RESUME_LIMIT: Duration = Duration::from_secs(15);

/// The same where nothing else runs: as many kills as these say that they measure something.
const MEASURED_RESUME_LIMIT: Duration = Duration::from_secs(5);
const MEASURED_KILLS: u64 = 50;

/// How long a closed shard may not be read, whatever becomes of leaders.
const UNREAD_LIMIT: Duration = Duration::from_secs(2);

/// What lies in it.
const CLOSED: &[u8] = br#"{"service":"closed","message":"kept"}"#;

fn kills() -> u64 {
    let set = std::env::var("VARVE_KILLS").ok();
    set.map_or(KILLS, |kills| kills.parse().expect("VARVE_KILLS is a number"))
}

#[test]
fn leaders_are_killed_under_load_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::start(3, &["--tail-size", "64 KiB"]);
    let closed = cluster.node(0).post("/api/v1/logs", &[], CLOSED);
    assert_eq!(closed.status, 200, "{closed:?}");
    cluster.run(0, &["cluster", "seal"]);
    let reads = Reads::start(cluster.servers(), "service=closed", 1);
    let load = Load::start(cluster.servers(), 4);
    load.wait_for_more(10);
    let mut pauses = Vec::new();
    let limit = if kills() < MEASURED_KILLS { RESUME_LIMIT } else { MEASURED_RESUME_LIMIT };
    for kill in 0..kills() {
        let leader = cluster.leader();
        load.wait_for_more(4);
        // Not always right after an acknowledgement.
        pause(Duration::from_millis(kill * 7 % 50));
        load.longest_pause();
        cluster.kill(leader);
        load.wait_for_more(8);
        let longest = load.longest_pause();
        assert!(longest < limit, "no write for {longest:?}");
        pauses.push(longest);
        cluster.restart(leader);
        load.redirect(cluster.servers());
        reads.redirect(cluster.servers());
        cluster.wait_until_ready();
    }
    cluster.wait_until_whole();
    let (read, unread) = reads.stop();
    assert!(unread < UNREAD_LIMIT, "a closed shard was not read for {unread:?}");
    let batches = load.acknowledged();
    let sent = load.stop();
    for server in cluster.servers() {
        sent.check_beside(server, &[("kept", 1..=1)]);
    }
    cluster.check_copies(sent.rows() + 1);
    pauses.sort_unstable();
    println!(
        "{} leaders killed, {batches} batches acknowledged: each there once on all nodes; no write \
         for {:?} (median), {:?} (longest); a closed shard read {read} times, at most {unread:?} \
         between two",
        pauses.len(),
        pauses[pauses.len() / 2],
        pauses[pauses.len() - 1],
    );
}

#[test]
fn a_sealed_shard_is_read_all_the_while_that_a_leader_is_gone() {
    let mut cluster = Cluster::start(3, &[]);
    let sent = {
        let load = Load::start(cluster.servers(), 2);
        load.wait_for_more(10);
        load.stop()
    };
    cluster.run(0, &["cluster", "seal"]);
    let leader = cluster.leader();
    let asked = (leader + 1) % 3;
    cluster.kill(leader);
    let begun = now();
    let mut asked_times = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        let answer = cluster.node(asked).get("/api/v1/logs/search?page_size=1&consistency=stale");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["total"], sent.rows(), "{answer:?}");
        asked_times += 1;
    }
    println!("asked {asked_times} times while a leader was gone");
    assert_eq!(cluster.node(asked).total(""), sent.rows(), "and linearizable again");
}

#[test]
fn with_a_minority_away_writes_go_on_and_with_a_majority_away_they_are_refused_until_it_is_back() {
    let mut cluster = Cluster::start(3, &["--request-timeout", "5s"]);
    let load = Load::start(cluster.servers(), 3);
    load.wait_for_more(10);
    cluster.kill(1);
    load.redirect(cluster.servers());
    load.wait_for_more(10);
    let before = load.stop();
    for server in cluster.servers() {
        before.check(server);
    }
    cluster.kill(2);
    let alone = cluster.node(0);
    let refused = alone.post("/api/v1/logs", &[], br#"{"service":"alone","message":"late"}"#);
    assert_eq!(refused.status, 503, "one of three takes writes: {refused:?}");
    let read = alone.get("/api/v1/logs/search?page_size=1");
    assert_eq!(read.status, 503, "what may be old is not told as the truth: {read:?}");
    let partial = alone.get("/api/v1/logs/search?page_size=1&partial=allow");
    assert_eq!(partial.status, 200, "{partial:?}");
    let warnings = partial.json()["warnings"].to_string();
    assert!(warnings.contains("shard 1"), "what is left out is named: {warnings}");
    let stale = alone.get("/api/v1/logs/aggregates?step=all&consistency=stale");
    assert_eq!(stale.status, 200, "{stale:?}");
    assert!(stale.json()["total"].as_u64() >= Some(before.rows()), "{stale:?}");
    assert_eq!(alone.get("/health/ready").status, 503);
    assert_eq!(alone.get("/health/live").status, 200);
    for place in [1, 2] {
        cluster.restart(place);
    }
    cluster.wait_until_whole();
    let written = cluster.node(1).post("/api/v1/logs", &[], br#"{"service":"all","message":"on"}"#);
    assert_eq!(written.status, 200, "{written:?}");
    // What was refused may have been stored all the same: its outcome was not known.
    for server in cluster.servers() {
        before.check_beside(server, &[("on", 1..=1), ("late", 0..=1)]);
    }
    cluster.check_copies(cluster.node(2).total(""));
}

#[test]
fn a_node_that_stands_still_holds_nobody_up_and_catches_up_when_it_goes_on() {
    let cluster = Cluster::start(3, &[]);
    let load = Load::start(cluster.servers(), 3);
    load.wait_for_more(10);
    let still = cluster.leader();
    cluster.node(still).signal("-STOP");
    load.redirect(cluster.up().filter(|(place, _)| *place != still).map(|(_, server)| server));
    load.wait_for_more(20);
    cluster.node(still).signal("-CONT");
    load.redirect(cluster.servers());
    load.wait_for_more(10);
    cluster.wait_until_whole();
    cluster.check(&load.stop());
}

#[test]
fn five_nodes_lose_two_at_once_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::start(5, &[]);
    let load = Load::start(cluster.servers(), 3);
    load.wait_for_more(10);
    cluster.run(4, &["cluster", "seal"]);
    load.wait_for_more(10);
    let killed = [cluster.leader(), (cluster.leader() + 1) % 5];
    for place in killed {
        cluster.kill(place);
    }
    load.redirect(cluster.servers());
    // Three of five keep the catalog; of some shards two of three replicas are gone, and what is
    // written to those waits.
    cluster.wait("two nodes do not answer", |status| {
        let nodes = status["nodes"].as_array().expect("nodes");
        nodes.iter().filter(|node| node["state"] == "UNREACHABLE").count() == 2
    });
    for place in killed {
        cluster.restart(place);
    }
    load.redirect(cluster.servers());
    load.wait_for_more(10);
    cluster.wait_until_whole();
    cluster.check(&load.stop());
}

#[test]
fn five_nodes_lose_two_one_after_the_other_and_are_whole_after_each() {
    let mut cluster = Cluster::start(5, &["--node-lost-after", "3s"]);
    let load = Load::start(cluster.servers(), 3);
    load.wait_for_more(10);
    cluster.run(4, &["cluster", "seal"]);
    load.wait_for_more(10);
    let mut killed = Vec::new();
    for lost in 1..=2 {
        let leader = cluster.leader();
        cluster.kill(leader);
        killed.push(leader);
        load.redirect(cluster.servers());
        load.wait_for_more(5);
        cluster.wait("it is lost", |status| {
            let nodes = status["nodes"].as_array().expect("nodes");
            nodes.iter().filter(|node| node["state"] == "LOST").count() == lost
        });
        cluster.wait_until_whole();
    }
    for place in killed {
        cluster.restart(place);
    }
    load.redirect(cluster.servers());
    load.wait_for_more(10);
    cluster.wait_until_whole();
    cluster.check(&load.stop());
}
