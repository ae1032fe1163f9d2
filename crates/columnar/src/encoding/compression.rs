//! Stored bytes: as they are, or compressed by zstd where that saves enough.
//!
//! ```text
//! stored = 0 bytes
//!        | 1 raw length:varint zstd frame
//! ```

use std::cell::RefCell;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};

use crate::encoding::ints::Effort;
use crate::encoding::varint::{Reader, put_u64};
use crate::error::Malformed;

const RAW: u8 = 0;
const ZSTD: u8 = 1;

/// Shorter bytes are stored as they are: a frame's header and a call into zstd cost more.
const RAW_BYTES_MIN: usize = 256;

/// How hard zstd tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ZstdLevel(pub(crate) i32);

/// From this level on, encodings are chosen by what zstd makes of them.
const THOROUGH_LEVEL: i32 = 6;

impl ZstdLevel {
    /// The least that zstd can do: what tells two encodings apart that differ much.
    pub(crate) const QUICKEST: Self = Self(1);

    /// How hard to look for encodings, where so much is spent on compressing them.
    pub(crate) const fn effort(self) -> Effort {
        if self.0 < THOROUGH_LEVEL { Effort::Quick } else { Effort::Thorough }
    }
}

thread_local! {
    // Contexts are hundreds of kilobytes; making one per page would cost more than compressing.
    static COMPRESSOR: RefCell<Option<(ZstdLevel, Compressor<'static>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Appends the stored form of `raw`, and says how long it is.
pub(crate) fn store(out: &mut Vec<u8>, raw: &[u8], level: ZstdLevel) -> usize {
    let start = out.len();
    let worth = raw.len() - raw.len() / 10;
    match compressed(raw, level) {
        Some(frame) if frame.len() < worth => {
            out.push(ZSTD);
            put_u64(out, raw.len() as u64);
            out.extend_from_slice(&frame);
        }
        _ => {
            store_raw(out, raw);
        }
    }
    out.len() - start
}

/// What [`store_raw`] puts before the bytes.
pub(crate) const RAW_HEAD_BYTES: usize = 1;

/// Appends the stored form of bytes that are not to be compressed, and says how long it is.
pub(crate) fn store_raw(out: &mut Vec<u8>, raw: &[u8]) -> usize {
    out.push(RAW);
    out.extend_from_slice(raw);
    RAW_HEAD_BYTES + raw.len()
}

/// How long the stored form of `raw` is, about.
pub(crate) fn stored_len(raw: &[u8], level: ZstdLevel) -> usize {
    compressed(raw, level).map_or(raw.len(), |frame| frame.len())
}

/// The frame, or `None` when the bytes are too few or zstd has no memory: they then stay raw.
fn compressed(raw: &[u8], level: ZstdLevel) -> Option<Vec<u8>> {
    if raw.len() < RAW_BYTES_MIN {
        return None;
    }
    COMPRESSOR.with_borrow_mut(|held| {
        let (held_level, compressor) = match held {
            Some(held) => held,
            None => held.insert((level, Compressor::new(level.0).ok()?)),
        };
        if *held_level != level {
            compressor.set_compression_level(level.0).ok()?;
            *held_level = level;
        }
        compressor.compress(raw).ok()
    })
}

/// The raw bytes of a stored form; longer than `raw_bytes_max` is an error.
pub(crate) fn load(stored: &Bytes, raw_bytes_max: usize) -> Result<Bytes, Malformed> {
    let mut reader = Reader::new(stored);
    match reader.u8()? {
        RAW if reader.remaining() <= raw_bytes_max => Ok(stored.slice(1..)),
        RAW => Err("stored bytes are longer than the format allows".into()),
        ZSTD => {
            let len = usize::try_from(reader.varint()?)
                .ok()
                .filter(|&len| len <= raw_bytes_max)
                .ok_or("compressed bytes are longer than the format allows")?;
            decompressed(&stored[reader.position()..], len)
        }
        _ => Err("stored bytes have an unknown compression".into()),
    }
}

/// The longest that the part before a frame gets.
pub(crate) const HEAD_BYTES_MAX: usize = 1 + 10;

/// How long the raw bytes are, by the first [`HEAD_BYTES_MAX`] of `stored_len` stored ones.
pub(crate) fn raw_len(head: &[u8], stored_len: u64) -> Result<u64, Malformed> {
    let mut reader = Reader::new(head);
    match reader.u8()? {
        RAW => Ok(stored_len - 1),
        ZSTD => reader.varint(),
        _ => Err("stored bytes have an unknown compression".into()),
    }
}

fn decompressed(frame: &[u8], len: usize) -> Result<Bytes, Malformed> {
    DECOMPRESSOR.with_borrow_mut(|held| {
        if held.is_none() {
            *held = Decompressor::new().ok();
        }
        let decompressor = held.as_mut().ok_or("zstd has no memory for a context")?;
        let raw = decompressor
            .decompress(frame, len)
            .map_err(|_| "compressed bytes do not decompress")?;
        if raw.len() != len {
            return Err("compressed bytes have another length than stated".into());
        }
        Ok(raw.into())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_load_again_and_none_panic(
            raw in proptest::collection::vec(0..4u8, 0..2000),
            at in any::<prop::sample::Index>(),
            byte: u8,
        ) {
            let mut stored = Vec::new();
            let len = store(&mut stored, &raw, ZstdLevel(1));
            prop_assert!(len == stored.len() && len <= raw.len() + 1);
            prop_assert_eq!(load(&stored.clone().into(), raw.len()), Ok(raw.clone().into()));
            if !raw.is_empty() {
                prop_assert!(load(&stored.clone().into(), raw.len() - 1).is_err());
            }
            stored[at.index(len)] = byte;
            let _ = load(&stored.into(), 4096);
        }
    }
}
