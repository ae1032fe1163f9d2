//! Which leadership moves next, so that every node leads shards to which about as much is written.

use std::collections::{BTreeMap, BTreeSet};

use varve_types::{NodeId, ShardId};

/// Leading weighs like so many written bytes even where nothing is written: what differs by less
/// is balanced by number.
const IDLE_BYTES: u64 = 64 << 20;

/// Two nodes that differ by less than one in so many of what a node leads on average are even.
const EVEN_FRACTION: u128 = 20;

/// A shard that is led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    /// Which shard.
    pub shard: ShardId,
    /// Who leads it.
    pub leader: NodeId,
    /// Who else could: voters that are there and have caught up.
    pub successors: Vec<NodeId>,
    /// How much was written to it since it was opened, in bytes. Shards of one window are opened
    /// together, so that this compares how much is written to each.
    pub bytes: u64,
}

impl Led {
    fn weight(&self) -> u128 {
        u128::from(self.bytes) + u128::from(IDLE_BYTES)
    }
}

/// The next leadership to move, and to whom; `None` when nothing would be better for it.
///
/// Away from nodes that are `unfit` to lead first; then the one that brings two nodes closest to
/// each other, if they are clearly closer then: what moved does not move back.
#[must_use]
pub fn choose_transfer(led: &[Led], unfit: &BTreeSet<NodeId>) -> Option<(ShardId, NodeId)> {
    let mut leads: BTreeMap<NodeId, u128> = BTreeMap::new();
    for shard in led {
        *leads.entry(shard.leader).or_default() += shard.weight();
        for node in shard.successors.iter().filter(|node| !unfit.contains(node)) {
            leads.entry(*node).or_default();
        }
    }
    let leads_of = |node: NodeId| leads.get(&node).copied().unwrap_or(0);
    let fit = |shard: &Led| {
        let fit = shard.successors.iter().filter(|node| !unfit.contains(node));
        fit.copied().min_by_key(|node| (leads_of(*node), *node))
    };
    let forced = led.iter().filter(|shard| unfit.contains(&shard.leader));
    let forced = forced.filter_map(|shard| Some((shard.shard, fit(shard)?))).next();
    forced.or_else(|| {
        let even = leads.values().sum::<u128>() / (leads.len().max(1) as u128) / EVEN_FRACTION;
        let moves = led.iter().filter_map(|shard| {
            let (to, weight) = (fit(shard)?, shard.weight());
            let gap = leads_of(shard.leader).checked_sub(leads_of(to))?;
            if gap <= even || 4 * weight > 3 * gap {
                return None;
            }
            // What remains of the gap, whichever way round it is then.
            Some((gap - gap.abs_diff(2 * weight), shard.shard, to))
        });
        moves.max().map(|(_, shard, to)| (shard, to))
    })
}
