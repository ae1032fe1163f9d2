//! Reads the shapes of strings and leaves their values where they are.

use bytes::Bytes;

use crate::byte_column::ByteColumn;
use crate::encoding::bytes::take_plain;
use crate::encoding::ints;
use crate::encoding::shapes::SLOT;
use crate::encoding::varint::Reader;
use crate::error::Malformed;
use crate::table::bounds::PAGE_RAW_BYTES_MAX;

/// What stands before the values of shaped strings.
pub(crate) struct Skimmed {
    /// Of all strings together, in bytes.
    pub(crate) len: usize,
    /// The distinct shapes.
    pub(crate) shapes: ByteColumn,
    /// For each slot of each shape its column, as it was stored.
    pub(crate) slot_columns: Vec<i64>,
    /// The shape of each string, each below the number of shapes.
    pub(crate) codes: Vec<u32>,
}

/// Reads what stands before the values of `count` strings; `page` is the buffer under `reader`,
/// which is left at the values.
pub(crate) fn skim(
    reader: &mut Reader<'_>,
    page: &Bytes,
    count: usize,
) -> Result<Skimmed, Malformed> {
    let len = usize::try_from(reader.varint()?)
        .ok()
        .filter(|&len| len <= PAGE_RAW_BYTES_MAX)
        .ok_or("strings are longer than the format allows")?;
    let distinct = usize::try_from(reader.varint()?)
        .ok()
        .filter(|&shapes| shapes <= count)
        .ok_or("there are more shapes than strings")?;
    let shapes = take_plain(reader, page, distinct)?;
    let slots = shapes.data().iter().filter(|&&byte| byte == SLOT).count();
    let slot_columns = ints::decode(reader, slots)?;
    let outside = "a string has a shape that is not there";
    let codes = ints::decode_codes(reader, count, distinct, outside)?;
    Ok(Skimmed { len, shapes, slot_columns, codes })
}
