//! The names of a group's rows: the ids that records keep for ever.

use varve_columnar::{ColumnId, FormatError};
use varve_types::{LogIndex, RecordId, RowNumber, ShardId, TimestampNs};

use crate::group::{Group, Ints};
use crate::{Chunk, Origin};

/// How the rows of one group are named.
pub(crate) struct RowNames {
    shard: ShardId,
    rows: Rows,
}

enum Rows {
    /// By position.
    Block { index: LogIndex, first_row: u32 },
    /// By the table's own columns.
    Segment { indexes: Ints, rows: Ints },
}

impl RowNames {
    /// Reads what naming takes: nothing of a block.
    pub(crate) fn read(owner: &dyn Chunk, group: &mut Group<'_>) -> Result<Self, FormatError> {
        let rows = match owner.origin() {
            Origin::Block { index, .. } => {
                Rows::Block { index, first_row: group.meta().first_row as u32 }
            }
            Origin::Segment => Rows::Segment {
                indexes: group.ints(&ColumnId::Index)?,
                rows: group.ints(&ColumnId::Row)?,
            },
        };
        Ok(Self { shard: owner.shard(), rows })
    }

    /// The id of the row at a position in the group.
    pub(crate) fn id(&self, row: usize) -> RecordId {
        let (index, row) = match &self.rows {
            Rows::Block { index, first_row } => (*index, first_row + row as u32),
            Rows::Segment { indexes, rows } => {
                (LogIndex(indexes[row].cast_unsigned()), rows[row] as u32)
            }
        };
        RecordId { shard: self.shard, index, row: RowNumber(row) }
    }
}

/// When each row of a group was taken.
pub(crate) enum Stamps {
    /// All together.
    Block(TimestampNs),
    /// Each by itself, in nanoseconds.
    Segment(Ints),
}

impl Stamps {
    pub(crate) fn read(owner: &dyn Chunk, group: &mut Group<'_>) -> Result<Self, FormatError> {
        Ok(match owner.origin() {
            Origin::Block { created_at, .. } => Self::Block(created_at),
            Origin::Segment => Self::Segment(group.ints(&ColumnId::CreatedAt)?),
        })
    }

    /// The stamp of the row at a position in the group.
    pub(crate) fn of(&self, row: usize) -> TimestampNs {
        match self {
            Self::Block(stamp) => *stamp,
            Self::Segment(stamps) => TimestampNs(stamps[row]),
        }
    }
}
