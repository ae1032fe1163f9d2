//! Applying a command: deterministic, and changing nothing when it does not find what it expects.

mod closed;
mod nodes;
mod replicas;
mod rollover;

use std::collections::{BTreeMap, BTreeSet};

use varve_placement::BUCKET_BITS_MAX;
use varve_types::{HashRange, LogIndex, NodeId, ReplicaId, ShardId, TimestampNs, WindowId};

use super::{
    Catalog, CatalogCommand, ClusterId, NodeCard, Settings, ShardEntry, ShardState, Window,
};

/// What applying a command answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CatalogReply {
    /// It is so now, by this command or by an earlier one like it.
    Done,
    /// The node that a disk belongs to.
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
            CatalogCommand::Found { cluster, node, bits } => {
                self.found(stamp, *cluster, node, *bits)
            }
            CatalogCommand::AddNode { node, instead_of } => self.add_node(node, *instead_of),
            CatalogCommand::Announce { id, node, starts } => self.announce(*id, node, *starts),
            CatalogCommand::SetDraining { node, draining } => self.set_draining(*node, *draining),
            CatalogCommand::SetLost { node, lost } => self.set_lost(*node, *lost),
            CatalogCommand::RemoveNode { node } => self.remove_node(*node),
            CatalogCommand::Set(settings) => self.set(settings),
            CatalogCommand::Prepare { predecessors, successors } => {
                self.prepare(stamp, predecessors, successors)
            }
            CatalogCommand::Sealed { shard } => self.sealed(*shard),
            CatalogCommand::Opened { shard } => self.opened(*shard),
            CatalogCommand::Closed { shard, closed } => self.closed(*shard, closed),
            CatalogCommand::AddReplica { group, node } => self.add_replica(*group, *node),
            CatalogCommand::Joined { group, replica } => self.joined(*group, *replica),
            CatalogCommand::RetireReplica { group, replica } => {
                self.retire_replica(*group, *replica)
            }
            CatalogCommand::RemoveReplica { group, replica } => {
                self.remove_replica(*group, *replica)
            }
            CatalogCommand::Held { shard, node, files } => self.held(*shard, *node, *files),
            CatalogCommand::Dropped { shard, node } => self.dropped(*shard, *node),
            CatalogCommand::Finished { shard, node, files } => self.finished(*shard, *node, *files),
        };
        applied.unwrap_or_else(CatalogReply::Refused)
    }

    fn found(
        &mut self,
        stamp: TimestampNs,
        cluster: ClusterId,
        node: &NodeCard,
        bits: u8,
    ) -> Applied {
        match self.cluster {
            Some(known) if known == cluster => return Ok(CatalogReply::Done),
            Some(known) => return Err(format!("the cluster was founded as {known}")),
            None if bits > BUCKET_BITS_MAX => return Err(format!("{bits} bits are too many")),
            None => self.cluster = Some(cluster),
        }
        self.add_node(node, None)?;
        let founder = NodeId(self.next.node);
        let replica = self.new_replica();
        self.replicas.insert(replica, founder);
        let window = self.new_window(bits, stamp);
        for range in HashRange::split_space(bits) {
            self.new_shard(window, range, &[founder], stamp, Vec::new(), ShardState::Open);
        }
        Ok(CatalogReply::Done)
    }

    fn set(&mut self, settings: &Settings) -> Applied {
        if settings.bucket_bits.is_some_and(|bits| bits > BUCKET_BITS_MAX) {
            return Err(format!("at most {BUCKET_BITS_MAX} bucket bits"));
        }
        if settings.replicas == 0 {
            return Err("a shard has at least one replica".to_owned());
        }
        self.settings = settings.clone();
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
        let shard = ShardEntry {
            range,
            window,
            state,
            replicas,
            coming: BTreeSet::new(),
            leaving: BTreeSet::new(),
            opened_at,
            predecessors,
            successors: Vec::new(),
        };
        self.shards.insert(id, shard);
        id
    }
}
