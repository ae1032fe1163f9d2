//! What is known here of formats: where their checksums stand, so that they can be set right. It
//! is written from the drawings in the formats' own modules, and shares no code with them.
//!
//! Any bytes may come: where they are not what the drawing says, the rest stays as it is.

pub(crate) mod envelope;
pub(crate) mod table;
pub(crate) mod wal;

/// Puts the CRC-32C of `bytes[from..at]` at `at`, if both are there.
fn seal(bytes: &mut [u8], from: usize, at: usize) {
    if let Some(covered) = bytes.get(from..at) {
        let crc = crc32c::crc32c(covered).to_le_bytes();
        if let Some(place) = bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&crc);
        }
    }
}

/// Reads numbers of a format, and knows where it stands.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn skip(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.skip(1).map(|byte| byte[0])
    }

    /// LEB128.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn count(&mut self) -> Option<usize> {
        self.varint()?.try_into().ok()
    }

    /// Bytes behind their length.
    fn prefixed(&mut self) -> Option<&'a [u8]> {
        let len = self.count()?;
        self.skip(len)
    }
}

/// Appends a number as LEB128.
fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}
