//! Signed 64-bit numbers: constant, packed from their smallest, or as packed differences.
//!
//! ```text
//! ints     = 0 value:zigzag                            every number is the same
//!          | 1 smallest:zigzag scale:varint chunk*     (number - smallest) / scale
//!          | 2 smallest:zigzag scale:varint chunk*     zigzagged differences of those, the first from 0
//! chunk    = width:u8 numbers packed at that width     128 numbers, the last chunk fewer
//! ```
//!
//! The scale is the greatest common divisor, so that times in whole milliseconds do not pay for
//! nanoseconds. Widths are per chunk, so that one outlier does not widen a whole page.

use crate::encoding::bitpack::{pack, packed_len, unpack, width_of};
use crate::encoding::varint::{Reader, put_i64, put_u64, unzigzag, zigzag};
use crate::error::Malformed;

const CONSTANT: u8 = 0;
const PACKED: u8 = 1;
const DELTA: u8 = 2;

const CHUNK: usize = 128;

/// Appends the shortest of the encodings.
pub(crate) fn encode(out: &mut Vec<u8>, numbers: &[i64]) {
    let first = numbers.first().copied().unwrap_or_default();
    let (smallest, largest) =
        numbers.iter().fold((first, first), |(min, max), &n| (min.min(n), max.max(n)));
    if smallest == largest {
        out.push(CONSTANT);
        put_i64(out, smallest);
        return;
    }
    let mut packed: Vec<u64> =
        numbers.iter().map(|&number| number.wrapping_sub(smallest) as u64).collect();
    let scale = common_divisor(&packed);
    if scale > 1 {
        packed.iter_mut().for_each(|number| *number /= scale);
    }
    let mut previous = 0;
    let deltas: Vec<u64> = packed
        .iter()
        .map(|&number| {
            let delta = zigzag(number.wrapping_sub(previous) as i64);
            previous = number;
            delta
        })
        .collect();
    let (tag, chosen) =
        if chunks_len(&deltas) < chunks_len(&packed) { (DELTA, deltas) } else { (PACKED, packed) };
    out.push(tag);
    put_i64(out, smallest);
    put_u64(out, scale);
    for chunk in chosen.chunks(CHUNK) {
        let width = chunk_width(chunk);
        out.push(width as u8);
        pack(out, chunk, width);
    }
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

/// Reads exactly `count` numbers.
pub(crate) fn decode(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, Malformed> {
    let tag = reader.u8()?;
    let smallest = reader.zigzag()?;
    if tag == CONSTANT {
        return Ok(vec![smallest; count]);
    }
    if tag != PACKED && tag != DELTA {
        return Err("numbers have an unknown encoding".into());
    }
    let scale = reader.varint()?;
    let mut numbers = Vec::with_capacity(count);
    let mut previous = 0u64;
    while numbers.len() < count {
        let len = CHUNK.min(count - numbers.len());
        let width = u32::from(reader.u8()?);
        if width > u64::BITS {
            return Err("numbers are packed wider than 64 bits".into());
        }
        let bytes = reader.take(packed_len(len, width))?;
        unpack(bytes, width, len, |number| {
            let number = if tag == DELTA {
                previous = previous.wrapping_add(unzigzag(number) as u64);
                previous
            } else {
                number
            };
            numbers.push((number.wrapping_mul(scale) as i64).wrapping_add(smallest));
        });
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(numbers: &[i64]) -> usize {
        let mut out = Vec::new();
        encode(&mut out, numbers);
        let mut reader = Reader::new(&out);
        assert_eq!(decode(&mut reader, numbers.len()).as_deref(), Ok(numbers));
        assert_eq!(reader.end(), Ok(()));
        out.len()
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
