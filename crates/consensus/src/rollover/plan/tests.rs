//! Scenarios of planning: a catalog and reports in, steps out.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use varve_shard::EventSpans;
use varve_types::{ContentDigest, LogIndex};

use super::*;
use crate::catalog::{CatalogCommand, CatalogReply, ClusterId, DiskId, NodeCard};

/// A small world: the catalog, what replicas report, and what time it is.
struct World {
    catalog: Catalog,
    seen: Observations,
    now: TimestampNs,
    next: u64,
}

const HOUR_NS: i64 = 3600 * 1_000_000_000;

impl World {
    fn of(nodes: u64, bits: u8) -> Self {
        let catalog = Catalog::default();
        let mut world =
            Self { catalog, seen: Observations::default(), now: TimestampNs(0), next: 0 };
        let cluster = ClusterId(1);
        let card = |node: u64| NodeCard {
            disk: DiskId(node.into()),
            address: format!("{node}:1"),
            ..NodeCard::default()
        };
        world.apply(&CatalogCommand::Found { cluster, node: card(1), bits });
        for node in 2..=nodes {
            world.apply(&CatalogCommand::AddNode { node: card(node), instead_of: None });
        }
        world.set_bits(bits);
        world
    }

    fn apply(&mut self, command: &CatalogCommand) {
        let reply = self.catalog.apply(LogIndex(self.next), self.now, command);
        assert!(!matches!(reply, CatalogReply::Refused(_)), "{command:?}: {reply:?}");
        self.next += 1;
    }

    fn set_bits(&mut self, bits: u8) {
        let mut settings = self.catalog.settings.clone();
        settings.bucket_bits = Some(bits);
        self.apply(&CatalogCommand::Set(settings));
    }

    /// All replicas of a shard report this; the first of them leads.
    fn report(&mut self, shard: u64, phase: SeenPhase, rows: u64) {
        let id = ShardId(shard);
        let nodes: Vec<NodeId> = self.catalog.shards[&id].replicas.values().copied().collect();
        for (at, node) in nodes.into_iter().enumerate() {
            let report = ReplicaReport {
                leads: at == 0,
                phase,
                applied: None,
                rows,
                bytes: rows * 100,
                members: BTreeSet::new(),
                written: None,
            };
            self.seen.reports.insert((id, node), report);
        }
    }

    fn wrote(&mut self, shard: u64, node: u64, rows: u64) {
        let report = self.seen.reports.get_mut(&(ShardId(shard), NodeId(node))).unwrap();
        let (digest, events) = (ContentDigest(u128::from(rows)), EventSpans::default());
        report.written = Some(Written { rows, digest, events });
    }

    fn check(&self, expected: &Expect) {
        let mut shown = String::new();
        for step in plan(&self.catalog, &self.seen, self.now) {
            writeln!(shown, "{step}").unwrap();
        }
        expected.assert_eq(&shown);
    }

    /// Checks the steps, then does what the catalog can do of them.
    fn step(&mut self, expected: &Expect) {
        self.check(expected);
        self.take_steps();
    }

    fn skip_steps(&mut self, times: usize) {
        for _ in 0..times {
            self.take_steps();
        }
    }

    fn take_steps(&mut self) {
        for step in plan(&self.catalog, &self.seen, self.now) {
            match step {
                Step::Prepare { predecessors, successors } => {
                    let successors = successors.iter().map(SuccessorPlan::from).collect();
                    self.apply(&CatalogCommand::Prepare { predecessors, successors });
                }
                Step::RecordSealed(shard) => self.apply(&CatalogCommand::Sealed { shard }),
                Step::RecordOpened(shard) => self.apply(&CatalogCommand::Opened { shard }),
                Step::RecordClosed { shard, closed } => {
                    self.apply(&CatalogCommand::Closed { shard, closed });
                }
                Step::Seal { .. } | Step::Inherit { .. } => self.seen.note(&step),
            }
        }
    }
}

#[test]
fn a_shard_lives_until_its_window_ends_and_an_empty_one_for_ever() {
    let mut world = World::of(1, 0);
    world.report(1, SeenPhase::Open, 5);
    world.now = TimestampNs(6 * HOUR_NS - 1);
    world.check(&expect![""]);
    world.now = TimestampNs(6 * HOUR_NS);
    world.check(&expect![[r#"
        prepare after 1: 0/0 on 1
    "#]]);
    world.report(1, SeenPhase::Open, 0);
    world.seen.requested.insert(ShardId(1));
    world.check(&expect![""]);
}

#[test]
fn a_window_of_enough_bytes_ends_early() {
    let mut world = World::of(1, 0);
    world.report(1, SeenPhase::Open, (4 << 30) / 100 + 1);
    world.check(&expect![[r#"
        prepare after 1: 0/0 on 1
    "#]]);
}

#[test]
fn a_rollover_goes_through_its_steps_one_at_a_time() {
    let mut world = World::of(1, 0);
    world.report(1, SeenPhase::Open, 5);
    world.seen.requested.insert(ShardId(1));
    world.step(&expect![[r#"
        prepare after 1: 0/0 on 1
    "#]]);
    // Nobody leads the successor yet.
    world.step(&expect![""]);
    world.report(2, SeenPhase::AwaitingInherit, 0);
    world.step(&expect![[r#"
        seal 1 at 1 for 2
    "#]]);
    // Both at once: writers wait for the second.
    world.step(&expect![[r#"
        1 is sealed
        2 at 1 inherits from 1 at 1
    "#]]);
    // What the old shard wrote must wait: the successor has not been recorded as open.
    world.wrote(1, 1, 5);
    world.step(&expect![[r#"
        2 is open
    "#]]);
    world.step(&expect![[r#"
        1 is closed with 5 rows at 1
    "#]]);
    world.check(&expect![""]);
}

#[test]
fn what_a_successor_took_is_recorded_after_what_was_before_it() {
    let mut world = World::of(1, 0);
    world.report(1, SeenPhase::Open, 5);
    world.seen.requested.insert(ShardId(1));
    world.skip_steps(1);
    world.report(1, SeenPhase::Sealed, 5);
    // It inherited, and whoever saw to it was gone before the catalog knew of either.
    world.report(2, SeenPhase::Open, 0);
    world.step(&expect![[r#"
        1 is sealed
    "#]]);
    world.step(&expect![[r#"
        2 is open
    "#]]);
}

#[test]
fn buckets_split_and_join() {
    let mut world = World::of(1, 0);
    world.report(1, SeenPhase::Open, 5);
    world.seen.requested.insert(ShardId(1));
    world.set_bits(1);
    world.step(&expect![[r#"
        prepare after 1: 0/1 on 1, 1/1 on 1
    "#]]);
    for shard in [2, 3] {
        world.report(shard, SeenPhase::AwaitingInherit, 0);
    }
    world.step(&expect![[r#"
        seal 1 at 1 for 2, 3
    "#]]);
    world.step(&expect![[r#"
        1 is sealed
        2 at 1 inherits from 1 at 1
        3 at 1 inherits from 1 at 1
    "#]]);
    world.step(&expect![[r#"
        2 is open
        3 is open
    "#]]);
    world.set_bits(0);
    world.report(3, SeenPhase::Open, 5);
    world.seen.requested.insert(ShardId(3));
    world.step(&expect![[r#"
        prepare after 2, 3: 0/0 on 1
    "#]]);
    world.report(4, SeenPhase::AwaitingInherit, 0);
    world.step(&expect![[r#"
        seal 2 at 1 for 4
        seal 3 at 1 for 4
    "#]]);
    world.step(&expect![[r#"
        2 is sealed
        3 is sealed
        4 at 1 inherits from 2 at 1, 3 at 1
    "#]]);
}

#[test]
fn a_cluster_closes_on_a_quorum_that_agrees() {
    let mut world = World::of(3, 0);
    world.report(1, SeenPhase::Open, 5);
    world.seen.requested.insert(ShardId(1));
    world.step(&expect![[r#"
        prepare after 1: 0/0 on 2, 3, 1
    "#]]);
    world.report(2, SeenPhase::AwaitingInherit, 0);
    world.skip_steps(4);
    world.report(2, SeenPhase::Open, 5);
    world.seen.requested.insert(ShardId(2));
    world.step(&expect![[r#"
        prepare after 2: 0/0 on 1, 2, 3
    "#]]);
    world.report(3, SeenPhase::AwaitingInherit, 0);
    world.skip_steps(4);
    world.wrote(2, 1, 5);
    world.wrote(2, 2, 5);
    // Node 3 can be reached and is still writing.
    world.check(&expect![""]);
    world.wrote(2, 3, 6);
    world.check(&expect![[r#"
        2 is closed with 5 rows at 1, 2
    "#]]);
}

#[test]
fn shards_that_are_due_together_are_led_by_different_nodes() {
    let mut world = World::of(3, 2);
    for shard in 1..=4 {
        world.report(shard, SeenPhase::Open, 5);
        world.seen.requested.insert(ShardId(shard));
    }
    world.check(&expect![[r#"
        prepare after 1: 0/2 on 2, 3, 1
        prepare after 2: 1/2 on 3, 1, 2
        prepare after 3: 2/2 on 1, 2, 3
        prepare after 4: 3/2 on 2, 3, 1
    "#]]);
}
