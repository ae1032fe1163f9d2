//! One page: one column of one row group.
//!
//! ```text
//! page = presence              which rows have a value        (encoding::presence)
//!        ints | strings | -    their values, by column class  (encoding::ints, encoding::bytes)
//! ```
//!
//! Encoding a page also adds its cells to the digests of the group's rows: every string is hashed
//! once, for its dictionary and its digest together.

use bytes::Bytes;
use varve_types::{Level, RowDigest};

use crate::byte_column::ByteBuffer;
use crate::cells::{Cells, Values};
use crate::column::Column;
use crate::column_id::{ColumnClass, ColumnId};
use crate::digest;
use crate::encoding::bitpack::{packed_len, width_of};
use crate::encoding::bytes::{self as strings, Strings};
use crate::encoding::interner::Interner;
use crate::encoding::varint::Reader;
use crate::encoding::{ints, presence};
use crate::error::Malformed;

/// Appends the page of some cells, at least one, of a group of `digests.len()` rows.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    id: &ColumnId,
    seed: u64,
    cells: &Cells,
    scratch: &mut Interner,
    digests: &mut [RowDigest],
) {
    presence::encode(out, &cells.present, digests.len() as u32);
    let present = || cells.present.iter().map(|&row| row as usize);
    match &cells.values {
        Values::Ints(numbers) => {
            if id.digest_int_bytes().is_some() {
                for (row, &number) in present().zip(numbers) {
                    digests[row] += digest::of_int(id, seed, number).unwrap_or_default();
                }
            }
            ints::encode(out, numbers);
        }
        Values::Unit => {
            let digest = RowDigest::of_cell(seed, &[]);
            present().for_each(|row| digests[row] += digest);
        }
        Values::Interned { interner, codes } => {
            for (row, &code) in present().zip(codes) {
                digests[row] += interner.digest(code);
            }
            strings::encode_dictionary(out, interner.strings(), codes);
        }
        // Messages rarely repeat, and searching them wants them in one piece.
        Values::Bytes(values) if *id == ColumnId::Message => {
            for (row, string) in present().zip(values.iter()) {
                digests[row] += RowDigest::of_cell(seed, string);
            }
            strings::encode_plain(out, values);
        }
        Values::Bytes(values) => {
            encode_strings(out, seed, &cells.present, values, scratch, digests);
        }
    }
}

/// After so many values a column of nearly distinct strings is no longer tried as a dictionary.
const DICTIONARY_TRIAL_VALUES: usize = 256;

fn encode_strings(
    out: &mut Vec<u8>,
    seed: u64,
    present: &[u32],
    values: &ByteBuffer,
    scratch: &mut Interner,
    digests: &mut [RowDigest],
) {
    scratch.clear();
    let mut codes = Some(Vec::with_capacity(values.len()));
    for (position, (row, string)) in present.iter().zip(values.iter()).enumerate() {
        let digest = RowDigest::of_cell(seed, string);
        digests[*row as usize] += digest;
        if let Some(held) = &mut codes {
            held.push(scratch.intern(string, digest));
            if position >= DICTIONARY_TRIAL_VALUES && scratch.len() * 10 > position * 9 {
                codes = None;
            }
        }
    }
    match codes {
        Some(codes) if dictionary_is_shorter(scratch.strings(), values) => {
            strings::encode_dictionary(out, scratch.strings(), &codes);
        }
        _ => strings::encode_plain(out, values),
    }
}

/// Compares about what either form takes, with a byte for each length.
fn dictionary_is_shorter(dictionary: &ByteBuffer, values: &ByteBuffer) -> bool {
    let codes = packed_len(values.len(), width_of(dictionary.len() as u64));
    dictionary.data().len() + dictionary.len() + codes < values.data().len() + values.len()
}

/// Reads the page of a column in a group of `rows` rows, and checks what every reader of the
/// column relies on.
pub(crate) fn decode(
    page: &Bytes,
    id: &ColumnId,
    rows: u32,
    segment: bool,
) -> Result<Column, Malformed> {
    let mut reader = Reader::new(page);
    let presence = presence::decode(&mut reader, rows)?;
    if id.is_always_present(segment) && !matches!(presence, presence::Presence::All(_)) {
        return Err("a column lacks values for some rows".into());
    }
    let count = presence.len();
    let column = match id.class() {
        ColumnClass::Ints => {
            let values = ints::decode(&mut reader, count)?;
            check_numbers(id, &values)?;
            Column::Ints { presence, values }
        }
        ColumnClass::Unit => Column::Unit { presence },
        ColumnClass::Bytes => match strings::decode(&mut reader, page, count)? {
            Strings::Plain(values) => Column::Bytes { presence, values },
            Strings::Dictionary { dictionary, codes } => {
                Column::Dict { presence, dictionary, codes }
            }
        },
    };
    reader.end()?;
    if *id == ColumnId::Service {
        check_services(&column)?;
    }
    Ok(column)
}

fn check_numbers(id: &ColumnId, numbers: &[i64]) -> Result<(), Malformed> {
    let largest = match id {
        ColumnId::Level => Level::ALL.len() as i64 - 1,
        ColumnId::Tenant | ColumnId::Row => i64::from(u32::MAX),
        ColumnId::Attribute { kind: varve_types::ValueKind::Bool, .. } => 1,
        _ => return Ok(()),
    };
    if numbers.iter().all(|number| (0..=largest).contains(number)) {
        Ok(())
    } else {
        Err("a number is outside what its column holds".into())
    }
}

fn check_services(column: &Column) -> Result<(), Malformed> {
    let Column::Dict { dictionary, .. } = column else {
        return Err("services are not a dictionary".into());
    };
    if dictionary.iter().all(|service| std::str::from_utf8(service).is_ok()) {
        Ok(())
    } else {
        Err("a service is not UTF-8".into())
    }
}
