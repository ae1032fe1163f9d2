//! The block: the rows of the batches that waited for one bucket, gathered, columnar and
//! compressed once. The unit of replication: nothing downstream decodes it before a query or a
//! merge.
//!
//! A block is a table of kind block. Its section 1 lists its *parts*, one per (batch, range); the
//! parts' rows follow each other and fill the block.

mod builder;
mod check;
mod error;
mod parts;

use std::sync::Arc;

use bytes::Bytes;
use varve_types::{ContentDigest, RowNumber};

pub use builder::BlockBuilder;
pub use error::BlockError;
pub use parts::Part;

use crate::error::FormatError;
use crate::table::{BytesSource, Table, TableKind};

/// The section that lists the parts.
const PARTS_SECTION: u16 = 1;

/// An open block. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Block {
    table: Table,
    parts: Arc<[Part]>,
}

impl Block {
    /// Checks and reads the footer and the parts; no page is read.
    ///
    /// # Errors
    ///
    /// When the bytes are damaged, of an unknown version, or no block.
    pub fn open(bytes: Bytes) -> Result<Self, FormatError> {
        let table = Table::open(Arc::new(BytesSource::new("block", bytes)))?;
        if table.kind() != TableKind::Block {
            return Err(table.contradiction("the table is not a block"));
        }
        let section = table
            .section(PARTS_SECTION)?
            .ok_or_else(|| table.contradiction("the block has no list of parts"))?;
        let parts = parts::decode(&section).map_err(|what| table.contradiction(what.0))?;
        let rows = parts.last().map_or(0, |part| part.rows.end);
        let digest = parts.iter().fold(ContentDigest::EMPTY, |sum, part| sum + part.content);
        if u64::from(rows) != table.rows() || digest != table.content_digest() {
            return Err(table.contradiction("the parts do not add up to the block"));
        }
        Ok(Self { table, parts: parts.into() })
    }

    /// The rows.
    #[must_use]
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Whose rows they are, in order; their row ranges follow each other from 0.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The group that holds a row and the row's position in it, or `None` past the last row.
    #[must_use]
    pub fn locate(&self, row: RowNumber) -> Option<(usize, u32)> {
        let row = u64::from(row.get());
        if row >= self.table.rows() {
            return None;
        }
        let group = self.table.groups().partition_point(|group| group.first_row <= row) - 1;
        Some((group, (row - self.table.groups()[group].first_row) as u32))
    }

    /// Everything that [`Table::verify`] checks, and that each part's digest is that of its rows.
    ///
    /// # Errors
    ///
    /// The first damage or contradiction found.
    pub fn verify(&self) -> Result<(), FormatError> {
        self.table.verify()?;
        let mut digests = Vec::with_capacity(self.table.rows() as usize);
        for group in 0..self.table.groups().len() {
            digests.extend(self.table.row_digests(group)?);
        }
        for (number, part) in self.parts.iter().enumerate() {
            if builder::digest_of(&digests, &part.rows) != part.content {
                return Err(self
                    .table
                    .contradiction(format!("part {number}: its rows have another digest")));
            }
        }
        Ok(())
    }
}
