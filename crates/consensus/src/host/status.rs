//! What a node says of its shards.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use varve_shard::Manifest;
use varve_types::{ContentDigest, HashRange, LogIndex, NodeId, ShardId, WindowId};

use super::local::Local;
use super::{Host, Inner};
use crate::catalog::ShardEntry;
use crate::machine::ShardHome;

/// One shard, as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStatus {
    /// Which shard.
    pub shard: ShardId,
    /// Its state in the catalog: preparing, open, sealed or closed.
    pub state: String,
    /// The hashes it takes.
    pub range: HashRange,
    /// In which window.
    pub window: WindowId,
    /// Who holds it.
    pub nodes: Vec<NodeId>,
    /// Who leads it, as far as this node knows; `None` once it is closed.
    pub leader: Option<NodeId>,
    /// What this node holds of it; `None` when it holds nothing.
    pub here: Option<ReplicaStatus>,
    /// Why it is not served here, when it should be.
    pub problem: Option<String>,
}

/// A shard's copy on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Rows stored; equal on all replicas that applied the same index.
    pub rows: u64,
    /// Their digest; likewise.
    pub digest: ContentDigest,
    /// The last entry applied.
    pub applied: Option<LogIndex>,
    /// Segments.
    pub segments: usize,
    /// Their bytes on disk.
    pub disk_bytes: u64,
    /// Encoded bytes of blocks not written out yet.
    pub tail_bytes: u64,
    /// Segments that are to be merged: once the shard is closed, all that are not merged for
    /// good.
    pub unmerged_segments: usize,
    /// Whether some are being merged now.
    pub merging: bool,
    /// Why the last merge failed, when it did.
    pub merge_problem: Option<String>,
}

impl Host {
    /// All shards of the catalog, in order.
    #[must_use]
    pub fn status(&self) -> Vec<ShardStatus> {
        let catalog = self.catalog();
        catalog.shards.iter().map(|(id, entry)| self.inner().shard_status(*id, entry)).collect()
    }
}

impl Host {
    /// Whether blocks are refused for want of room on the disk.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.inner().is_disk_full()
    }

    /// What the manifests of the shards on this node say. A shard without one is left out.
    #[must_use]
    pub fn manifests(&self) -> Vec<(ShardId, Arc<Manifest>)> {
        let catalog = self.catalog();
        let manifest = |shard: &ShardId| {
            let home = match self.inner().local(*shard)? {
                Local::Running(replica) => Arc::clone(&replica.home),
                Local::Closed(home) => home,
                Local::Refused(_) => return None,
            };
            let manifest = home.shard().manifest().cloned()?;
            Some((*shard, manifest))
        };
        catalog.shards.keys().filter_map(manifest).collect()
    }
}

impl Inner {
    pub(super) fn is_disk_full(&self) -> bool {
        self.wal.is_full() || self.disk_is_low.load(Ordering::Relaxed)
    }

    fn shard_status(&self, shard: ShardId, entry: &ShardEntry) -> ShardStatus {
        let (leader, here, problem) = match self.local(shard) {
            Some(Local::Running(replica)) => (
                replica.group.leader(),
                Some(self.status_of(&replica.home, false)),
                replica.group.stopped().or_else(|| replica.damage().map(ToString::to_string)),
            ),
            Some(Local::Closed(home)) => (None, Some(self.status_of(&home, true)), None),
            Some(Local::Refused(error)) => (None, None, Some(error.to_string())),
            None => (None, None, None),
        };
        ShardStatus {
            shard,
            state: entry.state.to_string(),
            range: entry.range,
            window: entry.window,
            nodes: entry.replicas.values().copied().collect(),
            leader,
            here,
            problem,
        }
    }

    fn status_of(&self, home: &ShardHome, closed: bool) -> ReplicaStatus {
        let shard = home.shard();
        let summary = shard.summary();
        let merges = &self.upkeep.merges;
        ReplicaStatus {
            unmerged_segments: shard.merges_waiting(closed),
            merging: merges.current() == Some(shard.shard()),
            merge_problem: merges.problem(shard.shard()),
            rows: summary.rows,
            digest: summary.digest,
            applied: summary.applied,
            segments: summary.segments,
            disk_bytes: summary.segment_bytes,
            tail_bytes: summary.tail_bytes,
        }
    }
}
