//! Which replica comes to a group next, or goes.

use std::collections::{BTreeMap, BTreeSet};

use varve_placement::{
    Candidate, Swap, choose_addition, choose_spare, choose_swap, metadata_voters, replica_count,
};
use varve_types::{GroupId, NodeId, ReplicaId, ShardId};

use super::Move;
use super::leaders::{self, Handover};
use super::plan::Cluster;
use crate::catalog::{CatalogCommand, Closed, ShardEntry, staying};

/// One group's replicas and how many it should have.
struct Wanted<'a> {
    group: GroupId,
    staying: Vec<(ReplicaId, NodeId)>,
    /// Whether one is still on its way into the group.
    is_one_coming: bool,
    /// How many there should be, with the nodes that can be had now.
    now: usize,
    /// How many there should be once those that are gone are back: what is missing until then
    /// makes nothing superfluous.
    in_the_end: usize,
    /// Whether another replica may go because a node has this one.
    counts: &'a dyn Fn(NodeId) -> bool,
}

impl Wanted<'_> {
    /// Who comes next, one at a time, and who goes because the others suffice.
    fn next(&self, cluster: &Cluster<'_>) -> Vec<Move> {
        let group = self.group;
        let mut nodes: Vec<NodeId> = self.staying.iter().map(|(_, node)| *node).collect();
        let is_good = |node: &&NodeId| cluster.is_usable(**node);
        let mut commands = Vec::new();
        if nodes.iter().filter(is_good).count() < self.now
            && !self.is_one_coming
            && let Some(node) = choose_addition(&cluster.candidates, &nodes)
        {
            commands.push(CatalogCommand::AddReplica { group, node });
            nodes.push(node);
        }
        if let Some(spare) = choose_spare(&cluster.candidates, &nodes)
            && let Some((replica, _)) = self.staying.iter().find(|(_, node)| *node == spare)
        {
            let good = nodes.iter().filter(is_good).count();
            let others = nodes.iter().filter(|node| **node != spare).filter(is_good);
            let others = others.filter(|node| (self.counts)(**node)).count();
            let superfluous = !cluster.is_usable(spare) || good > self.in_the_end;
            if superfluous && others >= self.in_the_end.max(1) {
                commands.push(CatalogCommand::RetireReplica { group, replica: *replica });
            }
        }
        commands.into_iter().map(Move::Change).collect()
    }
}

/// The metadata group: a few nodes in as many zones as possible.
pub(super) fn metadata(cluster: &Cluster<'_>) -> Vec<Move> {
    let catalog = cluster.catalog;
    let members = &cluster.seen.metadata;
    let group = GroupId::CATALOG;
    let on_the_way = OnTheWay { coming: &catalog.coming, leaving: &catalog.leaving };
    if let Some(arrived) = on_the_way.arrived(group, members) {
        return vec![Move::Change(arrived)];
    }
    if let Some(leader) = cluster.seen.metadata_leader
        && catalog.leaving.contains(&leader)
    {
        let others = staying(&catalog.replicas, &catalog.leaving);
        let mut others = others.filter(|(replica, node)| {
            members.contains(replica) && cluster.is_usable(*node) && cluster.is_here(*node)
        });
        return others.next().map(|(to, _)| Move::LeadCatalog { to }).into_iter().collect();
    }
    if let Some(given_up) = on_the_way.given_up(cluster, group, &catalog.replicas) {
        return vec![Move::Change(given_up)];
    }
    let wanted = Wanted {
        group,
        staying: staying(&catalog.replicas, &catalog.leaving).collect(),
        is_one_coming: !catalog.coming.is_empty(),
        now: metadata_voters(cluster.usable()),
        in_the_end: metadata_voters(cluster.staying()),
        counts: &swapped_at_once,
    };
    let moves = wanted.next(cluster);
    if moves.is_empty() { spread_over_zones(cluster, &wanted) } else { moves }
}

/// A member of a zone that has few of them, or none, for one of a zone that has many. It comes
/// first: the next look then finds one too many in the zone that is crowded. Nothing is given up
/// for it while a member is away, or while another change is under way.
fn spread_over_zones(cluster: &Cluster<'_>, wanted: &Wanted<'_>) -> Vec<Move> {
    let nodes: Vec<NodeId> = wanted.staying.iter().map(|(_, node)| *node).collect();
    let is_settled = cluster.catalog.coming.is_empty() && cluster.catalog.leaving.is_empty();
    if !is_settled || nodes.iter().any(|node| !cluster.is_here(*node)) {
        return Vec::new();
    }
    let is_here = |candidate: &&Candidate| cluster.is_here(candidate.node);
    let here: Vec<Candidate> = cluster.candidates.iter().filter(is_here).cloned().collect();
    let swap = choose_swap(&here, &nodes);
    let add = |Swap { comes, .. }| CatalogCommand::AddReplica { group: wanted.group, node: comes };
    swap.map(|swap| Move::Change(add(swap))).into_iter().collect()
}

/// An open shard's group, as its leader reports it.
pub(super) fn open(cluster: &Cluster<'_>, id: ShardId, shard: &ShardEntry) -> Vec<Move> {
    let group = GroupId::shard(id);
    let of_shard =
        shard.replicas.values().filter_map(|node| cluster.seen.reports.get(&(id, *node)));
    let Some(leader) = of_shard.into_iter().find(|report| report.leads) else {
        return Vec::new();
    };
    let on_the_way = OnTheWay { coming: &shard.coming, leaving: &shard.leaving };
    if let Some(arrived) = on_the_way.arrived(group, &leader.members) {
        return vec![Move::Change(arrived)];
    }
    if let Some(given_up) = on_the_way.given_up(cluster, group, &shard.replicas) {
        return vec![Move::Change(given_up)];
    }
    let staying: Vec<_> = shard.staying().collect();
    if !shard.successors.is_empty() {
        return Vec::new();
    }
    if let Some(replica) = broken(cluster, id, &staying) {
        return match leaders::handover(cluster, id, shard, replica) {
            Handover::NotNeeded => {
                vec![Move::Change(CatalogCommand::RetireReplica { group, replica })]
            }
            Handover::Needed(next) => next.into_iter().collect(),
        };
    }
    let wanted = Wanted {
        group,
        staying,
        is_one_coming: !shard.coming.is_empty(),
        now: replica_count(replicas(cluster), cluster.usable()),
        in_the_end: replica_count(replicas(cluster), cluster.staying()),
        counts: &swapped_at_once,
    };
    wanted.next(cluster)
}

/// A replica whose files or log are damaged, while the others are enough without it. It never
/// comes back as it was: a new one takes its place, under another id.
fn broken(
    cluster: &Cluster<'_>,
    id: ShardId,
    staying: &[(ReplicaId, NodeId)],
) -> Option<ReplicaId> {
    let runs = |(_, node): &&(ReplicaId, NodeId)| cluster.seen.reports.contains_key(&(id, *node));
    let is_broken =
        |(replica, _): &&(ReplicaId, NodeId)| cluster.seen.broken.contains(&(id, *replica));
    let whole = staying.iter().filter(|one| runs(one) && !is_broken(one));
    let enough = whole.count() > staying.len() / 2;
    staying.iter().find(is_broken).filter(|_| enough).map(|(replica, _)| *replica)
}

/// The copies of a closed shard.
pub(super) fn closed(
    cluster: &Cluster<'_>,
    id: ShardId,
    shard: &ShardEntry,
    closed: &Closed,
) -> Vec<Move> {
    let group = GroupId::shard(id);
    if let Some(&replica) = shard.leaving.first() {
        return vec![Move::Change(CatalogCommand::RemoveReplica { group, replica })];
    }
    let wanted = Wanted {
        group,
        staying: shard.staying().collect(),
        // How many are wanted bounds them.
        is_one_coming: false,
        now: replica_count(replicas(cluster), cluster.usable()),
        in_the_end: replica_count(replicas(cluster), cluster.staying()),
        counts: &|node| closed.holders.contains(&node),
    };
    wanted.next(cluster)
}

fn replicas(cluster: &Cluster<'_>) -> usize {
    usize::try_from(cluster.catalog.settings.replicas).unwrap_or(usize::MAX)
}

/// Who comes to a group that Raft runs and who leaves it. The group swaps them in one change, once
/// those that come have what it holds: a node that is gone is never replaced by one that is empty.
struct OnTheWay<'a> {
    coming: &'a BTreeSet<ReplicaId>,
    leaving: &'a BTreeSet<ReplicaId>,
}

impl OnTheWay<'_> {
    /// One of them came, or went, as the group's committed members show.
    fn arrived(&self, group: GroupId, members: &BTreeSet<ReplicaId>) -> Option<CatalogCommand> {
        // A leader whose group is in the middle of a change tells of none.
        if members.is_empty() {
            return None;
        }
        let came = self.coming.iter().find(|replica| members.contains(replica));
        let came = came.map(|&replica| CatalogCommand::Joined { group, replica });
        came.or_else(|| {
            let gone = self.leaving.iter().find(|replica| !members.contains(replica));
            gone.map(|&replica| CatalogCommand::RemoveReplica { group, replica })
        })
    }

    /// One comes whose node is gone or to be emptied now: nothing waits for it.
    fn given_up(
        &self,
        cluster: &Cluster<'_>,
        group: GroupId,
        replicas: &BTreeMap<ReplicaId, NodeId>,
    ) -> Option<CatalogCommand> {
        let is_gone = |replica: &&ReplicaId| {
            replicas.get(replica).is_some_and(|node| !cluster.is_usable(*node))
        };
        let replica = *self.coming.iter().find(is_gone)?;
        Some(CatalogCommand::RetireReplica { group, replica })
    }
}

/// What comes to a group counts for what goes: until it has come, the group keeps both.
const fn swapped_at_once(_: NodeId) -> bool {
    true
}
