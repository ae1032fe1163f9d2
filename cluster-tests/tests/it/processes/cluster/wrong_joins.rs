//! Nodes that do not belong: each is refused with a text that says why and what to do, and those
//! who belong go on.

use std::io::Write;
use std::net::TcpStream;

use super::super::load::Load;
use super::super::server::{Server, data_dir};
use super::nodes::{Cluster, free_address};

/// Starts a server that must end by itself, and answers what it said.
fn refused(dir: &std::path::Path, flags: &[&str]) -> String {
    match Server::try_start(dir, flags) {
        Ok(server) => panic!("it starts: {}", server.said()),
        Err(said) => said,
    }
}

#[test]
fn an_address_that_another_node_has_is_refused() {
    let cluster = Cluster::start(2, &[]);
    let taken = cluster.node(1).peers().to_owned();
    let (dir, seed) = (data_dir(), cluster.node(0).peers());
    let said = refused(
        dir.path(),
        &["--join", seed, "--listen-peer", &free_address(), "--advertise-peer", &taken],
    );
    assert!(said.contains(&taken), "{said}");
    cluster.wait_until_whole();
}

#[test]
fn a_founder_whose_disk_was_wiped_joins_the_cluster_that_it_founded() {
    let mut cluster = Cluster::start(3, &["--node-lost-after", "3s"]);
    let load = Load::start(cluster.servers(), 3);
    load.wait_for_more(10);
    cluster.kill(0);
    load.redirect(cluster.servers());
    cluster.replace_founder();
    assert_ne!(cluster.number(0), 1, "it is another node");
    cluster.wait_until_whole();
    load.redirect(cluster.servers());
    load.wait_for_more(10);
    cluster.check(&load.stop());
}

#[test]
fn a_disk_of_another_cluster_is_refused_on_both_sides_and_stays_what_it_was() {
    let cluster = Cluster::start(1, &[]);
    let seed = cluster.node(0).peers().to_owned();
    let dir = data_dir();
    let peers = free_address();
    let alone = ["--bootstrap", "--listen-peer", &peers];
    let server = Server::start(dir.path(), &alone);
    let row = br#"{"service":"one","message":"of another cluster"}"#;
    assert_eq!(server.post("/api/v1/logs", &[], row).status, 200);
    server.stop();
    let said = refused(dir.path(), &["--join", &seed, "--listen-peer", &peers]);
    assert!(said.contains(&seed) && said.contains("move the data directory away"), "{said}");
    assert!(cluster.node(0).said().contains("refused: this is cluster"), "the other side says so");
    assert_eq!(Server::start(dir.path(), &alone).total(""), 1);
    cluster.wait_until_whole();
}

#[test]
fn a_disk_that_was_wiped_comes_back_at_its_address_as_a_new_node() {
    let mut cluster = Cluster::start(3, &["--node-lost-after", "3s"]);
    let load = Load::start(cluster.servers(), 3);
    load.wait_for_more(10);
    let old = cluster.number(2);
    cluster.kill(2);
    load.redirect(cluster.servers());
    cluster.replace_disk(2);
    assert_ne!(cluster.number(2), old, "an old number would vouch for data that is gone");
    cluster.wait_until_whole();
    load.redirect(cluster.servers());
    load.wait_for_more(10);
    cluster.check(&load.stop());
}

#[test]
fn of_two_processes_on_copies_of_one_data_directory_one_ends_with_an_error_on_both_sides() {
    let mut cluster = Cluster::start(3, &[]);
    let load = Load::start(cluster.servers(), 3);
    load.wait_for_more(10);
    let copy = cluster.copy_of(2);
    let (node, address) = (cluster.number(2), cluster.node(2).peers().to_owned());
    let said = Cluster::start_second(copy.path());
    let why = format!("node {node} runs already, at {address}");
    assert!(said.contains(&format!("FATAL: {why}")), "{said}");
    let refused = format!("a peer is refused: {why}");
    assert!(cluster.servers().any(|server| server.said().contains(&refused)), "the other side");
    load.wait_for_more(10);
    // A disk that was moved is the node, and what it was copied from is none any more.
    cluster.kill(2);
    load.redirect(cluster.servers());
    let left = cluster.move_disk(2);
    cluster.wait_until_whole();
    let said = Cluster::start_second(left.path());
    assert!(said.contains("FATAL: ") && said.contains("is a copy of what it was"), "{said}");
    load.redirect(cluster.servers());
    load.wait_for_more(10);
    cluster.wait_until_whole();
    cluster.check(&load.stop());
}

#[test]
fn garbage_on_the_peer_port_ends_that_connection_and_nothing_else() {
    let cluster = Cluster::start(2, &[]);
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], b"PRI * HTTP/2.0\r\n\r\nSM\r\n"]
    {
        let mut stranger = TcpStream::connect(cluster.node(0).peers()).expect("connects");
        // It may be cut off before all is sent.
        let _ = stranger.write_all(garbage);
    }
    let answer =
        cluster.node(1).post("/api/v1/logs", &[], br#"{"service":"one","message":"still here"}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(cluster.node(0).total(""), 1);
    cluster.wait_until_whole();
}
