//! Byte strings: plain, or as codes into a dictionary of the distinct ones.
//!
//! ```text
//! strings    = 0 plain                         one string per value
//!            | 1 count:varint plain codes:ints `count` distinct strings, then a code per value
//! plain      = lengths:ints data
//! ```

use bytes::Bytes;

use crate::byte_column::{ByteBuffer, ByteColumn};
use crate::encoding::ints;
use crate::encoding::varint::{Reader, put_u64};
use crate::error::Malformed;

const PLAIN: u8 = 0;
const DICTIONARY: u8 = 1;

/// Strings as they were decoded.
pub(crate) enum Strings {
    Plain(ByteColumn),
    Dictionary { dictionary: ByteColumn, codes: Vec<u32> },
}

pub(crate) fn encode_plain(out: &mut Vec<u8>, strings: &ByteBuffer) {
    out.push(PLAIN);
    put_plain(out, strings);
}

pub(crate) fn encode_dictionary(out: &mut Vec<u8>, dictionary: &ByteBuffer, codes: &[u32]) {
    out.push(DICTIONARY);
    put_u64(out, dictionary.len() as u64);
    put_plain(out, dictionary);
    let codes: Vec<i64> = codes.iter().map(|&code| i64::from(code)).collect();
    ints::encode(out, &codes);
}

fn put_plain(out: &mut Vec<u8>, strings: &ByteBuffer) {
    let lengths: Vec<i64> = strings.iter().map(|string| string.len() as i64).collect();
    ints::encode(out, &lengths);
    out.extend_from_slice(strings.data());
}

/// Reads `count` values; `page` is the buffer under `reader`, which the strings then share.
pub(crate) fn decode(
    reader: &mut Reader<'_>,
    page: &Bytes,
    count: usize,
) -> Result<Strings, Malformed> {
    match reader.u8()? {
        PLAIN => Ok(Strings::Plain(take_plain(reader, page, count)?)),
        DICTIONARY => {
            let distinct = reader.varint()?;
            // A dictionary with more strings than values was never written.
            let distinct = usize::try_from(distinct)
                .ok()
                .filter(|&distinct| distinct <= count)
                .ok_or("a dictionary has more strings than values")?;
            let dictionary = take_plain(reader, page, distinct)?;
            let codes: Option<Vec<u32>> = ints::decode(reader, count)?
                .into_iter()
                .map(|code| u32::try_from(code).ok().filter(|&code| (code as usize) < distinct))
                .collect();
            let codes = codes.ok_or("a code is outside its dictionary")?;
            Ok(Strings::Dictionary { dictionary, codes })
        }
        _ => Err("strings have an unknown encoding".into()),
    }
}

fn take_plain(
    reader: &mut Reader<'_>,
    page: &Bytes,
    count: usize,
) -> Result<ByteColumn, Malformed> {
    let lengths = ints::decode(reader, count)?;
    let mut offsets = Vec::with_capacity(count + 1);
    let mut end = 0u32;
    offsets.push(end);
    for length in lengths {
        end = u32::try_from(length)
            .ok()
            .and_then(|length| end.checked_add(length))
            .ok_or("a string has an impossible length")?;
        offsets.push(end);
    }
    let start = reader.position();
    reader.take(end as usize)?;
    Ok(ByteColumn::new(offsets, page.slice(start..start + end as usize)))
}
