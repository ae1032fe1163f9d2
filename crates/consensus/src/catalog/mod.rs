//! The catalog: which nodes, windows and shards there are, and who holds what.
//!
//! It is the state of the metadata group: the same on every node that applied the same index, and
//! small enough to be copied whole. It knows nothing of files, and of rows only what a shard
//! reported when it closed.

mod apply;
mod codec;
mod command;
mod feed;
mod starts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use varve_shard::EventSpans;
use varve_types::{
    ContentDigest, HashRange, LogIndex, NodeId, ReplicaId, ServiceHash, ShardId, TimestampNs,
    WindowId,
};

pub(crate) use apply::CatalogReply;
pub(crate) use command::{CatalogCommand, NodeCard, SuccessorPlan};
pub(crate) use feed::{CatalogFeed, CatalogNews, Change};
pub use starts::{Incarnation, Starts};

/// A cluster's identity, drawn when it is founded: nodes of two clusters never talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u128);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What the cluster has agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// `None` until the cluster is founded.
    pub cluster: Option<ClusterId>,
    /// The last applied entry of the metadata group.
    pub applied: Option<LogIndex>,
    /// What can be set for the whole cluster.
    pub settings: Settings,
    /// All nodes that are members.
    pub nodes: BTreeMap<NodeId, Node>,
    /// The replicas of the metadata group itself. Other nodes watch one of them.
    pub replicas: BTreeMap<ReplicaId, NodeId>,
    /// Those of them that the group does not count yet.
    pub coming: BTreeSet<ReplicaId>,
    /// Those of them that are on their way out.
    pub leaving: BTreeSet<ReplicaId>,
    /// All windows with a shard.
    pub windows: BTreeMap<WindowId, Window>,
    /// All shards.
    pub shards: BTreeMap<ShardId, ShardEntry>,
    pub(crate) next: NextIds,
}

/// Settings of the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a window lasts, in nanoseconds of arrival time.
    pub window_age_ns: u64,
    /// How many bytes of blocks a shard takes before its window ends early.
    pub window_bytes: u64,
    /// How many replicas a shard has, where there are that many nodes.
    pub replicas: u32,
    /// The bits of new windows' ranges; `None` lets the number of nodes decide.
    pub bucket_bits: Option<u8>,
    /// How long a node must be gone before what it held is replaced, in nanoseconds.
    pub node_lost_after_ns: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window_age_ns: 6 * 3600 * 1_000_000_000,
            window_bytes: 4 << 30,
            replicas: 3,
            bucket_bits: None,
            node_lost_after_ns: 300 * 1_000_000_000,
        }
    }
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where its peers reach it, as `host:port`; empty once another disk serves there.
    pub address: String,
    /// What fails together with it; empty when nobody said.
    pub zone: String,
    /// Which software it ran when it last said so.
    pub version: String,
    /// The number that its disk drew before it joined: asking again is not another node.
    pub disk: DiskId,
    /// Its last start that the cluster was told of.
    pub incarnation: Incarnation,
    /// Whether it is being emptied.
    pub draining: bool,
    /// Whether it has been gone for so long that what it held is replaced.
    pub lost: bool,
}

/// A number that a disk draws once, before it belongs to a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskId(pub u128);

/// A span of arrival time in which the same shards take the writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its buckets are all ranges of this many bits.
    pub bits: u8,
    /// When its first shard was prepared.
    pub opened_at: TimestampNs,
}

/// One bucket in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardEntry {
    /// The hashes it takes.
    pub range: HashRange,
    /// In which window.
    pub window: WindowId,
    /// Where it is in its life.
    pub state: ShardState,
    /// Who holds it, or is to hold it.
    pub replicas: BTreeMap<ReplicaId, NodeId>,
    /// Those of them that the group does not count yet: they are still to get what it holds.
    pub coming: BTreeSet<ReplicaId>,
    /// Those of them that are on their way out: they stay until the others suffice.
    pub leaving: BTreeSet<ReplicaId>,
    /// When it was prepared.
    pub opened_at: TimestampNs,
    /// The shards that took its hashes before; empty for the first ones.
    pub predecessors: Vec<ShardId>,
    /// The shards that take its hashes after it; empty until they are prepared.
    pub successors: Vec<ShardId>,
}

/// A shard's life: each state is entered once, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShardState {
    /// It elects a leader and refuses writes until it has inherited from its predecessors.
    Preparing,
    /// It takes writes.
    Open,
    /// It takes no more writes; its replicas write out what they hold.
    Sealed,
    /// It is immutable and its group is gone.
    Closed(Closed),
}

/// What a quorum of replicas reported alike when their shard closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The nodes that hold all of it: at least one.
    pub holders: BTreeSet<NodeId>,
    /// Live rows.
    pub rows: u64,
    /// The digest of those rows.
    pub digest: ContentDigest,
    /// When its events happened.
    pub events: EventSpans,
    /// Its final files, once one holder has made them.
    pub finished: Option<Finished>,
}

/// The final files of a closed shard: made once, by one node, and copied by the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// What they are.
    pub files: FilesDigest,
    /// The nodes that hold exactly them: at least one.
    pub holders: BTreeSet<NodeId>,
}

/// A digest of a shard's segments as files: equal means equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilesDigest(pub u128);

impl fmt::Display for FilesDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The numbers to allot next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NextIds {
    pub(crate) node: u64,
    pub(crate) replica: u64,
    pub(crate) window: u64,
    pub(crate) shard: u64,
}

impl Catalog {
    /// The shards that are open, in order.
    pub fn open_shards(&self) -> impl Iterator<Item = (ShardId, &ShardEntry)> {
        self.shards
            .iter()
            .filter(|(_, shard)| shard.state == ShardState::Open)
            .map(|(id, s)| (*id, s))
    }

    /// Where writes go, as far as this catalog knows: ranges that cover all hashes once, each
    /// with its shard. Where a shard is sealed and its successor not open yet, it is the
    /// successor: it takes the write as soon as it has inherited.
    #[must_use]
    pub fn write_targets(&self) -> Vec<(HashRange, ShardId)> {
        let open: Vec<HashRange> = self.open_shards().map(|(_, shard)| shard.range).collect();
        let mut targets = Vec::new();
        for (id, shard) in &self.shards {
            match shard.state {
                ShardState::Open => targets.push((shard.range, *id)),
                ShardState::Preparing => {
                    targets
                        .extend(shard.range.without(&open).into_iter().map(|range| (range, *id)));
                }
                ShardState::Sealed | ShardState::Closed(_) => {}
            }
        }
        targets.sort_unstable();
        targets
    }

    /// The shard that takes the writes of a hash, as far as this catalog knows.
    #[must_use]
    pub fn shard_for(&self, hash: ServiceHash) -> Option<ShardId> {
        let targets = self.write_targets();
        targets.into_iter().find(|(range, _)| range.contains(hash)).map(|(_, shard)| shard)
    }
}

impl Node {
    /// Whether it may be given something new to hold.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        !self.draining && !self.lost
    }
}

impl ShardEntry {
    /// The replica on a node, if it has one there.
    #[must_use]
    pub fn replica_on(&self, node: NodeId) -> Option<ReplicaId> {
        replica_on(&self.replicas, node)
    }

    /// The replicas that are to stay.
    pub fn staying(&self) -> impl Iterator<Item = (ReplicaId, NodeId)> {
        staying(&self.replicas, &self.leaving)
    }
}

/// Those of a group's replicas that are to stay.
pub(crate) fn staying(
    replicas: &BTreeMap<ReplicaId, NodeId>,
    leaving: &BTreeSet<ReplicaId>,
) -> impl Iterator<Item = (ReplicaId, NodeId)> {
    let stays = |(replica, _): &(&ReplicaId, &NodeId)| !leaving.contains(*replica);
    replicas.iter().filter(stays).map(|(replica, node)| (*replica, *node))
}

/// The replica among `replicas` that lives on a node.
pub(crate) fn replica_on(
    replicas: &BTreeMap<ReplicaId, NodeId>,
    node: NodeId,
) -> Option<ReplicaId> {
    replicas.iter().find(|(_, holder)| **holder == node).map(|(replica, _)| *replica)
}

impl fmt::Display for ShardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preparing => "preparing",
            Self::Open => "open",
            Self::Sealed => "sealed",
            Self::Closed(_) => "closed",
        })
    }
}
