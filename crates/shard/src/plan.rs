//! Where a tail is cut into segments, and how one is built.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use varve_columnar::{ColumnId, SegmentBuilder};
use varve_types::{ContentDigest, TimestampNs, limits};

use crate::segment::SegmentError;
use crate::{ShardOptions, TailBlock};

/// Divides a tail into runs of consecutive blocks, each of which makes one segment: few enough
/// decoded bytes to hold in memory, and no more columns than one footer may list. A block is
/// never divided.
pub(crate) fn cut<'a>(
    tail: &'a [Arc<TailBlock>],
    options: &ShardOptions,
) -> Vec<&'a [Arc<TailBlock>]> {
    let mut runs = Vec::new();
    let mut first = 0;
    let mut raw_bytes = 0u64;
    let mut columns: BTreeSet<&ColumnId> = BTreeSet::new();
    for (at, block) in tail.iter().enumerate() {
        let more = block.block().table().columns();
        let fresh = more.iter().filter(|column| !columns.contains(column)).count();
        let too_wide = columns.len() + fresh > limits::COLUMNS_PER_SEGMENT_MAX - SEGMENT_COLUMNS;
        let too_long = raw_bytes + block.raw_bytes() > options.segment_raw_bytes_max;
        if at > first && (too_wide || too_long) {
            runs.push(&tail[first..at]);
            first = at;
            raw_bytes = 0;
            columns.clear();
        }
        raw_bytes += block.raw_bytes();
        columns.extend(more);
    }
    if first < tail.len() {
        runs.push(&tail[first..]);
    }
    runs
}

/// Columns that a segment has and a block has not: index, row, stamp.
const SEGMENT_COLUMNS: usize = 3;

/// What came of building a segment.
pub(crate) struct Built {
    pub(crate) rows: u64,
    pub(crate) digest: ContentDigest,
    pub(crate) min_time: TimestampNs,
    pub(crate) max_time: TimestampNs,
}

/// Builds one segment from the live rows of blocks and gives its bytes to `sink`.
pub(crate) fn build(
    name: &str,
    blocks: &[Arc<TailBlock>],
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<Built, SegmentError> {
    let mut builder = SegmentBuilder::new(name);
    for block in blocks {
        builder.add_block(block.block(), block.index(), block.created_at(), &block.live())?;
    }
    let summary = builder.finish(sink)?;
    Ok(Built { rows: summary.rows, digest: summary.digest, min_time: summary.min_time, max_time: summary.max_time })
}
