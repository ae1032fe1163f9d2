//! More than a leader takes, through every gateway.

use super::super::overload::{BUDGETS, check_after_the_storm, offer, send_late};
use super::super::server::Server;
use super::nodes::Cluster;

#[test]
fn an_overloaded_cluster_sends_away_at_its_gateways_stays_small_and_loses_nothing() {
    let cluster = Cluster::start(3, BUDGETS);
    let servers: Vec<&Server> = cluster.servers().collect();
    let sent_away = offer(&servers);
    println!("sent away {sent_away} times");
    assert!(sent_away > 0, "sixteen megabytes at once fit in a leader's budget of eight");
    servers.iter().for_each(|server| send_late(server));
    let rows = servers.iter().map(|server| check_after_the_storm(server, servers.len() as u64));
    cluster.check_copies(rows.max().expect("nodes"));
}
