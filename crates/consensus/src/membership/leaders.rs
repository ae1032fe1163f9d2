//! Which shard is led by another node next.

use std::collections::BTreeSet;

use varve_placement::{Led, choose_transfer};
use varve_types::{LogIndex, NodeId, ReplicaId, ShardId};

use super::Move;
use super::plan::Cluster;
use crate::catalog::{ShardEntry, ShardState};
use crate::driver::{ReplicaReport, SeenPhase};

/// A replica that is further behind than this many entries is not asked to lead: it would hold up
/// writes until it has caught up.
const BEHIND_MAX: u64 = 256;

/// One leadership to move, unless a rollover is under way: it waits for leaders, and makes new ones.
pub(super) fn transfer(cluster: &Cluster<'_>) -> Option<Move> {
    let catalog = cluster.catalog;
    let is_rolling = |shard: &ShardEntry| match shard.state {
        ShardState::Preparing | ShardState::Sealed => true,
        ShardState::Open => !shard.successors.is_empty(),
        ShardState::Closed(_) => false,
    };
    if catalog.shards.values().any(is_rolling) {
        return None;
    }
    let led: Vec<Led> =
        catalog.open_shards().filter_map(|(id, shard)| led(cluster, id, shard)).collect();
    let is_fit = |node: NodeId| cluster.is_usable(node) && !cluster.seen.stopping.contains(&node);
    let unfit: BTreeSet<NodeId> =
        catalog.nodes.keys().filter(|node| !is_fit(**node)).copied().collect();
    let (shard, to) = choose_transfer(&led, &unfit)?;
    let leader = led.iter().find(|led| led.shard == shard)?.leader;
    let to = catalog.shards.get(&shard)?.replica_on(to)?;
    Some(Move::Lead { shard, leader, to })
}

/// What must be done before a replica may go.
pub(super) enum Handover {
    /// It does not lead.
    NotNeeded,
    /// It leads: another must first, once one can.
    Needed(Option<Move>),
}

/// Who leads in place of a replica that is to go.
pub(super) fn handover(
    cluster: &Cluster<'_>,
    id: ShardId,
    shard: &ShardEntry,
    replica: ReplicaId,
) -> Handover {
    let Some(led) = led(cluster, id, shard) else { return Handover::NotNeeded };
    if shard.replica_on(led.leader) != Some(replica) {
        return Handover::NotNeeded;
    }
    let to = led.successors.first().and_then(|node| shard.replica_on(*node));
    Handover::Needed(to.map(|to| Move::Lead { shard: id, leader: led.leader, to }))
}

fn led(cluster: &Cluster<'_>, id: ShardId, shard: &ShardEntry) -> Option<Led> {
    let report = |node: NodeId| cluster.seen.reports.get(&(id, node));
    let nodes = || shard.staying();
    let (_, leader) =
        shard.replicas.iter().find(|(_, node)| report(**node).is_some_and(|r| r.leads))?;
    let led = report(*leader)?;
    let number = |applied: Option<LogIndex>| applied.map_or(0, |index| index.get() + 1);
    let is_near = |other: &ReplicaReport| {
        other.phase == SeenPhase::Open
            && number(led.applied).saturating_sub(number(other.applied)) <= BEHIND_MAX
    };
    let successors = nodes()
        .filter(|(replica, node)| {
            node != leader
                && led.members.contains(replica)
                && !cluster.seen.broken.contains(&(id, *replica))
                && report(*node).is_some_and(is_near)
        })
        .map(|(_, node)| node)
        .collect();
    Some(Led { shard: id, leader: *leader, successors, bytes: led.bytes })
}
