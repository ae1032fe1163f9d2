//! Applying a command: deterministic, and changing nothing when it does not find what it expects.

use std::collections::{BTreeMap, BTreeSet};

use varve_types::{HashRange, LogIndex, NodeId, ReplicaId, ShardId, TimestampNs, WindowId};

use super::{
    Catalog, CatalogCommand, Closed, ClusterId, Node, Settings, ShardEntry, ShardState,
    SuccessorPlan, Window,
};

/// What applying a command answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CatalogReply {
    /// It is so now, by this command or by an earlier one like it.
    Done,
    /// The node that an address belongs to.
    Node(NodeId),
    /// The catalog is not in the state that the command expects. Nothing changed.
    Refused(String),
}

type Applied = Result<CatalogReply, String>;

impl Catalog {
    /// Applies the command of one entry.
    pub(crate) fn apply(
        &mut self,
        index: LogIndex,
        stamp: TimestampNs,
        command: &CatalogCommand,
    ) -> CatalogReply {
        self.applied = Some(index);
        let applied = match command {
            CatalogCommand::Found { cluster, address, zone, bits } => {
                self.found(stamp, *cluster, address, zone, *bits)
            }
            CatalogCommand::AddNode { address, zone } => self.add_node(address, zone),
            CatalogCommand::SetDraining { node, draining } => self.set_draining(*node, *draining),
            CatalogCommand::Set(settings) => self.set(settings),
            CatalogCommand::Prepare { predecessors, successors } => {
                self.prepare(stamp, predecessors, successors)
            }
            CatalogCommand::Sealed { shard } => self.sealed(*shard),
            CatalogCommand::Opened { shard } => self.opened(*shard),
            CatalogCommand::Closed { shard, closed } => self.closed(*shard, closed),
        };
        applied.unwrap_or_else(CatalogReply::Refused)
    }

    fn found(
        &mut self,
        stamp: TimestampNs,
        cluster: ClusterId,
        address: &str,
        zone: &str,
        bits: u8,
    ) -> Applied {
        match self.cluster {
            Some(known) if known == cluster => return Ok(CatalogReply::Done),
            Some(known) => return Err(format!("the cluster was founded as {known}")),
            None if bits > HashRange::BITS_MAX => return Err(format!("{bits} bits are too many")),
            None => self.cluster = Some(cluster),
        }
        self.add_node(address, zone)?;
        let holders = [NodeId(self.next.node)];
        let window = self.new_window(bits, stamp);
        for range in HashRange::split_space(bits) {
            self.new_shard(window, range, &holders, stamp, Vec::new(), ShardState::Open);
        }
        Ok(CatalogReply::Done)
    }

    fn add_node(&mut self, address: &str, zone: &str) -> Applied {
        if let Some((id, _)) = self.nodes.iter().find(|(_, node)| node.address == address) {
            return Ok(CatalogReply::Node(*id));
        }
        self.next.node += 1;
        let id = NodeId(self.next.node);
        let node = Node { address: address.to_owned(), zone: zone.to_owned(), draining: false };
        self.nodes.insert(id, node);
        let replica = self.new_replica();
        self.replicas.insert(replica, id);
        Ok(CatalogReply::Node(id))
    }

    fn set_draining(&mut self, node: NodeId, draining: bool) -> Applied {
        let entry = self.nodes.get_mut(&node).ok_or_else(|| format!("there is no node {node}"))?;
        entry.draining = draining;
        Ok(CatalogReply::Done)
    }

    fn set(&mut self, settings: &Settings) -> Applied {
        if settings.bucket_bits.is_some_and(|bits| bits > HashRange::BITS_MAX) {
            return Err(format!("at most {} bucket bits", HashRange::BITS_MAX));
        }
        if settings.replicas == 0 {
            return Err("a shard has at least one replica".to_owned());
        }
        self.settings = settings.clone();
        Ok(CatalogReply::Done)
    }

    fn prepare(
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

    fn sealed(&mut self, id: ShardId) -> Applied {
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

    fn opened(&mut self, id: ShardId) -> Applied {
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

    fn closed(&mut self, id: ShardId, closed: &Closed) -> Applied {
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

    const fn new_replica(&mut self) -> ReplicaId {
        self.next.replica += 1;
        ReplicaId(self.next.replica)
    }

    fn new_window(&mut self, bits: u8, opened_at: TimestampNs) -> WindowId {
        self.next.window += 1;
        let id = WindowId(self.next.window);
        self.windows.insert(id, Window { bits, opened_at });
        id
    }

    fn new_shard(
        &mut self,
        window: WindowId,
        range: HashRange,
        nodes: &[NodeId],
        opened_at: TimestampNs,
        predecessors: Vec<ShardId>,
        state: ShardState,
    ) -> ShardId {
        self.next.shard += 1;
        let id = ShardId(self.next.shard);
        let replicas: BTreeMap<ReplicaId, NodeId> =
            nodes.iter().map(|node| (self.new_replica(), *node)).collect();
        let successors = Vec::new();
        let shard =
            ShardEntry { range, window, state, replicas, opened_at, predecessors, successors };
        self.shards.insert(id, shard);
        id
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
