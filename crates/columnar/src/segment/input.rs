//! What a segment is merged from: a block's live rows, or a segment's.

use std::ops::Range;

use varve_types::{LogIndex, TimestampNs};

use crate::column::Column;
use crate::column_id::ColumnId;
use crate::error::FormatError;
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

/// One live row: where it goes by its first three fields, where it is by the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey {
    pub(super) time: i64,
    pub(super) index: u64,
    pub(super) number: u32,
    pub(super) input: u32,
    pub(super) group: u32,
    /// The row's position in the group.
    pub(super) row: u32,
}

impl Input {
    /// How many rows are live.
    pub(super) fn live_rows(&self) -> u64 {
        match &self.place {
            Place::Entry { live, .. } => live.iter().map(|range| range.len() as u64).sum(),
            Place::Columns => self.table.rows(),
        }
    }

    /// Appends the keys of the live rows. `input` is the input's number.
    pub(super) fn keys(&self, input: u32, keys: &mut Vec<RowKey>) -> Result<(), FormatError> {
        for (group, meta) in self.table.groups().iter().enumerate() {
            let times = self.numbers(group, &ColumnId::Timestamp)?;
            let key = |row: u32, index, number| RowKey {
                time: times[row as usize],
                index,
                number,
                input,
                group: group as u32,
                row,
            };
            match &self.place {
                Place::Entry { index, live, .. } => {
                    let (start, end) = (meta.first_row as u32, meta.first_row as u32 + meta.rows);
                    for range in live {
                        for number in range.start.max(start)..range.end.min(end) {
                            keys.push(key(number - start, index.get(), number));
                        }
                    }
                }
                Place::Columns => {
                    let indexes = self.numbers(group, &ColumnId::Index)?;
                    let numbers = self.numbers(group, &ColumnId::Row)?;
                    for row in 0..meta.rows {
                        let at = row as usize;
                        keys.push(key(row, indexes[at] as u64, numbers[at] as u32));
                    }
                }
            }
        }
        Ok(())
    }

    /// A column of numbers that every row has.
    fn numbers(&self, group: usize, id: &ColumnId) -> Result<Vec<i64>, FormatError> {
        match self.table.read(group, id)? {
            Some(Column::Ints { values, .. }) => Ok(values),
            _ => Err(self.table.contradiction(format!("group {group} lacks column {id}"))),
        }
    }
}
