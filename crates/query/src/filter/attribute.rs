//! The filter `NAME=value`: on the record's own attributes and on its resource's.

use varve_columnar::{ByteColumn, Column, ColumnId, FormatError, Table, tokens};
use varve_types::{Attribute, Resource, ValueKind};

use crate::AttributeFilter;
use crate::group::{Group, spread};
use crate::row_set::RowSet;
use crate::value_text::ValueFilter;

/// One attribute's name and the values wanted.
pub(crate) struct AttributeTerm {
    name: String,
    value: ValueFilter,
}

impl AttributeTerm {
    pub(super) fn new(filter: &AttributeFilter) -> Self {
        Self { name: filter.name.clone(), value: ValueFilter::new(&filter.value) }
    }

    /// The columns that may hold the value.
    pub(crate) fn columns<'t>(&self, table: &'t Table) -> impl Iterator<Item = &'t ColumnId> {
        table
            .attribute_columns(&self.name)
            .iter()
            .filter(|id| matches!(id, ColumnId::Attribute { kind, .. } if self.value.may_be(*kind)))
    }

    /// The words of the value, in lower case: a row that has it has them all, unless the value is
    /// [of a kind without words](Self::may_lack_words).
    pub(crate) fn words(&self) -> impl Iterator<Item = Vec<u8>> {
        tokens(self.value.text().as_bytes()).map(<[u8]>::to_ascii_lowercase)
    }

    /// Whether a value of a kind in which no words are sought may be meant.
    pub(crate) fn may_lack_words(&self, kind: ValueKind) -> bool {
        matches!(kind, ValueKind::Null | ValueKind::EmptyObject | ValueKind::Bytes)
            && self.value.may_be(kind)
    }

    /// The same, whatever the kind.
    pub(crate) fn has_kind_without_words(&self) -> bool {
        [ValueKind::Null, ValueKind::EmptyObject, ValueKind::Bytes]
            .into_iter()
            .any(|kind| self.may_lack_words(kind))
    }

    /// The kind of the value that a resource has, where it is the one wanted.
    pub(crate) fn kind_in(&self, resource: &Resource) -> Option<ValueKind> {
        let here = |attribute: &&Attribute| *attribute.name == *self.name;
        let value = &resource.0.iter().find(here)?.value;
        self.value.is_value(value).then(|| value.kind())
    }

    /// Leaves the rows that have the attribute with the value, in either place.
    pub(super) fn apply(
        &self,
        group: &mut Group<'_>,
        selected: &mut RowSet,
    ) -> Result<(), FormatError> {
        let rows = group.rows();
        let mut found = RowSet::none(rows);
        for id in self.columns(group.table()) {
            let ColumnId::Attribute { kind, .. } = id else { continue };
            if let Some(column) = group.column(id)? {
                let values = self.values(&column, *kind);
                found.union(&spread(column.presence(), &values, rows));
            }
        }
        if let Some(resources) = group.resources()? {
            found.union(&resources.rows_where(rows, |resource| self.kind_in(resource).is_some()));
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
}
