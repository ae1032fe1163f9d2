//! Where a tail is cut into segments.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use varve_columnar::ColumnId;
use varve_types::{LogIndex, RetentionClass, limits};

use crate::segment::SegmentError;
use crate::{ShardOptions, TailBlock};

/// The rows of a block that go to one segment.
pub(crate) struct Piece {
    pub(crate) block: Arc<TailBlock>,
    /// Ascending, apart.
    pub(crate) live: Vec<Range<u32>>,
}

/// What makes one segment: rows of one class.
pub(crate) struct Run {
    pub(crate) class: RetentionClass,
    /// In the order of the log, at least one.
    pub(crate) pieces: Vec<Piece>,
}

impl Run {
    /// The first and the last entry that it has rows of.
    pub(crate) fn indexes(&self) -> (LogIndex, LogIndex) {
        let (first, last) = (self.pieces.first(), self.pieces.last());
        first.zip(last).map_or_else(
            || unreachable!("BUG: a run without blocks"),
            |(first, last)| (first.block.index(), last.block.index()),
        )
    }
}

/// Divides a tail into runs, each of which makes one segment: rows of one class of consecutive
/// blocks, few enough decoded bytes, and no more columns than one footer may list. A block is
/// divided by class and not otherwise.
pub(crate) fn cut(
    tail: &[Arc<TailBlock>],
    options: &ShardOptions,
) -> Result<Vec<Run>, SegmentError> {
    let mut pieces: BTreeMap<RetentionClass, Vec<Piece>> = BTreeMap::new();
    for block in tail {
        for (class, live) in options.classes.divide(block)? {
            let block = Arc::clone(block);
            pieces.entry(class).or_default().push(Piece { block, live });
        }
    }
    let mut runs = Vec::new();
    for (class, pieces) in pieces {
        cut_class(class, pieces, options, &mut runs)?;
    }
    Ok(runs)
}

fn cut_class(
    class: RetentionClass,
    all: Vec<Piece>,
    options: &ShardOptions,
    runs: &mut Vec<Run>,
) -> Result<(), SegmentError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut raw_bytes = 0u64;
    let mut columns: BTreeSet<ColumnId> = BTreeSet::new();
    for piece in all {
        let its_raw_bytes = piece.block.raw_bytes()?;
        let its_columns = piece.block.block().table().columns();
        let fresh = its_columns.iter().filter(|column| !columns.contains(column)).count();
        // Fixed columns count as well, which the builder does not mind: a few less.
        let too_wide = columns.len() + fresh > limits::COLUMNS_PER_SEGMENT_MAX;
        let too_long = raw_bytes + its_raw_bytes > options.segment_raw_bytes_max;
        if !pieces.is_empty() && (too_wide || too_long) {
            runs.push(Run { class, pieces: std::mem::take(&mut pieces) });
            raw_bytes = 0;
            columns.clear();
        }
        raw_bytes += its_raw_bytes;
        columns.extend(its_columns.iter().cloned());
        pieces.push(piece);
    }
    if !pieces.is_empty() {
        runs.push(Run { class, pieces });
    }
    Ok(())
}
