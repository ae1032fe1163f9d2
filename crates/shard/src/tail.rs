//! The newest rows of a shard: blocks as they came, undecoded, until they are written out.

use std::ops::Range;

use varve_columnar::{Block, FormatError};
use varve_types::{LogIndex, RowNumber, TimestampNs};

/// What a row takes beside its strings once decoded: times, codes, offsets, its sort key. Pages
/// pack most of that into bits.
const ROW_BYTES: u64 = 128;

/// A block in the tail.
#[derive(Debug)]
pub struct TailBlock {
    index: LogIndex,
    created_at: TimestampNs,
    block: Block,
    /// Rows of parts that were not stored: ascending, apart.
    dead: Vec<Range<u32>>,
    live_rows: u64,
    encoded_bytes: u64,
}

impl TailBlock {
    pub(crate) fn new(
        index: LogIndex,
        created_at: TimestampNs,
        block: Block,
        dead: Vec<Range<u32>>,
        encoded_bytes: u64,
    ) -> Self {
        let dead_rows: u64 = dead.iter().map(|rows| u64::from(rows.end - rows.start)).sum();
        let live_rows = block.table().rows() - dead_rows;
        Self { index, created_at, block, dead, live_rows, encoded_bytes }
    }

    /// Its place in the log.
    #[must_use]
    pub const fn index(&self) -> LogIndex {
        self.index
    }

    /// When it arrived, by its leader; never before the block before it.
    #[must_use]
    pub const fn created_at(&self) -> TimestampNs {
        self.created_at
    }

    /// The rows, dead ones among them.
    #[must_use]
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// The rows that do not count: duplicates and refused parts. Ascending, apart.
    #[must_use]
    pub fn dead(&self) -> &[Range<u32>] {
        &self.dead
    }

    /// The rows that count, ascending, apart.
    #[must_use]
    pub fn live(&self) -> Vec<Range<u32>> {
        let starts = [0].into_iter().chain(self.dead.iter().map(|rows| rows.end));
        let last = u32::try_from(self.block.table().rows()).unwrap_or(u32::MAX);
        let ends = self.dead.iter().map(|rows| rows.start).chain([last]);
        starts.zip(ends).map(|(start, end)| start..end).filter(|rows| !rows.is_empty()).collect()
    }

    /// Whether a row counts.
    #[must_use]
    pub fn is_live(&self, row: RowNumber) -> bool {
        let at = self.dead.partition_point(|rows| rows.end <= row.get());
        self.dead.get(at).is_none_or(|rows| row.get() < rows.start)
    }

    /// How many rows count.
    #[must_use]
    pub const fn live_rows(&self) -> u64 {
        self.live_rows
    }

    /// About the memory that its rows take once decoded, in bytes.
    ///
    /// # Errors
    ///
    /// The block is damaged.
    pub fn raw_bytes(&self) -> Result<u64, FormatError> {
        let table = self.block.table();
        Ok(table.raw_bytes()? + table.rows() * ROW_BYTES)
    }

    /// What it takes in memory, in bytes: its encoded length.
    #[must_use]
    pub const fn encoded_bytes(&self) -> u64 {
        self.encoded_bytes
    }
}
