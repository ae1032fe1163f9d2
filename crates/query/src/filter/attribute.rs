//! The filter `NAME=value`: on the record's own attributes and on its resource's.

use varve_columnar::{ByteColumn, Column, ColumnId, FormatError};
use varve_types::{Resource, ValueKind};

use crate::AttributeFilter;
use crate::group::{Group, spread};
use crate::row_set::RowSet;
use crate::value_text::ValueFilter;

/// One attribute's name and the values wanted.
pub(super) struct AttributeTerm {
    name: String,
    value: ValueFilter,
}

impl AttributeTerm {
    pub(super) fn new(filter: &AttributeFilter) -> Self {
        Self { name: filter.name.clone(), value: ValueFilter::new(&filter.value) }
    }

    /// Leaves the rows that have the attribute with the value, in either place.
    pub(super) fn apply(
        &self,
        group: &mut Group<'_>,
        selected: &mut RowSet,
    ) -> Result<(), FormatError> {
        let rows = group.rows();
        let mut found = RowSet::none(rows);
        for id in group.attribute_columns(&self.name) {
            let ColumnId::Attribute { kind, .. } = id else { continue };
            if self.value.may_be(*kind)
                && let Some(column) = group.column(id)?
            {
                let values = self.values(&column, *kind);
                found.union(&spread(column.presence(), &values, rows));
            }
        }
        if let Some(resources) = group.resources()? {
            found.union(&resources.rows_where(rows, |resource| self.is_in(resource)));
        }
        selected.intersect(&found);
        Ok(())
    }

    /// Which of a column's values are wanted.
    fn values(&self, column: &Column, kind: ValueKind) -> RowSet {
        match column {
            Column::Ints { values, .. } => {
                RowSet::of_values(values, |stored| self.value.is_integer(kind, stored))
            }
            Column::Bytes { values, .. } => self.cells(values, kind),
            Column::Dict { dictionary, codes, .. } => {
                let wanted = self.cells(dictionary, kind);
                RowSet::of_values(codes, |code| wanted.contains(code as usize))
            }
            Column::Unit { presence } => RowSet::all(presence.len()),
        }
    }

    fn cells(&self, cells: &ByteColumn, kind: ValueKind) -> RowSet {
        let Some(wanted) = self.value.cell(kind) else { return RowSet::none(cells.len()) };
        let mut found = RowSet::none(cells.len());
        for (at, _) in cells.iter().enumerate().filter(|(_, cell)| *cell == wanted) {
            found.insert(at);
        }
        found
    }

    fn is_in(&self, resource: &Resource) -> bool {
        let here = |attribute: &&varve_types::Attribute| *attribute.name == *self.name;
        resource.0.iter().find(here).is_some_and(|attribute| self.value.is_value(&attribute.value))
    }
}
