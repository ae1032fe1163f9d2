//! Which rows each service of each tenant has.
//!
//! ```text
//! owners = count:varint owner*                                   by (tenant, service), ascending
//! owner  = tenant:varint service length:varint service length:varint positions
//! ```

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use roaring::RoaringBitmap;
use varve_types::TenantId;

use crate::encoding::varint::{Reader, put_bytes, put_u64};
use crate::error::{FormatError, Malformed};
use crate::index::positions::{self, PositionsWriter};
use crate::index::{OWNERS_SECTION, damaged};
use crate::table::Table;

/// Which rows each service of each tenant has. Opened, it knows the owners; the rows of one are
/// decoded when asked for.
#[derive(Clone, Debug)]
pub struct OwnerIndex {
    table: Table,
    section: Bytes,
    /// Sorted, and where each one's positions lie in the section.
    owners: Directory,
}

/// A tenant and one of its services.
type Owner = (TenantId, Arc<str>);
type Directory = Vec<(Owner, Range<usize>)>;

impl OwnerIndex {
    pub(super) fn open(table: &Table) -> Result<Option<Self>, FormatError> {
        let Some(section) = table.section(OWNERS_SECTION)? else {
            return Ok(None);
        };
        let owners = directory(&section).map_err(|what| damaged(table, "owner", &what))?;
        Ok(Some(Self { table: table.clone(), section, owners }))
    }

    /// The rows of a service of a tenant; none when it does not occur.
    ///
    /// # Errors
    ///
    /// When the index is damaged.
    pub fn rows(&self, tenant: TenantId, service: &str) -> Result<RoaringBitmap, FormatError> {
        let key =
            |(owner, _): &(Owner, _)| owner.0.cmp(&tenant).then_with(|| (*owner.1).cmp(service));
        let Ok(place) = self.owners.binary_search_by(key) else {
            return Ok(RoaringBitmap::new());
        };
        positions::decode(&self.section[self.owners[place].1.clone()], self.table.rows())
            .map_err(|what| damaged(&self.table, "owner", &what))
    }

    /// The services of each tenant, sorted.
    pub fn owners(&self) -> impl Iterator<Item = (TenantId, &str)> {
        self.owners.iter().map(|((tenant, service), _)| (*tenant, &**service))
    }

    /// The tenants that have rows, ascending, each once.
    pub fn tenants(&self) -> impl Iterator<Item = TenantId> {
        let firsts = self.owners.chunk_by(|(a, _), (b, _)| a.0 == b.0);
        firsts.map(|owners| owners[0].0.0)
    }
}

fn directory(section: &[u8]) -> Result<Directory, Malformed> {
    let mut reader = Reader::new(section);
    let mut owners: Directory = Vec::new();
    for _ in 0..reader.count(3)? {
        let owner = (TenantId(reader.varint_u32()?), Arc::from(reader.str()?));
        if owners.last().is_some_and(|(previous, _)| *previous >= owner) {
            return Err("the owners do not ascend".into());
        }
        let len = reader.bytes()?.len();
        owners.push((owner, reader.position() - len..reader.position()));
    }
    reader.end()?;
    Ok(owners)
}

/// Writes the section, by the rows of each owner.
pub(super) fn encode(owners: BTreeMap<Owner, PositionsWriter>) -> Vec<u8> {
    let mut out = Vec::new();
    put_u64(&mut out, owners.len() as u64);
    for ((tenant, service), writer) in owners {
        put_u64(&mut out, u64::from(tenant.0));
        put_bytes(&mut out, service.as_bytes());
        put_bytes(&mut out, &writer.encode());
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(
            names in btree_map((0..3u32, "[a-c]{1,3}"), 0..100u32, 0..8),
            at in any::<prop::sample::Index>(),
            byte: u8,
            random in vec(prop_oneof![0..4u8, any::<u8>()], 0..60),
        ) {
            let owners = names.iter().map(|((tenant, service), &row)| {
                let mut rows = PositionsWriter::default();
                rows.push(row, row + 1);
                ((TenantId(*tenant), service.as_str().into()), rows)
            });
            let mut section = encode(owners.collect());
            prop_assert_eq!(directory(&section).map(|owners| owners.len()), Ok(names.len()));
            *at.get_mut(&mut section) = byte;
            let _ = directory(&section);
            let _ = directory(&random);
        }
    }
}
