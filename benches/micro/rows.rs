//! Rows of the corpus as records, blocks and segments.

use std::collections::HashMap;
use std::sync::Arc;

use varve_benches::corpus::{self, Corpus, LineSize, service_name};
use varve_columnar::{Block, BlockBuilder, BytesSource, Segment, SegmentBuilder, SegmentOptions};
use varve_types::{
    BatchDigest, BatchKey, HashRange, Level, LogIndex, Record, TenantId, TimestampNs,
};

/// Rows of one block, as a busy gateway gathers them.
pub(crate) const ROWS_PER_BLOCK: usize = 8_000;
/// Blocks of one segment.
pub(crate) const BLOCKS: usize = 12;

/// The first rows of a corpus of five million.
pub(crate) fn records(rows: usize) -> Vec<Record> {
    let mut names: HashMap<usize, Arc<str>> = HashMap::new();
    let corpus = Corpus::new(42, LineSize::Short, 5_000_000);
    let record = |row: corpus::Row| Record {
        timestamp: Some(TimestampNs(row.timestamp_ms as i64 * 1_000_000)),
        service: Arc::clone(
            names.entry(row.service).or_insert_with(|| service_name(row.service).into()),
        ),
        level: match row.level {
            corpus::Level::Debug => Level::Debug,
            corpus::Level::Info => Level::Info,
            corpus::Level::Warn => Level::Warn,
            corpus::Level::Error => Level::Error,
        },
        message: row.message.into_bytes().into(),
        ..Record::default()
    };
    corpus.take(rows).map(record).collect()
}

pub(crate) fn block_bytes(records: &[Record]) -> bytes::Bytes {
    let key = BatchKey::parse(TenantId(0), "bench:0:1").expect("a key");
    let mut builder = BlockBuilder::new();
    builder.push_part(key, BatchDigest(1), HashRange::WHOLE, records).expect("they fit");
    builder.finish()
}

pub(crate) fn blocks() -> Vec<Block> {
    let records = records(ROWS_PER_BLOCK * BLOCKS);
    let blocks = records.chunks(ROWS_PER_BLOCK);
    blocks.map(|rows| Block::open(block_bytes(rows)).expect("a block")).collect()
}

/// Merges blocks, and answers the segment's bytes.
pub(crate) fn segment_bytes(blocks: &[Block], options: SegmentOptions) -> Vec<u8> {
    let mut builder = SegmentBuilder::new(options);
    for (index, block) in (1..).zip(blocks) {
        let live = 0..u32::try_from(block.table().rows()).expect("few rows");
        builder.add_block(block, LogIndex(index), TimestampNs(0), &[live]).expect("they fit");
    }
    let mut bytes = Vec::new();
    let mut sink = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    builder.finish(&mut sink).expect("a segment");
    bytes
}

pub(crate) fn segment() -> Segment {
    let bytes = segment_bytes(&blocks(), SegmentOptions::default());
    Segment::open(Arc::new(BytesSource::new("segment", bytes.into()))).expect("a segment")
}
