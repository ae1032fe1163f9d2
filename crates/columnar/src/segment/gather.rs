//! Moves rows of decoded input groups into the group being written, column by column.

use std::collections::BTreeMap;

use crate::cells::GroupCells;
use crate::column::{Cell, Column};
use crate::column_id::ColumnId;
use crate::segment::input::RowKey;
use crate::segment::pool::Pool;

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
pub(super) fn gather(group: &mut GroupCells, keys: &[RowKey], pool: &Pool) {
    group.rows = keys.len() as u32;
    let sources = sources_of(keys, pool);
    // By column: which sources have it. Sorted, so that new columns appear in one order.
    let mut holders: BTreeMap<&ColumnId, Vec<(u32, &Column)>> = BTreeMap::new();
    for (number, source) in sources.iter().enumerate() {
        for (id, column) in source.columns {
            holders.entry(id).or_default().push((number as u32, column));
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
}

fn sources_of<'a>(keys: &[RowKey], pool: &'a Pool) -> Vec<Source<'a>> {
    let mut rows: BTreeMap<u32, Vec<(u32, u32)>> = BTreeMap::new();
    for (out, key) in keys.iter().enumerate() {
        rows.entry(key.slot).or_default().push((key.row, out as u32));
    }
    rows.into_iter()
        .map(|(slot, mut rows)| {
            rows.sort_unstable();
            Source {
                columns: &pool.group(slot).columns,
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
