//! A leader that is cut off from the others, though clients reach all of them.

use super::super::load::Load;
use super::network::{Network, cut, in_own_network, networks};
use super::nodes::Cluster;

#[test]
fn a_leader_that_is_cut_off_acknowledges_nothing_and_tells_nothing_old() {
    let name = "a_leader_that_is_cut_off_acknowledges_nothing_and_tells_nothing_old";
    let (_, module) = module_path!().split_once("::").expect("a module of a test program");
    in_own_network(&format!("{module}::{name}"), || {
        let networks = networks(3);
        let cluster = Cluster::start_in(&networks, &["--request-timeout", "5s"]);
        let load = Load::start(cluster.servers(), 3);
        load.wait_for_more(10);
        let leader = cluster.leader();
        let others: Vec<usize> = (0..3).filter(|&place| place != leader).collect();
        let other_networks: Vec<&Network> = others.iter().map(|&place| &networks[place]).collect();
        cut(&networks[leader], &other_networks, true);
        load.redirect(others.iter().map(|&place| cluster.node(place)));
        load.wait_for_more(20);
        let sent = load.stop();
        for &place in &others {
            sent.check(cluster.node(place));
        }
        // It led when it was cut off, and others have written since.
        let alone = cluster.node(leader);
        let read = alone.get("/api/v1/logs/search?page_size=1");
        assert_eq!(read.status, 503, "{read:?}");
        let written = alone.post("/api/v1/logs", &[], br#"{"service":"cut","message":"off"}"#);
        assert_eq!(written.status, 503, "{written:?}");

        cut(&networks[leader], &other_networks, false);
        cluster.wait_until_whole();
        // What was refused may have been stored all the same: its outcome was not known.
        for server in cluster.servers() {
            sent.check_beside(server, &[("off", 0..=1)]);
        }
        cluster.check_copies(alone.total(""));
    });
}
