//! Finds the tokens of a buffer eight bytes at a time.

/// The places of all tokens in a buffer in lower case: `each(start, end)`, ascending.
pub(super) fn for_tokens(buffer: &[u8], mut each: impl FnMut(usize, usize)) {
    let mut start = 0;
    // Whether the byte before is a token's.
    let mut inside = 0;
    let (chunks, rest) = buffer.as_chunks::<64>();
    for (number, chunk) in chunks.iter().enumerate() {
        inside = borders(token_bytes(chunk), inside, 64 * number, &mut start, &mut each);
    }
    let mut last = [0; 64];
    last[..rest.len()].copy_from_slice(rest);
    let base = 64 * chunks.len();
    if borders(token_bytes(&last), inside, base, &mut start, &mut each) == 1 {
        each(start, buffer.len());
    }
}

/// Ends the tokens that end among 64 bytes; says whether one goes on.
#[inline]
fn borders(
    tokens: u64,
    inside: u64,
    base: usize,
    start: &mut usize,
    each: &mut impl FnMut(usize, usize),
) -> u64 {
    let mut borders = tokens ^ (tokens << 1 | inside);
    let mut inside = inside;
    while borders != 0 {
        let at = base + borders.trailing_zeros() as usize;
        if inside == 1 {
            each(*start, at);
        } else {
            *start = at;
        }
        inside ^= 1;
        borders &= borders - 1;
    }
    inside
}

/// Which of 64 bytes, in lower case, are tokens': one bit each.
#[inline]
fn token_bytes(chunk: &[u8; 64]) -> u64 {
    let (words, _) = chunk.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| bits << 8 | token_bits(u64::from_le_bytes(*word)))
}

const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const HIGH_BITS: u64 = !LOW_BITS;
const EACH_BYTE: u64 = 0x0101_0101_0101_0101;

/// Moves the lowest bit of each byte to the highest byte, in order.
const GATHER: u64 = 0x0102_0408_1020_4080;

#[inline]
const fn token_bits(word: u64) -> u64 {
    let low = word & LOW_BITS;
    let bits =
        word | between(low, b'0', b'9') | between(low, b'a', b'z') | between(low, b'_', b'_');
    ((bits & HIGH_BITS) >> 7).wrapping_mul(GATHER) >> 56
}

/// The high bit of each byte, all below 0x80, that lies between two, both included.
#[inline]
const fn between(low: u64, first: u8, last: u8) -> u64 {
    let from_first = low + EACH_BYTE * (0x80 - first as u64);
    let past_last = low + EACH_BYTE * (0x7f - last as u64);
    from_first & !past_last
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::token::{is_token_byte, tokens};

    #[test]
    fn every_byte_is_a_tokens_or_not_as_defined() {
        for byte in 0..=u8::MAX {
            let lower = byte.to_ascii_lowercase();
            for place in 0..8 {
                let bits = token_bits(u64::from(lower) << (8 * place));
                assert_eq!(bits, u64::from(is_token_byte(byte)) << place, "byte {byte}");
            }
        }
    }

    proptest! {
        #[test]
        fn tokens_are_those_of_the_definition(
            text in vec(prop_oneof![Just(b'a'), Just(b'9'), Just(b' '), any::<u8>()], 0..300),
        ) {
            let text = text.to_ascii_lowercase();
            let mut found = Vec::new();
            for_tokens(&text, |start, end| found.push(&text[start..end]));
            prop_assert!(found.into_iter().eq(tokens(&text)));
        }
    }
}
