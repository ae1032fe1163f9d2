//! Sets of positions of rows, as the runs that they are.
//!
//! ```text
//! positions = runs:varint (gap:varint length-1:varint)*      ascending; a gap is at least 1, save
//!                                                            before the first run
//! ```
//!
//! Rows of one service lie together and rare levels come in bursts: runs are short to write, and
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
            put_u64(&mut self.encoded, u64::from(start - self.end));
            put_u64(&mut self.encoded, u64::from(end - start - 1));
            self.runs += 1;
            self.end = end;
        }
    }

    /// Appends the encoded set.
    pub(super) fn write(mut self, out: &mut Vec<u8>) {
        self.close();
        put_u64(out, self.runs);
        out.extend_from_slice(&self.encoded);
    }
}

/// Reads a set of rows of a table of so many rows.
pub(super) fn decode(reader: &mut Reader<'_>, rows: u64) -> Result<RoaringBitmap, Malformed> {
    let mut positions = RoaringBitmap::new();
    for_runs(reader, rows, |start, end| {
        // A single row is appended without a search for its place.
        if end - start > 1 || positions.try_push(start).is_err() {
            positions.insert_range(start..end);
        }
    })?;
    Ok(positions)
}

/// Passes over a set.
pub(super) fn skip(reader: &mut Reader<'_>, rows: u64) -> Result<(), Malformed> {
    for_runs(reader, rows, |_, _| {})
}

fn for_runs(
    reader: &mut Reader<'_>,
    rows: u64,
    mut each: impl FnMut(u32, u32),
) -> Result<(), Malformed> {
    let mut end = 0u64;
    for run in 0..reader.count(2)? {
        let gap = reader.varint()?;
        if gap == 0 && run > 0 {
            return Err("runs of rows touch".into());
        }
        let start = end.saturating_add(gap);
        end = start.saturating_add(reader.varint()?).saturating_add(1);
        if end > rows {
            return Err("a run of rows is longer than the table".into());
        }
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else {
            return Err("a row's position is longer than 32 bits".into());
        };
        each(start, end);
    }
    Ok(())
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
                let mut bytes = Vec::new();
                writer.write(&mut bytes);
                let mut reader = Reader::new(&bytes);
                let read = decode(&mut reader, 100_000).expect("reads");
                prop_assert!(reader.end().is_ok());
                prop_assert!(read.iter().eq(wanted.iter().copied()));
                let last = wanted.last().copied().unwrap_or_default();
                prop_assert!(wanted.is_empty() || decode(&mut Reader::new(&bytes), last.into()).is_err());
            }
        }

        #[test]
        fn no_bytes_panic(bytes in vec(prop_oneof![0..4u8, any::<u8>()], 0..40), rows in 0..200u64) {
            if let Ok(read) = decode(&mut Reader::new(&bytes), rows) {
                prop_assert!(read.max().is_none_or(|last| u64::from(last) < rows));
            }
        }
    }
}
