//! The footer: what a table holds and where.
//!
//! ```text
//! footer   = kind:u8 rows:varint digest:u128
//!            count:varint group*                     row groups in order
//!            listed:u8 (count:varint text*)?         services, sorted; absent when too many
//!            count:varint column*                    sorted by identity
//!            page-list per group                     in the order their bytes lie in the file
//!            count:varint section*                   kinds ascending; their bytes in this order too
//! group    = rows:varint earliest:zigzag span:varint levels:u8
//!            (lowest index:varint span:varint)?      segments only
//! column   = tag:u8 (name length:varint name)?       attributes have a name
//! pages    = count:varint (column:varint length:varint crc32c:u32)*
//! section  = kind:varint length:varint crc32c:u32
//! ```
//!
//! Pages and sections lie end to end, so their offsets are sums of lengths, and no byte of a
//! table is outside some checksum.

use std::sync::Arc;

use varve_types::{ContentDigest, limits};

use crate::column_id::ColumnId;
use crate::encoding::varint::{Reader, put_bytes, put_u64};
use crate::error::Malformed;
use crate::table::bounds::ZONE_SERVICES_MAX;
use crate::table::group::{self, GroupMeta};

/// Which of the two shapes a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// A block: rows in order of arrival, numbered by their position.
    Block = 0,
    /// A segment: rows of many blocks, whose places in the log are columns of their own.
    Segment = 1,
}

/// Where one page lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageEntry {
    /// The column's place in [`Footer::columns`]. While writing: its order of appearance.
    pub(crate) column: u32,
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

/// Where one section lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SectionEntry {
    pub(crate) kind: u16,
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

/// A table's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) kind: TableKind,
    pub(crate) rows: u64,
    pub(crate) digest: ContentDigest,
    pub(crate) groups: Vec<GroupMeta>,
    pub(crate) services: Option<Vec<Arc<str>>>,
    /// Sorted, unique.
    pub(crate) columns: Vec<ColumnId>,
    /// Per group. While writing in the order of the file; once read sorted by column.
    pub(crate) pages: Vec<Vec<PageEntry>>,
    pub(crate) sections: Vec<SectionEntry>,
}

impl Footer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.kind as u8];
        put_u64(&mut out, self.rows);
        out.extend_from_slice(&self.digest.0.to_le_bytes());
        put_u64(&mut out, self.groups.len() as u64);
        for meta in &self.groups {
            group::put(&mut out, meta);
        }
        out.push(u8::from(self.services.is_some()));
        if let Some(services) = &self.services {
            put_u64(&mut out, services.len() as u64);
            services.iter().for_each(|service| put_bytes(&mut out, service.as_bytes()));
        }
        put_u64(&mut out, self.columns.len() as u64);
        for column in &self.columns {
            out.push(column.tag());
            if let ColumnId::Attribute { name, .. } = column {
                put_bytes(&mut out, name.as_bytes());
            }
        }
        for pages in &self.pages {
            put_u64(&mut out, pages.len() as u64);
            for page in pages {
                put_u64(&mut out, u64::from(page.column));
                put_u64(&mut out, u64::from(page.len));
                out.extend_from_slice(&page.crc.to_le_bytes());
            }
        }
        put_u64(&mut out, self.sections.len() as u64);
        for section in &self.sections {
            put_u64(&mut out, u64::from(section.kind));
            put_u64(&mut out, u64::from(section.len));
            out.extend_from_slice(&section.crc.to_le_bytes());
        }
        out
    }

    /// Reads the directory of a table whose first page begins at `offset` and whose last section
    /// must end at `end`.
    pub(crate) fn decode(bytes: &[u8], mut offset: u64, end: u64) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let kind = match reader.u8()? {
            0 => TableKind::Block,
            1 => TableKind::Segment,
            _ => return Err("the footer names an unknown kind of table".into()),
        };
        let rows = reader.varint()?;
        let digest = ContentDigest(reader.u128()?);
        let bytes_left = end.saturating_sub(offset);
        let groups = group::read(&mut reader, kind, bytes_left)?;
        if groups.iter().map(|group| u64::from(group.rows)).sum::<u64>() != rows {
            return Err("the footer's groups have other rows than the table".into());
        }
        let services = read_services(&mut reader)?;
        let columns = read_columns(&mut reader, bytes_left)?;
        let pages = groups
            .iter()
            .map(|_| read_pages(&mut reader, columns.len(), &mut offset, end))
            .collect::<Result<_, _>>()?;
        let sections = read_sections(&mut reader, &mut offset)?;
        reader.end()?;
        if offset != end {
            return Err("the footer's pages and sections do not fill the table".into());
        }
        let footer = Self { kind, rows, digest, groups, services, columns, pages, sections };
        footer.check_columns()?;
        Ok(footer)
    }

    /// Every group must have the columns that every row has. The places of a block's rows are known
    /// only once it is in the log: a segment made of it is given them.
    fn check_columns(&self) -> Result<(), Malformed> {
        let segment = self.kind == TableKind::Segment;
        let is_place = |id: &ColumnId| id.is_always_present(true) && !id.is_always_present(false);
        if !segment && self.columns.iter().any(is_place) {
            return Err("the footer of a block has a column that segments alone have".into());
        }
        for id in ColumnId::FIXED.iter().filter(|id| id.is_always_present(segment)) {
            let place = self.columns.binary_search(id).ok();
            let held = |pages: &Vec<PageEntry>| {
                place.is_some_and(|place| {
                    pages.binary_search_by_key(&(place as u32), |page| page.column).is_ok()
                })
            };
            if !self.pages.iter().all(held) {
                return Err("the footer lacks a column that every row has".into());
            }
        }
        Ok(())
    }
}

/// The fewest bytes that a page takes as stored: how it is compressed, and its presence. What a
/// compressed footer may claim is bounded by the bytes that the table really has.
pub(super) const PAGE_BYTES_MIN: u64 = 2;

fn read_services(reader: &mut Reader<'_>) -> Result<Option<Vec<Arc<str>>>, Malformed> {
    match reader.u8()? {
        0 => return Ok(None),
        1 => {}
        _ => return Err("the footer's services have an unknown form".into()),
    }
    let count = reader.count(1)?;
    if count > ZONE_SERVICES_MAX {
        return Err("the footer lists more services than the format allows".into());
    }
    let mut services: Vec<Arc<str>> = Vec::with_capacity(count);
    for _ in 0..count {
        services.push(reader.str()?.into());
    }
    if !services.is_sorted_by(|a, b| a < b) {
        return Err("the footer's services do not ascend".into());
    }
    Ok(Some(services))
}

fn read_columns(reader: &mut Reader<'_>, bytes_left: u64) -> Result<Vec<ColumnId>, Malformed> {
    let count = reader.count(1)?;
    if count > limits::COLUMNS_PER_SEGMENT_MAX + ColumnId::FIXED.len()
        || count as u64 > bytes_left / PAGE_BYTES_MIN
    {
        return Err("the footer lists more columns than the table can have".into());
    }
    let mut columns: Vec<ColumnId> = Vec::with_capacity(count);
    for _ in 0..count {
        let tag = reader.u8()?;
        let column = match (ColumnId::FIXED.get(usize::from(tag)), ColumnId::attribute_kind(tag)) {
            (Some(fixed), _) => fixed.clone(),
            (None, Some(kind)) => ColumnId::Attribute { name: reader.str()?.into(), kind },
            (None, None) => return Err("the footer lists an unknown kind of column".into()),
        };
        if columns.last().is_some_and(|previous| *previous >= column) {
            return Err("the footer's columns do not ascend".into());
        }
        columns.push(column);
    }
    Ok(columns)
}

fn read_pages(
    reader: &mut Reader<'_>,
    columns: usize,
    offset: &mut u64,
    end: u64,
) -> Result<Vec<PageEntry>, Malformed> {
    let count = reader.count(6)?;
    if count as u64 > end.saturating_sub(*offset) / PAGE_BYTES_MIN {
        return Err("the footer lists more pages than the table has bytes for".into());
    }
    let mut pages: Vec<PageEntry> = Vec::with_capacity(count);
    for _ in 0..count {
        let column = reader.varint_u32()?;
        if column as usize >= columns {
            return Err("the footer has a page of an unknown column".into());
        }
        let (len, crc) = (reader.varint_u32()?, reader.u32()?);
        if u64::from(len) < PAGE_BYTES_MIN {
            return Err("the footer has a page that is too short to be one".into());
        }
        pages.push(PageEntry { column, offset: *offset, len, crc });
        *offset = offset.checked_add(u64::from(len)).ok_or("the footer's pages are too long")?;
    }
    pages.sort_unstable_by_key(|page| page.column);
    if !pages.is_sorted_by(|a, b| a.column < b.column) {
        return Err("the footer has two pages of one column in one group".into());
    }
    Ok(pages)
}

fn read_sections(
    reader: &mut Reader<'_>,
    offset: &mut u64,
) -> Result<Vec<SectionEntry>, Malformed> {
    let count = reader.count(6)?;
    let mut sections: Vec<SectionEntry> = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = u16::try_from(reader.varint()?)
            .map_err(|_| "the footer has a section of an impossible kind")?;
        let (len, crc) = (reader.varint_u32()?, reader.u32()?);
        sections.push(SectionEntry { kind, offset: *offset, len, crc });
        *offset = offset.checked_add(u64::from(len)).ok_or("the footer's sections are too long")?;
    }
    if !sections.is_sorted_by(|a, b| a.kind < b.kind) {
        return Err("the footer's sections do not ascend".into());
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use varve_types::{LogIndex, TimestampNs, ValueKind};

    use super::*;
    use crate::table::zone::LevelSet;

    const END: u64 = 5000;

    fn sample() -> Footer {
        let group = |first_row| GroupMeta {
            rows: 100,
            first_row,
            min_time: TimestampNs(-5),
            max_time: TimestampNs(5_000_000_000),
            levels: LevelSet::EMPTY,
            indexes: Some((LogIndex(3), LogIndex(300))),
        };
        let attribute =
            |name: &str| ColumnId::Attribute { name: name.into(), kind: ValueKind::Text };
        let fixed = ColumnId::FIXED.into_iter();
        let columns: Vec<_> = fixed.chain([attribute("a"), attribute("b")]).collect();
        let mut offset = 0;
        let mut take = |len: u32| {
            offset += u64::from(len);
            offset - u64::from(len)
        };
        let mut pages = |len| {
            let columns = 0..columns.len() as u32;
            columns.map(|column| PageEntry { column, offset: take(len), len, crc: 7 }).collect()
        };
        let pages = vec![pages(100), pages(200)];
        let sections = vec![
            SectionEntry { kind: 1, offset: take(400), len: 400, crc: 8 },
            SectionEntry { kind: 700, offset: take(1000), len: 1000, crc: 9 },
        ];
        Footer {
            kind: TableKind::Segment,
            rows: 200,
            digest: ContentDigest(1 << 90),
            groups: vec![group(0), group(100)],
            services: Some(vec!["api".into(), "web".into()]),
            columns,
            pages,
            sections,
        }
    }

    #[test]
    fn a_footer_reads_back() {
        let footer = sample();
        assert_eq!(Footer::decode(&footer.encode(), 0, END), Ok(footer));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_footer_panics_whatever_its_bytes(
            edits in vec((any::<Index>(), any::<u8>()), 1..4),
            random: Vec<u8>,
        ) {
            let mut bytes = sample().encode();
            let span = bytes.len();
            for (at, byte) in edits {
                bytes[at.index(span)] = byte;
            }
            let _ = Footer::decode(&bytes, 0, END);
            let _ = Footer::decode(&random, 16, END);
        }
    }
}
