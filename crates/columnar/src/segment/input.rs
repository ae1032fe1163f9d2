//! What a segment is merged from: a block's live rows, or a segment's.

use std::ops::Range;

use varve_types::{LogIndex, TimestampNs};

use crate::column::Column;
use crate::column_id::ColumnId;
use crate::encoding::presence::Presence;
use crate::error::FormatError;
use crate::segment::owners::Owners;
use crate::table::Table;

/// One input of a merge.
pub(super) struct Input {
    pub(super) table: Table,
    pub(super) place: Place,
}

/// Where an input's rows are in the log.
pub(super) enum Place {
    /// A block: all its rows at one index, numbered by position.
    Entry { index: LogIndex, created_at: TimestampNs, live: Vec<Range<u32>> },
    /// A segment: in columns of its own.
    Columns,
}

/// One live row of a row group that is decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowKey {
    pub(super) time: i64,
    pub(super) index: u64,
    pub(super) number: u32,
    /// Its tenant and service, as [`Owners`] numbers them.
    pub(super) owner: u32,
    /// Which decoded group it is in, and where.
    pub(super) slot: u32,
    pub(super) row: u32,
    /// Bytes of its message, and of all its strings.
    pub(super) message_bytes: u32,
    pub(super) bytes: u32,
}

/// One row group of an input, decoded. It has the columns that segments have.
pub(super) struct DecodedGroup {
    /// Sorted.
    pub(super) columns: Vec<(ColumnId, Column)>,
    /// About how many bytes of memory it takes.
    pub(super) bytes: usize,
}

impl Input {
    /// How many rows are live.
    pub(super) fn live_rows(&self) -> u64 {
        match &self.place {
            Place::Entry { live, .. } => live.iter().map(|range| range.len() as u64).sum(),
            Place::Columns => self.table.rows(),
        }
    }

    /// Which rows of a group are live: positions in it.
    pub(super) fn live_in(&self, group: usize) -> Vec<Range<u32>> {
        let meta = &self.table.groups()[group];
        match &self.place {
            Place::Columns => vec![Range { start: 0, end: meta.rows }],
            Place::Entry { live, .. } => {
                let first = meta.first_row as u32;
                let within = |row: u32| row.clamp(first, first + meta.rows) - first;
                (live.iter())
                    .map(|range| within(range.start)..within(range.end))
                    .filter(|range| !range.is_empty())
                    .collect()
            }
        }
    }

    /// Decodes a group, which will be known as `slot`, and names its live rows in order of time.
    pub(super) fn load(
        &self,
        group: usize,
        slot: u32,
        owners: &mut Owners,
    ) -> Result<(DecodedGroup, Vec<RowKey>), FormatError> {
        let meta = &self.table.groups()[group];
        let mut sizes = vec![(0u32, 0u32); meta.rows as usize];
        let mut decoded = DecodedGroup { columns: Vec::new(), bytes: 0 };
        self.table.for_columns(group, |id, column| {
            for (row, string) in column.iter_bytes() {
                let (message, all) = &mut sizes[row as usize];
                *all = all.saturating_add(string.len() as u32);
                if *id == ColumnId::Message {
                    *message = string.len() as u32;
                }
            }
            decoded.bytes += column.memory_bytes();
            decoded.columns.push((id.clone(), column));
            Ok(())
        })?;
        if let Place::Entry { index, created_at, .. } = &self.place {
            decoded.add_places(meta.first_row as u32, meta.rows, *index, *created_at);
        }
        let owner_of = owners.number(&decoded, meta.rows);
        let times = decoded.numbers(&ColumnId::Timestamp);
        let indexes = decoded.numbers(&ColumnId::Index);
        let numbers = decoded.numbers(&ColumnId::Row);
        let key = |row: u32| {
            let at = row as usize;
            let (message_bytes, bytes) = sizes[at];
            RowKey {
                time: times[at],
                index: indexes[at] as u64,
                number: numbers[at] as u32,
                owner: owner_of[at],
                slot,
                row,
                message_bytes,
                bytes,
            }
        };
        let mut keys: Vec<RowKey> = self.live_in(group).into_iter().flatten().map(key).collect();
        keys.sort_by_key(|key| key.time);
        Ok((decoded, keys))
    }
}

impl DecodedGroup {
    pub(super) fn column(&self, id: &ColumnId) -> Option<&Column> {
        let at = self.columns.binary_search_by(|(candidate, _)| candidate.cmp(id)).ok()?;
        Some(&self.columns[at].1)
    }

    /// A column of numbers that every row of a segment has.
    fn numbers(&self, id: &ColumnId) -> &[i64] {
        match self.column(id) {
            Some(Column::Ints { values, .. }) => values,
            _ => unreachable!("BUG: a group without {id}, which opening a table checks"),
        }
    }

    /// Gives a block's rows the columns that say where they are in the log.
    fn add_places(&mut self, first: u32, rows: u32, index: LogIndex, created_at: TimestampNs) {
        let same = |number: i64| vec![number; rows as usize];
        let numbers = (first..first + rows).map(i64::from).collect();
        let places = [
            (ColumnId::Index, same(index.get() as i64)),
            (ColumnId::Row, numbers),
            (ColumnId::CreatedAt, same(created_at.get())),
        ];
        let at = self.columns.partition_point(|(id, _)| *id < ColumnId::Index);
        let places = places.map(|(id, values)| {
            let column = Column::Ints { presence: Presence::All(rows), values };
            self.bytes += column.memory_bytes();
            (id, column)
        });
        self.columns.splice(at..at, places);
    }
}
