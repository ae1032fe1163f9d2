//! Everything that a node asks of a table: records, columns, indexes, searches, merges. Damage may
//! make any of it fail, and nothing of it wrong.

use std::ops::Range;
use std::sync::Arc;

use varve_columnar::{Block, BytesSource, Segment, SegmentBuilder, SegmentOptions, Table};
use varve_query::{Aggregate, Chunk, Limits, Origin, Search, WordQuery, aggregate, search};
use varve_types::{ContentDigest, Level, LogIndex, ShardId, TimeRange, TimestampNs};

const INDEX: LogIndex = LogIndex(7);
const STAMP: TimestampNs = TimestampNs(9);

/// Asks a block everything. One that is found right can be merged, and stays what it is.
pub(super) fn ask_block(block: &Block) {
    let table = block.table();
    let is_right = block.verify().is_ok();
    ask_table(table, is_right);
    let origin = Origin::Block { index: INDEX, created_at: STAMP };
    ask_questions(&Arc::new(Read { table: table.clone(), segment: None, origin }));
    let mut builder = SegmentBuilder::new(SegmentOptions::default());
    let rows = 0..u32::try_from(table.rows()).expect("BUG: a block has few rows");
    if builder.add_block(block, INDEX, STAMP, std::slice::from_ref(&rows)).is_ok() {
        merge(builder, is_right.then(|| table.content_digest().at(INDEX)));
    }
}

/// Asks a segment everything.
pub(super) fn ask_segment(segment: &Segment) {
    let table = segment.table();
    let is_right = segment.verify().is_ok();
    ask_table(table, is_right);
    ask_indexes(segment);
    let segment_of = Some(segment.clone());
    let read = Read { table: table.clone(), segment: segment_of, origin: Origin::Segment };
    ask_questions(&Arc::new(read));
    let mut builder = SegmentBuilder::new(SegmentOptions::default());
    if builder.add_segment(segment).is_ok() {
        merge(builder, is_right.then(|| table.content_digest()));
    }
}

fn ask_table(table: &Table, is_right: bool) {
    let _ = table.verify_checksums();
    let _ = table.raw_bytes();
    let mut rows = 0;
    for group in 0..table.groups().len() {
        let records = table.all_records(group);
        assert!(records.is_ok() || !is_right, "what was found right is not read: {records:?}");
        rows += records.map_or(0, |records| records.len() as u64);
        let _ = table.records(group, &[0]);
        let _ = table.skim_messages(group);
        for column in table.columns() {
            let read = table.read(group, column);
            assert!(read.is_ok() || !is_right, "what was found right is not read: {read:?}");
        }
    }
    assert!(rows == table.rows() || !is_right, "{rows} rows instead of {}", table.rows());
}

fn ask_indexes(segment: &Segment) {
    let _ = segment.event_hours();
    if let Ok(Some(owners)) = segment.owner_index() {
        for (tenant, service) in owners.owners() {
            let _ = owners.rows(tenant, service);
        }
        owners.tenants().for_each(drop);
    }
    if let Ok(Some(levels)) = segment.level_index() {
        for level in Level::ALL {
            let _ = levels.rows(level);
        }
    }
    if let Ok(Some(resources)) = segment.resource_index() {
        let _ = resources.rows_where(|resource| resource.0.is_empty());
    }
    let _ = segment.rollup();
    if let Ok(Some(words)) = segment.word_index() {
        for word in ["fixture", "h1", "nowhere"] {
            let _ = words.groups(word.as_bytes());
            let _ = words.counts(word.as_bytes());
        }
    }
}

/// A table as a search sees it.
struct Read {
    table: Table,
    segment: Option<Segment>,
    origin: Origin,
}

impl Chunk for Read {
    fn table(&self) -> &Table {
        &self.table
    }

    fn segment(&self) -> Option<&Segment> {
        self.segment.as_ref()
    }

    fn may_have_time(&self, _: &TimeRange) -> bool {
        true
    }

    fn shard(&self) -> ShardId {
        ShardId(1)
    }

    fn origin(&self) -> Origin {
        self.origin
    }

    fn dead(&self) -> &[Range<u32>] {
        &[]
    }
}

fn ask_questions(read: &Arc<Read>) {
    let chunks = [Arc::clone(read) as Arc<dyn Chunk>];
    let limits = Limits::default();
    for words in ["", "fixture", "line 7", "\"3 of the\""] {
        let words = WordQuery::parse(words).expect("BUG: these are words");
        let asked = Search { words, limit: 10, ..Search::default() };
        let _ = search(&chunks, &asked, &limits);
    }
    let services = vec!["api".to_owned()];
    let asked = Search { services, levels: vec![Level::Warn], limit: 10, ..Search::default() };
    let _ = search(&chunks, &asked, &limits);
    let asked = Aggregate { by_service: true, by_level: true, ..Aggregate::default() };
    let _ = aggregate(&chunks, &asked, &limits);
}

/// Merges, if that goes, and then holds the segment against what went in.
fn merge(builder: SegmentBuilder, digest: Option<ContentDigest>) {
    let mut bytes = Vec::new();
    let merged = builder.finish(&mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    });
    if merged.is_err() {
        return assert!(digest.is_none(), "what was found right is not merged: {merged:?}");
    }
    let source = BytesSource::new("merged", bytes.into());
    let segment = Segment::open(Arc::new(source)).expect("what was merged opens");
    if let Some(digest) = digest {
        assert_eq!(segment.table().content_digest(), digest, "merging changed the content");
        segment.verify().expect("what was merged is right");
    }
}
