//! How a shard is kept, and why these sizes.

use crate::{Classes, Volume};

/// So many shards may each gather a piece of full size.
const WHOLE_PIECES_BITS: u8 = 2;
/// Smaller pieces would make more of files than of rows.
const FLUSH_BYTES_MIN: u64 = 256 << 10;

/// Sizes a shard keeps to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardOptions {
    /// Encoded bytes of blocks that are written out at once, about: as soon as there are so many.
    pub flush_bytes: u64,
    /// Blocks that are written out at once, at most, however small they are: every search opens
    /// each of them while they are in the tail.
    pub flush_blocks: u64,
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

impl ShardOptions {
    /// The same for a shard that takes one of `2^bits` parts of what is written: the more there are
    /// at a time the smaller their pieces, so that tails take up to four whole pieces together.
    #[must_use]
    pub fn for_part(mut self, bits: u8) -> Self {
        let halvings = u32::from(bits.saturating_sub(WHOLE_PIECES_BITS));
        let smaller = self.flush_bytes.checked_shr(halvings).unwrap_or(0);
        self.flush_bytes = smaller.max(FLUSH_BYTES_MIN).min(self.flush_bytes);
        self
    }

    /// Into how many pieces blocks of this volume were cut, counted by blocks and by bytes.
    pub(crate) fn pieces(&self, volume: Volume) -> (u64, u64) {
        (volume.bytes / self.flush_bytes.max(1), volume.blocks / self.flush_blocks.max(1))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_shards_at_a_time_write_smaller_pieces() {
        let pieces = |bits| ShardOptions::default().for_part(bits).flush_bytes >> 10;
        assert_eq!([0, 2, 3, 6, 7, 8, 200].map(pieces), [8192, 8192, 4096, 512, 256, 256, 256]);
        let small = ShardOptions { flush_bytes: 4_000, ..ShardOptions::default() };
        assert_eq!(small.for_part(9).flush_bytes, 4_000);
    }
}
