//! Nodes that come and go while clients write: founding, joining, draining, a new disk for a dead
//! node.

use super::super::load::Load;
use super::nodes::Cluster;

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
        assert_eq!(server.total(""), sent.rows() + 1);
    }
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
    let status = super::nodes::status(cluster.node(new)).expect("a status");
    assert!(
        status["shards"].as_array().expect("shards").iter().all(|shard| shard["here"] == true),
        "{status:#}"
    );
}
