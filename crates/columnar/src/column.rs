//! One column of one row group, decoded.

use crate::byte_column::ByteColumn;
use crate::encoding::presence::Presence;

/// One column of one row group, decoded. Values are those of the present rows, in order.
#[derive(Clone, Debug)]
pub enum Column {
    /// Numbers: times, levels, indexes, rows, ints, bools (0 or 1), floats (their bits).
    Ints {
        /// Which rows have a value.
        presence: Presence,
        /// One value per present row.
        values: Vec<i64>,
    },
    /// Byte strings, one per present row.
    Bytes {
        /// Which rows have a value.
        presence: Presence,
        /// One string per present row.
        values: ByteColumn,
    },
    /// Byte strings by code into the distinct ones, which are in no particular order.
    Dict {
        /// Which rows have a value.
        presence: Presence,
        /// The distinct strings.
        dictionary: ByteColumn,
        /// One code per present row, each below the dictionary's length.
        codes: Vec<u32>,
    },
    /// Presence alone: nulls and empty objects.
    Unit {
        /// Which rows have one.
        presence: Presence,
    },
}

/// One value of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// A number, or a float's bits.
    Int(i64),
    /// A byte string.
    Bytes(&'a [u8]),
    /// A null or an empty object.
    Unit,
}

impl Column {
    /// Which rows have a value.
    #[must_use]
    pub const fn presence(&self) -> &Presence {
        match self {
            Self::Ints { presence, .. }
            | Self::Bytes { presence, .. }
            | Self::Dict { presence, .. }
            | Self::Unit { presence } => presence,
        }
    }

    /// About how much memory it takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let strings = |strings: &ByteColumn| strings.data().len() + size_of_val(strings.offsets());
        size_of::<Self>()
            + match self {
                Self::Ints { values, .. } => size_of_val(&values[..]),
                Self::Bytes { values, .. } => strings(values),
                Self::Dict { dictionary, codes, .. } => {
                    strings(dictionary) + size_of_val(&codes[..])
                }
                Self::Unit { .. } => 0,
            }
    }

    /// The value at a position among the present rows.
    ///
    /// # Panics
    ///
    /// When `position` is not below the number of present rows.
    #[must_use]
    pub fn cell(&self, position: usize) -> Cell<'_> {
        match self {
            Self::Ints { values, .. } => Cell::Int(values[position]),
            Self::Bytes { values, .. } => Cell::Bytes(values.get(position)),
            Self::Dict { dictionary, codes, .. } => {
                Cell::Bytes(dictionary.get(codes[position] as usize))
            }
            Self::Unit { .. } => Cell::Unit,
        }
    }

    /// The value of a row, or `None` where the row has none.
    #[must_use]
    pub fn value_at(&self, row: u32) -> Option<Cell<'_>> {
        self.presence().rank(row).map(|position| self.cell(position))
    }

    /// The number of a row, or `None` where the row has none or the column holds no numbers.
    #[must_use]
    pub fn int_at(&self, row: u32) -> Option<i64> {
        match self.value_at(row) {
            Some(Cell::Int(number)) => Some(number),
            _ => None,
        }
    }

    /// The string of a row, or `None` where the row has none or the column holds no strings.
    #[must_use]
    pub fn bytes_at(&self, row: u32) -> Option<&[u8]> {
        match self.value_at(row) {
            Some(Cell::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// All (row, value), rows ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Cell<'_>)> {
        self.presence().iter().enumerate().map(|(position, row)| (row, self.cell(position)))
    }

    /// All (row, string), rows ascending; nothing from a column that holds no strings.
    pub fn iter_bytes(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.iter().filter_map(|(row, cell)| match cell {
            Cell::Bytes(bytes) => Some((row, bytes)),
            Cell::Int(_) | Cell::Unit => None,
        })
    }

    /// All (row, number), rows ascending; nothing from a column that holds no numbers.
    pub fn iter_ints(&self) -> impl Iterator<Item = (u32, i64)> {
        self.iter().filter_map(|(row, cell)| match cell {
            Cell::Int(number) => Some((row, number)),
            Cell::Bytes(_) | Cell::Unit => None,
        })
    }
}
