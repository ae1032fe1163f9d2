//! One column of values: as numbers or packed hex where all of them are such, or as strings.

use bytes::Bytes;

use crate::byte_column::{ByteBuffer, ByteColumn};
use crate::encoding::bytes::{self as strings, Strings};
use crate::encoding::ints::{self, Effort};
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
    Dictionary { dictionary: ByteColumn, codes: Vec<u32> },
    Numbers { width: usize, numbers: Vec<i64> },
    Hex { bytes: usize, packed: Bytes },
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
            DECIMAL => Kind::Numbers { width: 1, numbers: take_numbers(reader, count)? },
            PADDED => {
                let width = usize::from(reader.u8()?);
                Kind::Numbers { width, numbers: take_numbers(reader, count)? }
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

    /// Appends the next value. There are as many as were read.
    pub(super) fn put_next(&mut self, out: &mut Vec<u8>) {
        let at = self.next;
        self.next += 1;
        match &self.kind {
            Kind::Plain(values) => out.extend_from_slice(values.get(at)),
            Kind::Dictionary { dictionary, codes } => {
                out.extend_from_slice(dictionary.get(codes[at] as usize));
            }
            Kind::Numbers { width, numbers } => put_decimal(out, numbers[at] as u64, *width),
            Kind::Hex { bytes, packed } => {
                for byte in &packed[at * bytes..(at + 1) * bytes] {
                    out.extend_from_slice(&HEX_PAIRS[usize::from(*byte)]);
                }
            }
        }
    }
}

fn take_numbers(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, Malformed> {
    let numbers = ints::decode(reader, count)?;
    if numbers.iter().any(|number| *number < 0) {
        return Err("a decimal value is negative".into());
    }
    Ok(numbers)
}

/// All bytes as two digits of hex.
const HEX_PAIRS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// All numbers below 100 as two decimal digits.
const DECIMAL_PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// Appends a number in at least `width` digits.
fn put_decimal(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while number >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&DECIMAL_PAIRS[(number % 100) as usize]);
        number /= 100;
    }
    if number > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + number as u8;
    }
    for _ in digits.len() - at..width {
        out.push(b'0');
    }
    out.extend_from_slice(&digits[at..]);
}
