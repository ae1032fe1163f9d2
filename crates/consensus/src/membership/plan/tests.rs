//! Scenarios of membership: a catalog and a look in, moves out.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use varve_types::{ContentDigest, LogIndex, ReplicaId, ShardId, TimestampNs};

use super::*;
use crate::catalog::{
    CatalogCommand, CatalogReply, Closed, ClusterId, DiskId, FilesDigest, NodeCard,
};
use crate::driver::{ClosedReport, HeldFiles, ReplicaReport, SeenPhase};

/// A cluster in which every node answers, every group has the members that the catalog names, and
/// every copy arrives, at once.
struct World {
    catalog: Catalog,
    seen: Observations,
    next: u64,
}

const MINUTE_NS: u64 = 60 * 1_000_000_000;

fn card(node: u64) -> NodeCard {
    NodeCard { disk: DiskId(node.into()), address: format!("{node}:1"), ..NodeCard::default() }
}

impl World {
    fn new() -> Self {
        Self::founded_by(card(1))
    }

    fn founded_by(node: NodeCard) -> Self {
        let (catalog, seen) = (Catalog::default(), Observations::default());
        let mut world = Self { catalog, seen, next: 0 };
        world.apply(&CatalogCommand::Found { cluster: ClusterId(1), node, bits: 0 });
        world.here(1);
        world
    }

    /// Nodes that join one after the other, by the zones that they are in.
    fn in_zones(zones: &[&str]) -> Self {
        let card = |node: u64, zone: &str| NodeCard { zone: zone.to_owned(), ..card(node) };
        let mut world = Self::founded_by(card(1, zones[0]));
        for (node, zone) in (2..).zip(&zones[1..]) {
            world.apply(&CatalogCommand::AddNode { node: card(node, zone), instead_of: None });
            world.here(node);
            world.settle();
        }
        world
    }

    /// The zones of the metadata group's members.
    fn metadata_zones(&self) -> String {
        let zone = |node: &NodeId| self.catalog.nodes[node].zone.as_str();
        let mut zones: Vec<&str> = self.catalog.replicas.values().map(zone).collect();
        zones.sort_unstable();
        zones.concat()
    }

    fn of(nodes: u64) -> Self {
        let mut world = Self::new();
        for node in 2..=nodes {
            world.join(node);
        }
        world.settle();
        world
    }

    fn apply(&mut self, command: &CatalogCommand) {
        let reply = self.catalog.apply(LogIndex(self.next), TimestampNs(0), command);
        assert!(!matches!(reply, CatalogReply::Refused(_)), "{command:?}: {reply:?}");
        self.next += 1;
    }

    fn join(&mut self, node: u64) {
        self.apply(&CatalogCommand::AddNode { node: card(node), instead_of: None });
        self.here(node);
    }

    fn here(&mut self, node: u64) {
        self.seen.silent_ns.insert(NodeId(node), 0);
    }

    fn gone(&mut self, node: u64, minutes: u64) {
        self.seen.silent_ns.insert(NodeId(node), minutes * MINUTE_NS);
    }

    fn drain(&mut self, node: u64) {
        self.apply(&CatalogCommand::SetDraining { node: NodeId(node), draining: true });
    }

    /// Closes the first shard, on all nodes that have it, behind an empty successor.
    fn close(&mut self) {
        let shard = ShardId(1);
        let entry = &self.catalog.shards[&shard];
        let (range, nodes) = (entry.range, entry.replicas.values().copied().collect::<Vec<_>>());
        let successors = vec![crate::catalog::SuccessorPlan { range, nodes: nodes.clone() }];
        self.apply(&CatalogCommand::Prepare { predecessors: vec![shard], successors });
        self.apply(&CatalogCommand::Sealed { shard });
        self.apply(&CatalogCommand::Opened { shard: ShardId(2) });
        let closed = Closed {
            holders: nodes.into_iter().collect(),
            rows: 5,
            digest: ContentDigest(5),
            events: varve_shard::EventSpans::default(),
            finished: None,
        };
        self.apply(&CatalogCommand::Closed { shard, closed });
    }

    /// Groups come to be what the catalog says; the replica on the lowest node here leads, unless
    /// the one that led still can.
    fn look(&mut self) {
        let led: Vec<_> = self.seen.reports.iter().filter(|(_, report)| report.leads).collect();
        let led: BTreeSet<_> = led.into_iter().map(|(key, _)| *key).collect();
        self.seen.reports.clear();
        let here = |node: &NodeId| self.seen.silent_ns.get(node) == Some(&0);
        for (id, shard) in &self.catalog.shards {
            let staying: Vec<_> = shard.staying().filter(|(_, node)| here(node)).collect();
            let leader =
                staying.iter().map(|(_, node)| *node).find(|node| led.contains(&(*id, *node)));
            let leader = leader.or_else(|| staying.first().map(|(_, node)| *node));
            if shard.state != ShardState::Open {
                continue;
            }
            for (_, node) in &staying {
                let report = ReplicaReport {
                    leads: leader == Some(*node),
                    phase: SeenPhase::Open,
                    applied: Some(LogIndex(9)),
                    rows: 5,
                    bytes: 500,
                    members: shard.staying().map(|(replica, _)| replica).collect(),
                    written: None,
                };
                self.seen.reports.insert((*id, *node), report);
            }
        }
        let members = crate::catalog::staying(&self.catalog.replicas, &self.catalog.leaving);
        self.seen.metadata = members.map(|(replica, _)| replica).collect();
        self.seen.metadata_leader = self.seen.metadata.first().copied();
    }

    /// The members of the first shard's group, as its leader tells.
    fn shard_members(&self) -> BTreeSet<ReplicaId> {
        let of_shard = self.seen.reports.iter().filter(|((id, _), _)| *id == ShardId(1));
        of_shard.map(|(_, report)| report.members.clone()).next().unwrap()
    }

    fn set_shard_members(&mut self, members: &BTreeSet<ReplicaId>) {
        for ((_, _), report) in self.seen.reports.iter_mut().filter(|((id, _), _)| id.get() == 1) {
            report.members.clone_from(members);
        }
    }

    /// What is planned for the first shard now.
    fn shard_moves(&self) -> String {
        let moves = plan(&self.catalog, &self.seen).into_iter().map(|step| step.to_string());
        moves.filter(|step| step.starts_with("shard 1:")).collect::<Vec<_>>().join("\n")
    }

    /// What is planned now, which is then done.
    fn step(&mut self) -> Vec<String> {
        self.look();
        let moves = plan(&self.catalog, &self.seen);
        moves.iter().for_each(|change| self.take(change));
        moves.iter().map(ToString::to_string).collect()
    }

    fn take(&mut self, change: &Move) {
        match change {
            Move::Change(command) => self.apply(command),
            Move::Lead { shard, leader, to } => {
                let to = self.catalog.shards[shard].replicas[to];
                for (node, leads) in [(*leader, false), (to, true)] {
                    self.seen.reports.get_mut(&(*shard, node)).unwrap().leads = leads;
                }
            }
            Move::LeadCatalog { .. } => {}
        }
    }

    fn settle(&mut self) {
        for _ in 0..50 {
            if self.step().is_empty() {
                return;
            }
        }
        panic!("it never comes to rest: {:?}", self.step());
    }

    /// All that is done until nothing is left to do.
    fn check(&mut self, expected: &Expect) {
        let mut shown = String::new();
        for _ in 0..50 {
            let steps = self.step();
            if steps.is_empty() {
                return expected.assert_eq(&shown);
            }
            writeln!(shown, "{}", steps.join("; ")).unwrap();
        }
        panic!("it never comes to rest: {shown}");
    }

    fn holds(&mut self, shard: u64, node: u64, files: u128, finished: bool) {
        let held =
            HeldFiles { rows: 5, digest: ContentDigest(5), files: FilesDigest(files), finished };
        let report = ClosedReport { shard: ShardId(shard), held: Some(held), problem: None };
        self.seen.closed.push((NodeId(node), report));
    }
}

#[test]
fn nodes_that_join_come_into_the_metadata_group_and_open_shards() {
    let mut world = World::new();
    world.check(&expect![""]);
    world.join(2);
    world.check(&expect![[r#"
        catalog: node 2 is to hold a replica; shard 1: node 2 is to hold a replica
        catalog: replica 3 has come; shard 1: replica 4 has come
    "#]]);
    world.join(3);
    world.check(&expect![[r#"
        catalog: node 3 is to hold a replica; shard 1: node 3 is to hold a replica
        catalog: replica 5 has come; shard 1: replica 6 has come
    "#]]);
    world.join(4);
    world.check(&expect![""]);
    world.join(5);
    world.check(&expect![[r#"
        catalog: node 4 is to hold a replica
        catalog: replica 7 has come
        catalog: node 5 is to hold a replica
        catalog: replica 8 has come
    "#]]);
}

#[test]
fn members_of_the_metadata_group_spread_over_zones_that_come_later() {
    let zones = |zones: &[&str]| World::in_zones(zones).metadata_zones();
    assert_eq!(zones(&["a", "a", "a"]), "aaa");
    assert_eq!(zones(&["a", "a", "a", "b"]), "aab");
    assert_eq!(zones(&["a", "a", "a", "b", "b"]), "aaabb");
    let mut world = World::in_zones(&["a", "a", "a", "b", "b", "c"]);
    assert_eq!(world.metadata_zones(), "aabbc");
    world.check(&expect![""]);

    // Step by step: the new one comes before the other goes, and never two at once.
    let mut world = World::in_zones(&["a", "a", "a"]);
    let node = NodeCard { zone: "b".to_owned(), ..card(4) };
    world.apply(&CatalogCommand::AddNode { node, instead_of: None });
    // It does not answer yet.
    world.gone(4, 1);
    world.check(&expect![""]);
    world.here(4);
    // While a member is away, nothing is changed that need not be.
    world.gone(2, 1);
    world.check(&expect![""]);
    world.here(2);
    world.check(&expect![[r#"
        catalog: node 4 is to hold a replica
        catalog: replica 7 has come
        catalog: replica 5 is to go
        catalog: replica 5 has gone
    "#]]);
}

#[test]
fn one_comes_at_a_time_and_what_goes_stays_until_it_has_come() {
    let mut world = World::of(4);
    for node in [5, 6] {
        world.join(node);
    }
    world.settle();
    world.drain(1);
    world.drain(2);
    world.look();
    let members = world.shard_members();
    let expected = expect![[r#"
        shard 1: node 4 is to hold a replica
        shard 1: node 1 hands over to replica 6"#]];
    expected.assert_eq(&world.shard_moves());
    world.step();
    // In the catalog, and not in the group.
    world.look();
    world.set_shard_members(&members);
    let expected = expect![[r#""#]];
    expected.assert_eq(&world.shard_moves());
    world.check(&expect![[r#"
        catalog: replica 3 has gone; shard 1: replica 9 has come
        catalog: replica 1 is to go; shard 1: node 5 is to hold a replica; shard 1: replica 4 is to go
        catalog: replica 1 has gone; shard 1: replica 10 has come
        shard 1: replica 4 has gone
        shard 1: replica 2 is to go
        shard 1: replica 2 has gone
    "#]]);
}

#[test]
fn a_replica_whose_node_goes_before_it_has_come_is_given_up_for_another() {
    let mut world = World::of(5);
    let members = {
        world.look();
        world.shard_members()
    };
    world.gone(3, 9);
    // Looks at a group in which nobody arrives.
    let look = |world: &mut World| {
        world.look();
        world.set_shard_members(&members);
        for change in plan(&world.catalog, &world.seen) {
            world.take(&change);
        }
    };
    for _ in 0..2 {
        look(&mut world);
    }
    assert_eq!(world.catalog.shards[&ShardId(1)].coming.len(), 1, "node 4 is to replace node 3");
    world.gone(4, 9);
    for _ in 0..4 {
        look(&mut world);
    }
    let held = world.catalog.shards[&ShardId(1)].staying().map(|(_, node)| node.get());
    assert_eq!(held.collect::<Vec<_>>(), [1, 2, 5]);
}

#[test]
fn a_node_that_is_gone_for_long_is_replaced_and_counts_again_when_it_is_back() {
    let mut world = World::of(4);
    world.gone(2, 4);
    world.check(&expect![""]);
    world.gone(2, 5);
    world.check(&expect![[r#"
        node 2 has been gone for long: what it held is replaced
        catalog: node 4 is to hold a replica; catalog: replica 3 is to go; shard 1: node 4 is to hold a replica; shard 1: replica 4 is to go
        catalog: replica 7 has come; shard 1: replica 8 has come
        catalog: replica 3 has gone; shard 1: replica 4 has gone
    "#]]);
    world.here(2);
    world.check(&expect![[r#"
        node 2 is back
    "#]]);
}

#[test]
fn a_broken_replica_goes_while_a_quorum_is_there_without_it_and_a_new_one_comes() {
    let mut world = World::of(3);
    let (&broken, _) = world.catalog.shards[&ShardId(1)].replicas.last_key_value().unwrap();
    world.seen.broken.insert((ShardId(1), broken));
    world.check(&expect![[r#"
        shard 1: replica 6 is to go
        shard 1: replica 6 has gone
        shard 1: node 3 is to hold a replica
        shard 1: replica 7 has come
    "#]]);
    // One that leads hands over first.
    let mut world = World::of(3);
    let (&broken, &node) = world.catalog.shards[&ShardId(1)].replicas.first_key_value().unwrap();
    assert!(world.seen.reports[&(ShardId(1), node)].leads);
    world.seen.broken.insert((ShardId(1), broken));
    world.check(&expect![[r#"
        shard 1: node 1 hands over to replica 4
        shard 1: replica 2 is to go
        shard 1: replica 2 has gone
        shard 1: node 1 is to hold a replica
        shard 1: replica 7 has come
    "#]]);
    // Of two, neither can be missed.
    let mut world = World::of(2);
    let (&broken, _) = world.catalog.shards[&ShardId(1)].replicas.last_key_value().unwrap();
    world.seen.broken.insert((ShardId(1), broken));
    world.gone(2, 1);
    world.check(&expect![""]);
}

#[test]
fn what_nobody_can_replace_is_kept() {
    let mut world = World::of(3);
    world.gone(3, 60);
    world.check(&expect![[r#"
        node 3 has been gone for long: what it held is replaced
    "#]]);
    assert_eq!(world.catalog.shards[&ShardId(1)].replicas.len(), 3);
    world.join(4);
    world.check(&expect![[r#"
        catalog: node 4 is to hold a replica; catalog: replica 5 is to go; shard 1: node 4 is to hold a replica; shard 1: replica 6 is to go
        catalog: replica 7 has come; shard 1: replica 8 has come
        catalog: replica 5 has gone; shard 1: replica 6 has gone
    "#]]);
}

#[test]
fn a_draining_node_hands_over_and_goes() {
    let mut world = World::of(4);
    world.drain(1);
    world.check(&expect![[r#"
        catalog: node 4 is to hold a replica; catalog: replica 1 is to go; shard 1: node 4 is to hold a replica; shard 1: replica 2 is to go; shard 1: node 1 hands over to replica 4
        catalog: replica 7 has come; shard 1: replica 8 has come
        catalog: replica 1 has gone; shard 1: replica 2 has gone
    "#]]);
    assert!(world.catalog.shards.values().all(|shard| shard.replica_on(NodeId(1)).is_none()));
    world.apply(&CatalogCommand::RemoveNode { node: NodeId(1) });
}

#[test]
fn copies_of_closed_shards_are_made_before_others_go() {
    let mut world = World::of(3);
    world.close();
    world.settle();
    world.join(4);
    world.gone(2, 9);
    world.check(&expect![[r#"
        node 2 has been gone for long: what it held is replaced
        catalog: node 4 is to hold a replica; catalog: replica 3 is to go; shard 1: node 4 is to hold a replica; shard 2: node 4 is to hold a replica; shard 2: replica 8 is to go
        catalog: replica 10 has come; shard 2: replica 12 has come
        catalog: replica 3 has gone; shard 2: replica 8 has gone
    "#]]);
    world.holds(1, 4, 7, false);
    world.check(&expect![[r#"
        shard 1: node 4 holds all of it
        shard 1: replica 4 is to go
        shard 1: replica 4 has gone
    "#]]);
}

#[test]
fn final_files_are_recorded_once_and_then_their_holders() {
    let mut world = World::of(3);
    world.close();
    world.settle();
    world.holds(1, 1, 7, true);
    world.holds(1, 2, 8, false);
    world.check(&expect![[r#"
        shard 1: node 1 made its final files, 00000000000000000000000000000007
    "#]]);
    world.seen.closed.clear();
    world.holds(1, 2, 7, true);
    world.check(&expect![[r#"
        shard 1: node 2 holds all of it
    "#]]);
    let damaged = ClosedReport { shard: ShardId(1), held: None, problem: Some("rot".to_owned()) };
    world.seen.closed = vec![(NodeId(1), damaged)];
    world.check(&expect![[r#"
        shard 1: what node 1 held is damaged or gone
    "#]]);
}

#[test]
fn leaders_spread() {
    let mut world = World::of(3);
    let mut settings = world.catalog.settings.clone();
    settings.bucket_bits = Some(2);
    world.apply(&CatalogCommand::Set(settings));
    let ranges = varve_types::HashRange::split_space(2);
    let nodes = vec![NodeId(1), NodeId(2), NodeId(3)];
    let successors =
        ranges.map(|range| crate::catalog::SuccessorPlan { range, nodes: nodes.clone() }).collect();
    let predecessors = vec![ShardId(1)];
    world.apply(&CatalogCommand::Prepare { predecessors, successors });
    world.apply(&CatalogCommand::Sealed { shard: ShardId(1) });
    for shard in 2..=5 {
        world.apply(&CatalogCommand::Opened { shard: ShardId(shard) });
    }
    let closed = Closed {
        holders: nodes.iter().copied().collect(),
        rows: 0,
        digest: ContentDigest(0),
        events: varve_shard::EventSpans::default(),
        finished: None,
    };
    world.apply(&CatalogCommand::Closed { shard: ShardId(1), closed });
    world.check(&expect![[r#"
        shard 5: node 1 hands over to replica 17
        shard 4: node 1 hands over to replica 15
    "#]]);
}
