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
use crate::encoding::compression::ZstdLevel;
use crate::encoding::interner::Interner;
use crate::encoding::shapes::Skimmed;
use crate::encoding::varint::Reader;
use crate::encoding::{ints, presence};
use crate::error::Malformed;
use crate::resource::decode_resource;
use crate::shaped::ShapedColumn;

/// Appends the page of some cells, at least one, of a group of `digests.len()` rows.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    id: &ColumnId,
    seed: u64,
    cells: &Cells,
    level: ZstdLevel,
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
            ints::encode(out, numbers, level.effort());
        }
        Values::Unit => {
            let digest = RowDigest::of_cell(seed, &[]);
            present().for_each(|row| digests[row] += digest);
        }
        Values::Interned { interner, codes } => {
            for (row, &code) in present().zip(codes) {
                digests[row] += interner.digest(code);
            }
            strings::encode_dictionary(out, interner.strings(), codes, level.effort());
        }
        // Messages rarely repeat, and searching them wants them in one piece.
        Values::Bytes(values) if *id == ColumnId::Message => {
            for (row, string) in present().zip(values.iter()) {
                digests[row] += RowDigest::of_cell(seed, string);
            }
            strings::encode_plain(out, values, level);
        }
        Values::Bytes(values) => {
            encode_strings(out, seed, &cells.present, values, level, scratch, digests);
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
    level: ZstdLevel,
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
            strings::encode_dictionary(out, scratch.strings(), &codes, level.effort());
        }
        _ => strings::encode_plain(out, values, level),
    }
}

/// Compares about what either form takes, with a byte for each length.
fn dictionary_is_shorter(dictionary: &ByteBuffer, values: &ByteBuffer) -> bool {
    let codes = packed_len(values.len(), width_of(dictionary.len() as u64));
    dictionary.data().len() + dictionary.len() + codes < values.data().len() + values.len()
}

/// Reads the page of a column in a group of `rows` rows, and checks what every reader of the
/// column relies on. Where only some rows are `wanted`, which ascend, strings of others may come
/// out empty.
pub(crate) fn decode(
    page: &Bytes,
    id: &ColumnId,
    rows: u32,
    segment: bool,
    wanted: Option<&[u32]>,
) -> Result<Column, Malformed> {
    let mut reader = Reader::new(page);
    let presence = presence::decode(&mut reader, rows)?;
    if id.is_always_present(segment) && !matches!(presence, presence::Presence::All(_)) {
        return Err("a column lacks values for some rows".into());
    }
    let count = presence.len();
    let wanted = wanted.filter(|_| matches!(presence, presence::Presence::All(_)));
    let column = match id.class() {
        ColumnClass::Ints => {
            let values = ints::decode(&mut reader, count)?;
            check_numbers(id, &values)?;
            Column::Ints { presence, values }
        }
        ColumnClass::Unit => Column::Unit { presence },
        ColumnClass::Bytes => match strings::decode(&mut reader, page, count, wanted)? {
            Strings::Plain(values) => Column::Bytes { presence, values },
            Strings::Dictionary { dictionary, codes } => {
                Column::Dict { presence, dictionary, codes }
            }
        },
    };
    reader.end()?;
    match id {
        ColumnId::Service => check_services(&column)?,
        ColumnId::Resource => check_resources(&column)?,
        _ => {}
    }
    Ok(column)
}

/// The shapes of a page's strings, or `None` where they are not shaped or some row has none.
pub(crate) fn skim(page: &Bytes, rows: u32) -> Result<Option<ShapedColumn>, Malformed> {
    let mut reader = Reader::new(page);
    if !matches!(presence::decode(&mut reader, rows)?, presence::Presence::All(_)) {
        return Ok(None);
    }
    let shaped = strings::skim(&mut reader, page, rows as usize)?;
    Ok(shaped.map(|Skimmed { shapes, codes, .. }| ShapedColumn {
        page: page.clone(),
        shapes,
        codes,
    }))
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

/// Indexes are made of sets without making records of them first.
fn check_resources(column: &Column) -> Result<(), Malformed> {
    let Column::Dict { dictionary, .. } = column else {
        return Err("resource sets are not a dictionary".into());
    };
    if dictionary.iter().all(|set| decode_resource(set).is_some()) {
        Ok(())
    } else {
        Err("a resource set is not in its canonical encoding".into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use varve_types::{Attribute, Resource, Value, ValueKind};

    use super::*;
    use crate::cells::GroupCells;
    use crate::resource::encode_resource;

    const ROWS: u32 = 300;

    fn columns() -> Vec<ColumnId> {
        let kinds = (0..9).filter_map(ValueKind::from_number);
        let attributes = kinds.map(|kind| ColumnId::Attribute { name: "a".into(), kind });
        ColumnId::FIXED.into_iter().chain(attributes).collect()
    }

    /// A page of the column with a value in every `step`th row, and few or many distinct values.
    fn page_of(id: &ColumnId, step: u32, distinct: u32, level: ZstdLevel) -> Vec<u8> {
        let is_narrow = id.digest_int_bytes() == Some(1);
        let distinct = if is_narrow { distinct.min(2) } else { distinct };
        let mut group = GroupCells::new();
        let place = group.column(id);
        let step = if id.is_always_present(true) { 1 } else { step };
        for row in (0..ROWS).filter(|row| row % step == 0) {
            let number = row.wrapping_mul(2_654_435_761) % distinct;
            match id.class() {
                ColumnClass::Ints => group.cells[place].push_int(row, i64::from(number)),
                ColumnClass::Bytes if *id == ColumnId::Resource => {
                    let value = Value::Int(i64::from(number));
                    let attribute = Attribute { name: "a".into(), value };
                    let mut set = Vec::new();
                    encode_resource(&Resource(vec![attribute]), &mut set);
                    group.push_bytes(place, row, &set);
                }
                ColumnClass::Bytes => {
                    group.push_bytes(place, row, format!("value {number}").as_bytes());
                }
                ColumnClass::Unit => group.cells[place].push_unit(row),
            }
        }
        let mut out = Vec::new();
        let mut digests = vec![RowDigest::default(); ROWS as usize];
        let (seed, cells) = (group.seeds[place], &group.cells[place]);
        encode(&mut out, id, seed, cells, level, &mut Interner::default(), &mut digests);
        // What is digested while encoding is what reading digests.
        let column = decode(&out.clone().into(), id, ROWS, true, None).expect("a new page reads");
        let mut read = vec![RowDigest::default(); ROWS as usize];
        crate::digest::add_column(id, &column, &mut read);
        assert_eq!(digests, read, "{id}");
        out
    }

    /// Merges make indexes of sets as they are: whoever wrote one that is none must be told early.
    #[test]
    fn a_resource_set_that_is_none_is_refused() {
        let mut group = GroupCells::new();
        let place = group.column(&ColumnId::Resource);
        group.push_bytes(place, 0, &[1]);
        let (mut page, mut digests) = (Vec::new(), vec![RowDigest::default()]);
        let (seed, cells, level) = (group.seeds[place], &group.cells[place], ZstdLevel(1));
        let scratch = &mut Interner::default();
        encode(&mut page, &ColumnId::Resource, seed, cells, level, scratch, &mut digests);
        let refused = decode(&page.into(), &ColumnId::Resource, 1, false, None).unwrap_err();
        assert_eq!(refused, "a resource set is not in its canonical encoding".into());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_page_panics_whatever_its_bytes(
            id in select(columns()),
            step in 1..40u32,
            distinct in select(vec![1, 2, 1000]),
            edits in vec((any::<Index>(), any::<u8>()), 0..4),
            len in any::<Index>(),
            level in select(vec![1, 9]),
        ) {
            let mut page = page_of(&id, step, distinct, ZstdLevel(level));
            let span = page.len();
            for (at, byte) in edits {
                page[at.index(span)] = byte;
            }
            page.truncate(span - len.index(span) / 8);
            if let Ok(column) = decode(&page.into(), &id, ROWS, true, None) {
                let mut digests = vec![RowDigest::default(); ROWS as usize];
                crate::digest::add_column(&id, &column, &mut digests);
                prop_assert_eq!(column.iter().count(), column.presence().len());
                let wanted: Vec<u32> = (0..ROWS).collect();
                let mut seen = 0;
                column.presence().for_wanted(&wanted, |_, position| {
                    let _ = column.cell(position);
                    seen += 1;
                });
                prop_assert_eq!(seen, column.presence().len());
            }
        }

        #[test]
        fn random_bytes_do_not_panic(id in select(columns()), page: Vec<u8>, rows in 1..2000u32) {
            let _ = decode(&page.into(), &id, rows, true, None);
        }
    }
}
