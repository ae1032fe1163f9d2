//! What the footer says of each row group; [`super::footer`] draws the bytes.

use varve_types::{LogIndex, TimestampNs};

use crate::encoding::varint::{Reader, put_i64, put_u64};
use crate::error::Malformed;
use crate::table::bounds::GROUP_ROWS_MAX;
use crate::table::footer::{PAGE_BYTES_MIN, TableKind};
use crate::table::zone::LevelSet;

/// What a table says of one row group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMeta {
    /// How many rows, at least 1.
    pub rows: u32,
    /// The position of its first row in the table.
    pub first_row: u64,
    /// The earliest timestamp.
    pub min_time: TimestampNs,
    /// The latest timestamp.
    pub max_time: TimestampNs,
    /// The levels that occur.
    pub levels: LevelSet,
    /// In segments: the lowest and the highest log index of its rows.
    pub indexes: Option<(LogIndex, LogIndex)>,
}

pub(super) fn put(out: &mut Vec<u8>, group: &GroupMeta) {
    put_u64(out, u64::from(group.rows));
    put_i64(out, group.min_time.get());
    put_u64(out, group.max_time.get().wrapping_sub(group.min_time.get()) as u64);
    out.push(group.levels.bits());
    if let Some((lowest, highest)) = group.indexes {
        put_u64(out, lowest.get());
        put_u64(out, highest.get() - lowest.get());
    }
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    kind: TableKind,
    bytes_left: u64,
) -> Result<Vec<GroupMeta>, Malformed> {
    let count = reader.count(4)?;
    if count as u64 > bytes_left / PAGE_BYTES_MIN {
        return Err("the footer lists more groups than the table has bytes for".into());
    }
    let mut groups = Vec::with_capacity(count);
    let mut first_row = 0;
    for _ in 0..count {
        let rows = reader.varint_u32()?;
        if rows == 0 || rows > GROUP_ROWS_MAX {
            return Err("a row group has an impossible number of rows".into());
        }
        let min_time = reader.zigzag()?;
        let max_time = min_time
            .checked_add_unsigned(reader.varint()?)
            .ok_or("a row group's times are outside what 64 bits hold")?;
        let levels = LevelSet::from_bits(reader.u8()?).ok_or("a row group has an unknown level")?;
        let indexes = match kind {
            TableKind::Block => None,
            TableKind::Segment => {
                let lowest = reader.varint()?;
                let highest = lowest
                    .checked_add(reader.varint()?)
                    .ok_or("a row group's indexes are outside what 64 bits hold")?;
                Some((LogIndex(lowest), LogIndex(highest)))
            }
        };
        groups.push(GroupMeta {
            rows,
            first_row,
            min_time: TimestampNs(min_time),
            max_time: TimestampNs(max_time),
            levels,
            indexes,
        });
        first_row += u64::from(rows);
    }
    Ok(groups)
}
