//! What shards show, as chunks that the query engine reads.

use std::ops::Range;
use std::sync::Arc;

use varve_columnar::{Segment, Table};
use varve_consensus::ShardRead;
use varve_query::{Chunk, Origin};
use varve_shard::{SegmentHandle, TailBlock};
use varve_types::{ShardId, TimeRange, TimestampNs};

/// Everything that the shards show, as chunks.
pub(super) fn chunks(reads: &[ShardRead]) -> Vec<Arc<dyn Chunk>> {
    let mut chunks: Vec<Arc<dyn Chunk>> = Vec::new();
    for read in reads {
        let shard = read.shard;
        for segment in read.view.segments.iter() {
            chunks.push(Arc::new(SegmentChunk { shard, segment: Arc::clone(segment) }));
        }
        for block in &read.view.tail {
            chunks.push(Arc::new(TailChunk { shard, block: Arc::clone(block) }));
        }
    }
    chunks
}

struct TailChunk {
    shard: ShardId,
    block: Arc<TailBlock>,
}

struct SegmentChunk {
    shard: ShardId,
    segment: Arc<SegmentHandle>,
}

impl Chunk for TailChunk {
    fn table(&self) -> &Table {
        self.block.block().table()
    }

    fn segment(&self) -> Option<&Segment> {
        None
    }

    fn may_have_time(&self, _time: &TimeRange) -> bool {
        true
    }

    fn shard(&self) -> ShardId {
        self.shard
    }

    fn origin(&self) -> Origin {
        Origin::Block { index: self.block.index(), created_at: self.block.created_at() }
    }

    fn dead(&self) -> &[Range<u32>] {
        self.block.dead()
    }
}

impl Chunk for SegmentChunk {
    fn table(&self) -> &Table {
        self.segment.table()
    }

    fn segment(&self) -> Option<&Segment> {
        Some(self.segment.segment())
    }

    fn may_have_time(&self, time: &TimeRange) -> bool {
        let first = time.start.unwrap_or(TimestampNs(i64::MIN));
        let end = time.end.map_or(Some(i64::MAX), |end| end.get().checked_sub(1));
        end.is_some_and(|last| self.segment.meta().hours.overlaps(first, TimestampNs(last)))
    }

    fn shard(&self) -> ShardId {
        self.shard
    }

    fn origin(&self) -> Origin {
        Origin::Segment
    }

    fn dead(&self) -> &[Range<u32>] {
        &[]
    }
}
