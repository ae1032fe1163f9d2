//! One column of values: as numbers or packed hex where all of them are such, or as strings.

use bytes::Bytes;

use crate::byte_column::{ByteBuffer, ByteColumn};
use crate::encoding::bytes::{self as strings, Strings};
use crate::encoding::ints::{self, Effort};
use crate::encoding::shapes::room::{Overfull, Room};
use crate::encoding::varint::Reader;
use crate::error::Malformed;

const STRINGS: u8 = 0;
const DECIMAL: u8 = 1;
const PADDED: u8 = 2;
const HEX: u8 = 3;

/// What so many digits say fits in 63 bits.
const DIGITS_MAX: usize = 18;

pub(super) fn encode(out: &mut Vec<u8>, values: &ByteBuffer) {
    let width = values.get(0).len();
    let is_even = values.iter().all(|value| value.len() == width);
    let are_digits = values
        .iter()
        .all(|value| value.len() <= DIGITS_MAX && value.iter().all(u8::is_ascii_digit));
    let numbers = || -> Vec<i64> { values.iter().map(number).collect() };
    if are_digits && values.iter().all(|value| value.len() == 1 || value[0] != b'0') {
        out.push(DECIMAL);
        ints::encode(out, &numbers(), Effort::Thorough);
    } else if are_digits && is_even {
        out.extend_from_slice(&[PADDED, width as u8]);
        ints::encode(out, &numbers(), Effort::Thorough);
    } else if is_even && width.is_multiple_of(2) && width < 256 && values.iter().all(is_hex) {
        out.extend_from_slice(&[HEX, width as u8]);
        out.extend(
            values.data().chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])),
        );
    } else {
        out.push(STRINGS);
        strings::encode_unshaped(out, values);
    }
}

fn number(digits: &[u8]) -> i64 {
    digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
}

fn is_hex(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

const fn nibble(digit: u8) -> u8 {
    if digit < b'a' { digit - b'0' } else { digit - b'a' + 10 }
}

/// A column that was read, which gives its values one after another.
pub(super) struct Values {
    next: usize,
    kind: Kind,
}

enum Kind {
    Plain(ByteColumn),
    Dictionary {
        dictionary: ByteColumn,
        codes: Vec<u32>,
    },
    /// The digits of numbers that have at most eight.
    Digits(Vec<u64>),
    Numbers {
        width: usize,
        numbers: Vec<i64>,
    },
    Hex {
        bytes: usize,
        packed: Bytes,
    },
}

impl Values {
    /// Reads a column of `count` values.
    pub(super) fn decode(
        reader: &mut Reader<'_>,
        page: &Bytes,
        count: usize,
    ) -> Result<Self, Malformed> {
        let kind = match reader.u8()? {
            STRINGS => match strings::decode_unshaped(reader, page, count)? {
                Strings::Plain(values) => Kind::Plain(values),
                Strings::Dictionary { dictionary, codes } => Kind::Dictionary { dictionary, codes },
            },
            DECIMAL => take_numbers(reader, count, 1)?,
            PADDED => {
                let width = usize::from(reader.u8()?);
                take_numbers(reader, count, width)?
            }
            HEX => {
                let width = usize::from(reader.u8()?);
                if !width.is_multiple_of(2) {
                    return Err("values of packed hex have half a byte".into());
                }
                let start = reader.position();
                let len = reader.take(count.saturating_mul(width / 2))?.len();
                Kind::Hex { bytes: width / 2, packed: page.slice(start..start + len) }
            }
            _ => return Err("values have an unknown encoding".into()),
        };
        Ok(Self { next: 0, kind })
    }

    /// Passes over the next value.
    pub(super) const fn skip_next(&mut self) {
        self.next += 1;
    }

    /// Appends the next value. There are as many as were read.
    pub(super) fn put_next(&mut self, room: &mut Room) -> Result<(), Overfull> {
        let at = self.next;
        self.next += 1;
        match &self.kind {
            Kind::Plain(values) => room.put(values.get(at)),
            Kind::Dictionary { dictionary, codes } => room.put(dictionary.get(codes[at] as usize)),
            Kind::Digits(words) => {
                let word = words[at];
                room.put_word(word, (u64::BITS - word.leading_zeros()).div_ceil(8) as usize)
            }
            Kind::Numbers { width, numbers } => put_decimal(room, numbers[at] as u64, *width),
            Kind::Hex { bytes, packed } => put_hex(room, &packed[at * bytes..(at + 1) * bytes]),
        }
    }
}

fn take_numbers(reader: &mut Reader<'_>, count: usize, width: usize) -> Result<Kind, Malformed> {
    let numbers = ints::decode(reader, count)?;
    if numbers.iter().any(|number| *number < 0) {
        return Err("a decimal value is negative".into());
    }
    // One after another in a loop of their own they are worked out several times as fast as each
    // where it goes.
    Ok(if width <= 8 && numbers.iter().all(|number| *number < 100_000_000) {
        Kind::Digits(numbers.iter().map(|number| digits_of(*number as u32, width)).collect())
    } else {
        Kind::Numbers { width, numbers }
    })
}

/// Appends a number in at least `width` digits.
fn put_decimal(room: &mut Room, mut number: u64, width: usize) -> Result<(), Overfull> {
    let digits = number.checked_ilog10().unwrap_or_default() as usize + 1;
    for digit in room.take(digits.max(width))?.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    Ok(())
}

/// The digits of a number below 10^8, at least `width`, the first in the lowest byte, and 0 in
/// the bytes above the last. They are worked out side by side and without a branch.
const fn digits_of(number: u32, width: usize) -> u64 {
    // Two numbers below 10,000, then four below 100, then eight digits.
    let fours = (number / 10_000) as u64 | ((number % 10_000) as u64) << 32;
    let hundreds = (fours * 10_486) >> 20 & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - hundreds * 100) << 16;
    let tens = (twos * 103) >> 10 & 0x000f_000f_000f_000f;
    let ones = tens | (twos - tens * 10) << 8;
    // The last digit stays though it be 0.
    let zeros = ((ones | 1 << 56).trailing_zeros() / 8) as usize;
    let skipped = if zeros < 8 - width { zeros } else { 8 - width };
    (ones | 0x3030_3030_3030_3030) >> (8 * skipped)
}

/// Appends two digits for each byte.
fn put_hex(room: &mut Room, bytes: &[u8]) -> Result<(), Overfull> {
    let (words, rest) = bytes.as_chunks::<4>();
    let (digits_of_words, digits_of_rest) =
        room.take(2 * bytes.len())?.split_at_mut(8 * words.len());
    for (digits, word) in digits_of_words.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *digits = hex_of(*word);
    }
    for (digits, byte) in digits_of_rest.as_chunks_mut::<2>().0.iter_mut().zip(rest) {
        let [.., high, low] = hex_of([0, 0, 0, *byte]);
        *digits = [high, low];
    }
    Ok(())
}

/// The eight digits of four bytes, worked out side by side in one number.
const fn hex_of(bytes: [u8; 4]) -> [u8; 8] {
    let mut digits = u32::from_be_bytes(bytes) as u64;
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 in the byte of each digit that is a letter.
    let letters = (digits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (digits + 0x3030_3030_3030_3030 + letters * (b'a' - b'0' - 10) as u64).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_number() {
        let check = |number: u64, width: usize| {
            let text = format!("{number:0width$}");
            let mut page = Vec::new();
            ints::encode(&mut page, &[number as i64], Effort::Quick);
            let kind = take_numbers(&mut Reader::new(&page), 1, width).expect("it was encoded");
            let mut room = Room::new(text.len());
            assert!(Values { next: 0, kind }.put_next(&mut room).is_ok());
            assert_eq!(room.into_filled(), text.as_bytes(), "width {width}");
        };
        for width in [1, 2, 7, 8, 9, 18] {
            for power in 0..18 {
                let ten = 10u64.pow(power);
                for number in [0, ten - 1, ten, ten + 1, ten * 7 + ten / 3] {
                    check(number, width);
                }
            }
        }
        (0..20_000).for_each(|number| check(number, 1));
    }

    #[test]
    fn hex_is_that_of_the_bytes() {
        let bytes: Vec<u8> = (0..=255).chain([1, 2, 3]).collect();
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut room = Room::new(text.len());
        assert!(put_hex(&mut room, &bytes).is_ok());
        assert_eq!(room.into_filled(), text.as_bytes());
    }
}
