//! Reads pages and sections: nothing is decoded before its checksum holds.

use std::io;

use bytes::Bytes;

use crate::column::Column;
use crate::column_id::ColumnId;
use crate::encoding::compression;
use crate::error::{FormatError, Malformed};
use crate::shaped::{Messages, ShapedColumn};
use crate::table::bounds::PAGE_RAW_BYTES_MAX;
use crate::table::footer::{PageEntry, SectionEntry};
use crate::table::source::PageSource;
use crate::table::{Table, TableKind, page};

/// Groups whose stored bytes are more are read page by page.
const SPAN_BYTES_MAX: u64 = 4 << 20;

impl Table {
    /// The bytes of a section, checked and decompressed, or `None` when the table has none of the
    /// kind.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or the section is damaged.
    pub fn section(&self, kind: u16) -> Result<Option<Bytes>, FormatError> {
        let entry = self.inner.footer.sections.iter().find(|section| section.kind == kind);
        entry.map(|entry| self.load_section(entry)).transpose()
    }

    fn load_section(&self, entry: &SectionEntry) -> Result<Bytes, FormatError> {
        let stored = self.read_checked(entry.offset, entry.len, entry.crc, "section")?;
        compression::load(&stored, PAGE_RAW_BYTES_MAX)
            .map_err(|what| what.at(self.name(), entry.offset))
    }

    /// Some bytes of a section that was stored as it is, from `offset` of what was written, under
    /// a checksum of their own.
    pub(crate) fn read_in_section(
        &self,
        kind: u16,
        offset: u64,
        len: u32,
        crc: u32,
    ) -> Result<Bytes, FormatError> {
        let entry = self.inner.footer.sections.iter().find(|section| section.kind == kind);
        let entry =
            entry.ok_or_else(|| self.contradiction(format!("there is no section {kind}")))?;
        let offset = offset.saturating_add(compression::RAW_HEAD_BYTES as u64);
        if offset.saturating_add(len.into()) > entry.len.into() {
            let what = Malformed::from("what is sought in a section is past its end");
            return Err(what.at(self.name(), entry.offset));
        }
        self.read_checked(entry.offset + offset, len, crc, "part of a section")
    }

    /// One column of one group, or `None` when the column has no value there.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or the page is damaged.
    ///
    /// # Panics
    ///
    /// When there is no such group.
    pub fn read(&self, group: usize, column: &ColumnId) -> Result<Option<Column>, FormatError> {
        let Some(page) = self.page(group, column) else {
            return Ok(None);
        };
        let stored = self.read_checked(page.offset, page.len, page.crc, "page")?;
        self.decode_page(group, &page, &stored, None).map(Some)
    }

    /// All columns of a group, sorted, calling `each` with one after another. Reads the group's
    /// bytes at once where they are few enough.
    pub(crate) fn for_columns(
        &self,
        group: usize,
        mut each: impl FnMut(&ColumnId, Column) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.for_pages(group, None, |id, decode| each(id, decode()?))
    }

    /// The same, but a column is decoded when `each` asks for it. Where only some rows are
    /// `wanted`, which ascend, strings of others may come out empty.
    pub(crate) fn for_pages(
        &self,
        group: usize,
        wanted: Option<&[u32]>,
        mut each: impl FnMut(
            &ColumnId,
            &dyn Fn() -> Result<Column, FormatError>,
        ) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let footer = &self.inner.footer;
        let span = self.read_span(group)?;
        for page in &footer.pages[group] {
            let decode = || {
                let stored = match &span {
                    Some((start, bytes)) => {
                        let at = (page.offset - start) as usize;
                        let stored = bytes.slice(at..at + page.len as usize);
                        self.checked(stored, page.offset, page.crc, "page")?
                    }
                    None => self.read_checked(page.offset, page.len, page.crc, "page")?,
                };
                self.decode_page(group, page, &stored, wanted)
            };
            each(&footer.columns[page.column as usize], &decode)?;
        }
        Ok(())
    }

    /// A group's pages lie end to end: one read serves thousands of small ones.
    fn read_span(&self, group: usize) -> Result<Option<(u64, Bytes)>, FormatError> {
        let pages = &self.inner.footer.pages[group];
        let start = pages.iter().map(|page| page.offset).min().unwrap_or_default();
        let len: u64 = pages.iter().map(|page| u64::from(page.len)).sum();
        if len > SPAN_BYTES_MAX {
            return Ok(None);
        }
        Ok(Some((start, read_exactly(&*self.inner.source, start, len as usize)?)))
    }

    /// The messages of a group as shapes where they are stored so, and put together where not.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or the page is damaged.
    ///
    /// # Panics
    ///
    /// When there is no such group.
    pub fn skim_messages(&self, group: usize) -> Result<Messages, FormatError> {
        let page = self.message_page(group)?;
        let stored = self.read_checked(page.offset, page.len, page.crc, "page")?;
        let rows = self.inner.footer.groups[group].rows;
        let skimmed = compression::load(&stored, PAGE_RAW_BYTES_MAX)
            .and_then(|raw| Ok((page::skim(&raw, rows)?, raw)));
        let (shaped, raw) = skimmed.map_err(|what| self.in_page(group, &page, &what))?;
        Ok(match shaped {
            Some(shaped) => Messages::Shaped(shaped),
            None => Messages::Whole(self.decode_raw(group, &page, &raw, None)?),
        })
    }

    /// Puts the messages of a group together from their shapes.
    ///
    /// # Errors
    ///
    /// When the page is damaged.
    ///
    /// # Panics
    ///
    /// When there is no such group.
    pub fn messages_of(&self, group: usize, shaped: &ShapedColumn) -> Result<Column, FormatError> {
        let page = self.message_page(group)?;
        self.decode_raw(group, &page, &shaped.page, None)
    }

    fn message_page(&self, group: usize) -> Result<PageEntry, FormatError> {
        self.page(group, &ColumnId::Message)
            .ok_or_else(|| self.contradiction(format!("group {group} lacks column message")))
    }

    fn decode_page(
        &self,
        group: usize,
        page: &PageEntry,
        stored: &Bytes,
        wanted: Option<&[u32]>,
    ) -> Result<Column, FormatError> {
        let raw = compression::load(stored, PAGE_RAW_BYTES_MAX)
            .map_err(|what| self.in_page(group, page, &what))?;
        self.decode_raw(group, page, &raw, wanted)
    }

    fn decode_raw(
        &self,
        group: usize,
        page: &PageEntry,
        raw: &Bytes,
        wanted: Option<&[u32]>,
    ) -> Result<Column, FormatError> {
        let footer = &self.inner.footer;
        let column = &footer.columns[page.column as usize];
        let segment = footer.kind == TableKind::Segment;
        page::decode(raw, column, footer.groups[group].rows, segment, wanted)
            .map_err(|what| self.in_page(group, page, &what))
    }

    fn in_page(&self, group: usize, page: &PageEntry, what: &Malformed) -> FormatError {
        let column = &self.inner.footer.columns[page.column as usize];
        let what = Malformed(format!("column {column}, group {group}: {what}").into());
        what.at(self.name(), page.offset)
    }

    pub(super) fn read_checked(
        &self,
        offset: u64,
        len: u32,
        crc: u32,
        what: &str,
    ) -> Result<Bytes, FormatError> {
        let stored = read_exactly(&*self.inner.source, offset, len as usize)?;
        self.checked(stored, offset, crc, what)
    }

    fn checked(
        &self,
        stored: Bytes,
        offset: u64,
        crc: u32,
        what: &str,
    ) -> Result<Bytes, FormatError> {
        match check_crc(&stored, crc) {
            Ok(()) => Ok(stored),
            Err(error) => Err(Malformed(format!("{what}: {error}").into()).at(self.name(), offset)),
        }
    }
}

pub(super) fn read_exactly(
    source: &dyn PageSource,
    offset: u64,
    len: usize,
) -> Result<Bytes, FormatError> {
    let failed = |error| FormatError::Read { name: source.name().to_owned(), offset, len, error };
    let bytes = source.read(offset, len).map_err(failed)?;
    if bytes.len() != len {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}

pub(super) fn check_crc(bytes: &[u8], crc: u32) -> Result<(), Malformed> {
    if crc32c::crc32c(bytes) == crc { Ok(()) } else { Err("the checksum does not match".into()) }
}
