//! What to do next about nodes, members, copies and leaders: a pure function of one look.

use varve_placement::{Candidate, Standing};
use varve_types::NodeId;

use super::{Move, groups, leaders, nodes};
use crate::catalog::{Catalog, Node, ShardState};
use crate::driver::Observations;

/// So many copies of closed shards are asked for at one look: more would only crowd the catalog.
const COPIES_MAX: usize = 16;

/// The moves to make now. What follows from them shows at the next look.
pub(crate) fn plan(catalog: &Catalog, seen: &Observations) -> Vec<Move> {
    let mut moves = nodes::gone_and_back(catalog, seen);
    moves.extend(nodes::reported(catalog, seen));
    let cluster = Cluster::of(catalog, seen);
    moves.extend(groups::metadata(&cluster));
    let mut copies = 0;
    for (&id, shard) in &catalog.shards {
        match &shard.state {
            ShardState::Open => moves.extend(groups::open(&cluster, id, shard)),
            ShardState::Closed(closed) if copies < COPIES_MAX => {
                let change = groups::closed(&cluster, id, shard, closed);
                copies += usize::from(!change.is_empty());
                moves.extend(change);
            }
            ShardState::Preparing | ShardState::Sealed | ShardState::Closed(_) => {}
        }
    }
    moves.extend(leaders::transfer(&cluster));
    moves
}

/// What all decisions of one look share.
pub(super) struct Cluster<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) seen: &'a Observations,
    pub(super) candidates: Vec<Candidate>,
}

impl<'a> Cluster<'a> {
    fn of(catalog: &'a Catalog, seen: &'a Observations) -> Self {
        Self { catalog, seen, candidates: candidates(catalog, seen) }
    }

    /// How many nodes may hold something new.
    pub(super) fn usable(&self) -> usize {
        self.catalog.nodes.values().filter(|node| node.is_usable()).count()
    }

    /// How many nodes the cluster counts on in the long run: those that are gone may come back.
    pub(super) fn staying(&self) -> usize {
        self.catalog.nodes.values().filter(|node| !node.draining).count()
    }

    pub(super) fn is_usable(&self, node: NodeId) -> bool {
        self.catalog.nodes.get(&node).is_some_and(Node::is_usable)
    }

    /// Whether a node answered at this look.
    pub(super) fn is_here(&self, node: NodeId) -> bool {
        self.seen.silent_ns.get(&node) == Some(&0)
    }
}

/// Nodes as placement sees them.
pub(crate) fn candidates(catalog: &Catalog, seen: &Observations) -> Vec<Candidate> {
    let load = |node: NodeId| {
        let live = catalog
            .shards
            .values()
            .filter(|shard| matches!(shard.state, ShardState::Preparing | ShardState::Open));
        let held = live.filter(|shard| shard.replica_on(node).is_some());
        u32::try_from(held.count()).unwrap_or(u32::MAX)
    };
    let candidate = |(id, node): (&NodeId, &Node)| Candidate {
        node: *id,
        zone: node.zone.clone(),
        standing: match node {
            Node { lost: true, .. } => Standing::Lost,
            Node { draining: true, .. } => Standing::Draining,
            _ => Standing::Active,
        },
        load: load(*id),
        bytes: seen.stored_bytes.get(id).copied().unwrap_or(0),
    };
    catalog.nodes.iter().map(candidate).collect()
}

#[cfg(test)]
mod tests;
