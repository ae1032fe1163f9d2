//! Nodes restart, shards roll over and logs are purged while clients write.

use super::super::load::Load;
use super::super::server::metric;
use super::nodes::Cluster;

#[test]
fn all_nodes_restart_in_turn_under_load() {
    let mut cluster = Cluster::start(3, &[]);
    let load = Load::start(cluster.servers(), 3);
    for place in 0..3 {
        load.wait_for_more(10);
        cluster.stop(place);
        load.redirect(cluster.servers());
        load.wait_for_more(10);
        cluster.restart(place);
        cluster.wait_until_whole();
        load.redirect(cluster.servers());
    }
    load.wait_for_more(10);
    cluster.check(&load.stop());
}

#[test]
fn nodes_come_back_at_other_addresses_one_after_the_other() {
    let mut cluster = Cluster::start(3, &[]);
    let load = Load::start(cluster.servers(), 3);
    for place in 0..3 {
        load.wait_for_more(10);
        cluster.kill(place);
        load.redirect(cluster.servers());
        cluster.restart_elsewhere(place);
        cluster.wait_until_whole();
        load.redirect(cluster.servers());
    }
    load.wait_for_more(10);
    cluster.check(&load.stop());
}

#[test]
fn shards_roll_over_under_load_and_their_files_are_alike() {
    const ROLLOVERS: usize = 5;
    let cluster = Cluster::start(3, &["--tail-size", "64 KiB"]);
    let load = Load::start(cluster.servers(), 3);
    for turn in 0..ROLLOVERS {
        load.wait_for_more(10);
        cluster.run(turn % 3, &["cluster", "seal"]);
    }
    load.wait_for_more(4);
    let sent = load.stop();
    cluster.check(&sent);
    cluster.wait("final files are on all nodes", |status| {
        let shards = status["shards"].as_array().expect("shards").iter();
        let closed: Vec<_> = shards.filter(|shard| shard["state"] == "CLOSED").collect();
        let is_final = |shard: &&serde_json::Value| {
            shard["final_nodes"].as_array().is_some_and(|nodes| nodes.len() == 3)
        };
        closed.len() >= ROLLOVERS && closed.iter().all(is_final)
    });
    cluster.check(&sent);
    assert!(sent.refused.is_empty(), "refused: {:?}", sent.refused);
}

#[test]
fn a_node_that_was_away_while_the_log_was_purged_is_given_the_files() {
    let mut cluster = Cluster::start(3, &["--tail-size", "64 KiB", "--wal-size", "64 MiB"]);
    let load = Load::start(cluster.servers(), 4);
    load.wait_for_more(10);
    cluster.kill(2);
    load.redirect(cluster.servers());
    load.wait_for_more(800);
    cluster.restart(2);
    cluster.wait_until_whole();
    load.redirect(cluster.servers());
    load.wait_for_more(10);
    let sent = load.stop();
    cluster.check(&sent);
    let installed = metric(&cluster.node(2).get("/metrics"), "varve_snapshots_installed_total");
    assert!(installed > 0, "it had all that it lacked from the log");
}

#[test]
fn a_node_that_comes_back_at_the_address_of_another_is_told_so_and_serves_when_it_has_its_own() {
    let mut cluster = Cluster::start(3, &[]);
    let load = Load::start(cluster.servers(), 2);
    load.wait_for_more(10);
    let taken = cluster.node(1).peers().to_owned();
    cluster.kill(2);
    load.redirect(cluster.servers());
    cluster.restart_with(2, &["--advertise-peer", &taken]);
    let said = "does not take what this node says of itself";
    cluster.wait("it is told that the address is taken", |_| {
        cluster.node(2).said().lines().any(|line| line.contains(said) && line.contains(&taken))
    });
    load.wait_for_more(10);
    cluster.kill(2);
    cluster.restart(2);
    cluster.wait_until_whole();
    load.redirect(cluster.servers());
    load.wait_for_more(10);
    cluster.check(&load.stop());
}
