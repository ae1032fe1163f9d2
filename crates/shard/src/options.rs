//! How a shard is kept, and why these sizes.

/// Sizes a shard keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardOptions {
    /// Encoded bytes in the tail at which it asks to be written out.
    pub flush_bytes: u64,
    /// Blocks in the tail at which it asks to be written out, however small they are: every
    /// search opens each of them.
    pub flush_blocks: usize,
    /// Decoded bytes that one segment is built from at most, unless one block alone has more:
    /// building holds them in memory.
    pub segment_raw_bytes_max: u64,
    /// Memory for what is remembered of producers, in approximate bytes. It decides what apply
    /// answers: it must be the same on every replica, so it is no setting of one node.
    pub dedup_bytes_max: usize,
}

impl Default for ShardOptions {
    fn default() -> Self {
        Self {
            flush_bytes: 8 << 20,
            flush_blocks: 4096,
            segment_raw_bytes_max: 64 << 20,
            dedup_bytes_max: 32 << 20,
        }
    }
}
