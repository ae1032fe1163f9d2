//! Which replica comes to a group next, or goes.

use std::collections::BTreeSet;

use varve_placement::{choose_addition, choose_spare, metadata_voters, replica_count};
use varve_types::{GroupId, NodeId, ReplicaId, ShardId};

use super::Move;
use super::plan::Cluster;
use crate::catalog::{CatalogCommand, Closed, ShardEntry, staying};

/// One group's members and how many it should have.
struct Wanted<'a> {
    group: GroupId,
    staying: Vec<(ReplicaId, NodeId)>,
    /// How many there should be, with the nodes that can be had now.
    now: usize,
    /// How many there should be once those that are gone are back: what is missing until then
    /// makes nothing superfluous.
    in_the_end: usize,
    /// Whether a replica holds what the group holds.
    has_all: &'a dyn Fn(ReplicaId, NodeId) -> bool,
}

impl Wanted<'_> {
    /// One change at a time: what comes must have come before anything goes, or more comes.
    fn next(&self, cluster: &Cluster<'_>) -> Option<CatalogCommand> {
        let Self { group, staying, .. } = self;
        let nodes: Vec<NodeId> = staying.iter().map(|(_, node)| *node).collect();
        let good = nodes.iter().filter(|node| cluster.is_usable(**node)).count();
        if good < self.now {
            let node = choose_addition(&cluster.candidates, &nodes)?;
            return Some(CatalogCommand::AddReplica { group: *group, node });
        }
        let whole = |(replica, node): &&(ReplicaId, NodeId)| {
            cluster.is_usable(*node) && (self.has_all)(*replica, *node)
        };
        let spare = choose_spare(&cluster.candidates, &nodes)?;
        let (replica, _) = *staying.iter().find(|(_, node)| *node == spare)?;
        let others = staying.iter().filter(whole).filter(|(other, _)| *other != replica).count();
        let superfluous = !cluster.is_usable(spare) || good > self.in_the_end;
        let enough = others >= self.in_the_end.max(1);
        (superfluous && enough).then_some(CatalogCommand::RetireReplica { group: *group, replica })
    }
}

/// The metadata group: a few nodes in as many zones as possible.
pub(super) fn metadata(cluster: &Cluster<'_>) -> Option<Move> {
    let catalog = cluster.catalog;
    let members = &cluster.seen.metadata;
    let group = GroupId::CATALOG;
    if let Some(&replica) = catalog.leaving.iter().find(|replica| !members.contains(replica)) {
        return Some(Move::Change(CatalogCommand::RemoveReplica { group, replica }));
    }
    if let Some(leader) = cluster.seen.metadata_leader
        && catalog.leaving.contains(&leader)
    {
        let others = staying(&catalog.replicas, &catalog.leaving);
        let mut others = others.filter(|(replica, node)| {
            members.contains(replica) && cluster.is_usable(*node) && cluster.is_here(*node)
        });
        return others.next().map(|(to, _)| Move::LeadCatalog { to });
    }
    let staying: Vec<_> = staying(&catalog.replicas, &catalog.leaving).collect();
    if !catalog.leaving.is_empty() || !all_came(&staying, members) {
        return None;
    }
    let wanted = Wanted {
        group,
        staying,
        now: metadata_voters(cluster.usable()),
        in_the_end: metadata_voters(cluster.staying()),
        has_all: &|replica, _| members.contains(&replica),
    };
    wanted.next(cluster).map(Move::Change)
}

/// An open shard's group, as its leader reports it.
pub(super) fn open(cluster: &Cluster<'_>, id: ShardId, shard: &ShardEntry) -> Option<Move> {
    let group = GroupId::shard(id);
    let of_shard =
        shard.replicas.values().filter_map(|node| cluster.seen.reports.get(&(id, *node)));
    let leader = of_shard.into_iter().find(|report| report.leads)?;
    let members = &leader.members;
    if let Some(&replica) = shard.leaving.iter().find(|replica| !members.contains(replica)) {
        return Some(Move::Change(CatalogCommand::RemoveReplica { group, replica }));
    }
    let staying: Vec<_> = shard.staying().collect();
    if !shard.leaving.is_empty() || !shard.successors.is_empty() {
        return None;
    }
    if let Some(replica) = broken(cluster, id, &staying) {
        return Some(Move::Change(CatalogCommand::RetireReplica { group, replica }));
    }
    if !all_came(&staying, members) {
        return None;
    }
    let wanted = Wanted {
        group,
        staying,
        now: replica_count(replicas(cluster), cluster.usable()),
        in_the_end: replica_count(replicas(cluster), cluster.staying()),
        has_all: &|replica, _| members.contains(&replica),
    };
    wanted.next(cluster).map(Move::Change)
}

/// A replica whose files or log are damaged, while the others are enough without it. It never
/// comes back as it was: a new one takes its place, under another id.
fn broken(
    cluster: &Cluster<'_>,
    id: ShardId,
    staying: &[(ReplicaId, NodeId)],
) -> Option<ReplicaId> {
    let runs = |(_, node): &&(ReplicaId, NodeId)| cluster.seen.reports.contains_key(&(id, *node));
    let enough = staying.iter().filter(runs).count() > staying.len() / 2;
    let is_broken =
        |(replica, _): &&(ReplicaId, NodeId)| cluster.seen.broken.contains(&(id, *replica));
    staying.iter().find(is_broken).filter(|_| enough).map(|(replica, _)| *replica)
}

/// The copies of a closed shard.
pub(super) fn closed(
    cluster: &Cluster<'_>,
    id: ShardId,
    shard: &ShardEntry,
    closed: &Closed,
) -> Option<Move> {
    let group = GroupId::shard(id);
    if let Some(&replica) = shard.leaving.first() {
        return Some(Move::Change(CatalogCommand::RemoveReplica { group, replica }));
    }
    let wanted = Wanted {
        group,
        staying: shard.staying().collect(),
        now: replica_count(replicas(cluster), cluster.usable()),
        in_the_end: replica_count(replicas(cluster), cluster.staying()),
        has_all: &|_, node| closed.holders.contains(&node),
    };
    wanted.next(cluster).map(Move::Change)
}

fn replicas(cluster: &Cluster<'_>) -> usize {
    usize::try_from(cluster.catalog.settings.replicas).unwrap_or(usize::MAX)
}

/// Whether every replica that is to be in a group is, as far as that is committed.
fn all_came(staying: &[(ReplicaId, NodeId)], members: &BTreeSet<ReplicaId>) -> bool {
    staying.iter().all(|(replica, _)| members.contains(replica))
}
