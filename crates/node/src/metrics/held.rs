//! What a node holds at the moment, and what other crates have counted.

use std::collections::BTreeMap;

use metrics::{counter, gauge};
use varve_consensus::{ComparisonStats, HostStats, RepairStats};

use super::names::{
    APPLY_LAG, COMPARISONS, COPIED_BYTES, COPIES, COPIES_WAITING, DAMAGED_COPIES, DIFFERENCES,
    DISK_FULL, FLUSH_MS, FLUSHES, FLUSHES_BORROWED, MERGE_READ_BYTES, MERGE_WRITTEN_BYTES, MERGES,
    MERGES_RUNNING, QUEUE_BATCHES, QUEUE_BYTES, ROWS, SCRUBBED_BYTES, SEARCHES, SEGMENT_BYTES,
    SEGMENTS, SEGMENTS_WAITING, SHARDS, SHARDS_LED, SNAPSHOTS, TAIL_BYTES, WAL_BYTES,
    WAL_WRITTEN_BYTES,
};

/// What is looked up when somebody asks for metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// Shards by state.
    pub shards: BTreeMap<String, u64>,
    /// Rows stored.
    pub rows: u64,
    /// Segments, tails, merges and flushes.
    pub shards_in_numbers: HostStats,
    /// Memory taken by requests.
    pub queue_bytes: u64,
    /// Batches that wait for their acknowledgement.
    pub queue_batches: u64,
    /// Shards that it leads.
    pub shards_led: u64,
    /// Copies that come, and damage that was found.
    pub repair: RepairStats,
    /// Comparisons of the replicas of open shards.
    pub comparisons: ComparisonStats,
    /// Searches that run.
    pub searches_running: u64,
    /// Searches that wait for a place.
    pub searches_waiting: u64,
    /// Files of the write-ahead log, in bytes.
    pub wal_bytes: u64,
    /// What was written to it since the start, in bytes.
    pub wal_written_bytes: u64,
    /// Appends are refused for want of room.
    pub disk_full: bool,
}

impl Held {
    /// Sets the gauges, and the counters that others keep.
    pub(crate) fn show(&self) {
        // A state that no shard is in any more must not keep its last number.
        for state in ["preparing", "open", "sealed", "closed"] {
            let count = self.shards.get(state).copied().unwrap_or(0);
            gauge!(SHARDS, "state" => state).set(as_gauge(count));
        }
        gauge!(SEARCHES, "state" => "running").set(as_gauge(self.searches_running));
        gauge!(SEARCHES, "state" => "waiting").set(as_gauge(self.searches_waiting));
        let HostStats { merges, flushes, .. } = self.shards_in_numbers;
        for (name, value) in [
            (ROWS, self.rows),
            (SEGMENTS, self.shards_in_numbers.segments),
            (SEGMENT_BYTES, self.shards_in_numbers.segment_bytes),
            (SEGMENTS_WAITING, merges.segments_waiting),
            (MERGES_RUNNING, merges.running),
            (TAIL_BYTES, self.shards_in_numbers.tail_bytes),
            (APPLY_LAG, self.shards_in_numbers.apply_lag),
            (QUEUE_BYTES, self.queue_bytes),
            (QUEUE_BATCHES, self.queue_batches),
            (WAL_BYTES, self.wal_bytes),
            (DISK_FULL, u64::from(self.disk_full)),
            (SHARDS_LED, self.shards_led),
            (COPIES_WAITING, self.repair.shards_waiting),
        ] {
            gauge!(name).set(as_gauge(value));
        }
        let flush_ms = u64::try_from(flushes.took.as_millis()).unwrap_or(u64::MAX);
        for (name, value) in [
            (FLUSH_MS, flush_ms),
            (FLUSHES_BORROWED, flushes.borrowed),
            (WAL_WRITTEN_BYTES, self.wal_written_bytes),
            (MERGE_READ_BYTES, merges.bytes_in),
            (MERGE_WRITTEN_BYTES, merges.bytes_out),
            (SNAPSHOTS, self.shards_in_numbers.snapshots),
            (COPIED_BYTES, self.repair.copied_bytes),
            (SCRUBBED_BYTES, self.repair.scrubbed_bytes),
            (DAMAGED_COPIES, self.repair.damaged),
            (COMPARISONS, self.comparisons.made),
            (DIFFERENCES, self.comparisons.differences),
        ] {
            counter!(name).absolute(value);
        }
        for (name, done, failed) in [
            (MERGES, merges.done, merges.failed),
            (FLUSHES, flushes.done, flushes.failed),
            (COPIES, self.repair.copied, self.repair.failed),
        ] {
            counter!(name, "outcome" => "done").absolute(done);
            counter!(name, "outcome" => "failed").absolute(failed);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are doubles")]
const fn as_gauge(value: u64) -> f64 {
    value as f64
}
