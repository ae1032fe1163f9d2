//! Which rows each level has.
//!
//! ```text
//! levels = rest:u8 count:varint (level:u8 positions)*            levels ascending, without rest
//! ```
//!
//! The level that most rows have is the rest: its rows are those that no other level has, so that
//! the many lines of level info cost nothing.

use bytes::Bytes;
use roaring::RoaringBitmap;
use varve_types::Level;

use crate::encoding::varint::{Reader, put_u64};
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
    let mut found = RoaringBitmap::new();
    if wanted == rest {
        let end = u32::try_from(rows).map_err(|_| "a table of too many rows")?;
        found.insert_range(0..end);
    }
    for _ in 0..reader.count(2)? {
        let level = level(&mut reader)?;
        if wanted == rest {
            found -= positions::decode(&mut reader, rows)?;
        } else if wanted == level {
            found = positions::decode(&mut reader, rows)?;
        } else {
            positions::skip(&mut reader, rows)?;
        }
    }
    reader.end()?;
    Ok(found)
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
            rows.write(&mut out);
        }
        out
    }
}
