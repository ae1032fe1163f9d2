//! Which leadership moves next, so that every node leads about as many shards.

use std::collections::{BTreeMap, BTreeSet};

use varve_types::{NodeId, ShardId};

/// A shard that is led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    /// Which shard.
    pub shard: ShardId,
    /// Who leads it.
    pub leader: NodeId,
    /// Who else could: voters that are there and have caught up.
    pub successors: Vec<NodeId>,
    /// How much is written to it, in any unit that is the same for all.
    pub load: u64,
}

/// The next leadership to move, and to whom; `None` when nothing would be better for it.
///
/// Away from nodes that are `unfit` to lead first; then from a node that leads at least two more
/// than another that could, of its shards the one that is written to least.
#[must_use]
pub fn choose_transfer(led: &[Led], unfit: &BTreeSet<NodeId>) -> Option<(ShardId, NodeId)> {
    let mut leads: BTreeMap<NodeId, u64> = BTreeMap::new();
    for shard in led {
        *leads.entry(shard.leader).or_default() += 1;
    }
    let leads_of = |node: NodeId| leads.get(&node).copied().unwrap_or(0);
    let fit = |shard: &Led| {
        let fit = shard.successors.iter().filter(|node| !unfit.contains(node));
        fit.copied().min_by_key(|node| (leads_of(*node), *node))
    };
    let forced = led.iter().filter(|shard| unfit.contains(&shard.leader));
    let forced = forced.filter_map(|shard| Some((shard.shard, fit(shard)?))).next();
    forced.or_else(|| {
        let moves = led.iter().filter_map(|shard| {
            let to = fit(shard)?;
            let gap = leads_of(shard.leader).checked_sub(leads_of(to))?;
            // The least written to disturbs the fewest.
            (gap >= 2).then_some((gap, std::cmp::Reverse(shard.load), shard.shard, to))
        });
        moves.max().map(|(.., shard, to)| (shard, to))
    })
}
