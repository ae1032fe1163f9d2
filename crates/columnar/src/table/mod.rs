//! The table: rows in groups, one page per group and column, and a footer that says where.
//!
//! ```text
//! offset
//! 0        header   "VARVETBL" | version:u16 | 0:u16 | crc32c of the 12 bytes before:u32
//! 16       pages    group by group, column by column; each stored (encoding::compression)
//!          sections stored; kinds that a reader does not know are skipped
//!          footer   stored; what is where (table::footer), with a crc32c per page and section
//! end-16   trailer  footer length:u32 | footer crc32c:u32 | crc32c of the 8 bytes before:u32 | "VRVE"
//! ```
//!
//! Integers are little-endian. Every byte is under exactly one checksum: a flipped bit fails the
//! opening of the table or the reading of the page it lies in, and [`Table::verify`] finds all.
//!
//! A row group has at most [`bounds::GROUP_ROWS_MAX`] rows and is cut at
//! [`bounds::GROUP_MESSAGE_BYTES`] of messages or [`bounds::GROUP_BYTES`] of all strings. A
//! column without a value in a group has no page there, so that thousands of sparse columns cost
//! what their values cost.
//!
//! Not here: what a block's parts or a segment's event hours mean ([`crate::Block`],
//! [`crate::Segment`]); and no cache: whoever reads a page twice decodes it twice.

pub mod bounds;
mod footer;
mod group;
pub(crate) mod page;
mod raw;
mod read;
mod records;
mod source;
mod verify;
pub(crate) mod writer;
mod zone;

use std::fmt;
use std::sync::Arc;

use varve_types::{ContentDigest, ValueKind};

use crate::column_id::ColumnId;
use crate::encoding::compression;
use crate::encoding::varint::Reader;
use crate::error::{FormatError, Malformed};
use bounds::FOOTER_RAW_BYTES_MAX;
pub use footer::TableKind;
use footer::{Footer, PageEntry};
pub use group::GroupMeta;
use read::{check_crc, read_exactly};
pub use source::{BytesSource, PageSource};
pub use zone::{LevelSet, ZoneMap};

/// The newest version that this program reads; it reads all before. Version 2 has more encodings
/// of numbers and strings.
pub const VERSION: u16 = 2;

impl TableKind {
    /// The version that is written: the first that has what such tables use.
    pub(crate) const fn version(self) -> u16 {
        match self {
            Self::Block => 1,
            Self::Segment => 2,
        }
    }
}

pub(crate) const HEADER_MAGIC: &[u8; 8] = b"VARVETBL";
pub(crate) const TRAILER_MAGIC: &[u8; 4] = b"VRVE";
pub(crate) const HEADER_BYTES: usize = 16;
pub(crate) const TRAILER_BYTES: usize = 16;

/// An open table. Cloning shares it.
#[derive(Clone)]
pub struct Table {
    inner: Arc<Inner>,
}

struct Inner {
    source: Arc<dyn PageSource>,
    footer: Footer,
    /// Where the footer's stored bytes begin.
    footer_offset: u64,
    zone: ZoneMap,
}

impl Table {
    /// Reads the header, the trailer and the footer, and checks them. No page is read.
    ///
    /// # Errors
    ///
    /// When the source cannot be read, its bytes are damaged, or their version is unknown.
    pub fn open(source: Arc<dyn PageSource>) -> Result<Self, FormatError> {
        let name = source.name().to_owned();
        let len = source.len();
        if len < (HEADER_BYTES + TRAILER_BYTES) as u64 {
            return Err(Malformed::from("too short to be a table").at(&name, 0));
        }
        check_header(&read_exactly(&*source, 0, HEADER_BYTES)?, &name)?;
        let trailer_offset = len - TRAILER_BYTES as u64;
        let trailer = read_exactly(&*source, trailer_offset, TRAILER_BYTES)?;
        let (footer_len, footer_crc) =
            read_trailer(&trailer).map_err(|what| what.at(&name, trailer_offset))?;
        let footer_offset = trailer_offset
            .checked_sub(u64::from(footer_len))
            .filter(|&offset| offset >= HEADER_BYTES as u64)
            .ok_or_else(|| {
                Malformed::from("the footer is longer than the table").at(&name, trailer_offset)
            })?;
        let stored = read_exactly(&*source, footer_offset, footer_len as usize)?;
        let footer = check_crc(&stored, footer_crc)
            .and_then(|()| compression::load(&stored, FOOTER_RAW_BYTES_MAX))
            .and_then(|raw| Footer::decode(&raw, HEADER_BYTES as u64, footer_offset))
            .map_err(|what| what.at(&name, footer_offset))?;
        let zone = zone_of(&footer);
        Ok(Self { inner: Arc::new(Inner { source, footer, footer_offset, zone }) })
    }

    /// Block or segment.
    #[must_use]
    pub fn kind(&self) -> TableKind {
        self.inner.footer.kind
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.inner.footer.rows
    }

    /// How many bytes the table takes as stored.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.inner.source.len()
    }

    /// The row groups, in order.
    #[must_use]
    pub fn groups(&self) -> &[GroupMeta] {
        &self.inner.footer.groups
    }

    /// The columns that occur, sorted.
    #[must_use]
    pub fn columns(&self) -> &[ColumnId] {
        &self.inner.footer.columns
    }

    /// The columns of an attribute: one per kind of value that occurs.
    #[must_use]
    pub fn attribute_columns(&self, name: &str) -> &[ColumnId] {
        let columns = self.columns();
        let key = |kind| ColumnId::Attribute { name: name.into(), kind };
        let (first, last) = (key(ValueKind::Null), key(ValueKind::Array));
        let start = columns.partition_point(|column| *column < first);
        let end = columns.partition_point(|column| *column <= last);
        &columns[start..end]
    }

    /// The columns that have a value in a group, sorted.
    ///
    /// # Panics
    ///
    /// When there is no such group.
    pub fn columns_in(&self, group: usize) -> impl Iterator<Item = &ColumnId> {
        let footer = &self.inner.footer;
        footer.pages[group].iter().map(|page| &footer.columns[page.column as usize])
    }

    /// How many bytes the page of a column in a group takes as stored, or `None` when the column
    /// has no value there.
    ///
    /// # Panics
    ///
    /// When there is no such group.
    #[must_use]
    pub fn page_bytes(&self, group: usize, column: &ColumnId) -> Option<u64> {
        self.page(group, column).map(|page| u64::from(page.len))
    }

    fn page(&self, group: usize, column: &ColumnId) -> Option<PageEntry> {
        let footer = &self.inner.footer;
        let place = footer.columns.binary_search(column).ok()?;
        let pages = &footer.pages[group];
        let page = pages.binary_search_by_key(&(place as u32), |page| page.column).ok()?;
        Some(pages[page])
    }

    /// How many bytes a group's pages take as stored.
    pub(crate) fn group_bytes(&self, group: usize) -> u64 {
        self.inner.footer.pages[group].iter().map(|page| u64::from(page.len)).sum()
    }

    /// The digest of all rows: of a segment in their places in the log, of a block before it has
    /// one.
    #[must_use]
    pub fn content_digest(&self) -> ContentDigest {
        self.inner.footer.digest
    }

    /// What is known of all rows without reading a page.
    #[must_use]
    pub fn zone(&self) -> &ZoneMap {
        &self.inner.zone
    }

    /// What errors call the table's source.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.source.name()
    }

    /// An error about the directory, for what contradicts it.
    pub(crate) fn contradiction(
        &self,
        what: impl Into<std::borrow::Cow<'static, str>>,
    ) -> FormatError {
        Malformed(what.into()).at(self.name(), self.inner.footer_offset)
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let footer = &self.inner.footer;
        f.debug_struct("Table")
            .field("name", &self.name())
            .field("kind", &footer.kind)
            .field("rows", &footer.rows)
            .field("groups", &footer.groups.len())
            .field("columns", &footer.columns.len())
            .finish_non_exhaustive()
    }
}

fn check_header(header: &[u8], name: &str) -> Result<(), FormatError> {
    let mut reader = Reader::new(header);
    let read = |reader: &mut Reader<'_>| -> Result<_, Malformed> {
        if reader.take(HEADER_MAGIC.len())? != HEADER_MAGIC {
            return Err("not a table: it does not begin with VARVETBL".into());
        }
        let (version, reserved) = (reader.u16()?, reader.u16()?);
        check_crc(&header[..reader.position()], reader.u32()?)?;
        Ok((version, reserved))
    };
    let (version, reserved) = read(&mut reader).map_err(|what| what.at(name, 0))?;
    if !(1..=VERSION).contains(&version) {
        return Err(FormatError::Version { name: name.to_owned(), found: version, known: VERSION });
    }
    if reserved != 0 {
        return Err(Malformed::from("the header's reserved bytes are not 0").at(name, 0));
    }
    Ok(())
}

fn read_trailer(trailer: &[u8]) -> Result<(u32, u32), Malformed> {
    let mut reader = Reader::new(trailer);
    let (footer_len, footer_crc) = (reader.u32()?, reader.u32()?);
    let crc = reader.u32()?;
    if reader.take(TRAILER_MAGIC.len())? != TRAILER_MAGIC {
        return Err("the table does not end with VRVE: it was cut off or is damaged".into());
    }
    check_crc(&trailer[..8], crc)?;
    Ok((footer_len, footer_crc))
}

fn zone_of(footer: &Footer) -> ZoneMap {
    let earliest = footer.groups.iter().map(|group| group.min_time).min();
    let latest = footer.groups.iter().map(|group| group.max_time).max();
    let levels = footer.groups.iter().fold(LevelSet::EMPTY, |all, group| all.union(group.levels));
    ZoneMap { times: earliest.zip(latest), levels, services: footer.services.clone() }
}
