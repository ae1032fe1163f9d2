//! Byte strings: plain, or as codes into a dictionary of the distinct ones.
//!
//! ```text
//! strings    = 0 plain                         one string per value
//!            | 1 count:varint plain codes:ints `count` distinct strings, then a code per value
//!            | 2 shaped                       shapes and values               (encoding::shapes)
//! plain      = lengths:ints data
//! ```

use bytes::Bytes;
use varve_types::RowDigest;

use crate::byte_column::{ByteBuffer, ByteColumn};
use crate::encoding::compression::{ZstdLevel, stored_len};
use crate::encoding::interner::Interner;
use crate::encoding::ints::{self, Effort};
use crate::encoding::shapes;
use crate::encoding::varint::{Reader, put_u64};
use crate::error::Malformed;

const PLAIN: u8 = 0;
const DICTIONARY: u8 = 1;
const SHAPED: u8 = 2;

/// Strings as they were decoded.
pub(crate) enum Strings {
    Plain(ByteColumn),
    Dictionary { dictionary: ByteColumn, codes: Vec<u32> },
}

/// Appends strings that rarely repeat: as shapes and values where zstd makes less of those.
pub(crate) fn encode_plain(out: &mut Vec<u8>, strings: &ByteBuffer, level: ZstdLevel) {
    let mut plain = vec![PLAIN];
    put_plain(&mut plain, strings, level.effort());
    if level.effort() == Effort::Thorough {
        let mut shaped = vec![SHAPED];
        if shapes::encode(&mut shaped, strings) && is_shorter(&shaped, &plain, level) {
            out.append(&mut shaped);
            return;
        }
    }
    out.append(&mut plain);
}

/// Whether zstd makes less of `shaped`. Its quickest level tells where they differ much; higher
/// levels gain more on plain strings, so there a draw is lost.
fn is_shorter(shaped: &[u8], plain: &[u8], level: ZstdLevel) -> bool {
    let lens = |level| (stored_len(shaped, level), stored_len(plain, level));
    let (shaped_len, plain_len) = lens(ZstdLevel::QUICKEST);
    if shaped_len >= plain_len || shaped_len * 4 < plain_len * 3 {
        return shaped_len < plain_len;
    }
    let (shaped_len, plain_len) = lens(level);
    shaped_len < plain_len
}

pub(crate) fn encode_dictionary(
    out: &mut Vec<u8>,
    dictionary: &ByteBuffer,
    codes: &[u32],
    effort: Effort,
) {
    out.push(DICTIONARY);
    put_u64(out, dictionary.len() as u64);
    put_plain(out, dictionary, effort);
    let codes: Vec<i64> = codes.iter().map(|&code| i64::from(code)).collect();
    ints::encode(out, &codes, effort);
}

/// Appends strings as a dictionary where that is shorter, never as shapes.
pub(crate) fn encode_unshaped(out: &mut Vec<u8>, strings: &ByteBuffer) {
    let mut interner = Interner::default();
    let codes: Vec<u32> = (strings.iter())
        .map(|string| interner.intern(string, RowDigest::of_cell(0, string)))
        .collect();
    if interner.len() * 2 < strings.len() {
        encode_dictionary(out, interner.strings(), &codes, Effort::Thorough);
    } else {
        out.push(PLAIN);
        put_plain(out, strings, Effort::Thorough);
    }
}

pub(crate) fn put_plain(out: &mut Vec<u8>, strings: &ByteBuffer, effort: Effort) {
    let lengths: Vec<i64> = strings.iter().map(|string| string.len() as i64).collect();
    ints::encode(out, &lengths, effort);
    out.extend_from_slice(strings.data());
}

/// Reads `count` values; `page` is the buffer under `reader`, which the strings then share. Where
/// only some are `wanted`, by ascending positions, others may come out empty.
pub(crate) fn decode(
    reader: &mut Reader<'_>,
    page: &Bytes,
    count: usize,
    wanted: Option<&[u32]>,
) -> Result<Strings, Malformed> {
    if reader.peek() == Some(SHAPED) {
        reader.u8()?;
        return Ok(Strings::Plain(shapes::decode(reader, page, count, wanted)?));
    }
    decode_unshaped(reader, page, count)
}

/// What stands before `count` values that are shaped, or `None` where they are not.
pub(crate) fn skim(
    reader: &mut Reader<'_>,
    page: &Bytes,
    count: usize,
) -> Result<Option<shapes::Skimmed>, Malformed> {
    if reader.peek() != Some(SHAPED) {
        return Ok(None);
    }
    reader.u8()?;
    shapes::skim(reader, page, count).map(Some)
}

/// Reads `count` values that are not shaped.
pub(crate) fn decode_unshaped(
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
            let outside = "a code is outside its dictionary";
            let codes = ints::decode_codes(reader, count, distinct, outside)?;
            Ok(Strings::Dictionary { dictionary, codes })
        }
        _ => Err("strings have an unknown encoding".into()),
    }
}

pub(crate) fn take_plain(
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
