//! Numbers as planes of bytes: the lowest byte of each, then the second of each, and so on.
//!
//! They take more room than packed bits, but zstd sees what repeats in them and what is frequent,
//! which bits packed across bytes hide from it.

use crate::encoding::varint::Reader;
use crate::error::Malformed;

/// How many planes numbers need that are at most `largest`.
pub(crate) const fn width_of(largest: u64) -> usize {
    (u64::BITS - largest.leading_zeros()).div_ceil(8) as usize
}

/// Appends `width` planes.
pub(crate) fn put(out: &mut Vec<u8>, numbers: &[u64], width: usize) {
    for plane in 0..width {
        out.extend(numbers.iter().map(|number| (number >> (8 * plane)) as u8));
    }
}

/// Reads `count` numbers of `width` planes, at most 8.
pub(crate) fn take(
    reader: &mut Reader<'_>,
    count: usize,
    width: usize,
) -> Result<Vec<u64>, Malformed> {
    if width > size_of::<u64>() {
        return Err("numbers have more than 64 bits".into());
    }
    let len = count.checked_mul(width).ok_or("there are too many numbers")?;
    let bytes = reader.take(len)?;
    let mut numbers = vec![0; count];
    for (plane, bytes) in bytes.chunks_exact(count.max(1)).enumerate() {
        for (number, &byte) in numbers.iter_mut().zip(bytes) {
            *number |= u64::from(byte) << (8 * plane);
        }
    }
    Ok(numbers)
}

/// About how many bytes zstd makes of the planes: what each byte's frequency in its plane says.
pub(crate) fn compressed_len(numbers: &[u64], width: usize) -> usize {
    (0..width)
        .map(|plane| {
            let mut counts = [0u32; 256];
            for number in numbers {
                counts[usize::from((number >> (8 * plane)) as u8)] += 1;
            }
            entropy_bytes(&counts, numbers.len())
        })
        .sum()
}

/// What zstd spends on saying how frequent the bytes of a plane are.
const TABLE_BYTES: usize = 16;

fn entropy_bytes(counts: &[u32; 256], total: usize) -> usize {
    let total_log = (total as f32).log2();
    let bits: f32 = (counts.iter())
        .filter(|&&count| count > 0)
        .map(|&count| count as f32 * (total_log - (count as f32).log2()))
        .sum();
    (bits / 8.0) as usize + if bits > 0.0 { TABLE_BYTES } else { 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_read_back_and_no_bytes_panic(
            numbers in proptest::collection::vec(any::<u64>(), 0..50),
            shift in 0u32..64,
            random: Vec<u8>,
            count in 0usize..50,
            width in 0usize..12,
        ) {
            let numbers: Vec<u64> = numbers.into_iter().map(|number| number >> shift).collect();
            let largest = numbers.iter().copied().max().unwrap_or_default();
            let mut out = Vec::new();
            put(&mut out, &numbers, width_of(largest));
            prop_assert_eq!(take(&mut Reader::new(&out), numbers.len(), width_of(largest)), Ok(numbers));
            let _ = take(&mut Reader::new(&random), count, width);
        }
    }
}
