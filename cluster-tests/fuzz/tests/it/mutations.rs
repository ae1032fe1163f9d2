//! Inputs made of other inputs: what a fuzzer does, without knowing what it led to.

use varve_env::Random;

/// The longest that a mutated input gets, beyond what it was made of.
const GROWTH_BYTES_MAX: usize = 64;

/// Bytes that mean something in most formats: ends of ranges of integers, of varints and of
/// lengths.
const TELLING: [u8; 12] = [0, 1, 2, 3, 7, 8, 16, 0x20, 0x7f, 0x80, 0xfe, 0xff];

/// A number below `end`, which is at least 1.
fn below(random: &Random, end: usize) -> usize {
    let end = u64::try_from(end).expect("a length fits");
    usize::try_from(random.next_u64() % end).expect("a length fits")
}

/// One input changed in one to four places; `other` is one of the same target to take pieces of.
pub(crate) fn mutate(input: &[u8], other: &[u8], random: &Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=below(random, 4) {
        change(&mut bytes, other, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], random: &Random) {
    let at = below(random, bytes.len() + 1);
    let span = below(random, GROWTH_BYTES_MAX.min(bytes.len() - at + 1)) + 1;
    let end = (at + span).min(bytes.len());
    match below(random, 8) {
        0 => flip(bytes, at, 1 << below(random, 8)),
        1 => flip(bytes, at, TELLING[below(random, TELLING.len())]),
        2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = TELLING[below(random, TELLING.len())];
            }
        }
        3 => drop(bytes.drain(at..end)),
        4 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        5 => bytes.truncate(at),
        6 => bytes.insert(at, TELLING[below(random, TELLING.len())]),
        _ => {
            let from = below(random, other.len() + 1);
            let to = (from + span).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
    }
}

fn flip(bytes: &mut [u8], at: usize, bits: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= bits;
    }
}
