//! Signed 64-bit numbers: constant, or packed or in planes from their smallest, as differences, or
//! as codes.
//!
//! ```text
//! ints     = 0 value:zigzag                            every number is the same
//!          | 1 smallest:zigzag scale:varint chunk*     (number - smallest) / scale
//!          | 2 smallest:zigzag scale:varint chunk*     zigzagged differences of those, the first from 0
//!          | 3 smallest:zigzag scale:varint width:u8 planes   (number - smallest) / scale
//!          | 4 smallest:zigzag scale:varint width:u8 planes   the differences of 2
//!          | 5 distinct:varint ints width:u8 planes          the distinct numbers, ascending, and
//!                                                           which of them each is
//! chunk    = width:u8 numbers packed at that width     128 numbers, the last chunk fewer
//! planes   = `width` bytes a number                    encoding::planes
//! ```
//!
//! The scale is the greatest common divisor, so that times in whole milliseconds do not pay for
//! nanoseconds. Widths are per chunk, so that one outlier does not widen a whole page.

use crate::encoding::bitpack::{pack, packed_len, unpack, width_of};
use crate::encoding::planes;
use crate::encoding::varint::{Reader, put_i64, put_u64, unzigzag, zigzag};
use crate::error::Malformed;

const CONSTANT: u8 = 0;
const PACKED: u8 = 1;
const DELTA: u8 = 2;
const PLANES: u8 = 3;
const DELTA_PLANES: u8 = 4;
const DICTIONARY: u8 = 5;

const CHUNK: usize = 128;

/// Fewer numbers are always packed: saying how others are coded takes longer than they do.
const PLANES_MIN: usize = 32;

/// How hard to look for a short encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// The shorter of the packed encodings.
    Quick,
    /// The shortest of all, once compressed.
    Thorough,
}

/// Appends the shortest of the encodings that the effort allows.
pub(crate) fn encode(out: &mut Vec<u8>, numbers: &[i64], effort: Effort) {
    let first = numbers.first().copied().unwrap_or_default();
    let (smallest, largest) =
        numbers.iter().fold((first, first), |(min, max), &n| (min.min(n), max.max(n)));
    if smallest == largest {
        out.push(CONSTANT);
        put_i64(out, smallest);
        return;
    }
    let (scale, scaled) = scaled(numbers, smallest);
    let deltas = differences(&scaled);
    let mut best = (chunks_len(&scaled), PACKED).min((chunks_len(&deltas), DELTA));
    if effort == Effort::Thorough && numbers.len() >= PLANES_MIN {
        best = best.min((planes_len(&scaled), PLANES)).min((planes_len(&deltas), DELTA_PLANES));
        // Where numbers take few bits already, a dictionary of them is not worth looking for.
        if best.0 > numbers.len() / 4
            && let Some(dictionary) = Dictionary::of(numbers)
            && dictionary.len() < best.0
        {
            dictionary.put(out);
            return;
        }
    }
    let (_, tag) = best;
    out.push(tag);
    put_i64(out, smallest);
    put_u64(out, scale);
    match tag {
        PACKED => put_chunks(out, &scaled),
        DELTA => put_chunks(out, &deltas),
        PLANES => put_planes(out, &scaled),
        _ => put_planes(out, &deltas),
    }
}

/// What divides all numbers' distances from the smallest, and the quotients.
fn scaled(numbers: &[i64], smallest: i64) -> (u64, Vec<u64>) {
    let mut scaled: Vec<u64> =
        numbers.iter().map(|&number| number.wrapping_sub(smallest) as u64).collect();
    let scale = common_divisor(&scaled);
    if scale > 1 {
        scaled.iter_mut().for_each(|number| *number /= scale);
    }
    (scale, scaled)
}

/// Zigzagged differences, the first from 0.
fn differences(numbers: &[u64]) -> Vec<u64> {
    let mut previous = 0;
    numbers
        .iter()
        .map(|&number| {
            let delta = zigzag(number.wrapping_sub(previous) as i64);
            previous = number;
            delta
        })
        .collect()
}

/// The distinct numbers, ascending, and which of them each number is.
struct Dictionary {
    distinct: Vec<i64>,
    codes: Vec<u64>,
}

impl Dictionary {
    /// `None` where numbers repeat too little to be worth one.
    fn of(numbers: &[i64]) -> Option<Self> {
        let mut distinct = numbers.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() > numbers.len() / 4 {
            return None;
        }
        let code = |number: &i64| distinct.partition_point(|other| other < number) as u64;
        let codes = numbers.iter().map(code).collect();
        Some(Self { distinct, codes })
    }

    /// About how long it is once compressed.
    fn len(&self) -> usize {
        let span = self.distinct.last().unwrap_or(&0).wrapping_sub(self.distinct[0]) as u64;
        packed_len(self.distinct.len(), width_of(span)) + planes_len(&self.codes)
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.push(DICTIONARY);
        put_u64(out, self.distinct.len() as u64);
        encode(out, &self.distinct, Effort::Quick);
        put_planes(out, &self.codes);
    }
}

fn put_chunks(out: &mut Vec<u8>, numbers: &[u64]) {
    for chunk in numbers.chunks(CHUNK) {
        let width = chunk_width(chunk);
        out.push(width as u8);
        pack(out, chunk, width);
    }
}

fn put_planes(out: &mut Vec<u8>, numbers: &[u64]) {
    let width = planes::width_of(numbers.iter().fold(0, |all, number| all | number));
    out.push(width as u8);
    planes::put(out, numbers, width);
}

fn planes_len(numbers: &[u64]) -> usize {
    let width = planes::width_of(numbers.iter().fold(0, |all, number| all | number));
    planes::compressed_len(numbers, width)
}

fn chunk_width(chunk: &[u64]) -> u32 {
    width_of(chunk.iter().fold(0, |all, number| all | number))
}

fn chunks_len(numbers: &[u64]) -> usize {
    numbers.chunks(CHUNK).map(|chunk| 1 + packed_len(chunk.len(), chunk_width(chunk))).sum()
}

/// The greatest common divisor, at least 1.
fn common_divisor(numbers: &[u64]) -> u64 {
    let mut divisor = 0;
    for &number in numbers {
        if divisor == 1 {
            break;
        }
        if divisor == 0 || number % divisor != 0 {
            let (mut a, mut b) = (number, divisor);
            while b != 0 {
                (a, b) = (b, a % b);
            }
            divisor = a;
        }
    }
    divisor.max(1)
}

/// Reads exactly `count` codes, each below `end`; `outside` says what another one is.
pub(crate) fn decode_codes(
    reader: &mut Reader<'_>,
    count: usize,
    end: usize,
    outside: &'static str,
) -> Result<Vec<u32>, Malformed> {
    let codes: Option<Vec<u32>> = decode(reader, count)?
        .into_iter()
        .map(|code| u32::try_from(code).ok().filter(|&code| (code as usize) < end))
        .collect();
    codes.ok_or(outside.into())
}

/// Reads exactly `count` numbers.
pub(crate) fn decode(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, Malformed> {
    let tag = reader.u8()?;
    if tag == DICTIONARY {
        return decode_dictionary(reader, count);
    }
    let smallest = reader.zigzag()?;
    if tag == CONSTANT {
        return Ok(vec![smallest; count]);
    }
    if !matches!(tag, PACKED | DELTA | PLANES | DELTA_PLANES) {
        return Err("numbers have an unknown encoding".into());
    }
    let scale = reader.varint()?;
    let mut numbers = Vec::with_capacity(count);
    let mut previous = 0u64;
    let is_delta = matches!(tag, DELTA | DELTA_PLANES);
    let mut push = |number: u64| {
        let number = if is_delta {
            previous = previous.wrapping_add(unzigzag(number) as u64);
            previous
        } else {
            number
        };
        numbers.push((number.wrapping_mul(scale) as i64).wrapping_add(smallest));
    };
    if matches!(tag, PACKED | DELTA) {
        take_chunks(reader, count, push)?;
    } else {
        let width = usize::from(reader.u8()?);
        planes::take(reader, count, width)?.into_iter().for_each(&mut push);
    }
    Ok(numbers)
}

fn take_chunks(
    reader: &mut Reader<'_>,
    count: usize,
    mut each: impl FnMut(u64),
) -> Result<(), Malformed> {
    let mut left = count;
    while left > 0 {
        let len = CHUNK.min(left);
        let width = u32::from(reader.u8()?);
        if width > u64::BITS {
            return Err("numbers are packed wider than 64 bits".into());
        }
        unpack(reader.take(packed_len(len, width))?, width, len, &mut each);
        left -= len;
    }
    Ok(())
}

fn decode_dictionary(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, Malformed> {
    let distinct = usize::try_from(reader.varint()?)
        .ok()
        .filter(|&distinct| distinct <= count)
        .ok_or("there are more distinct numbers than numbers")?;
    if reader.peek() == Some(DICTIONARY) {
        return Err("distinct numbers are a dictionary again".into());
    }
    let distinct = decode(reader, distinct)?;
    let width = usize::from(reader.u8()?);
    let codes = planes::take(reader, count, width)?;
    let number = |code: u64| usize::try_from(code).ok().and_then(|code| distinct.get(code));
    codes
        .into_iter()
        .map(|code| number(code).copied().ok_or_else(|| "a code is outside its dictionary".into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(numbers: &[i64]) -> usize {
        let [quick, _] = [Effort::Quick, Effort::Thorough].map(|effort| {
            let mut out = Vec::new();
            encode(&mut out, numbers, effort);
            let mut reader = Reader::new(&out);
            assert_eq!(decode(&mut reader, numbers.len()).as_deref(), Ok(numbers));
            assert_eq!(reader.end(), Ok(()));
            out.len()
        });
        quick
    }

    #[test]
    fn likely_columns_are_short() {
        let start = 1_700_000_000_000_000_000;
        let milliseconds: Vec<i64> = (0..1024).map(|i| start + i * i % 7 * 1_000_000).collect();
        assert!(round_trip(&milliseconds) < 1024 / 2);
        let ascending: Vec<i64> = (0..1024).map(|i| start + i * 10_007 + i % 5).collect();
        assert!(round_trip(&ascending) < 1024 * 2);
        assert_eq!(round_trip(&[7; 1024]), 2);
    }

    proptest! {
        #[test]
        fn any_numbers_read_back(
            numbers in proptest::collection::vec(any::<i64>(), 0..300),
            shift in 0u32..64,
            scale in 1i64..1_000_000,
        ) {
            round_trip(&numbers);
            let small: Vec<i64> =
                numbers.iter().map(|n| (n >> shift).wrapping_mul(scale)).collect();
            round_trip(&small);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, count in 0usize..500) {
            let _ = decode(&mut Reader::new(&bytes), count);
        }
    }
}
