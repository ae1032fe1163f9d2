//! Nodes that are emptied, one after the other and at the same time.

use varve_types::{LogIndex, TimestampNs};

use super::*;
use crate::catalog::{CatalogCommand, ClusterId, DiskId};

fn cluster_of(nodes: u64) -> Catalog {
    let card = |number: u64| NodeCard {
        disk: DiskId(number.into()),
        address: format!("n{number}:1"),
        ..NodeCard::default()
    };
    let mut catalog = Catalog::default();
    let found = CatalogCommand::Found { cluster: ClusterId(1), node: card(1), bits: 0 };
    assert_eq!(apply(&mut catalog, &found), CatalogReply::Done);
    for number in 2..=nodes {
        let joins = CatalogCommand::AddNode { node: card(number), instead_of: None };
        assert_eq!(apply(&mut catalog, &joins), CatalogReply::Node(NodeId(number)));
    }
    catalog
}

fn apply(catalog: &mut Catalog, command: &CatalogCommand) -> CatalogReply {
    let next = catalog.applied.map_or(0, |index| index.get() + 1);
    catalog.apply(LogIndex(next), TimestampNs(0), command)
}

fn drain(catalog: &mut Catalog, node: u64, draining: bool) -> CatalogReply {
    apply(catalog, &CatalogCommand::SetDraining { node: NodeId(node), draining })
}

fn draining(catalog: &Catalog) -> Vec<u64> {
    let draining = catalog.nodes.iter().filter(|(_, node)| node.draining);
    draining.map(|(id, _)| id.get()).collect()
}

#[test]
fn of_two_drains_at_once_the_second_is_refused_when_only_one_node_can_be_missed() {
    let mut catalog = cluster_of(4);
    // Whoever proposed them saw four nodes that take what they are given.
    assert_eq!(drain(&mut catalog, 1, true), CatalogReply::Done);
    let why = "without node 2 there would be 2 nodes, and everything is to be held 3 times: add a \
               node first";
    assert_eq!(drain(&mut catalog, 2, true), CatalogReply::Refused(why.to_owned()));
    assert_eq!(draining(&catalog), [1]);
    // The first may come twice, and be taken back; then there is room for the second.
    assert_eq!(drain(&mut catalog, 1, true), CatalogReply::Done);
    assert_eq!(drain(&mut catalog, 1, false), CatalogReply::Done);
    assert_eq!(drain(&mut catalog, 2, true), CatalogReply::Done);
    assert_eq!(draining(&catalog), [2]);
}

#[test]
fn lost_nodes_do_not_count_and_a_lost_node_can_be_drained_when_the_others_suffice() {
    let mut catalog = cluster_of(4);
    let lost = CatalogCommand::SetLost { node: NodeId(4), lost: true };
    assert_eq!(apply(&mut catalog, &lost), CatalogReply::Done);
    assert!(matches!(drain(&mut catalog, 1, true), CatalogReply::Refused(_)));
    assert_eq!(drain(&mut catalog, 4, true), CatalogReply::Done);
    assert!(matches!(drain(&mut catalog, 9, true), CatalogReply::Refused(_)));
    assert_eq!(draining(&catalog), [4]);
}

#[test]
fn a_node_that_was_started_on_another_disk_since_is_refused() {
    let mut catalog = cluster_of(1);
    let node = NodeCard { address: "n1:1".to_owned(), ..NodeCard::default() };
    let mut announce = |this, before: Option<u64>| {
        let starts = Starts { this: Incarnation(this), before: before.map(Incarnation) };
        let announce = CatalogCommand::Announce { id: NodeId(1), node: node.clone(), starts };
        apply(&mut catalog, &announce)
    };
    assert_eq!(announce(10, None), CatalogReply::Done);
    // It may say so twice, and start without being heard.
    assert_eq!(announce(10, None), CatalogReply::Done);
    assert_eq!(announce(30, Some(20)), CatalogReply::Done);
    for (this, before) in [(40, Some(10)), (10, None)] {
        let refused = announce(this, before);
        assert!(
            matches!(&refused, CatalogReply::Refused(why) if why.contains("is a copy")),
            "{refused:?}"
        );
    }
    assert_eq!(announce(50, Some(30)), CatalogReply::Done);
    assert_eq!(catalog.nodes[&NodeId(1)].incarnation, Incarnation(50));
}
