//! Gathers the blocks and segments that are merged, and says how.

use std::collections::HashSet;
use std::io;
use std::ops::Range;

use varve_types::{ContentDigest, LogIndex, TimestampNs, limits};

use crate::block::Block;
use crate::column_id::ColumnId;
use crate::error::FormatError;
use crate::segment::Segment;
use crate::segment::hours::EventHours;
use crate::segment::input::{Input, Place};
use crate::segment::writer::{SegmentWriter, Step};

/// How a segment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentOptions {
    /// zstd's level, 1 to 22. From 6 on encodings are sought thoroughly too, which matters more
    /// than the level and takes about as long.
    pub zstd_level: i32,
    /// How many bytes of decoded inputs are held at once, about: past it rows are written before
    /// their turn, and searches of the newest rows read more.
    pub loaded_bytes_max: usize,
    /// A segment is finished and another begun once it has so many stored bytes.
    pub segment_bytes_max: u64,
    /// Whether another segment is begun where the day of the rows changes, days being large.
    pub separate_days: bool,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self {
            zstd_level: 3,
            loaded_bytes_max: 64 << 20,
            segment_bytes_max: 256 << 20,
            separate_days: false,
        }
    }
}

/// What a finished segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSummary {
    /// How many rows.
    pub rows: u64,
    /// The digest of the rows in their places: the sum of the inputs' live digests.
    pub digest: ContentDigest,
    /// The earliest and the latest timestamp, or `None` of a segment without rows.
    pub times: Option<(TimestampNs, TimestampNs)>,
    /// Rows per hour of event time.
    pub hours: EventHours,
    /// How many bytes were written.
    pub bytes: u64,
    /// How many columns the segment has, fixed ones included.
    pub columns: usize,
}

/// Why a segment was not made.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// An input could not be read.
    #[error("merging into a segment: {0}")]
    Input(#[from] FormatError),
    /// What was written could not be passed on.
    #[error("writing a segment failed: {0}")]
    Sink(#[source] io::Error),
    /// The input was not added: finish this segment and begin another.
    #[error("the segment would have {columns} attribute columns; at most {max} fit: finish it and begin another", max = limits::COLUMNS_PER_SEGMENT_MAX)]
    TooManyColumns {
        /// How many it would have.
        columns: usize,
    },
    /// The directory of pages is beyond what readers accept: merge fewer inputs.
    #[error(
        "the segment's directory of pages would be too long for readers: merge fewer inputs at once"
    )]
    DirectoryTooLong,
    /// The input was not added.
    #[error(
        "live rows {start}..{end} are outside the block's {rows} rows, or before the range before them"
    )]
    LiveRange {
        /// The range's first row.
        start: u32,
        /// The row after its last.
        end: u32,
        /// How many rows the block has.
        rows: u64,
    },
}

/// A merge being prepared: inputs are read only once it is begun.
#[derive(Default)]
pub struct SegmentBuilder {
    options: SegmentOptions,
    inputs: Vec<Input>,
    /// Attribute columns of all inputs. Asked for membership, never iterated.
    columns: HashSet<ColumnId>,
}

impl SegmentBuilder {
    /// A merge of nothing yet.
    #[must_use]
    pub fn new(options: SegmentOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// How many rows were added.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.inputs.iter().map(Input::live_rows).sum()
    }

    /// How many attribute columns the inputs have, those of dead rows included.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Adds the live rows of a block: ascending ranges that do not overlap. `index` is that of its
    /// log entry, `created_at` the leader's stamp.
    ///
    /// # Errors
    ///
    /// [`SegmentError::TooManyColumns`] or [`SegmentError::LiveRange`]; nothing is then added.
    pub fn add_block(
        &mut self,
        block: &Block,
        index: LogIndex,
        created_at: TimestampNs,
        live: &[Range<u32>],
    ) -> Result<(), SegmentError> {
        let rows = block.table().rows();
        let mut free = 0;
        for &Range { start, end } in live {
            if start < free || end < start || u64::from(end) > rows {
                return Err(SegmentError::LiveRange { start, end, rows });
            }
            free = end;
        }
        let place = Place::Entry { index, created_at, live: live.to_vec() };
        self.add(Input { table: block.table().clone(), place })
    }

    /// Adds all rows of a segment.
    ///
    /// # Errors
    ///
    /// [`SegmentError::TooManyColumns`]; nothing is then added.
    pub fn add_segment(&mut self, segment: &Segment) -> Result<(), SegmentError> {
        self.add(Input { table: segment.table().clone(), place: Place::Columns })
    }

    fn add(&mut self, input: Input) -> Result<(), SegmentError> {
        let new: Vec<ColumnId> = (input.table.columns().iter())
            .filter(|id| matches!(id, ColumnId::Attribute { .. }) && !self.columns.contains(id))
            .cloned()
            .collect();
        let columns = self.columns.len() + new.len();
        if columns > limits::COLUMNS_PER_SEGMENT_MAX {
            return Err(SegmentError::TooManyColumns { columns });
        }
        self.columns.extend(new);
        self.inputs.push(input);
        Ok(())
    }

    /// Begins the merge. Inputs are read by its steps, each row group once, and a decoded group
    /// is held until its last row was written. Inputs whose times overlap little therefore need
    /// little memory.
    #[must_use]
    pub fn begin(self) -> SegmentWriter {
        SegmentWriter::new(self.inputs, self.options)
    }

    /// Merges the inputs into one segment however large it becomes, passing its bytes to `sink`
    /// piece by piece, front to back.
    ///
    /// # Errors
    ///
    /// When an input is damaged or the sink fails; what was passed on is then of no use.
    pub fn finish(
        mut self,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<SegmentSummary, SegmentError> {
        self.options.segment_bytes_max = u64::MAX;
        self.options.separate_days = false;
        let mut writer = self.begin();
        loop {
            if let Step::Finished(summary) = writer.step(sink)? {
                return Ok(summary);
            }
        }
    }
}
