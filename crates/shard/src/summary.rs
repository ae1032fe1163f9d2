//! A shard in numbers.

use varve_types::{ContentDigest, LogIndex, TimestampNs};

use crate::{EventSpans, Phase};

/// What a shard holds on this replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardSummary {
    /// The last entry applied.
    pub applied: Option<LogIndex>,
    /// The phase as of then.
    pub phase: Phase,
    /// Rows stored as of then; equal on all replicas.
    pub rows: u64,
    /// Their digest; equal on all replicas.
    pub digest: ContentDigest,
    /// The earliest and the latest event, of dead rows in the tail too.
    pub times: Option<(TimestampNs, TimestampNs)>,
    /// Segments.
    pub segments: usize,
    /// Their bytes on disk.
    pub segment_bytes: u64,
    /// Blocks in the tail.
    pub tail_blocks: usize,
    /// Their encoded bytes.
    pub tail_bytes: u64,
    /// Producers remembered.
    pub producers: usize,
    /// About the memory that this takes, in bytes.
    pub dedup_bytes: usize,
}

/// What a sealed shard holds, once all of it is written out on this replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedSummary {
    /// Rows; equal on all replicas.
    pub rows: u64,
    /// Their digest; equal on all replicas.
    pub digest: ContentDigest,
    /// When they happened; equal on all replicas.
    pub hours: EventSpans,
    /// Bytes on this replica's disk: its segments may be cut in other places than those of others.
    pub bytes: u64,
}
