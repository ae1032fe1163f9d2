//! Records by their ids.

use std::collections::BTreeMap;
use std::sync::Arc;

use varve_columnar::{ColumnId, GroupMeta};
use varve_types::{RecordId, ShardId, TimestampNs};

use crate::explain::Tally;
use crate::group::Group;
use crate::names::Stamps;
use crate::page::hit_bytes;
use crate::{Chunk, Hit, Key, Limits, Origin, QueryError};

/// A record to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Its name.
    pub id: RecordId,
    /// When it happened, where that is known: groups of other times are then not read.
    pub time: Option<TimestampNs>,
}

impl From<Key> for Lookup {
    fn from(key: Key) -> Self {
        Self { id: key.id, time: Some(key.time) }
    }
}

/// Records that were looked up, in no order, and what that took.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The records.
    pub hits: Vec<Hit>,
    pub(crate) tally: Tally,
}

/// Records by shard, then by index and row: what is still to be found of them.
type Wanted = BTreeMap<(u64, u32), Option<TimestampNs>>;

/// Finds the record of an id among the chunks, or `None` when none of them has it.
///
/// # Errors
///
/// [`QueryError::Table`] when a table that may have the record cannot be read.
pub fn find(chunks: &[Arc<dyn Chunk>], id: RecordId) -> Result<Option<Hit>, QueryError> {
    let found = lookup(chunks, &[Lookup { id, time: None }], usize::MAX, &Limits::default())?;
    Ok(found.hits.into_iter().next())
}

/// Reads records by their ids, until all are found that the chunks have, or the first that make
/// `bytes_max`: who wants the rest asks for them.
///
/// A block is asked by position alone; of a segment those groups' log indexes are read whose
/// range of them, which the footer knows, has an id's.
///
/// # Errors
///
/// [`QueryError::Table`] when a table that may have a record cannot be read, and
/// [`QueryError::Cancelled`].
pub fn lookup(
    chunks: &[Arc<dyn Chunk>],
    wanted: &[Lookup],
    bytes_max: usize,
    limits: &Limits,
) -> Result<Records, QueryError> {
    let mut by_shard: BTreeMap<ShardId, Wanted> = BTreeMap::new();
    for Lookup { id, time } in wanted {
        let of_shard = by_shard.entry(id.shard).or_default();
        of_shard.insert((id.index.get(), id.row.get()), *time);
    }
    let mut records = Records::default();
    let mut bytes = 0;
    for chunk in chunks {
        let Some(wanted) = by_shard.get_mut(&chunk.shard()) else { continue };
        for number in 0..chunk.table().groups().len() {
            if wanted.is_empty() {
                break;
            }
            let mut group = Group::new(chunk.table(), number);
            let rows = match chunk.origin() {
                Origin::Block { index, .. } => in_block(&**chunk, index.get(), &group, wanted),
                Origin::Segment => in_segment(&**chunk, &mut group, wanted)?,
            };
            if !rows.is_empty() {
                limits.check_cancelled()?;
                bytes += take(&**chunk, &mut group, &rows, wanted, &mut records)?;
            }
            records.tally.pages_read += group.pages_read();
            records.tally.bytes_read += group.bytes_read();
            if bytes >= bytes_max {
                return Ok(records);
            }
        }
    }
    Ok(records)
}

/// A row, ascending, and the index and row of its id.
type FoundRow = (u32, (u64, u32));

/// Reads rows of a group, and answers what they occupy.
fn take(
    chunk: &dyn Chunk,
    group: &mut Group<'_>,
    rows: &[FoundRow],
    wanted: &mut Wanted,
    records: &mut Records,
) -> Result<usize, QueryError> {
    let stamps = Stamps::read(chunk, group)?;
    let positions: Vec<u32> = rows.iter().map(|(row, _)| *row).collect();
    let mut bytes = 0;
    for (record, &(row, (index, number))) in group.records(&positions)?.into_iter().zip(rows) {
        wanted.remove(&(index, number));
        let id = RecordId { shard: chunk.shard(), index: index.into(), row: number.into() };
        bytes += hit_bytes(&record);
        records.hits.push(Hit { id, created_at: stamps.of(row as usize), record });
    }
    Ok(bytes)
}

/// The rows of a block's group that are wanted.
fn in_block(chunk: &dyn Chunk, index: u64, group: &Group<'_>, wanted: &Wanted) -> Vec<FoundRow> {
    let first = group.meta().first_row as u32;
    let end = first + group.rows() as u32;
    let of_group = wanted.range((index, first)..(index, end)).map(|(&key, _)| key);
    let is_live = |row: u32| {
        let dead = chunk.dead();
        let next_dead = dead.partition_point(|range| range.end <= row);
        !dead.get(next_dead).is_some_and(|range| range.contains(&row))
    };
    of_group.filter(|(_, row)| is_live(*row)).map(|key| (key.1 - first, key)).collect()
}

/// The rows of a segment's group that are wanted.
fn in_segment(
    chunk: &dyn Chunk,
    group: &mut Group<'_>,
    wanted: &Wanted,
) -> Result<Vec<FoundRow>, QueryError> {
    if !may_have(group.meta(), wanted) {
        return Ok(Vec::new());
    }
    let (indexes, numbers) = (group.ints(&ColumnId::Index)?, group.ints(&ColumnId::Row)?);
    let key = |row: usize| (indexes[row].cast_unsigned(), numbers[row] as u32);
    let live = group.live_rows(chunk.dead());
    let found = live.iter().map(|row| (row as u32, key(row)));
    Ok(found.filter(|(_, key)| wanted.contains_key(key)).collect())
}

/// Whether a group may have one of the records, by what the footer says.
fn may_have(meta: &GroupMeta, wanted: &Wanted) -> bool {
    let (first, last) =
        meta.indexes.map_or((0, u64::MAX), |(first, last)| (first.get(), last.get()));
    let mut within = wanted.range((first, 0)..=(last, u32::MAX));
    within.any(|(_, time)| time.is_none_or(|time| (meta.min_time..=meta.max_time).contains(&time)))
}
