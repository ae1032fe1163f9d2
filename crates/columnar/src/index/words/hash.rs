//! The number under which a token is indexed. Part of the format: it never changes.
//!
//! ```text
//! up to 16 bytes   fold(fold(a ^ K1, b ^ K2 ^ length), K3), a and b being the bytes from 0 and
//!                  from 8, little-endian, filled up with 0
//! more             xxh3-64
//! fold(x, y)       the high half of x * y, xor the low half
//! ```
//!
//! Nearly all tokens are short, and for them this is a few instructions.

use xxhash_rust::xxh3::xxh3_64;

const K1: u64 = 0x2d35_8dcc_aa6c_78a5;
const K2: u64 = 0x8bb8_4b93_962e_acc9;
const K3: u64 = 0x4b33_a62e_d433_d4a3;

/// Bytes that must follow a token in its buffer.
pub(super) const PADDING_BYTES: usize = 16;

/// The hash of a token, folded to lower case.
pub(super) fn hash(token: &[u8]) -> u64 {
    let mut padded = [0; 2 * PADDING_BYTES];
    match padded.get_mut(..token.len()).filter(|_| token.len() <= 16) {
        Some(place) => {
            place.copy_from_slice(token);
            hash_short(words(&padded, 0, token.len()), token.len())
        }
        None => hash_long(token),
    }
}

/// The hash of a token of at most 16 bytes, by its [`words`].
#[inline]
pub(super) const fn hash_short((a, b): (u64, u64), len: usize) -> u64 {
    fold(fold(a ^ K1, b ^ K2 ^ len as u64), K3)
}

/// The hash of a token of more than 16 bytes.
pub(super) fn hash_long(token: &[u8]) -> u64 {
    xxh3_64(token)
}

/// The first 16 bytes of the token in `buffer` from `start`, which [`PADDING_BYTES`] follow.
#[inline]
pub(super) fn words(buffer: &[u8], start: usize, len: usize) -> (u64, u64) {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&buffer[start..start + 16]);
    let mask = u128::MAX >> (8 * (16 - len.clamp(1, 16)));
    let both = u128::from_le_bytes(bytes) & mask;
    (both as u64, (both >> 64) as u64)
}

#[inline]
const fn fold(x: u64, y: u64) -> u64 {
    let product = x as u128 * y as u128;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_never_change() {
        let hashes = [&b"a"[..], b"timeout", b"0123456789abcdef", b"0123456789abcdef0"].map(hash);
        assert_eq!(
            hashes,
            [
                9_893_127_472_723_872_672,
                17_562_903_774_692_985_939,
                5_426_059_917_390_154_827,
                14_496_563_308_363_210_804
            ]
        );
    }
}
