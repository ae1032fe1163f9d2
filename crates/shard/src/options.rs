//! How a shard is kept, and why these sizes.

use crate::Classes;

/// Sizes a shard keeps to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardOptions {
    /// Encoded bytes in the tail at which it asks to be written out, and which are written out at
    /// once, about.
    pub flush_bytes: u64,
    /// Blocks in the tail at which it asks to be written out, however small they are: every
    /// search opens each of them.
    pub flush_blocks: usize,
    /// Decoded bytes that one segment is built from at most, unless one block alone has more.
    pub segment_raw_bytes_max: u64,
    /// zstd's level for segments written from a tail: they are merged before long.
    pub flush_zstd_level: i32,
    /// Memory for what is remembered of producers, in approximate bytes. It decides what apply
    /// answers: it must be the same on every replica, so it is no setting of one node.
    pub dedup_bytes_max: usize,
    /// For how long which rows are kept.
    pub classes: Classes,
    /// How segments are merged.
    pub merge: MergeOptions,
}

impl Default for ShardOptions {
    fn default() -> Self {
        Self {
            flush_bytes: 8 << 20,
            flush_blocks: 4096,
            segment_raw_bytes_max: 64 << 20,
            flush_zstd_level: 1,
            dedup_bytes_max: 32 << 20,
            classes: Classes::default(),
            merge: MergeOptions::default(),
        }
    }
}

/// How segments are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeOptions {
    /// So many segments of about one size become one, each of whose rows is then written once
    /// more: more of them write less and leave more segments to search.
    pub fan_in: usize,
    /// Segments up to this size, in bytes, are of the lowest tier; each tier above spans sizes
    /// `fan_in` times as large.
    pub lowest_tier_bytes: u64,
    /// About how large segments become, in bytes. Past half of it one rests until its shard is
    /// closed: merging it would write much to gain little.
    pub segment_bytes_max: u64,
    /// Decoded rows that a merge holds at once, in bytes.
    pub loaded_bytes_max: usize,
    /// zstd's level while the shard is open.
    pub zstd_level: i32,
    /// zstd's level for segments that are never merged again.
    pub final_zstd_level: i32,
}

impl Default for MergeOptions {
    fn default() -> Self {
        Self {
            fan_in: 8,
            lowest_tier_bytes: 256 << 10,
            segment_bytes_max: 256 << 20,
            loaded_bytes_max: 64 << 20,
            zstd_level: 6,
            final_zstd_level: 6,
        }
    }
}
