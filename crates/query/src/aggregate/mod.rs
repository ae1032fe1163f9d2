//! How many records there are by service, level and time.
//!
//! Counts come from the roll-ups of segments as far as whole hours and minutes go, and for the
//! rest from the columns of time, level and service. No message is read.

mod cells;
mod count;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use varve_types::{Level, TenantId, TimeRange, TimestampNs};

use crate::explain::Tally;
use crate::filter::Filters;
use crate::{Chunk, Explain, Limits, QueryError};
use cells::Cells;
pub(crate) use cells::read as read_cells;
pub use count::Counted;
use count::Counting;

/// What to count. The default counts all records of tenant 0 together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// Whose records: never another tenant's.
    pub tenant: TenantId,
    /// Any of these services; empty means every service.
    pub services: Vec<String>,
    /// Any of these levels; empty means every level.
    pub levels: Vec<Level>,
    /// Timestamps within: start inclusive, end exclusive.
    pub time: TimeRange,
    /// Counts each step of time by itself: so many nanoseconds, from multiples of them since 1970.
    /// `None` counts all of the time together.
    pub step_ns: Option<NonZeroU64>,
    /// Counts each service by itself.
    pub by_service: bool,
    /// Counts each level by itself.
    pub by_level: bool,
}

/// The counts: exact, none of them 0, sorted by time, service and level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateResult {
    /// The counts.
    pub cells: Vec<AggregateCell>,
    /// What it took.
    pub explain: Explain,
}

/// How many records are of one service and level in one step of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AggregateCell {
    /// When the step begins, which may be before the range does: records outside of that are not
    /// counted. `None` where all of the time is counted together.
    pub start: Option<TimestampNs>,
    /// The service, or `None` where all are counted together.
    pub service: Option<Arc<str>>,
    /// The level, or `None` where all are counted together.
    pub level: Option<Level>,
    /// How many records.
    pub rows: u64,
}

/// An aggregate that several workers may share.
pub struct AggregatePlan {
    aggregate: Aggregate,
    chunks: Vec<Arc<dyn Chunk>>,
    filters: Filters,
    limits: Limits,
    /// The first chunk that no worker took yet.
    next: AtomicUsize,
    /// How many workers began.
    workers: AtomicUsize,
}

impl AggregatePlan {
    /// Plans an aggregate.
    #[must_use]
    pub fn new(chunks: &[Arc<dyn Chunk>], aggregate: &Aggregate, limits: &Limits) -> Self {
        Self {
            aggregate: aggregate.clone(),
            chunks: chunks.to_vec(),
            filters: Filters::of_aggregate(aggregate),
            limits: limits.clone(),
            next: AtomicUsize::new(0),
            workers: AtomicUsize::new(0),
        }
    }

    /// Counts chunks until none is left. Any number of workers may do so at once; each takes the
    /// chunks that the others have not. What each answers belongs into [`Self::finish`].
    ///
    /// # Errors
    ///
    /// [`QueryError`]. The aggregate has then failed.
    pub fn work(&self) -> Result<Counted, QueryError> {
        self.workers.fetch_add(1, Ordering::Relaxed);
        let mut counting = Counting::new(&self.aggregate, &self.filters, &self.limits);
        while let Some(chunk) = self.chunks.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            counting.add(&**chunk)?;
        }
        Ok(counting.finish())
    }

    /// The counts, from what every worker counted.
    ///
    /// # Errors
    ///
    /// [`QueryError::TooManyCells`].
    ///
    /// # Panics
    ///
    /// When a worker's part is missing, because the rest would pass for the whole.
    pub fn finish(self, parts: Vec<Counted>) -> Result<AggregateResult, QueryError> {
        self.finish_among(parts, Vec::new())
    }

    /// The counts, from what every worker counted and what other aggregates counted for the same
    /// question in other chunks.
    ///
    /// # Errors
    ///
    /// [`QueryError::TooManyCells`].
    ///
    /// # Panics
    ///
    /// As [`Self::finish`].
    pub fn finish_among(
        self,
        parts: Vec<Counted>,
        others: Vec<Counted>,
    ) -> Result<AggregateResult, QueryError> {
        let mut counted = self.counted(parts)?;
        for other in others {
            counted.add(other)?;
        }
        let Counted { cells, mut tally } = counted;
        let cells = cells.finish()?;
        tally.rows_matched = cells.iter().fold(0, |sum, cell| cell.rows.saturating_add(sum));
        Ok(AggregateResult { cells, explain: tally.explain() })
    }

    /// What this aggregate has for the counts among others', from what every worker counted.
    ///
    /// # Errors
    ///
    /// [`QueryError::TooManyCells`].
    ///
    /// # Panics
    ///
    /// As [`Self::finish`].
    pub fn counted(self, parts: Vec<Counted>) -> Result<Counted, QueryError> {
        let workers = self.workers.into_inner();
        assert!(
            parts.len() == workers && self.next.into_inner() >= self.chunks.len(),
            "BUG: an aggregate is finished with a part missing"
        );
        let (cells, tally) = (Cells::new(&self.aggregate), Tally::default());
        let mut counted = Counted { cells, tally };
        for part in parts {
            counted.add(part)?;
        }
        counted.cells.end_run()?;
        Ok(counted)
    }
}

/// Counts records by service, level and time.
///
/// Pure and synchronous; it reads pages through the tables' sources, so run it where blocking is
/// allowed. To use several cores, make an [`AggregatePlan`] and share it among workers.
///
/// # Errors
///
/// [`QueryError`]; a part of the result is never answered as the whole.
pub fn aggregate(
    chunks: &[Arc<dyn Chunk>],
    aggregate: &Aggregate,
    limits: &Limits,
) -> Result<AggregateResult, QueryError> {
    let plan = AggregatePlan::new(chunks, aggregate, limits);
    let part = plan.work()?;
    plan.finish(vec![part])
}
