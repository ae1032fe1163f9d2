//! The steps of a rollover.

use std::collections::BTreeSet;

use varve_types::{HashRange, NodeId, ShardId, TimestampNs, WindowId};

use super::{Applied, CatalogReply};
use crate::catalog::{Catalog, Closed, ShardState, SuccessorPlan};

impl Catalog {
    pub(super) fn prepare(
        &mut self,
        stamp: TimestampNs,
        predecessors: &[ShardId],
        successors: &[SuccessorPlan],
    ) -> Applied {
        let mut before = Vec::new();
        for id in predecessors {
            let shard = self.shards.get(id).ok_or_else(|| format!("there is no shard {id}"))?;
            if shard.state != ShardState::Open || !shard.successors.is_empty() {
                return Err(format!("shard {id} is {}, or has successors already", shard.state));
            }
            before.push(shard.range);
        }
        let after: Vec<HashRange> = successors.iter().map(|successor| successor.range).collect();
        if !covers_alike(&before, &after) {
            return Err("successors must cover the hashes of their predecessors once".to_owned());
        }
        for successor in successors {
            let known: BTreeSet<&NodeId> =
                successor.nodes.iter().filter(|node| self.nodes.contains_key(node)).collect();
            if known.is_empty() || known.len() != successor.nodes.len() {
                return Err(format!("range {} has no nodes, or unknown ones", successor.range));
            }
        }
        let bits = after.first().map_or(0, |range| range.bits());
        let window = self.window_with_room(bits, &after, stamp);
        let mut made = Vec::new();
        for successor in successors {
            let inherits_from = predecessors
                .iter()
                .zip(&before)
                .filter(|(_, range)| range.overlaps(successor.range))
                .map(|(id, _)| *id)
                .collect();
            let (range, nodes) = (successor.range, &successor.nodes);
            let state = ShardState::Preparing;
            made.push((self.new_shard(window, range, nodes, stamp, inherits_from, state), range));
        }
        for (id, range) in predecessors.iter().zip(before) {
            if let Some(shard) = self.shards.get_mut(id) {
                let overlapping = made.iter().filter(|(_, after)| after.overlaps(range));
                shard.successors = overlapping.map(|(id, _)| *id).collect();
            }
        }
        Ok(CatalogReply::Done)
    }

    /// The newest window when it has these buckets and nobody took them yet, or else a new one.
    fn window_with_room(&mut self, bits: u8, ranges: &[HashRange], now: TimestampNs) -> WindowId {
        let newest = self.windows.last_key_value().map(|(id, window)| (*id, window.bits));
        if let Some((id, _)) = newest.filter(|(_, found)| *found == bits) {
            let mut taken = self.shards.values().filter(|shard| shard.window == id);
            if !taken.any(|shard| ranges.iter().any(|range| range.overlaps(shard.range))) {
                return id;
            }
        }
        self.new_window(bits, now)
    }

    pub(super) fn sealed(&mut self, id: ShardId) -> Applied {
        let shard = self.shards.get_mut(&id).ok_or_else(|| format!("there is no shard {id}"))?;
        match shard.state {
            ShardState::Open if shard.successors.is_empty() => {
                return Err(format!("shard {id} has no successors"));
            }
            ShardState::Open => shard.state = ShardState::Sealed,
            ShardState::Sealed | ShardState::Closed(_) => {}
            ShardState::Preparing => return Err(format!("shard {id} is not open yet")),
        }
        Ok(CatalogReply::Done)
    }

    pub(super) fn opened(&mut self, id: ShardId) -> Applied {
        let shard = self.shards.get(&id).ok_or_else(|| format!("there is no shard {id}"))?;
        if shard.state != ShardState::Preparing {
            return Ok(CatalogReply::Done);
        }
        let unsealed = shard
            .predecessors
            .iter()
            .find(|id| self.shards.get(id).is_some_and(|shard| shard.state == ShardState::Open));
        if let Some(unsealed) = unsealed {
            return Err(format!("shard {unsealed} before it is not sealed"));
        }
        if let Some(shard) = self.shards.get_mut(&id) {
            shard.state = ShardState::Open;
        }
        Ok(CatalogReply::Done)
    }

    pub(super) fn closed(&mut self, id: ShardId, closed: &Closed) -> Applied {
        let shard = self.shards.get(&id).ok_or_else(|| format!("there is no shard {id}"))?;
        match &shard.state {
            ShardState::Sealed => {}
            ShardState::Closed(known) if known == closed => return Ok(CatalogReply::Done),
            state => return Err(format!("shard {id} is {state}")),
        }
        // Until then its group keeps what its successors are to inherit.
        let waiting = shard.successors.iter().find(|id| {
            self.shards.get(id).is_some_and(|shard| shard.state == ShardState::Preparing)
        });
        if let Some(waiting) = waiting {
            return Err(format!("shard {waiting} after it has not inherited yet"));
        }
        if let Some(shard) = self.shards.get_mut(&id) {
            shard.state = ShardState::Closed(closed.clone());
        }
        Ok(CatalogReply::Done)
    }
}

/// Whether two lists of ranges cover the same hashes, each of them once.
fn covers_alike(before: &[HashRange], after: &[HashRange]) -> bool {
    let once = |ranges: &[HashRange]| {
        let crossing = |(at, range): (usize, &HashRange)| {
            ranges.iter().skip(at + 1).any(|other| other.overlaps(*range))
        };
        !ranges.is_empty() && !ranges.iter().enumerate().any(crossing)
    };
    let within = |inner: &[HashRange], outer: &[HashRange]| {
        inner.iter().all(|range| range.without(outer).is_empty())
    };
    once(before) && once(after) && within(before, after) && within(after, before)
}
