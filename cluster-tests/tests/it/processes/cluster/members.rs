//! Nodes that come and go while clients write: founding, joining, draining, a new disk for a dead
//! node.

use serde_json::Value;

use super::super::load::Load;
use super::nodes::{Cluster, status};

#[test]
fn three_nodes_form_a_cluster_that_any_of_them_answers_for_and_that_starts_again() {
    let mut cluster = Cluster::start(3, &[]);
    let load = Load::start(cluster.servers(), 3);
    load.wait_for_more(20);
    let sent = load.stop();
    cluster.check(&sent);
    let id = {
        let answer =
            cluster.node(1).post("/api/v1/logs", &[], br#"{"service":"one","message":"one more"}"#);
        answer.json()["log_id"].as_str().expect("an id").to_owned()
    };
    for place in 0..3 {
        cluster.stop(place);
    }
    // The last that stopped is the first to start: none may wait for the others.
    for place in [2, 0, 1] {
        cluster.restart(place);
    }
    cluster.wait_until_whole();
    for server in cluster.servers() {
        let found = server.get(&format!("/api/v1/logs/{id}"));
        assert_eq!(found.json()["message"], "one more", "{found:?}");
        sent.check_beside(server, &[("one more", 1..=1)]);
    }
    cluster.check_copies(sent.rows() + 1);
}

#[test]
fn a_node_that_joined_takes_its_share_of_the_next_window_and_nothing_is_moved_to_it() {
    const SHARDS: u64 = 8;
    let mut cluster = Cluster::start(3, &["--window-shards", "8"]);
    let load = Load::start(cluster.servers(), 3);
    // The first window has the one shard of a founder.
    load.wait_for_more(10);
    cluster.run(0, &["cluster", "seal"]);
    load.wait_for_more(10);
    cluster.run(0, &["cluster", "seal"]);
    let joined = cluster.join();
    cluster.wait_until_whole();
    load.redirect(cluster.servers());
    let window_now = || newest_window(&status(cluster.node(0)).expect("a status"));
    let before = window_now();
    load.wait_for_more(10);
    cluster.run(0, &["cluster", "seal"]);
    let node = cluster.number(joined);
    // Three copies of each of eight shards are spread over four nodes. Whoever holds least gets
    // more of them: nothing that is there is moved for balance.
    let mut last = (0, 0);
    cluster.wait("the joiner holds and leads its share of the new window", |status| {
        let new = newest_window(status);
        let open = || shards(status).filter(|shard| shard["window"] == new);
        let has = |key: &str| {
            let is_in = |shard: &&Value| match &shard[key] {
                Value::Array(nodes) => nodes.iter().any(|holder| *holder == node),
                leader => *leader == node,
            };
            open().filter(is_in).count() as u64
        };
        last = (has("replica_nodes"), has("leader_node"));
        new > before
            && open().count() as u64 == SHARDS
            && last.0 >= SHARDS * 3 / 4
            && last.1 == SHARDS / 4
    });
    load.wait_for_more(10);
    cluster.wait_until_whole();
    let told = status(cluster.node(0)).expect("a status");
    let moved = shards(&told).filter(|shard| {
        let holders = shard["holder_nodes"].as_array().expect("nodes");
        shard["window"].as_u64() <= Some(before) && holders.iter().any(|holder| *holder == node)
    });
    assert_eq!(moved.count(), 0, "data of old windows came to the joiner: {told:#}");
    cluster.check(&load.stop());
}

fn shards(status: &Value) -> impl Iterator<Item = &Value> {
    status["shards"].as_array().expect("shards").iter()
}

fn newest_window(status: &Value) -> u64 {
    shards(status).filter_map(|shard| shard["window"].as_u64()).max().expect("a window")
}

#[test]
fn nodes_join_and_are_drained_under_load() {
    let mut cluster = Cluster::start(1, &[]);
    let load = Load::start(cluster.servers(), 3);
    load.wait_for_more(10);
    cluster.run(0, &["cluster", "seal"]);
    for _ in 0..2 {
        cluster.join();
        load.wait_for_more(5);
    }
    cluster.wait_until_whole();
    load.redirect(cluster.servers());
    load.wait_for_more(10);
    // One more comes, and the founder goes.
    let last = cluster.join();
    let founder = cluster.number(0).to_string();
    cluster.run(last, &["cluster", "drain", &founder, "--yes", "--no-wait"]);
    cluster.wait("the founder is empty", |status| {
        let nodes = status["nodes"].as_array().expect("nodes");
        nodes.iter().any(|node| node["node_id"] == 1 && node["state"] == "DRAINED")
    });
    load.redirect([1, 2, last].map(|place| cluster.node(place)));
    load.wait_for_more(5);
    cluster.run(last, &["cluster", "remove", &founder, "--yes"]);
    cluster.kill(0);
    load.wait_for_more(10);
    cluster.wait_until_whole();
    let sent = load.stop();
    cluster.check(&sent);
}

#[test]
fn what_a_dead_node_held_comes_to_a_new_disk() {
    let mut cluster = Cluster::start(3, &["--node-lost-after", "3s"]);
    let load = Load::start(cluster.servers(), 3);
    load.wait_for_more(10);
    cluster.run(0, &["cluster", "seal"]);
    load.wait_for_more(10);
    let dead = cluster.number(2);
    cluster.kill(2);
    load.redirect(cluster.servers());
    cluster.wait("the dead node is lost", |status| {
        let nodes = status["nodes"].as_array().expect("nodes");
        nodes.iter().any(|node| node["node_id"] == dead && node["state"] == "LOST")
    });
    load.wait_for_more(5);
    let new = cluster.join();
    cluster.wait("the new node has the place of the dead one everywhere", |status| {
        let nodes = status["nodes"].as_array().expect("nodes");
        nodes.iter().any(|node| {
            node["node_id"] == dead
                && node["metadata"] == "WATCHER"
                && node["open_replicas"] == 0
                && node["closed_replicas"] == 0
        })
    });
    cluster.run(0, &["cluster", "remove", &dead.to_string(), "--yes"]);
    cluster.wait_until_whole();
    load.redirect(cluster.servers());
    load.wait_for_more(10);
    let sent = load.stop();
    cluster.check(&sent);
    // The new node alone knows all of it: what is closed is read there.
    let status = status(cluster.node(new)).expect("a status");
    assert!(
        status["shards"].as_array().expect("shards").iter().all(|shard| shard["here"] == true),
        "{status:#}"
    );
}
