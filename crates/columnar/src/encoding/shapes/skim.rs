//! Reads the shapes of strings and leaves their values where they are.

use bytes::Bytes;

use crate::byte_column::ByteColumn;
use crate::encoding::bytes::take_plain;
use crate::encoding::ints;
use crate::encoding::shapes::SLOT;
use crate::encoding::varint::Reader;
use crate::error::Malformed;

/// The distinct shapes of `count` strings, and the shape of each; `page` is the buffer under
/// `reader`, which is left before the values.
pub(crate) fn skim(
    reader: &mut Reader<'_>,
    page: &Bytes,
    count: usize,
) -> Result<(ByteColumn, Vec<u32>), Malformed> {
    reader.varint()?;
    let shapes = usize::try_from(reader.varint()?)
        .ok()
        .filter(|&shapes| shapes <= count)
        .ok_or("there are more shapes than strings")?;
    let texts = take_plain(reader, page, shapes)?;
    let slots = texts.data().iter().filter(|&&byte| byte == SLOT).count();
    ints::decode(reader, slots)?;
    let codes: Option<Vec<u32>> = ints::decode(reader, count)?
        .into_iter()
        .map(|code| u32::try_from(code).ok().filter(|&code| (code as usize) < shapes))
        .collect();
    Ok((texts, codes.ok_or("a string has a shape that is not there")?))
}
