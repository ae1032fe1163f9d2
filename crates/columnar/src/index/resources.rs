//! Which rows each resource set has.
//!
//! ```text
//! resources = count:varint (set length:varint set positions)*    sets by bytes, ascending
//! ```
//!
//! A set is in its canonical encoding (`resource`). Rows that no set has are those of the empty
//! one. Where sets are so many that they no longer tell rows apart, there is no such index.

use std::collections::BTreeMap;

use bytes::Bytes;
use roaring::RoaringBitmap;
use varve_types::Resource;

use crate::encoding::varint::{Reader, put_bytes, put_u64};
use crate::error::{FormatError, Malformed};
use crate::index::positions::{self, PositionsWriter};
use crate::index::{RESOURCES_SECTION, damaged};
use crate::resource::decode_resource;
use crate::table::Table;

/// Which rows each resource set has; they are decoded when asked for.
#[derive(Clone, Debug)]
pub struct ResourceIndex {
    table: Table,
    section: Bytes,
}

impl ResourceIndex {
    pub(super) fn open(table: &Table) -> Result<Option<Self>, FormatError> {
        let section = table.section(RESOURCES_SECTION)?;
        Ok(section.map(|section| Self { table: table.clone(), section }))
    }

    /// The rows of all resource sets that are wanted; rows without resource attributes have the
    /// empty set.
    ///
    /// # Errors
    ///
    /// When the index is damaged.
    pub fn rows_where(
        &self,
        wanted: impl Fn(&Resource) -> bool,
    ) -> Result<RoaringBitmap, FormatError> {
        rows_where(&self.section, self.table.rows(), wanted)
            .map_err(|what| damaged(&self.table, "resource", &what))
    }
}

fn rows_where(
    section: &[u8],
    rows: u64,
    wanted: impl Fn(&Resource) -> bool,
) -> Result<RoaringBitmap, Malformed> {
    // Of an empty set's rows those are left that some set has.
    let is_empty_wanted = wanted(&Resource::default());
    let mut found = RoaringBitmap::new();
    if is_empty_wanted {
        let end = u32::try_from(rows).map_err(|_| "a table of too many rows")?;
        found.insert_range(0..end);
    }
    let mut reader = Reader::new(section);
    for _ in 0..reader.count(2)? {
        let set = decode_resource(reader.bytes()?).ok_or("a resource set is malformed")?;
        match (wanted(&set), is_empty_wanted) {
            (true, false) => found |= positions::decode(&mut reader, rows)?,
            (false, true) => found -= positions::decode(&mut reader, rows)?,
            _ => positions::skip(&mut reader, rows)?,
        }
    }
    reader.end()?;
    Ok(found)
}

/// Writes the section, by the rows of each encoded set.
pub(super) fn encode(sets: BTreeMap<Box<[u8]>, PositionsWriter>) -> Vec<u8> {
    let mut out = Vec::new();
    put_u64(&mut out, sets.len() as u64);
    for (set, rows) in sets {
        put_bytes(&mut out, &set);
        rows.write(&mut out);
    }
    out
}
