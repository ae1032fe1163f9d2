//! Bytes to numbers and back, for every format of this crate.
//!
//! Little-endian fixed integers, LEB128 varints where numbers are mostly small. Reading checks
//! every bound and never allocates more than the input justifies. Nothing here knows what the
//! numbers mean.

use varve_types::HashRange;

/// Bytes that are not what their format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {what}")]
pub struct DecodeError {
    /// Where in the structure, in bytes from its beginning.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// Reads a structure from its beginning to its end.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// A refusal that names where reading stands.
    pub(crate) const fn refuse(&self, what: &'static str) -> DecodeError {
        DecodeError { offset: self.at, what }
    }

    pub(crate) const fn offset(&self) -> usize {
        self.at
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..len).ok_or_else(|| self.refuse("it ends too early"))?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, DecodeError> {
        self.array().map(u128::from_le_bytes)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.refuse("a number does not fit in 64 bits"))
    }

    pub(crate) fn varint_u32(&mut self) -> Result<u32, DecodeError> {
        let number = self.varint()?;
        u32::try_from(number).map_err(|_| self.refuse("a number does not fit in 32 bits"))
    }

    /// A count of items that take at least `item_bytes_min` bytes each: never more than fit in
    /// what is left, so that room may be made for them at once.
    pub(crate) fn count(&mut self, item_bytes_min: usize) -> Result<usize, DecodeError> {
        let number = self.varint()?;
        let left = self.bytes.len() - self.at;
        usize::try_from(number)
            .ok()
            .filter(|count| *count <= left / item_bytes_min.max(1))
            .ok_or_else(|| self.refuse("it counts more than there is"))
    }

    /// Bytes with their length before them.
    pub(crate) fn prefixed(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.count(1)?;
        self.take(len)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let offset = self.at;
        std::str::from_utf8(self.prefixed()?)
            .map_err(|_| DecodeError { offset, what: "a text is not UTF-8" })
    }

    pub(crate) fn range(&mut self) -> Result<HashRange, DecodeError> {
        let bits = self.u8()?;
        let prefix = self.varint()?;
        HashRange::new(bits, prefix).ok_or_else(|| self.refuse("a hash range that cannot be"))
    }

    /// Refuses what is left over.
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.refuse("there are bytes after its end"))
        }
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

pub(crate) fn put_len(out: &mut Vec<u8>, len: usize) {
    put_varint(out, len as u64);
}

pub(crate) fn put_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

pub(crate) fn put_range(out: &mut Vec<u8>, range: HashRange) {
    out.push(range.bits());
    put_varint(out, range.prefix());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_varint_reads_back(number: u64, bits in 0u32..64) {
            let number = number >> bits;
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Ok(number));
            prop_assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn a_varint_past_64_bits_is_refused() {
        let mut bytes = vec![0xff; 9];
        bytes.push(2);
        assert!(Reader::new(&bytes).varint().is_err());
        assert!(Reader::new(&[0xff; 11]).varint().is_err());
        bytes[9] = 1;
        assert_eq!(Reader::new(&bytes).varint(), Ok(u64::MAX));
    }
}
