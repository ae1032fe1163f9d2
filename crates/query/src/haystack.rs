//! A column of strings while needles are searched in it.

use varve_columnar::{ByteColumn, Column};

use crate::group::spread;
use crate::needle::{Cells, Needle};
use crate::row_set::RowSet;

/// When fewer than one in so many rows are still of interest, each is searched by itself.
const FEW: usize = 16;

/// The strings of a column, folded to lower case when first needed and then for all needles.
pub(crate) struct Haystack<'a> {
    column: &'a Column,
    /// The values, or the dictionary's entries.
    strings: &'a ByteColumn,
    buffer: &'a mut Vec<u8>,
    /// Whether `buffer` holds the strings in lower case.
    is_folded: bool,
}

impl<'a> Haystack<'a> {
    /// `None` for a column that holds no strings. The buffer's contents are lost.
    pub(crate) fn new(column: &'a Column, buffer: &'a mut Vec<u8>) -> Option<Self> {
        let strings = match column {
            Column::Bytes { values, .. } => values,
            Column::Dict { dictionary, .. } => dictionary,
            Column::Ints { .. } | Column::Unit { .. } => return None,
        };
        Some(Self { column, strings, buffer, is_folded: false })
    }

    /// The rows whose string has the needle: all of them that are `selected`, and maybe others.
    pub(crate) fn rows_with(&mut self, needle: &Needle, selected: &RowSet) -> RowSet {
        let rows = selected.rows();
        match self.column {
            Column::Dict { presence, codes, .. } => {
                let entries = self.scan(needle);
                let has_needle = |code: u32| entries.contains(code as usize);
                spread(presence, &RowSet::of_values(codes, has_needle), rows)
            }
            // Where the values are as many as the rows, each is the row's.
            _ if self.strings.len() == rows && selected.count() * FEW < rows => {
                self.look_at(needle, selected)
            }
            column => spread(column.presence(), &self.scan(needle), rows),
        }
    }

    /// Which strings have the needle, by one search through all of their bytes.
    fn scan(&mut self, needle: &Needle) -> RowSet {
        let mut found = RowSet::none(self.strings.len());
        let mut cells = Cells::new(self.strings.offsets(), self.strings.data());
        if needle.has_letters() {
            if !self.is_folded {
                cells.fold_into(self.buffer);
                self.is_folded = true;
            }
            cells = Cells::new(self.strings.offsets(), self.buffer);
        }
        needle.scan(cells, |cell| found.insert(cell));
        found
    }

    /// Which of a few strings have the needle.
    fn look_at(&mut self, needle: &Needle, selected: &RowSet) -> RowSet {
        let mut found = RowSet::none(selected.rows());
        let mut one = Vec::new();
        for at in selected.iter() {
            one.clear();
            one.extend(self.strings.get(at).iter().map(u8::to_ascii_lowercase));
            if needle.is_in(&one) {
                found.insert(at);
            }
        }
        found
    }
}
