//! The records of the page: each group that has some is decoded once, whatever the order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use varve_types::{Attribute, Record, RecordId, Value};

use crate::candidates::Place;
use crate::explain::Tally;
use crate::group::{Group, Pages};
use crate::names::Stamps;
use crate::plan::PlannedChunk;
use crate::scan::KeptPages;
use crate::{Hit, Key, Limits, QueryError, Records, SearchResult};

/// What a record occupies beside its message and its attributes' names and values.
const RECORD_BYTES: usize = size_of::<Hit>();

/// A search that has found which records to answer, and has still to read them.
pub struct Page {
    chunks: Vec<PlannedChunk>,
    limits: Limits,
    total: Option<u64>,
    tally: Tally,
    /// How many records there are to read.
    rows: usize,
    groups: Vec<PageGroup>,
    /// The records that other searches found, each with its place on the page.
    elsewhere: BTreeMap<RecordId, (Key, usize)>,
    /// The first group that no worker took yet.
    next: AtomicUsize,
    /// How many workers began.
    workers: AtomicUsize,
    /// What the records read so far occupy.
    bytes: AtomicUsize,
}

/// A row group that has records of the page.
struct PageGroup {
    chunk: u32,
    group: u32,
    rows: Vec<PageRow>,
    /// What was read of it before.
    pages: Pages,
}

/// A row, with its name and its place on the page.
type PageRow = (u32, RecordId, usize);

/// What one worker read.
#[derive(Debug)]
pub struct ReadRecords {
    /// The records, each with its place on the page.
    hits: Vec<(usize, Hit)>,
    tally: Tally,
}

impl Page {
    pub(crate) fn new(
        chunks: Vec<PlannedChunk>,
        limits: Limits,
        page: &[(Key, Place)],
        mut kept: KeptPages,
        total: Option<u64>,
        tally: Tally,
    ) -> Self {
        let mut by_group: BTreeMap<(u32, u32), Vec<PageRow>> = BTreeMap::new();
        let mut elsewhere = BTreeMap::new();
        for (at, &(key, place)) in page.iter().enumerate() {
            if place == Place::ELSEWHERE {
                elsewhere.insert(key.id, (key, at));
            } else {
                by_group
                    .entry((place.chunk, place.group))
                    .or_default()
                    .push((place.row, key.id, at));
            }
        }
        let group = |((chunk, group), mut rows): (_, Vec<_>)| {
            rows.sort_unstable();
            let pages = kept.remove(&(chunk, group)).unwrap_or_default();
            PageGroup { chunk, group, rows, pages }
        };
        Self {
            chunks,
            limits,
            total,
            tally,
            rows: page.len(),
            groups: by_group.into_iter().map(group).collect(),
            elsewhere,
            next: AtomicUsize::new(0),
            workers: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// How many row groups are to be read: more workers than that have nothing to do.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The records of the page that are in none of this search's chunks, by id: to be looked up
    /// where they are, and brought to [`Self::finish_among`].
    pub fn elsewhere(&self) -> impl Iterator<Item = Key> {
        self.elsewhere.values().map(|(key, _)| *key)
    }

    /// Reads groups until none is left. Any number of workers may do so at once. What each answers
    /// belongs into [`Self::finish`].
    ///
    /// # Errors
    ///
    /// [`QueryError`]. The search has then failed.
    pub fn work(&self) -> Result<ReadRecords, QueryError> {
        self.workers.fetch_add(1, Ordering::Relaxed);
        let mut read = ReadRecords { hits: Vec::new(), tally: Tally::default() };
        while let Some(group) = self.groups.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            self.limits.check_cancelled()?;
            self.read(group, &mut read)?;
        }
        Ok(read)
    }

    /// Notes what records occupy, those that were brought too.
    ///
    /// # Errors
    ///
    /// [`QueryError::TooLarge`]: together they take more than an answer may.
    fn hold(&self, bytes: usize) -> Result<(), QueryError> {
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let bytes_max = self.limits.answer_bytes_max;
        if held > bytes_max { Err(QueryError::TooLarge { bytes_max }) } else { Ok(()) }
    }

    /// Notes records that were brought from elsewhere.
    ///
    /// # Errors
    ///
    /// [`QueryError::TooLarge`]: together with the others they take more than an answer may.
    pub fn note_brought(&self, records: &Records) -> Result<(), QueryError> {
        self.hold(records.hits.iter().map(|hit| hit_bytes(&hit.record)).sum())
    }

    fn read(&self, page_group: &PageGroup, read: &mut ReadRecords) -> Result<(), QueryError> {
        let owner = &*self.chunks[page_group.chunk as usize].owner;
        let number = page_group.group as usize;
        let mut group = Group::with_pages(owner.table(), number, page_group.pages.clone());
        let rows: Vec<u32> = page_group.rows.iter().map(|(row, ..)| *row).collect();
        let stamps = Stamps::read(owner, &mut group)?;
        let records = group.records(&rows)?;
        self.hold(records.iter().map(hit_bytes).sum())?;
        for (record, &(row, id, at)) in records.into_iter().zip(&page_group.rows) {
            let created_at = stamps.of(row as usize);
            read.hits.push((at, Hit { id, created_at, record }));
        }
        read.tally.pages_read += group.pages_read();
        read.tally.bytes_read += group.bytes_read();
        Ok(())
    }

    /// The answer, from what every worker read.
    ///
    /// # Panics
    ///
    /// When a worker's part is missing, because the rest would pass for the whole.
    #[must_use]
    pub fn finish(self, parts: Vec<ReadRecords>) -> SearchResult {
        self.finish_among(parts, Vec::new())
    }

    /// The answer, from what every worker read and what was brought of [`Self::elsewhere`].
    /// What was not brought is not on the page.
    ///
    /// # Panics
    ///
    /// As [`Self::finish`].
    #[must_use]
    pub fn finish_among(self, parts: Vec<ReadRecords>, brought: Vec<Records>) -> SearchResult {
        assert_eq!(parts.len(), self.workers.into_inner(), "BUG: a part of a page is missing");
        let mut tally = self.tally;
        let mut hits: Vec<Option<Hit>> = (0..self.rows).map(|_| None).collect();
        for part in parts {
            tally.add(&part.tally);
            for (at, hit) in part.hits {
                hits[at] = Some(hit);
            }
        }
        let here = hits.iter().flatten().count();
        assert_eq!(
            here + self.elsewhere.len(),
            self.rows,
            "BUG: a page is finished before all was read"
        );
        for records in brought {
            tally.add(&records.tally);
            for hit in records.hits {
                if let Some((_, at)) = self.elsewhere.get(&hit.id) {
                    hits[*at] = Some(hit);
                }
            }
        }
        let hits = hits.into_iter().flatten().collect();
        SearchResult { total: self.total, hits, explain: tally.explain() }
    }
}

/// What a record found occupies. The message may share its page's bytes: it is counted as if it
/// did not.
pub(crate) fn hit_bytes(record: &Record) -> usize {
    let resource = record.resource.0.iter();
    let attributes = record.attributes.iter().chain(resource).map(attribute_bytes);
    RECORD_BYTES + record.message.len() + attributes.sum::<usize>()
}

fn attribute_bytes(attribute: &Attribute) -> usize {
    let value = match &attribute.value {
        Value::Text(text) | Value::Number(text) | Value::Array(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    size_of::<Attribute>() + attribute.name.len() + value
}
