//! One record by its id.

use std::sync::Arc;

use varve_columnar::{ColumnId, GroupMeta};
use varve_types::RecordId;

use crate::group::Group;
use crate::names::Stamps;
use crate::row_set::RowSet;
use crate::{Chunk, Hit, Origin, QueryError};

/// Finds the record of an id among the chunks, or `None` when none of them has it.
///
/// A block is asked by position alone; of a segment those groups' log indexes are read whose
/// range of them, which the footer knows, has the id's.
///
/// # Errors
///
/// [`QueryError::Table`] when a table that may have the record cannot be read.
pub fn find(chunks: &[Arc<dyn Chunk>], id: RecordId) -> Result<Option<Hit>, QueryError> {
    for chunk in chunks.iter().filter(|chunk| chunk.shard() == id.shard) {
        let place = match chunk.origin() {
            Origin::Block { index, .. } if index == id.index => in_block(&**chunk, id),
            Origin::Block { .. } => None,
            Origin::Segment => in_segment(&**chunk, id)?,
        };
        let Some((mut group, row)) = place else { continue };
        let created_at = Stamps::read(&**chunk, &mut group)?.of(row as usize);
        let record = group.records(&[row])?.pop();
        return Ok(record.map(|record| Hit { id, created_at, record }));
    }
    Ok(None)
}

/// The group that holds the id's row, and the row's position in it.
fn in_block(chunk: &dyn Chunk, id: RecordId) -> Option<(Group<'_>, u32)> {
    let row = id.row.get();
    let dead = chunk.dead();
    let next_dead = dead.partition_point(|range| range.end <= row);
    if dead.get(next_dead).is_some_and(|range| range.contains(&row)) {
        return None;
    }
    let groups = chunk.table().groups();
    let number = groups.partition_point(|meta| meta.first_row <= u64::from(row)).checked_sub(1)?;
    let group = Group::new(chunk.table(), number);
    let position = row - group.meta().first_row as u32;
    ((position as usize) < group.rows()).then_some((group, position))
}

fn in_segment(chunk: &dyn Chunk, id: RecordId) -> Result<Option<(Group<'_>, u32)>, QueryError> {
    let index = id.index.get().cast_signed();
    let has_index = |meta: &GroupMeta| {
        meta.indexes.is_none_or(|(first, last)| (first..=last).contains(&id.index))
    };
    for (number, meta) in chunk.table().groups().iter().enumerate() {
        if !has_index(meta) {
            continue;
        }
        let mut group = Group::new(chunk.table(), number);
        let mut rows = RowSet::of_values(&group.ints(&ColumnId::Index)?, |at| at == index);
        rows.intersect(&group.live_rows(chunk.dead()));
        if rows.is_empty() {
            continue;
        }
        let wanted = i64::from(id.row.get());
        let numbers = group.ints(&ColumnId::Row)?;
        if let Some(row) = rows.iter().find(|&row| numbers[row] == wanted) {
            return Ok(Some((group, row as u32)));
        }
    }
    Ok(None)
}
