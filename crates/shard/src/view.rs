//! What readers see of a shard: a snapshot of its tail and segments in which each row is once.

use std::sync::{Arc, PoisonError, RwLock};

use varve_columnar::FormatError;
use varve_types::{ContentDigest, LogIndex, RowNumber, ShardId, TimestampNs};

use crate::{EventHours, Phase, SegmentHandle, TailBlock, times};

/// A shard as of one index. It stays as it is, whatever becomes of the shard and its files.
#[derive(Clone, Debug)]
pub struct ShardView {
    /// Which shard.
    pub shard: ShardId,
    /// The last entry applied; `None` before the first.
    pub applied: Option<LogIndex>,
    /// The phase as of then.
    pub phase: Phase,
    /// Rows stored as of then.
    pub rows: u64,
    /// Their digest.
    pub digest: ContentDigest,
    /// Blocks not written out yet, in the order of the log.
    pub tail: Vec<Arc<TailBlock>>,
    /// Segments, in the order they were written.
    pub segments: Arc<Vec<Arc<SegmentHandle>>>,
}

impl ShardView {
    /// The earliest and the latest event; dead rows of the tail count too. `None` without rows.
    #[must_use]
    pub fn times(&self) -> Option<(TimestampNs, TimestampNs)> {
        let tail = self.tail.iter().filter_map(|block| block.block().table().zone().times);
        let segments = self.segments.iter().map(|segment| {
            let meta = segment.meta();
            (meta.min_time, meta.max_time)
        });
        tail.chain(segments).reduce(|(min, max), (a, b)| (min.min(a), max.max(b)))
    }

    /// When the rows happened, those of the tail too: reads its times. Blocks for as long as that
    /// takes.
    ///
    /// # Errors
    ///
    /// A block's times are damaged.
    pub fn event_hours(&self) -> Result<EventHours, FormatError> {
        let mut hours = EventHours::default();
        for segment in self.segments.iter() {
            hours.merge(&segment.meta().hours);
        }
        for block in &self.tail {
            for (row, time) in times::of(block.block().table())?.into_iter().enumerate() {
                let row = RowNumber(u32::try_from(row).unwrap_or(u32::MAX));
                if block.is_live(row) {
                    hours.add(time, 1);
                }
            }
        }
        Ok(hours)
    }
}

/// Takes views of a shard from any thread, while its owner applies.
#[derive(Clone, Debug)]
pub struct ShardReader(Arc<RwLock<ShardView>>);

impl ShardReader {
    pub(crate) fn new(first: ShardView) -> Self {
        Self(Arc::new(RwLock::new(first)))
    }

    /// The shard as it is now.
    #[must_use]
    pub fn view(&self) -> ShardView {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last entry applied, without the cost of a view.
    #[must_use]
    pub fn applied(&self) -> Option<LogIndex> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).applied
    }

    /// Changes what readers see, in one step.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut ShardView) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks without copying.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&ShardView) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}
