//! Merges blocks and segments into a segment.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::ops::Range;

use varve_types::{ContentDigest, LogIndex, RowNumber, TimestampNs, limits};

use crate::block::Block;
use crate::cells::GroupCells;
use crate::column_id::ColumnId;
use crate::encoding::compression::ZstdLevel;
use crate::error::FormatError;
use crate::segment::gather::{Loaded, LoadedGroups, gather};
use crate::segment::hours::{self, EventHours};
use crate::segment::input::{Input, Place, RowKey};
use crate::segment::{HOURS_SECTION, Segment};
use crate::table::TableKind;
use crate::table::bounds::{GROUP_BYTES, GROUP_MESSAGE_BYTES, GROUP_ROWS_MAX};
use crate::table::writer::TableWriter;

/// How a segment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentOptions {
    /// zstd's level, 1 to 22: segments are read far more often than written.
    pub zstd_level: i32,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self { zstd_level: 3 }
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

/// A merge being prepared: inputs are read only by [`SegmentBuilder::finish`], one row group at a
/// time, each once; a decoded group is held until its last row was written. Inputs whose times
/// overlap little therefore need little memory.
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

    /// Merges the inputs, passing the segment's bytes to `sink` piece by piece, front to back.
    ///
    /// # Errors
    ///
    /// When an input is damaged or the sink fails; what was passed on is then of no use.
    pub fn finish(
        self,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<SegmentSummary, SegmentError> {
        let mut keys = Vec::with_capacity(self.rows() as usize);
        for (number, input) in self.inputs.iter().enumerate() {
            input.keys(number as u32, &mut keys)?;
        }
        keys.sort_unstable();
        let mut left: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for key in &keys {
            *left.entry((key.input, key.group)).or_default() += 1;
        }
        let mut merge = Merge {
            inputs: &self.inputs,
            left,
            loaded: LoadedGroups::new(),
            group: GroupCells::new(),
            writer: TableWriter::new(TableKind::Segment, ZstdLevel(self.options.zstd_level)),
            digest: ContentDigest::EMPTY,
            hours: EventHours::new(),
        };
        let mut rest = &keys[..];
        while !rest.is_empty() {
            let (group, after) = rest.split_at(merge.cut(rest)?);
            merge.write(group);
            sink(&merge.writer.take()).map_err(SegmentError::Sink)?;
            rest = after;
        }
        merge.finish(sink)
    }
}

/// A merge under way.
struct Merge<'a> {
    inputs: &'a [Input],
    /// Live rows per (input, group) that is not loaded yet.
    left: BTreeMap<(u32, u32), u32>,
    loaded: LoadedGroups,
    group: GroupCells,
    writer: TableWriter,
    digest: ContentDigest,
    hours: EventHours,
}

impl Merge<'_> {
    /// How many of the next rows make a group, at least 1; loads what they lie in.
    fn cut(&mut self, keys: &[RowKey]) -> Result<usize, FormatError> {
        let (mut message_bytes, mut bytes) = (0, 0);
        for (count, key) in keys.iter().take(GROUP_ROWS_MAX as usize).enumerate() {
            let place = (key.input, key.group);
            if let Some(left) = self.left.remove(&place) {
                let input = &self.inputs[key.input as usize];
                self.loaded.insert(place, Loaded::load(input, key.group as usize, left)?);
            }
            let (message, all) = self.loaded[&place].sizes(key.row);
            message_bytes += message;
            bytes += all;
            if count > 0 && (message_bytes > GROUP_MESSAGE_BYTES || bytes > GROUP_BYTES) {
                return Ok(count);
            }
        }
        Ok(keys.len().min(GROUP_ROWS_MAX as usize))
    }

    fn write(&mut self, keys: &[RowKey]) {
        gather(&mut self.group, keys, self.inputs, &self.loaded);
        let digests = self.writer.write_group(&mut self.group);
        for (key, cells) in keys.iter().zip(digests) {
            let row = ContentDigest::of_row(cells, RowNumber(key.number));
            self.digest += row.at(LogIndex(key.index));
            hours::count(&mut self.hours, key.time);
            if let Some(loaded) = self.loaded.get_mut(&(key.input, key.group)) {
                loaded.left -= 1;
            }
        }
        self.loaded.retain(|_, loaded| loaded.left > 0);
    }

    fn finish(
        mut self,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<SegmentSummary, SegmentError> {
        self.writer.write_section(HOURS_SECTION, &hours::encode(&self.hours));
        let summary = (self.writer.finish(&self.group.ids, self.digest))
            .map_err(|_| SegmentError::DirectoryTooLong)?;
        let bytes = self.writer.len();
        sink(&self.writer.take()).map_err(SegmentError::Sink)?;
        Ok(SegmentSummary {
            rows: summary.rows,
            digest: self.digest,
            times: summary.times,
            hours: self.hours,
            bytes,
            columns: summary.columns,
        })
    }
}
