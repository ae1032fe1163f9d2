//! What a node holds at the moment, and what other crates have counted.

use std::collections::BTreeMap;

use metrics::{counter, gauge};

use super::names::{
    DISK_FULL, QUEUE_BATCHES, QUEUE_BYTES, ROWS, SEARCHES, SEGMENT_BYTES, SEGMENTS, SHARDS,
    TAIL_BYTES, WAL_BYTES, WAL_WRITTEN_BYTES,
};

/// What is looked up when somebody asks for metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// Shards by state.
    pub shards: BTreeMap<String, u64>,
    /// Rows stored.
    pub rows: u64,
    /// Bytes of segments and manifests.
    pub segment_bytes: u64,
    /// Bytes of blocks not yet written out.
    pub tail_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Memory taken by requests.
    pub queue_bytes: u64,
    /// Batches that wait for their acknowledgement.
    pub queue_batches: u64,
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
        for (name, value) in [
            (ROWS, self.rows),
            (SEGMENTS, self.segments),
            (SEGMENT_BYTES, self.segment_bytes),
            (TAIL_BYTES, self.tail_bytes),
            (QUEUE_BYTES, self.queue_bytes),
            (QUEUE_BATCHES, self.queue_batches),
            (WAL_BYTES, self.wal_bytes),
            (DISK_FULL, u64::from(self.disk_full)),
        ] {
            gauge!(name).set(as_gauge(value));
        }
        counter!(WAL_WRITTEN_BYTES).absolute(self.wal_written_bytes);
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are doubles")]
const fn as_gauge(value: u64) -> f64 {
    value as f64
}
