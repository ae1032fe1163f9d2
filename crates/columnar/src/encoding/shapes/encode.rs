//! Writes strings as shapes and values.

use std::collections::HashMap;

use varve_types::RowDigest;

use crate::byte_column::ByteBuffer;
use crate::encoding::bytes::put_plain;
use crate::encoding::interner::Interner;
use crate::encoding::ints::{self, Effort};
use crate::encoding::shapes::{SLOT, VALUES_MAX, split, values};
use crate::encoding::varint::put_u64;

/// The column of values that are unlike any others.
const REST: u32 = 0;

/// Slots that are filled less often share the column [`REST`].
const COLUMN_VALUES_MIN: u32 = 16;

/// Strings divided into shapes and values.
#[derive(Default)]
struct Divided {
    shapes: Interner,
    /// The shape of each string.
    codes: Vec<i64>,
    /// For each shape how many strings have it, and where its slots begin in `slots`.
    uses: Vec<u32>,
    first_slots: Vec<usize>,
    /// For each slot of each shape its kind.
    slots: Vec<u32>,
    /// How many values each kind of slot has.
    kinds: Vec<u32>,
    /// Where the values are in the data of all strings, string by string.
    values: Vec<(u32, u32)>,
}

/// Appends the strings, or answers `false` where they have too many values or none, or the byte
/// that stands for one.
pub(crate) fn encode(out: &mut Vec<u8>, strings: &ByteBuffer) -> bool {
    if strings.data().contains(&SLOT) {
        return false;
    }
    let divided = divide(strings);
    if divided.values.is_empty() || divided.values.len() > VALUES_MAX {
        return false;
    }
    put_u64(out, strings.data().len() as u64);
    let texts = divided.shapes.strings();
    put_u64(out, texts.len() as u64);
    put_plain(out, texts, Effort::Thorough);
    let (columns, count) = columns_of(&divided.kinds);
    let slots: Vec<i64> =
        divided.slots.iter().map(|&kind| i64::from(columns[kind as usize])).collect();
    ints::encode(out, &slots, Effort::Thorough);
    ints::encode(out, &divided.codes, Effort::Thorough);
    let mut filled: Vec<ByteBuffer> = Vec::new();
    filled.resize_with(count, ByteBuffer::default);
    let mut spans = divided.values.iter();
    for &code in &divided.codes {
        for &column in divided.slots_of(code as usize, &slots) {
            if let Some(&(start, end)) = spans.next() {
                filled[column as usize].push(&strings.data()[start as usize..end as usize]);
            }
        }
    }
    filled.iter().for_each(|column| values::encode(out, column));
    true
}

impl Divided {
    /// The part of `slots` that is one shape's.
    fn slots_of<'a>(&self, shape: usize, slots: &'a [i64]) -> &'a [i64] {
        let end = self.first_slots.get(shape + 1).copied().unwrap_or(slots.len());
        &slots[self.first_slots[shape]..end]
    }
}

fn divide(strings: &ByteBuffer) -> Divided {
    let mut divided = Divided::default();
    let mut kinds: HashMap<u64, u32> = HashMap::new();
    let mut shape = Vec::new();
    let mut offset = 0;
    for string in strings.iter() {
        shape.clear();
        split::split(string, &mut shape, |start, end| {
            divided.values.push((offset + start as u32, offset + end as u32));
        });
        offset += string.len() as u32;
        let code = divided.shapes.intern(&shape, RowDigest::of_cell(0, &shape)) as usize;
        divided.codes.push(code as i64);
        if code == divided.uses.len() {
            divided.uses.push(0);
            divided.first_slots.push(divided.slots.len());
            split::contexts(&shape, |context| {
                let next = kinds.len() as u32;
                divided.slots.push(*kinds.entry(context).or_insert(next));
            });
        }
        divided.uses[code] += 1;
    }
    divided.kinds = vec![0; kinds.len()];
    for (shape, &uses) in divided.uses.iter().enumerate() {
        let end = divided.first_slots.get(shape + 1).copied().unwrap_or(divided.slots.len());
        for &kind in &divided.slots[divided.first_slots[shape]..end] {
            divided.kinds[kind as usize] += uses;
        }
    }
    divided
}

/// For each kind of slot its column, and how many columns there are.
fn columns_of(kinds: &[u32]) -> (Vec<u32>, usize) {
    let has_rest = kinds.iter().any(|&values| values < COLUMN_VALUES_MIN);
    let mut count = if has_rest { REST + 1 } else { REST };
    let columns = kinds
        .iter()
        .map(|&values| {
            if values < COLUMN_VALUES_MIN {
                return REST;
            }
            count += 1;
            count - 1
        })
        .collect();
    (columns, count as usize)
}
