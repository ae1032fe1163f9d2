//! Moves rows of decoded input groups into the group being written, column by column.

use std::collections::BTreeMap;

use crate::cells::GroupCells;
use crate::column::{Cell, Column};
use crate::column_id::ColumnId;
use crate::error::FormatError;
use crate::segment::input::{Input, Place, RowKey};

/// One row group of one input, decoded.
pub(super) struct Loaded {
    columns: Vec<(ColumnId, Column)>,
    /// Bytes of strings per row: of the message, and of all.
    sizes: Vec<(u32, u32)>,
    /// Live rows that were not written yet; at 0 the group is dropped.
    pub(super) left: u32,
}

impl Loaded {
    pub(super) fn load(input: &Input, group: usize, left: u32) -> Result<Self, FormatError> {
        let mut sizes = vec![(0u32, 0u32); input.table.groups()[group].rows as usize];
        let mut columns = Vec::new();
        input.table.for_columns(group, |id, column| {
            for (row, string) in column.iter_bytes() {
                let (message, all) = &mut sizes[row as usize];
                *all = all.saturating_add(string.len() as u32);
                if *id == ColumnId::Message {
                    *message = string.len() as u32;
                }
            }
            columns.push((id.clone(), column));
            Ok(())
        })?;
        Ok(Self { columns, sizes, left })
    }

    /// Bytes of strings of a row: of its message, and of all.
    pub(super) fn sizes(&self, row: u32) -> (usize, usize) {
        let (message, all) = self.sizes[row as usize];
        (message as usize, all as usize)
    }
}

/// The input groups that are decoded now, by (input, group).
pub(super) type LoadedGroups = BTreeMap<(u32, u32), Loaded>;

/// A value to come: from a column of a source, at a position among its values.
#[derive(Clone, Copy)]
struct Pick {
    /// The row in the group being written.
    out: u32,
    source: u32,
    position: u32,
}

/// The rows that one input group gives to the group being written.
struct Source<'a> {
    columns: &'a [(ColumnId, Column)],
    /// Positions in the input group, ascending, and the row that each becomes.
    rows: Vec<u32>,
    outs: Vec<u32>,
}

/// Fills `group` with the rows of `keys`, in order. Every input group that they name is loaded.
pub(super) fn gather(
    group: &mut GroupCells,
    keys: &[RowKey],
    inputs: &[Input],
    loaded: &LoadedGroups,
) {
    group.rows = keys.len() as u32;
    push_places(group, keys, inputs);
    let sources = sources_of(keys, loaded);
    // By column: which sources have it. Sorted, so that new columns appear in one order.
    let mut holders: BTreeMap<&ColumnId, Vec<(u32, &Column)>> = BTreeMap::new();
    for (number, source) in sources.iter().enumerate() {
        for (id, column) in source.columns {
            // A segment's places were filled in from the keys.
            if !matches!(id, ColumnId::Index | ColumnId::Row | ColumnId::CreatedAt) {
                holders.entry(id).or_default().push((number as u32, column));
            }
        }
    }
    let mut picks = Vec::new();
    for (id, holders) in holders {
        picks.clear();
        for &(number, column) in &holders {
            let source = &sources[number as usize];
            column.presence().for_wanted(&source.rows, |at, position| {
                let out = source.outs[at];
                picks.push(Pick { out, source: number, position: position as u32 });
            });
        }
        if picks.is_empty() {
            continue;
        }
        picks.sort_unstable_by_key(|pick| pick.out);
        let place = group.column(id);
        push_column(group, place, &picks, &holders);
    }
    push_created_at(group, keys, inputs, loaded);
}

fn push_places(group: &mut GroupCells, keys: &[RowKey], inputs: &[Input]) {
    debug_assert!(keys.iter().all(|key| (key.input as usize) < inputs.len()));
    for (row, key) in keys.iter().enumerate() {
        group.push_fixed_int(&ColumnId::Index, row as u32, key.index as i64);
        group.push_fixed_int(&ColumnId::Row, row as u32, i64::from(key.number));
    }
}

fn push_created_at(
    group: &mut GroupCells,
    keys: &[RowKey],
    inputs: &[Input],
    loaded: &LoadedGroups,
) {
    for (row, key) in keys.iter().enumerate() {
        let created_at = match &inputs[key.input as usize].place {
            Place::Entry { created_at, .. } => created_at.get(),
            Place::Columns => {
                let columns = &loaded[&(key.input, key.group)].columns;
                columns
                    .binary_search_by(|(id, _)| id.cmp(&ColumnId::CreatedAt))
                    .ok()
                    .and_then(|at| columns[at].1.int_at(key.row))
                    .expect("BUG: every row of a segment has a stamp, checked when it was opened")
            }
        };
        group.push_fixed_int(&ColumnId::CreatedAt, row as u32, created_at);
    }
}

fn sources_of<'a>(keys: &[RowKey], loaded: &'a LoadedGroups) -> Vec<Source<'a>> {
    let mut rows: BTreeMap<(u32, u32), Vec<(u32, u32)>> = BTreeMap::new();
    for (out, key) in keys.iter().enumerate() {
        rows.entry((key.input, key.group)).or_default().push((key.row, out as u32));
    }
    rows.into_iter()
        .map(|(place, mut rows)| {
            rows.sort_unstable();
            Source {
                columns: &loaded[&place].columns,
                rows: rows.iter().map(|&(row, _)| row).collect(),
                outs: rows.iter().map(|&(_, out)| out).collect(),
            }
        })
        .collect()
}

fn push_column(group: &mut GroupCells, place: usize, picks: &[Pick], holders: &[(u32, &Column)]) {
    // Holders ascend by source; a table by source number finds each at once.
    let last = holders.last().map_or(0, |&(number, _)| number as usize);
    let mut columns: Vec<Option<&Column>> = vec![None; last + 1];
    for &(number, column) in holders {
        columns[number as usize] = Some(column);
    }
    for pick in picks {
        let column = columns[pick.source as usize].expect("BUG: a pick from no column");
        match column.cell(pick.position as usize) {
            Cell::Int(number) => group.cells[place].push_int(pick.out, number),
            Cell::Bytes(string) => {
                group.push_bytes(place, pick.out, string);
            }
            Cell::Unit => group.cells[place].push_unit(pick.out),
        }
    }
}
