//! Writes a table front to back: groups, sections, footer.

use std::collections::BTreeSet;
use std::sync::Arc;

use varve_types::{ContentDigest, Level, LogIndex, RowDigest, TimestampNs};

use crate::cells::{GroupCells, Values};
use crate::column_id::ColumnId;
use crate::encoding::compression::{ZstdLevel, store, store_raw};
use crate::encoding::interner::Interner;
use crate::table::bounds::{FOOTER_RAW_BYTES_MAX, ZONE_SERVICES_MAX};
use crate::table::footer::{Footer, PageEntry, SectionEntry, TableKind};
use crate::table::group::GroupMeta;
use crate::table::page;
use crate::table::zone::LevelSet;
use crate::table::{HEADER_BYTES, HEADER_MAGIC, TRAILER_BYTES, TRAILER_MAGIC};

/// A table being written. What is written so far can be taken at any time, so that a large one
/// need not be held.
pub(crate) struct TableWriter {
    kind: TableKind,
    level: ZstdLevel,
    /// Written but not yet taken.
    out: Vec<u8>,
    /// Where `out` begins in the table.
    taken: u64,
    rows: u64,
    groups: Vec<GroupMeta>,
    pages: Vec<Vec<PageEntry>>,
    sections: Vec<SectionEntry>,
    /// `None` once there are too many.
    services: Option<BTreeSet<Arc<str>>>,
    raw: Vec<u8>,
    interner: Interner,
}

/// The directory of a table is larger than readers accept.
#[derive(Debug)]
pub(crate) struct FooterTooLong;

impl TableWriter {
    pub(crate) fn new(kind: TableKind, level: ZstdLevel) -> Self {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(HEADER_MAGIC);
        out.extend_from_slice(&kind.version().to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        Self {
            kind,
            level,
            out,
            taken: 0,
            rows: 0,
            groups: Vec::new(),
            pages: Vec::new(),
            sections: Vec::new(),
            services: Some(BTreeSet::new()),
            raw: Vec::new(),
            interner: Interner::default(),
        }
    }

    /// Writes a group, at least one row, empties it and answers its rows' digests.
    pub(crate) fn write_group(&mut self, group: &mut GroupCells) -> Vec<RowDigest> {
        let meta = self.describe(group);
        self.note_services(group);
        let mut digests = vec![RowDigest::default(); group.rows as usize];
        let mut pages = Vec::new();
        for (place, cells) in group.cells.iter().enumerate() {
            if cells.present.is_empty() {
                continue;
            }
            self.raw.clear();
            page::encode(
                &mut self.raw,
                &group.ids[place],
                group.seeds[place],
                cells,
                self.level,
                &mut self.interner,
                &mut digests,
            );
            let (offset, len, crc) = self.append_raw();
            pages.push(PageEntry { column: place as u32, offset, len, crc });
        }
        self.rows += u64::from(group.rows);
        self.groups.push(meta);
        self.pages.push(pages);
        group.clear();
        digests
    }

    /// Adds a section; each kind at most once.
    pub(crate) fn write_section(&mut self, kind: u16, payload: &[u8]) {
        self.raw.clear();
        self.raw.extend_from_slice(payload);
        let (offset, len, crc) = self.append_raw();
        self.sections.push(SectionEntry { kind, offset, len, crc });
    }

    /// Adds a section that is stored as it is, so that parts of it can be read; each kind at most
    /// once.
    pub(crate) fn write_raw_section(&mut self, kind: u16, payload: &[u8]) {
        let start = self.out.len();
        let len = store_raw(&mut self.out, payload);
        let (offset, crc) = (self.taken + start as u64, crc32c::crc32c(&self.out[start..]));
        self.sections.push(SectionEntry { kind, offset, len: len as u32, crc });
    }

    /// Appends the stored form of `raw`: its offset, length and checksum.
    fn append_raw(&mut self) -> (u64, u32, u32) {
        let start = self.out.len();
        let len = store(&mut self.out, &self.raw, self.level);
        (self.taken + start as u64, len as u32, crc32c::crc32c(&self.out[start..]))
    }

    /// What was written since the last call.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.taken += self.out.len() as u64;
        std::mem::take(&mut self.out)
    }

    /// How long the table is so far, in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.taken + self.out.len() as u64
    }

    /// Writes the footer. `ids` are the columns in order of appearance. Afterwards take the rest.
    pub(crate) fn finish(
        &mut self,
        ids: &[ColumnId],
        digest: ContentDigest,
    ) -> Result<Summary, FooterTooLong> {
        let places = self.sort_columns(ids);
        for page in self.pages.iter_mut().flatten() {
            page.column = places[page.column as usize].unwrap_or_default();
        }
        let mut columns: Vec<ColumnId> = (ids.iter().zip(&places))
            .filter(|(_, place)| place.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        columns.sort_unstable();
        let footer = Footer {
            kind: self.kind,
            rows: self.rows,
            digest,
            groups: std::mem::take(&mut self.groups),
            services: self.services.take().map(|services| services.into_iter().collect()),
            columns,
            pages: std::mem::take(&mut self.pages),
            sections: std::mem::take(&mut self.sections),
        };
        self.raw = footer.encode();
        if self.raw.len() > FOOTER_RAW_BYTES_MAX {
            return Err(FooterTooLong);
        }
        let (_, len, crc) = self.append_raw();
        let mut trailer = Vec::with_capacity(TRAILER_BYTES);
        trailer.extend_from_slice(&len.to_le_bytes());
        trailer.extend_from_slice(&crc.to_le_bytes());
        let trailer_crc = crc32c::crc32c(&trailer);
        trailer.extend_from_slice(&trailer_crc.to_le_bytes());
        trailer.extend_from_slice(TRAILER_MAGIC);
        self.out.extend_from_slice(&trailer);
        Ok(Summary {
            rows: footer.rows,
            columns: footer.columns.len(),
            times: (footer.groups.iter().map(|group| group.min_time).min())
                .zip(footer.groups.iter().map(|group| group.max_time).max()),
        })
    }

    /// For each column its place in the footer, or `None` when it has no page.
    fn sort_columns(&self, ids: &[ColumnId]) -> Vec<Option<u32>> {
        let mut used = vec![false; ids.len()];
        for page in self.pages.iter().flatten() {
            used[page.column as usize] = true;
        }
        let mut order: Vec<usize> = (0..ids.len()).filter(|&place| used[place]).collect();
        order.sort_unstable_by(|&a, &b| ids[a].cmp(&ids[b]));
        let mut places = vec![None; ids.len()];
        for (sorted, place) in order.into_iter().enumerate() {
            places[place] = Some(sorted as u32);
        }
        places
    }

    fn describe(&self, group: &GroupCells) -> GroupMeta {
        let span = |id: &ColumnId| {
            let numbers = numbers(group, id);
            let first = numbers.first().copied().unwrap_or_default();
            numbers.iter().fold((first, first), |(min, max), &n| (min.min(n), max.max(n)))
        };
        let (earliest, latest) = span(&ColumnId::Timestamp);
        let mut levels = LevelSet::EMPTY;
        for level in Level::ALL {
            if numbers(group, &ColumnId::Level).contains(&i64::from(level.number())) {
                levels.insert(level);
            }
        }
        let indexes = (self.kind == TableKind::Segment).then(|| {
            let numbers = numbers(group, &ColumnId::Index).iter().map(|&index| index as u64);
            let (min, max) = (numbers.clone().min(), numbers.max());
            (LogIndex(min.unwrap_or_default()), LogIndex(max.unwrap_or_default()))
        });
        GroupMeta {
            rows: group.rows,
            first_row: self.rows,
            min_time: TimestampNs(earliest),
            max_time: TimestampNs(latest),
            levels,
            indexes,
        }
    }

    fn note_services(&mut self, group: &GroupCells) {
        let Some(listed) = &mut self.services else {
            return;
        };
        if let Values::Interned { interner, .. } =
            &group.cells[GroupCells::fixed(&ColumnId::Service)].values
        {
            for service in interner.strings().iter() {
                let service = std::str::from_utf8(service)
                    .expect("BUG: services are texts, checked when a page is decoded");
                if !listed.contains(service) {
                    listed.insert(service.into());
                }
            }
        }
        if listed.len() > ZONE_SERVICES_MAX {
            self.services = None;
        }
    }
}

fn numbers<'a>(group: &'a GroupCells, id: &ColumnId) -> &'a [i64] {
    match &group.cells[GroupCells::fixed(id)].values {
        Values::Ints(numbers) => numbers,
        _ => &[],
    }
}

/// What a finished table holds.
pub(crate) struct Summary {
    pub(crate) rows: u64,
    pub(crate) columns: usize,
    pub(crate) times: Option<(TimestampNs, TimestampNs)>,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::table::{BytesSource, Table};

    #[test]
    fn sections_of_unknown_kinds_are_skipped_and_checked() {
        let mut writer = TableWriter::new(TableKind::Block, ZstdLevel(1));
        writer.write_section(1, b"known");
        writer.write_section(999, b"from the future");
        writer.finish(&[], ContentDigest::EMPTY).expect("short");
        let bytes = writer.take();
        let open = |bytes: Vec<u8>| {
            Table::open(Arc::new(BytesSource::new("table", bytes.into()))).expect("opens")
        };
        let table = open(bytes.clone());
        table.verify().expect("verifies");
        assert_eq!(table.section(1).expect("reads"), Some(Bytes::from_static(b"known")));
        assert_eq!(table.section(2).expect("reads"), None);
        let mut damaged = bytes;
        damaged[HEADER_BYTES + b"known".len() + 3] ^= 1;
        assert!(open(damaged).verify().is_err());
    }
}
