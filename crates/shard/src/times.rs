//! The times of a table's rows, read from it.

use varve_columnar::{Column, ColumnId, FormatError, Table};
use varve_types::TimestampNs;

/// One time per row, in the order of the rows.
pub(crate) fn of(table: &Table) -> Result<Vec<TimestampNs>, FormatError> {
    let mut times = Vec::new();
    for group in 0..table.groups().len() {
        if let Some(Column::Ints { values, .. }) = table.read(group, &ColumnId::Timestamp)? {
            times.extend(values.into_iter().map(TimestampNs));
        }
    }
    Ok(times)
}
