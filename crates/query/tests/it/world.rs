//! Records stored as blocks and as a segment, and what was stored, plainly.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use varve_columnar::{
    Block, BlockBuilder, BytesSource, Segment, SegmentBuilder, SegmentOptions, Table,
};
use varve_query::{Chunk, Hit, Origin};
use varve_types::{
    BatchDigest, BatchKey, HashRange, LogIndex, Record, RecordId, RowNumber, ShardId, TenantId,
    TimeRange, TimestampNs,
};

/// A chunk as a test makes it.
pub(crate) struct TestChunk {
    pub(crate) table: Table,
    pub(crate) segment: Option<Segment>,
    pub(crate) shard: ShardId,
    pub(crate) origin: Origin,
    pub(crate) dead: Vec<Range<u32>>,
}

impl Chunk for TestChunk {
    fn table(&self) -> &Table {
        &self.table
    }

    fn segment(&self) -> Option<&Segment> {
        self.segment.as_ref()
    }

    fn may_have_time(&self, time: &TimeRange) -> bool {
        let times = self.table.zone().times;
        times.is_some_and(|(first, last)| time.overlaps(first, last))
    }

    fn shard(&self) -> ShardId {
        self.shard
    }

    fn origin(&self) -> Origin {
        self.origin
    }

    fn dead(&self) -> &[Range<u32>] {
        &self.dead
    }
}

/// One entry of a shard's log, before it is stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) tenant: TenantId,
    pub(crate) records: Vec<Record>,
    pub(crate) dead: Vec<Range<u32>>,
}

/// A shard's chunks and, for models, the records in them.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) chunks: Vec<Arc<dyn Chunk>>,
    pub(crate) stored: Vec<(TenantId, Hit)>,
}

impl World {
    /// Stores the entries of one shard, numbered from 1: the first `merged` of them in one
    /// segment, the others as blocks.
    pub(crate) fn add_shard(&mut self, shard: ShardId, entries: &[Entry], merged: usize) {
        let mut builder = SegmentBuilder::new(SegmentOptions::default());
        for (at, entry) in entries.iter().enumerate() {
            let index = LogIndex(at as u64 + 1);
            let created_at = TimestampNs(1_000_000 + at as i64);
            self.note(shard, index, created_at, entry);
            let block = Block::open(block(entry.tenant, &entry.records)).expect("a block");
            if at < merged {
                let live = live(entry);
                builder.add_block(&block, index, created_at, &live).expect("adds");
            } else {
                let origin = Origin::Block { index, created_at };
                let (table, dead) = (block.table().clone(), entry.dead.clone());
                self.chunks.push(Arc::new(TestChunk { table, segment: None, shard, origin, dead }));
            }
        }
        if merged > 0 {
            let mut bytes = Vec::new();
            builder
                .finish(&mut |piece| {
                    bytes.extend_from_slice(piece);
                    Ok(())
                })
                .expect("merges");
            let source = BytesSource::new("segment", bytes.into());
            let segment = Segment::open(Arc::new(source)).expect("a segment");
            let (table, dead, origin) = (segment.table().clone(), Vec::new(), Origin::Segment);
            let segment = Some(segment);
            self.chunks.push(Arc::new(TestChunk { table, segment, shard, origin, dead }));
        }
    }

    fn note(&mut self, shard: ShardId, index: LogIndex, created_at: TimestampNs, entry: &Entry) {
        for (row, record) in (0..).zip(&entry.records) {
            if !entry.dead.iter().any(|range| range.contains(&row)) {
                let id = RecordId { shard, index, row: RowNumber(row) };
                self.stored.push((entry.tenant, Hit { id, created_at, record: record.clone() }));
            }
        }
    }
}

/// A block of one part.
pub(crate) fn block(tenant: TenantId, records: &[Record]) -> Bytes {
    let mut builder = BlockBuilder::new();
    let key = BatchKey::parse(tenant, "test:0:1").expect("a key");
    builder.push_part(key, BatchDigest(0), HashRange::WHOLE, records).expect("fits");
    builder.finish()
}

/// What lies between the dead ranges.
fn live(entry: &Entry) -> Vec<Range<u32>> {
    let mut live = Vec::new();
    let mut start = 0;
    for range in &entry.dead {
        live.push(start..range.start);
        start = range.end;
    }
    live.push(start..entry.records.len() as u32);
    live.retain(|range| !range.is_empty());
    live
}
