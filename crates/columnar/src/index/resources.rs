//! Which rows each resource set has.
//!
//! ```text
//! resources = count:varint (length:varint set length:varint positions)*   by set, ascending
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
    // Where the empty set is wanted, all rows are but those of the sets that are not.
    let is_empty_wanted = wanted(&Resource::default());
    let mut reader = Reader::new(section);
    let mut sets = Vec::new();
    for _ in 0..reader.count(2)? {
        let set = decode_resource(reader.bytes()?).ok_or("a resource set is malformed")?;
        let encoded = reader.bytes()?;
        if wanted(&set) != is_empty_wanted {
            sets.push(encoded);
        }
    }
    reader.end()?;
    if is_empty_wanted {
        return positions::decode_rest(sets, rows);
    }
    let mut found = RoaringBitmap::new();
    for encoded in sets {
        found |= positions::decode(encoded, rows)?;
    }
    Ok(found)
}

/// Writes the section, by the rows of each encoded set.
pub(super) fn encode(sets: BTreeMap<Box<[u8]>, PositionsWriter>) -> Vec<u8> {
    let mut out = Vec::new();
    put_u64(&mut out, sets.len() as u64);
    for (set, rows) in sets {
        put_bytes(&mut out, &set);
        put_bytes(&mut out, &rows.encode());
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::resource::encode_resource;

    proptest! {
        #[test]
        fn no_bytes_panic(
            rows in btree_map("[a-c]{1,3}", 0..100u32, 0..8),
            at in any::<prop::sample::Index>(),
            byte: u8,
            random in vec(prop_oneof![0..7u8, any::<u8>()], 0..60),
        ) {
            let sets = rows.iter().map(|(name, &row)| {
                let value = varve_types::Value::Null;
                let attribute = varve_types::Attribute { name: name.as_str().into(), value };
                let mut set = Vec::new();
                encode_resource(&Resource(vec![attribute]), &mut set);
                let mut positions = PositionsWriter::default();
                positions.push(row, row + 1);
                (set.into(), positions)
            });
            let mut section = encode(sets.collect());
            *at.get_mut(&mut section) = byte;
            for section in [section, random] {
                let _ = rows_where(&section, 100, |set| set.0.is_empty());
                let _ = rows_where(&section, 100, |set| !set.0.is_empty());
            }
        }
    }
}
