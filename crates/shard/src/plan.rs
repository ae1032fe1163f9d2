//! Where a tail is cut into segments, and how one is built.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use varve_columnar::{ColumnId, SegmentBuilder, SegmentOptions, SegmentSummary};
use varve_types::limits;

use crate::segment::SegmentError;
use crate::{ShardOptions, TailBlock};

/// Divides a tail into runs of consecutive blocks, each of which makes one segment: few enough
/// decoded bytes to hold in memory, and no more columns than one footer may list. A block is
/// never divided.
pub(crate) fn cut<'a>(
    tail: &'a [Arc<TailBlock>],
    options: &ShardOptions,
) -> Result<Vec<&'a [Arc<TailBlock>]>, SegmentError> {
    let mut runs = Vec::new();
    let mut first = 0;
    let mut raw_bytes = 0u64;
    let mut columns: BTreeSet<&ColumnId> = BTreeSet::new();
    for (at, block) in tail.iter().enumerate() {
        let its_raw_bytes = block.raw_bytes()?;
        let its_columns = block.block().table().columns();
        let fresh = its_columns.iter().filter(|column| !columns.contains(column)).count();
        // Fixed columns count as well, which the builder does not mind: a few less.
        let too_wide = columns.len() + fresh > limits::COLUMNS_PER_SEGMENT_MAX;
        let too_long = raw_bytes + its_raw_bytes > options.segment_raw_bytes_max;
        if at > first && (too_wide || too_long) {
            runs.push(&tail[first..at]);
            first = at;
            raw_bytes = 0;
            columns.clear();
        }
        raw_bytes += its_raw_bytes;
        columns.extend(its_columns);
    }
    if first < tail.len() {
        runs.push(&tail[first..]);
    }
    Ok(runs)
}

/// Builds one segment from the live rows of blocks and gives its bytes to `sink`.
pub(crate) fn build(
    blocks: &[Arc<TailBlock>],
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<SegmentSummary, SegmentError> {
    let mut builder = SegmentBuilder::new(SegmentOptions::default());
    for block in blocks {
        builder.add_block(block.block(), block.index(), block.created_at(), &block.live())?;
    }
    Ok(builder.finish(sink)?)
}
