//! The texts of a row group in which words are sought, row by row, in lower case.
//!
//! A *document* is a text whose words count once. Documents are first the resource sets, each of
//! which stands for all rows that have it, and then the rows: message and attributes' values.

use varve_types::{Resource, ValueKind};

use super::hash::PADDING_BYTES;
use crate::cells::{Cells, GroupCells, Values};
use crate::column_id::{ColumnClass, ColumnId};
use crate::resource::decode_resource;
use crate::value_text::{put_number_text, with_word_text};

/// Between values, so that no token spans two; it is no token's byte.
const BORDER: u8 = 0;

/// The documents of one group.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// All texts, one after another, then [`PADDING_BYTES`].
    pub(super) buffer: Vec<u8>,
    /// Where each document ends in the buffer.
    pub(super) ends: Vec<usize>,
    /// How many of the documents are resource sets.
    pub(super) sets: usize,
    /// How many rows have each resource set.
    pub(super) set_rows: Vec<u32>,
    /// The resource set of each row; `u32::MAX` for none. Empty where no row has any.
    pub(super) row_sets: Vec<u32>,
    /// The attribute values by row: where those of each row begin, then column and position.
    starts: Vec<u32>,
    values: Vec<(u32, u32)>,
}

/// What [`Documents::row_sets`] says of a row without resource attributes.
pub(super) const NO_SET: u32 = u32::MAX;

impl Documents {
    /// Replaces the documents by those of a group.
    pub(super) fn fill(&mut self, group: &GroupCells) {
        self.buffer.clear();
        self.ends.clear();
        self.add_sets(group);
        self.order_values(group);
        let messages = match &group.cells[GroupCells::fixed(&ColumnId::Message)].values {
            Values::Bytes(messages) => Some(messages),
            _ => None,
        };
        for row in 0..group.rows as usize {
            if let Some(messages) = messages {
                self.buffer.extend_from_slice(messages.get(row));
                self.buffer.push(BORDER);
            }
            for at in self.starts[row]..self.starts[row + 1] {
                let (place, position) = self.values[at as usize];
                self.add_value(group, place as usize, position as usize);
            }
            self.ends.push(self.buffer.len());
        }
        self.buffer.make_ascii_lowercase();
        self.buffer.resize(self.buffer.len() + PADDING_BYTES, BORDER);
    }

    fn add_sets(&mut self, group: &GroupCells) {
        self.row_sets.clear();
        self.set_rows.clear();
        let cells = &group.cells[GroupCells::fixed(&ColumnId::Resource)];
        if let Values::Interned { interner, codes } = &cells.values
            && !codes.is_empty()
        {
            for set in interner.strings().iter() {
                let Resource(attributes) = decode_resource(set)
                    .expect("BUG: resource sets are canonical, checked when a page is decoded");
                for attribute in attributes {
                    with_word_text(&attribute.value, |text| self.buffer.extend_from_slice(text));
                    self.buffer.push(BORDER);
                }
                self.ends.push(self.buffer.len());
            }
            self.set_rows.resize(interner.len(), 0);
            self.row_sets.resize(group.rows as usize, NO_SET);
            for (&row, &code) in cells.present.iter().zip(codes) {
                self.row_sets[row as usize] = code;
                self.set_rows[code as usize] += 1;
            }
        }
        self.sets = self.ends.len();
    }

    /// Sorts the attributes' values by row: columns are thousands, most rows have few.
    fn order_values(&mut self, group: &GroupCells) {
        let columns = || {
            let fixed = ColumnId::FIXED.len();
            (group.cells.iter().enumerate().skip(fixed))
                .filter(|(at, _)| has_words(&group.ids[*at]))
        };
        self.starts.clear();
        self.starts.resize(group.rows as usize + 2, 0);
        // Counted one place on, and summed: places 1.. then say where each row's next value goes.
        for (_, Cells { present, .. }) in columns() {
            present.iter().for_each(|&row| self.starts[row as usize + 2] += 1);
        }
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
        self.values.clear();
        self.values.resize(sum as usize, (0, 0));
        for (place, Cells { present, .. }) in columns() {
            for (position, &row) in (0..).zip(present) {
                let next = &mut self.starts[row as usize + 1];
                self.values[*next as usize] = (place as u32, position);
                *next += 1;
            }
        }
    }

    fn add_value(&mut self, group: &GroupCells, place: usize, position: usize) {
        match (&group.ids[place], &group.cells[place].values) {
            (ColumnId::Attribute { kind, .. }, Values::Ints(numbers)) => {
                put_number_text(&mut self.buffer, *kind, numbers[position]);
            }
            (_, Values::Bytes(texts)) => self.buffer.extend_from_slice(texts.get(position)),
            _ => {}
        }
        self.buffer.push(BORDER);
    }
}

/// Whether words are sought in an attribute's column.
fn has_words(id: &ColumnId) -> bool {
    let is_bytes = matches!(id, ColumnId::Attribute { kind: ValueKind::Bytes, .. });
    id.class() != ColumnClass::Unit && !is_bytes
}
