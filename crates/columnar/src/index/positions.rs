//! Sets of positions of rows, as the runs that they are.
//!
//! ```text
//! positions = runs:varint run*                     ascending; a gap is at least 1, save before
//!                                                  the first run
//! run       = 2 * gap:varint                       one row
//!           | 2 * gap + 1:varint length-2:varint   several
//! ```
//!
//! Rows of one service lie together and rare levels are single rows: runs are short to write, and
//! what is left of them zstd takes out of the section.

use roaring::RoaringBitmap;

use crate::encoding::varint::{Reader, put_u64};
use crate::error::Malformed;

/// A set that grows upwards.
#[derive(Debug, Default)]
pub(super) struct PositionsWriter {
    encoded: Vec<u8>,
    runs: u64,
    /// Where the last run in `encoded` ends.
    end: u32,
    /// The run that may still grow: its beginning and its end.
    open: (u32, u32),
}

impl PositionsWriter {
    /// Adds a run, which must not begin before the last one ends.
    pub(super) fn push(&mut self, start: u32, end: u32) {
        debug_assert!(self.open.1 <= start && start < end, "BUG: runs do not ascend");
        if self.open.1 == start && !self.is_empty() {
            self.open.1 = end;
        } else {
            self.close();
            self.open = (start, end);
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.open.0 == self.open.1
    }

    fn close(&mut self) {
        let (start, end) = self.open;
        if !self.is_empty() {
            let gap = u64::from(start - self.end);
            if end - start == 1 {
                put_u64(&mut self.encoded, 2 * gap);
            } else {
                put_u64(&mut self.encoded, 2 * gap + 1);
                put_u64(&mut self.encoded, u64::from(end - start - 2));
            }
            self.runs += 1;
            self.end = end;
        }
    }

    /// The encoded set.
    pub(super) fn encode(mut self) -> Vec<u8> {
        self.close();
        let mut out = Vec::with_capacity(self.encoded.len() + 1);
        put_u64(&mut out, self.runs);
        out.append(&mut self.encoded);
        out
    }
}

/// A set is read into a bitmap of all rows when it has a run for so many rows, or for fewer: that
/// costs by rows, and otherwise by runs.
const ROWS_PER_RUN: u64 = 512;

/// Reads a set of rows of a table of so many rows.
pub(super) fn decode(encoded: &[u8], rows: u64) -> Result<RoaringBitmap, Malformed> {
    let runs = Reader::new(encoded).varint()?;
    if runs.saturating_mul(ROWS_PER_RUN) > rows {
        let mut bits = RowBits::new(rows, false);
        for_runs(encoded, rows, |start, end| bits.set(start, end, true))?;
        return Ok(bits.into_bitmap());
    }
    let mut positions = RoaringBitmap::new();
    for_runs(encoded, rows, |start, end| {
        // A single row is appended without a search for its place.
        if end - start > 1 || positions.try_push(start).is_err() {
            positions.insert_range(start..end);
        }
    })?;
    Ok(positions)
}

/// Reads the set of all rows of a table that no one of some sets has.
pub(super) fn decode_rest<'a>(
    sets: impl IntoIterator<Item = &'a [u8]>,
    rows: u64,
) -> Result<RoaringBitmap, Malformed> {
    let mut bits = RowBits::new(rows, true);
    for encoded in sets {
        for_runs(encoded, rows, |start, end| bits.set(start, end, false))?;
    }
    Ok(bits.into_bitmap())
}

fn for_runs(encoded: &[u8], rows: u64, mut each: impl FnMut(u32, u32)) -> Result<(), Malformed> {
    let rows = u32::try_from(rows).map_err(|_| "a table of too many rows")?;
    let mut reader = Reader::new(encoded);
    let mut end = 0u64;
    for run in 0..reader.count(1)? {
        let code = reader.varint()?;
        if code >> 1 == 0 && run > 0 {
            return Err("runs of rows touch".into());
        }
        let start = end.saturating_add(code >> 1);
        let more = if code & 1 == 1 { reader.varint()?.saturating_add(1) } else { 0 };
        end = start.saturating_add(more).saturating_add(1);
        if end > rows.into() {
            return Err("a run of rows is longer than the table".into());
        }
        each(start as u32, end as u32);
    }
    reader.end()
}

/// A bit for each row of a table, lowest first.
struct RowBits {
    words: Vec<u64>,
}

impl RowBits {
    fn new(rows: u64, all: bool) -> Self {
        let mut bits =
            Self { words: vec![if all { u64::MAX } else { 0 }; rows.div_ceil(64) as usize] };
        let past_last = rows as usize % 64;
        if let Some(last) = bits.words.last_mut().filter(|_| past_last > 0) {
            *last &= (1 << past_last) - 1;
        }
        bits
    }

    /// Sets or clears a run of rows that there are.
    fn set(&mut self, start: u32, end: u32, value: bool) {
        let (first, last) = ((start / 64) as usize, ((end - 1) / 64) as usize);
        for word in first..=last {
            let mut mask = u64::MAX;
            if word == first {
                mask &= u64::MAX << (start % 64);
            }
            if word == last {
                mask &= u64::MAX >> (63 - (end - 1) % 64);
            }
            if value {
                self.words[word] |= mask;
            } else {
                self.words[word] &= !mask;
            }
        }
    }

    fn into_bitmap(self) -> RoaringBitmap {
        let bytes: Vec<u8> = self.words.into_iter().flat_map(u64::to_le_bytes).collect();
        RoaringBitmap::from_lsb0_bytes(0, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sets_read_back(
            sparse in btree_set(0..100_000u32, 0..50),
            dense in btree_set(0..60u32, 0..50),
        ) {
            for wanted in [sparse, dense] {
                let mut writer = PositionsWriter::default();
                wanted.iter().for_each(|&row| writer.push(row, row + 1));
                prop_assert_eq!(writer.is_empty(), wanted.is_empty());
                let bytes = writer.encode();
                let last = wanted.last().copied().map_or(0, u64::from);
                for rows in [last + 1, 100_000, 10_000_000] {
                    let read = decode(&bytes, rows).expect("reads");
                    prop_assert!(read.iter().eq(wanted.iter().copied()));
                }
                prop_assert!(wanted.is_empty() || decode(&bytes, last).is_err());
                let rest = decode_rest([&bytes[..], &bytes], last + 1).expect("reads");
                prop_assert!(rest.iter().eq((0..=last as u32).filter(|row| !wanted.contains(row))));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in vec(prop_oneof![0..4u8, any::<u8>()], 0..40), rows in 0..200u64) {
            if let Ok(read) = decode(&bytes, rows) {
                prop_assert!(read.max().is_none_or(|last| u64::from(last) < rows));
            }
        }
    }
}
