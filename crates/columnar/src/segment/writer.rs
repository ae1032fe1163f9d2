//! A merge in steps: rows come from the [`Pool`] in strips, and leave as row groups.

use std::collections::VecDeque;
use std::io;

use varve_types::{ContentDigest, LogIndex, RowNumber};

use crate::cells::GroupCells;
use crate::encoding::compression::ZstdLevel;
use crate::index::IndexBuilder;
use crate::segment::gather::gather;
use crate::segment::hours::{self, EventHours};
use crate::segment::input::{Input, RowKey};
use crate::segment::pool::{Next, Pool};
use crate::segment::{HOURS_SECTION, SegmentError, SegmentOptions, SegmentSummary, days};
use crate::table::TableKind;
use crate::table::bounds::{GROUP_BYTES, GROUP_MESSAGE_BYTES, GROUP_ROWS_MAX};
use crate::table::writer::TableWriter;

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Some rows were written, or none while rows are still gathered.
    Wrote {
        /// How many.
        rows: u64,
    },
    /// This segment is whole: its last bytes are in the sink. What later steps write is another.
    Finished(SegmentSummary),
}

/// A merge under way. Dropped early it leaves nothing behind but what its sinks took.
pub struct SegmentWriter {
    options: SegmentOptions,
    pool: Pool,
    /// Times at which another segment is begun, ascending.
    divisions: VecDeque<i64>,
    /// Rows in the order in which they are written.
    strip: VecDeque<RowKey>,
    output: Output,
    segments: u64,
}

impl SegmentWriter {
    pub(super) fn new(inputs: Vec<Input>, options: SegmentOptions) -> Self {
        let divisions = if options.separate_days {
            let groups = inputs.iter().flat_map(|input| {
                let groups = input.table.groups().iter().enumerate();
                groups.map(|(at, meta)| (meta.min_time.get(), input.table.group_bytes(at)))
            });
            days::divide(groups)
        } else {
            Vec::new()
        };
        Self {
            options,
            pool: Pool::new(inputs, options.loaded_bytes_max),
            divisions: divisions.into(),
            strip: VecDeque::new(),
            output: Output::begin(options),
            segments: 0,
        }
    }

    /// Does a bounded piece of work, which is to read some groups or to write one; `sink` takes
    /// the bytes of the segment under way, front to back. Not to be called once it is done.
    ///
    /// # Errors
    ///
    /// When an input is damaged or the sink fails; what was passed on is then of no use.
    pub fn step(
        &mut self,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Step, SegmentError> {
        if self.strip.is_empty() {
            if self.output.rows > 0 && self.output.bytes() >= self.options.segment_bytes_max {
                return self.finish_segment(sink);
            }
            match self.pool.next_strip(self.divisions.front().copied())? {
                Next::NotYet => return Ok(Step::Wrote { rows: 0 }),
                Next::End => return self.finish_segment(sink),
                Next::Passed => {
                    self.divisions.pop_front();
                    if self.output.rows > 0 {
                        return self.finish_segment(sink);
                    }
                    return Ok(Step::Wrote { rows: 0 });
                }
                Next::Strip(rows) => self.strip = rows.into(),
            }
        }
        let count = cut(self.strip.iter());
        let rows: Vec<RowKey> = self.strip.drain(..count).collect();
        self.output.write(&rows, &self.pool);
        self.pool.release(&rows);
        sink(&self.output.table.take()).map_err(SegmentError::Sink)?;
        Ok(Step::Wrote { rows: rows.len() as u64 })
    }

    /// Whether every row is in a segment that was finished, of which there is at least one.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.segments > 0 && self.output.rows == 0 && self.strip.is_empty() && self.pool.is_empty()
    }

    fn finish_segment(
        &mut self,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Step, SegmentError> {
        let output = std::mem::replace(&mut self.output, Output::begin(self.options));
        self.segments += 1;
        output.finish(sink).map(Step::Finished)
    }
}

impl std::fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentWriter")
            .field("options", &self.options)
            .field("segments", &self.segments)
            .field("rows", &self.output.rows)
            .finish_non_exhaustive()
    }
}

/// How many of the next rows make a group, at least 1.
fn cut<'a>(keys: impl Iterator<Item = &'a RowKey>) -> usize {
    let (mut count, mut message_bytes, mut bytes) = (0, 0, 0);
    for key in keys.take(GROUP_ROWS_MAX as usize) {
        message_bytes += key.message_bytes as usize;
        bytes += key.bytes as usize;
        if count > 0 && (message_bytes > GROUP_MESSAGE_BYTES || bytes > GROUP_BYTES) {
            break;
        }
        count += 1;
    }
    count
}

/// The segment under way.
struct Output {
    table: TableWriter,
    group: GroupCells,
    rows: u64,
    digest: ContentDigest,
    hours: EventHours,
    indexes: IndexBuilder,
}

impl Output {
    fn begin(options: SegmentOptions) -> Self {
        Self {
            table: TableWriter::new(TableKind::Segment, ZstdLevel(options.zstd_level)),
            group: GroupCells::new(),
            rows: 0,
            digest: ContentDigest::EMPTY,
            hours: EventHours::new(),
            indexes: IndexBuilder::new(),
        }
    }

    fn bytes(&self) -> u64 {
        self.table.len()
    }

    /// Writes a group.
    fn write(&mut self, keys: &[RowKey], pool: &Pool) {
        gather(&mut self.group, keys, pool);
        self.indexes.add_group(&self.group, self.rows);
        let digests = self.table.write_group(&mut self.group);
        for (key, cells) in keys.iter().zip(digests) {
            let row = ContentDigest::of_row(cells, RowNumber(key.number));
            self.digest += row.at(LogIndex(key.index));
            hours::count(&mut self.hours, key.time);
        }
        self.rows += keys.len() as u64;
    }

    fn finish(
        mut self,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<SegmentSummary, SegmentError> {
        self.table.write_section(HOURS_SECTION, &hours::encode(&self.hours));
        self.indexes.write(&mut self.table);
        let summary = (self.table.finish(&self.group.ids, self.digest))
            .map_err(|_| SegmentError::DirectoryTooLong)?;
        let bytes = self.table.len();
        sink(&self.table.take()).map_err(SegmentError::Sink)?;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use varve_types::{BatchDigest, BatchKey, HashRange, Record, TenantId, TimestampNs};

    use super::*;
    use crate::segment::SegmentBuilder;
    use crate::{Block, BlockBuilder, BytesSource, Segment};

    fn block_of(times: &[i64]) -> Block {
        let records: Vec<Record> = (times.iter())
            .map(|&time| Record {
                timestamp: Some(TimestampNs(time)),
                service: "s".into(),
                ..Record::default()
            })
            .collect();
        let mut builder = BlockBuilder::new();
        let key = BatchKey::parse(TenantId(0), "p:0:1").expect("a key");
        builder.push_part(key, BatchDigest(0), HashRange::WHOLE, &records).expect("fits");
        Block::open(builder.finish()).expect("opens")
    }

    /// The times of the rows of each segment, merged from blocks and divided at these times.
    fn divided(blocks: &[&[i64]], divisions: &[i64]) -> Vec<Vec<i64>> {
        let mut builder = SegmentBuilder::new(SegmentOptions::default());
        for (index, times) in (1..).zip(blocks) {
            let rows = 0..times.len() as u32;
            builder
                .add_block(&block_of(times), LogIndex(index), TimestampNs(0), &[rows])
                .expect("fits");
        }
        let mut writer = builder.begin();
        writer.divisions = divisions.iter().copied().collect();
        let (mut bytes, mut segments) = (Vec::new(), Vec::new());
        while !writer.is_done() {
            let step = writer.step(&mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            });
            if let Step::Finished(_) = step.expect("sound") {
                let source = BytesSource::new("segment", std::mem::take(&mut bytes).into());
                let segment = Segment::open(Arc::new(source)).expect("opens");
                let records = segment.table().all_records(0).expect("reads");
                let time = |record: &Record| record.timestamp.expect("always there").get();
                segments.push(records.iter().map(time).collect());
            }
        }
        segments
    }

    #[test]
    fn segments_are_divided_at_times_whatever_order_rows_came_in() {
        let blocks: [&[i64]; 3] = [&[5, 12, 1], &[11, 3], &[25, 2, 14]];
        assert_eq!(divided(&blocks, &[10]), [vec![1, 2, 3, 5], vec![11, 12, 14, 25]]);
        // No segment is made of a time without rows.
        assert_eq!(
            divided(&blocks, &[0, 10, 20, 24, 30]),
            [vec![1, 2, 3, 5], vec![11, 12, 14], vec![25]]
        );
        assert_eq!(divided(&blocks, &[]).len(), 1);
    }
}
