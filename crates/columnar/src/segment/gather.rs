//! Moves rows of decoded input groups into the group being written, column by column.
//!
//! A column that every row of its input groups has is copied row by row ([`push_dense`]). Of
//! another it is found out first which rows have a value ([`push_sparse`]), at about the cost of
//! the values there are, so that thousands of rare columns do not each cost a whole group.

use std::collections::BTreeMap;

use varve_types::RowDigest;

use crate::cells::{Cells, GroupCells, Values};
use crate::column::{Cell, Column};
use crate::column_id::ColumnId;
use crate::encoding::presence::Presence;
use crate::segment::input::RowKey;
use crate::segment::pool::Pool;

/// The input groups that rows come from, numbered, and the number of each row's.
struct Sources<'a> {
    columns: Vec<&'a [(ColumnId, Column)]>,
    of_rows: Vec<u32>,
}

impl<'a> Sources<'a> {
    fn of(keys: &[RowKey], pool: &'a Pool) -> Self {
        let first = keys.iter().map(|key| key.slot).min().unwrap_or_default();
        let mut numbers: Vec<Option<u32>> = Vec::new();
        let mut sources = Self { columns: Vec::new(), of_rows: Vec::with_capacity(keys.len()) };
        for key in keys {
            let at = (key.slot - first) as usize;
            if at >= numbers.len() {
                numbers.resize(at + 1, None);
            }
            let number = *numbers[at].get_or_insert_with(|| {
                sources.columns.push(&pool.group(key.slot).columns);
                sources.columns.len() as u32 - 1
            });
            sources.of_rows.push(number);
        }
        sources
    }

    /// For each source the positions in it that are wanted, ascending, each with the row that it
    /// becomes.
    fn wanted(&self, keys: &[RowKey]) -> Vec<(Vec<u32>, Vec<u32>)> {
        let mut wanted: Vec<Vec<(u32, u32)>> = vec![Vec::new(); self.columns.len()];
        for ((out, key), &source) in (0..).zip(keys).zip(&self.of_rows) {
            wanted[source as usize].push((key.row, out));
        }
        (wanted.into_iter())
            .map(|mut rows| {
                rows.sort_unstable();
                rows.into_iter().unzip()
            })
            .collect()
    }
}

/// Fills `group` with the rows of `keys`, in order. Every input group that they name is loaded.
pub(super) fn gather(group: &mut GroupCells, keys: &[RowKey], pool: &Pool) {
    group.rows = keys.len() as u32;
    let sources = Sources::of(keys, pool);
    // By column: which sources have it. Sorted, so that new columns appear in one order.
    let mut holders: BTreeMap<&ColumnId, Vec<Option<&Column>>> = BTreeMap::new();
    for (source, columns) in sources.columns.iter().enumerate() {
        for (id, column) in *columns {
            let held = holders.entry(id).or_default();
            held.resize(source, None);
            held.push(Some(column));
        }
    }
    let mut wanted = None;
    for (id, mut columns) in holders {
        columns.resize(sources.columns.len(), None);
        let is_dense =
            (columns.iter().flatten()).all(|column| matches!(column.presence(), Presence::All(_)));
        if is_dense {
            let place = group.column(id);
            let seed = group.seeds[place];
            push_dense(&mut group.cells[place], seed, keys, &sources, &columns);
        } else {
            let wanted = wanted.get_or_insert_with(|| sources.wanted(keys));
            push_sparse(group, id, wanted, &columns);
        }
    }
}

/// Copies a column that every row of its sources has; `columns` has it by source.
fn push_dense(
    cells: &mut Cells,
    seed: u64,
    keys: &[RowKey],
    sources: &Sources<'_>,
    columns: &[Option<&Column>],
) {
    let Cells { present, values } = cells;
    let rows = ((0..).zip(keys).zip(&sources.of_rows)).filter_map(|((out, key), &source)| {
        let column = columns[source as usize]?;
        present.push(out);
        Some((column, source as usize, key.row as usize))
    });
    match values {
        Values::Ints(numbers) => rows.for_each(|(column, _, row)| {
            if let Column::Ints { values, .. } = column {
                numbers.push(values[row]);
            }
        }),
        Values::Bytes(strings) => rows.for_each(|(column, _, row)| match column {
            Column::Bytes { values, .. } => strings.push(values.get(row)),
            Column::Dict { dictionary, codes, .. } => {
                strings.push(dictionary.get(codes[row] as usize));
            }
            Column::Ints { .. } | Column::Unit { .. } => {}
        }),
        Values::Interned { interner, codes: pushed } => {
            // By source: the code here of each code there.
            let mut known: Vec<Vec<Option<u32>>> = vec![Vec::new(); columns.len()];
            rows.for_each(|(column, source, row)| {
                if let Column::Dict { dictionary, codes, .. } = column {
                    let code = codes[row] as usize;
                    let known = &mut known[source];
                    known.resize(dictionary.len(), None);
                    pushed.push(*known[code].get_or_insert_with(|| {
                        let string = dictionary.get(code);
                        interner.intern(string, RowDigest::of_cell(seed, string))
                    }));
                }
            });
        }
        Values::Unit => rows.for_each(drop),
    }
}

/// Copies a column that some rows have.
fn push_sparse(
    group: &mut GroupCells,
    id: &ColumnId,
    wanted: &[(Vec<u32>, Vec<u32>)],
    columns: &[Option<&Column>],
) {
    let mut picks = Vec::new();
    for ((rows, outs), column) in wanted.iter().zip(columns) {
        if let Some(column) = column {
            column.presence().for_wanted(rows, |at, position| {
                picks.push((outs[at], *column, position));
            });
        }
    }
    if picks.is_empty() {
        return;
    }
    picks.sort_unstable_by_key(|&(out, ..)| out);
    let place = group.column(id);
    for (out, column, position) in picks {
        match column.cell(position) {
            Cell::Int(number) => group.cells[place].push_int(out, number),
            Cell::Bytes(string) => {
                group.push_bytes(place, out, string);
            }
            Cell::Unit => group.cells[place].push_unit(out),
        }
    }
}
