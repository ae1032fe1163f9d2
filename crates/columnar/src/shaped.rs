//! Strings of a column as shapes, their values left where they are: enough to say of most
//! searches which rows match, for a fraction of what it costs to put the strings together.

use bytes::Bytes;

use crate::byte_column::ByteColumn;
use crate::column::Column;

/// Stands for a value in a shape. A value is a run of ASCII letters and digits, of which at least
/// one is a digit; a string in which this very byte occurs is never divided.
pub const SHAPE_SLOT: u8 = 0x1a;

/// A page of shaped strings, one for every row of its group.
#[derive(Clone, Debug)]
pub struct ShapedColumn {
    /// The page, from which the strings can be put together.
    pub(crate) page: Bytes,
    /// The distinct shapes: texts with [`SHAPE_SLOT`] where a value goes.
    pub shapes: ByteColumn,
    /// The shape of each row, each below the number of shapes.
    pub codes: Vec<u32>,
}

/// The messages of a row group, put together only where they are not shaped.
#[derive(Clone, Debug)]
pub enum Messages {
    /// As shapes: [`crate::Table::messages_of`] puts them together.
    Shaped(ShapedColumn),
    /// As they are.
    Whole(Column),
}
