//! The digests of rows, gathered column by column from decoded columns. What is written is
//! digested while it is encoded ([`crate::table::page`]); both must agree, and tests hold them to it.

use varve_types::RowDigest;

use crate::column::Column;
use crate::column_id::ColumnId;

/// The digest of one number of a column, or `None` where the column is not part of the content.
pub(crate) fn of_int(column: &ColumnId, seed: u64, number: i64) -> Option<RowDigest> {
    let bytes = column.digest_int_bytes()?;
    Some(RowDigest::of_cell(seed, &number.to_le_bytes()[..bytes]))
}

/// Adds what a column's cells contribute to the digests of its group's rows.
pub(crate) fn add_column(id: &ColumnId, column: &Column, rows: &mut [RowDigest]) {
    let seed = id.seed();
    let present = column.presence().iter();
    match column {
        Column::Ints { values, .. } => {
            for (row, &number) in present.zip(values) {
                if let Some(digest) = of_int(id, seed, number) {
                    rows[row as usize] += digest;
                }
            }
        }
        Column::Bytes { values, .. } => {
            for (row, string) in present.zip(values.iter()) {
                rows[row as usize] += RowDigest::of_cell(seed, string);
            }
        }
        Column::Dict { dictionary, codes, .. } => {
            let digests: Vec<RowDigest> =
                dictionary.iter().map(|string| RowDigest::of_cell(seed, string)).collect();
            for (row, &code) in present.zip(codes) {
                rows[row as usize] += digests[code as usize];
            }
        }
        Column::Unit { .. } => {
            let digest = RowDigest::of_cell(seed, &[]);
            present.for_each(|row| rows[row as usize] += digest);
        }
    }
}
