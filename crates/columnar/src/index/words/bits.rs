//! Bits one after another, lowest first, and the codes made of them.
//!
//! ```text
//! rice(k)  = 0-bits, one per 2^k of the number, a 1-bit, then k bits of the remainder
//! gamma    = for numbers from 1: 0-bits, one per bit after the first, a 1-bit, then those bits
//! ```

use crate::error::Malformed;

/// Appends bits to bytes.
#[derive(Default)]
pub(super) struct BitWriter {
    out: Vec<u8>,
    word: u64,
    filled: u32,
}

impl BitWriter {
    /// Appends the low `width` bits of a number that has no others; at most 57.
    pub(super) fn put(&mut self, number: u64, width: u32) {
        debug_assert!(width <= 57 && number >> width == 0, "BUG: a number has more bits");
        self.word |= number << self.filled;
        self.filled += width;
        while self.filled >= 8 {
            self.out.push(self.word as u8);
            self.word >>= 8;
            self.filled -= 8;
        }
    }

    fn put_unary(&mut self, mut zeros: u64) {
        while zeros > 32 {
            self.put(0, 32);
            zeros -= 32;
        }
        self.put(1 << zeros, zeros as u32 + 1);
    }

    pub(super) fn put_rice(&mut self, number: u64, k: u32) {
        self.put_unary(number >> k);
        self.put(number & ((1 << k) - 1), k);
    }

    /// Appends a number from 1 to 2^32.
    pub(super) fn put_gamma(&mut self, number: u64) {
        let width = number.ilog2();
        self.put_unary(u64::from(width));
        self.put(number ^ 1 << width, width);
    }

    /// Appends the low 64 bits or fewer of a set.
    pub(super) fn put_set(&mut self, set: u64, width: u32) {
        let low = width.min(32);
        self.put(set & (u64::MAX >> (64 - low)), low);
        if width > 32 {
            self.put(set >> 32, width - 32);
        }
    }

    /// The bytes, the last filled up with 0.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.filled > 0 {
            self.out.push(self.word as u8);
        }
        self.out
    }
}

/// How many bits [`BitWriter::put_gamma`] takes.
pub(super) const fn gamma_bits(number: u64) -> u32 {
    2 * number.ilog2() + 1
}

/// Reads bits back.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// How many bits were read.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// At least the next 57 bits; those past the end are 0.
    fn window(&self) -> u64 {
        let byte = self.at / 8;
        let mut window = [0; 8];
        match self.bytes.get(byte..byte + 8) {
            Some(whole) => window.copy_from_slice(whole),
            None => {
                let rest = self.bytes.get(byte..).unwrap_or_default();
                window[..rest.len()].copy_from_slice(rest);
            }
        }
        u64::from_le_bytes(window) >> (self.at % 8)
    }

    fn advance(&mut self, bits: u32) -> Result<(), Malformed> {
        self.at += bits as usize;
        if self.at > 8 * self.bytes.len() {
            return Err("a bucket's bits end too early".into());
        }
        Ok(())
    }

    /// The next `width` bits, at most 57.
    pub(super) fn take(&mut self, width: u32) -> Result<u64, Malformed> {
        let number = self.window() & ((1 << width) - 1);
        self.advance(width)?;
        Ok(number)
    }

    fn take_unary(&mut self) -> Result<u64, Malformed> {
        let mut zeros = 0u64;
        loop {
            let run = self.window().trailing_zeros();
            if run < 56 {
                self.advance(run + 1)?;
                return Ok(zeros + u64::from(run));
            }
            self.advance(56)?;
            zeros += 56;
        }
    }

    pub(super) fn take_rice(&mut self, k: u32) -> Result<u64, Malformed> {
        let high = self.take_unary()?;
        Ok(high << k | self.take(k)?)
    }

    pub(super) fn take_gamma(&mut self) -> Result<u64, Malformed> {
        let width = self.take_unary()?;
        if width > 32 {
            return Err("a bucket's number is longer than 32 bits".into());
        }
        Ok(1 << width | self.take(width as u32)?)
    }

    pub(super) fn take_set(&mut self, width: u32) -> Result<u64, Malformed> {
        let low = self.take(width.min(32))?;
        Ok(if width > 32 { low | self.take(width - 32)? << 32 } else { low })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn codes_read_back(numbers in vec((0..5000u64, 0..6u32, any::<u64>(), 1..=64u32), 0..60)) {
            let mut writer = BitWriter::default();
            let low = |set: u64, width: u32| set & (u64::MAX >> (64 - width));
            for &(number, k, set, width) in &numbers {
                writer.put_rice(number, k);
                writer.put_gamma(number + 1);
                writer.put_set(low(set, width), width);
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for &(number, k, set, width) in &numbers {
                prop_assert_eq!(reader.take_rice(k), Ok(number));
                prop_assert_eq!(reader.take_gamma(), Ok(number + 1));
                prop_assert_eq!(reader.take_set(width), Ok(low(set, width)));
            }
            prop_assert!(reader.take(8).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes in vec(prop_oneof![Just(0u8), any::<u8>()], 0..40), k in 0..6u32) {
            let mut reader = BitReader::new(&bytes);
            while reader.take_rice(k).is_ok() && reader.take_gamma().is_ok() {}
        }
    }
}
