//! Which rows each level has.
//!
//! ```text
//! levels = rest:u8 count:varint (level:u8 length:varint positions)*      without rest, ascending
//! ```
//!
//! The level that most rows have is the rest: its rows are those that no other level has, so that
//! the many lines of level info cost nothing.

use bytes::Bytes;
use roaring::RoaringBitmap;
use varve_types::Level;

use crate::encoding::varint::{Reader, put_bytes, put_u64};
use crate::error::{FormatError, Malformed};
use crate::index::positions::{self, PositionsWriter};
use crate::index::{LEVELS_SECTION, damaged};
use crate::table::Table;

/// Which rows each level has; they are decoded when asked for.
#[derive(Clone, Debug)]
pub struct LevelIndex {
    table: Table,
    section: Bytes,
}

impl LevelIndex {
    pub(super) fn open(table: &Table) -> Result<Option<Self>, FormatError> {
        let section = table.section(LEVELS_SECTION)?;
        Ok(section.map(|section| Self { table: table.clone(), section }))
    }

    /// The rows of a level.
    ///
    /// # Errors
    ///
    /// When the index is damaged.
    pub fn rows(&self, level: Level) -> Result<RoaringBitmap, FormatError> {
        rows(&self.section, level, self.table.rows())
            .map_err(|what| damaged(&self.table, "level", &what))
    }
}

fn rows(section: &[u8], wanted: Level, rows: u64) -> Result<RoaringBitmap, Malformed> {
    let level = |reader: &mut Reader<'_>| {
        Level::from_number(reader.u8()?).ok_or(Malformed::from("an unknown level"))
    };
    let mut reader = Reader::new(section);
    let rest = level(&mut reader)?;
    let mut stored = Vec::new();
    for _ in 0..reader.count(2)? {
        stored.push((level(&mut reader)?, reader.bytes()?));
    }
    reader.end()?;
    if wanted == rest {
        return positions::decode_rest(stored.into_iter().map(|(_, encoded)| encoded), rows);
    }
    match stored.into_iter().find(|(level, _)| *level == wanted) {
        Some((_, encoded)) => positions::decode(encoded, rows),
        None => Ok(RoaringBitmap::new()),
    }
}

/// The rows of each level while a segment is written.
#[derive(Debug, Default)]
pub(super) struct LevelRows {
    /// By the level's number: how many rows, and which.
    levels: [(u64, PositionsWriter); Level::ALL.len()],
}

impl LevelRows {
    /// Adds a run of rows, which must follow all rows added before.
    pub(super) fn push(&mut self, level: Level, start: u32, end: u32) {
        let (count, rows) = &mut self.levels[usize::from(level.number())];
        *count += u64::from(end - start);
        rows.push(start, end);
    }

    /// Writes the section.
    pub(super) fn encode(self) -> Vec<u8> {
        let most = self.levels.iter().map(|(count, _)| *count).max();
        let rest = self.levels.iter().position(|(count, _)| Some(*count) == most);
        let rest = rest.unwrap_or_default();
        let mut out = vec![rest as u8];
        let stored = |&(number, (count, _)): &(usize, (u64, _))| number != rest && count > 0;
        let levels: Vec<_> = self.levels.into_iter().enumerate().filter(stored).collect();
        put_u64(&mut out, levels.len() as u64);
        for (number, (_, rows)) in levels {
            out.push(number as u8);
            put_bytes(&mut out, &rows.encode());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(
            levels in vec((0..7usize, 1..5u32), 0..30),
            at in any::<prop::sample::Index>(),
            byte: u8,
            random in vec(prop_oneof![0..7u8, any::<u8>()], 0..60),
        ) {
            let mut writer = LevelRows::default();
            let mut end = 0;
            for (level, len) in levels {
                writer.push(Level::ALL[level], end, end + len);
                end += len;
            }
            let mut section = writer.encode();
            *at.get_mut(&mut section) = byte;
            for section in [section, random] {
                for level in Level::ALL {
                    if let Ok(found) = rows(&section, level, end.into()) {
                        prop_assert!(found.max().is_none_or(|last| last < end));
                    }
                }
            }
        }
    }
}
