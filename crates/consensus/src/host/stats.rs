//! A node's shards in numbers, for metrics.

use super::Host;
use super::local::Local;
use crate::upkeep::{FlushStats, MergeStats};

/// What a node's shards did since its start, and how they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostStats {
    /// Merges of segments.
    pub merges: MergeStats,
    /// Tails written out.
    pub flushes: FlushStats,
    /// Snapshots that replicas took over from their leaders, because those had purged what came
    /// before.
    pub snapshots: u64,
    /// Encoded bytes of blocks in memory, of all shards.
    pub tail_bytes: u64,
    /// Entries that are committed and not applied here yet: of the shard where it is most.
    pub apply_lag: u64,
    /// Segments of all shards.
    pub segments: u64,
    /// Their bytes on disk.
    pub segment_bytes: u64,
}

impl Host {
    /// The node's shards in numbers. It costs a look at each of them.
    #[must_use]
    pub fn stats(&self) -> HostStats {
        let inner = self.inner();
        let locals: Vec<Local> = super::lock(&inner.shards).values().cloned().collect();
        let mut stats = HostStats {
            flushes: inner.upkeep.flushes.stats(),
            snapshots: inner.upkeep.repairs.snapshots(),
            tail_bytes: inner.upkeep.tails.held(),
            ..HostStats::default()
        };
        let mut waiting = 0;
        for local in &locals {
            let (home, closed) = match local {
                Local::Running(replica) => {
                    stats.apply_lag = stats.apply_lag.max(replica.group.apply_lag());
                    (&replica.home, false)
                }
                Local::Closed(home) => (home, true),
                Local::Refused(_) => continue,
            };
            let shard = home.shard();
            waiting += shard.merges_waiting(closed) as u64;
            if let Some(manifest) = shard.manifest() {
                stats.segments += manifest.segments.len() as u64;
                stats.segment_bytes += manifest.segments.iter().map(|s| s.bytes).sum::<u64>();
            }
        }
        stats.merges = inner.upkeep.merges.stats(waiting);
        stats
    }
}
