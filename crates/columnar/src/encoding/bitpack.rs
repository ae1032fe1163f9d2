//! Whole numbers packed side by side at a fixed width, lowest bits first.

/// The bits that a number needs: 0 for 0.
pub(crate) const fn width_of(number: u64) -> u32 {
    u64::BITS - number.leading_zeros()
}

/// The bytes that `count` numbers of `width` bits take.
pub(crate) const fn packed_len(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Appends numbers, each of which must fit in `width` bits (at most 64).
pub(crate) fn pack(out: &mut Vec<u8>, numbers: &[u64], width: u32) {
    if width == 0 {
        return;
    }
    let mut word = 0;
    let mut filled = 0;
    for &number in numbers {
        word |= number << filled;
        filled += width;
        if filled >= u64::BITS {
            out.extend_from_slice(&word.to_le_bytes());
            filled -= u64::BITS;
            word = if filled == 0 { 0 } else { number >> (width - filled) };
        }
    }
    out.extend_from_slice(&word.to_le_bytes()[..filled.div_ceil(8) as usize]);
}

/// Reads `count` numbers of `width` bits (at most 64) from exactly [`packed_len`] bytes.
pub(crate) fn unpack(bytes: &[u8], width: u32, count: usize, mut each: impl FnMut(u64)) {
    if width == 0 {
        (0..count).for_each(|_| each(0));
        return;
    }
    let mask = u64::MAX >> (u64::BITS - width);
    // A number of so many bits lies within the eight bytes from the one that it begins in.
    let in_words = if width <= u64::BITS - 7 { bytes.len().saturating_sub(7) } else { 0 };
    let words = (in_words * 8).div_ceil(width as usize).min(count);
    for number in 0..words {
        let bit = number * width as usize;
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[bit / 8..bit / 8 + 8]);
        each(u64::from_le_bytes(word) >> (bit % 8) & mask);
    }
    let mask = u128::from(mask);
    for number in words..count {
        let bit = number * width as usize;
        let (byte, shift) = (bit / 8, bit % 8);
        let mut window = [0; 16];
        match bytes.get(byte..byte + 16) {
            Some(whole) => window.copy_from_slice(whole),
            None => window[..bytes.len() - byte].copy_from_slice(&bytes[byte..]),
        }
        each((u128::from_le_bytes(window) >> shift & mask) as u64);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_of_every_width_read_back(
            width in 0u32..=64,
            numbers in proptest::collection::vec(any::<u64>(), 0..200),
        ) {
            let numbers: Vec<u64> = numbers
                .into_iter()
                .map(|number| if width == 0 { 0 } else { number >> (64 - width) })
                .collect();
            let mut out = Vec::new();
            pack(&mut out, &numbers, width);
            prop_assert_eq!(out.len(), packed_len(numbers.len(), width));
            let mut read = Vec::new();
            unpack(&out, width, numbers.len(), |number| read.push(number));
            prop_assert_eq!(read, numbers);
        }
    }
}
