//! What a search reads: one table and where its rows come from.

use std::ops::Range;

use varve_columnar::{Segment, Table};
use varve_types::{LogIndex, ShardId, TimeRange, TimestampNs};

/// A tail block or a segment of one shard, as the owner of files shows it to a search.
///
/// The rows of all chunks given to one search are distinct records. A chunk does not change while
/// a search holds it.
pub trait Chunk: Send + Sync {
    /// The columns.
    fn table(&self) -> &Table;

    /// The segment whose table this is, which may have indexes; `None` for a block.
    fn segment(&self) -> Option<&Segment>;

    /// Whether a row may have its timestamp in the range, by what is known beside the table's
    /// footer.
    fn may_have_time(&self, time: &TimeRange) -> bool;

    /// The shard whose log the rows came through.
    fn shard(&self) -> ShardId;

    /// How to name the rows.
    fn origin(&self) -> Origin;

    /// Positions in the table that are no records (repeats of a batch already stored): ascending
    /// and disjoint. They are neither found nor counted.
    fn dead(&self) -> &[Range<u32>];
}

/// Where the rows of a chunk got their names from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One entry of the log: a row's number is its position in the table.
    Block {
        /// The entry.
        index: LogIndex,
        /// The leader's stamp in the entry.
        created_at: TimestampNs,
    },
    /// Many entries, merged: the table's own columns hold each row's index, number and stamp.
    Segment,
}
