//! From a search to its answer: what shards show, as chunks that the query engine reads.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::try_join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use varve_columnar::{Segment, Table};
use varve_consensus::{Host, ShardRead};
use varve_env::Env;
use varve_ingest::record_bytes;
use varve_query::limits::ANSWER_BYTES_MAX;
use varve_query::{
    Aggregate, AggregatePlan, AggregateResult, Chunk, Hit, Limits, Origin, Page, Plan, QueryError,
    Search, SearchResult,
};
use varve_shard::{SegmentHandle, TailBlock};
use varve_types::{LogIndex, RecordId, ShardId, TimeRange, TimestampNs};

use crate::metrics;

/// Searches that run at the same time; each may hold what [`Limits`] allow.
const SEARCHES_MAX: usize = 8;

/// Searches that wait for one of those places before a further one is turned away.
const WAITING_MAX: usize = 64;

/// Memory for answers is counted in units of this size, because the semaphore counts to 2^32.
const UNIT_BYTES: usize = 1 << 10;

/// Threads that share one search. More would take the cores from ingestion.
const WORKERS_MAX: usize = 2;

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The question goes past a bound.
    #[error(transparent)]
    Query(QueryError),
    /// Stored bytes are damaged. The text names the file.
    #[error(transparent)]
    Corrupt(QueryError),
    /// A shard cannot be asked now.
    #[error(transparent)]
    Unavailable(#[from] varve_consensus::ReadError),
    /// Too many searches wait already.
    #[error("too many searches wait already")]
    Busy,
}

impl ReadError {
    /// The budget of [`Self::Busy`].
    pub(crate) const BUDGET: &str = "searches";

    /// A word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Query(_) => "invalid",
            Self::Corrupt(_) => "corrupt",
            Self::Unavailable(_) => "unavailable",
            Self::Busy => "overloaded",
        }
    }

    /// Which budget sent the search away, where one did.
    pub(crate) const fn shed_by(&self) -> Option<&'static str> {
        match self {
            Self::Busy => Some(Self::BUDGET),
            Self::Query(_) | Self::Corrupt(_) | Self::Unavailable(_) => None,
        }
    }

    /// How long to wait before asking again, where that may help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable(_) | Self::Busy => Some(Duration::from_secs(1)),
            Self::Query(_) | Self::Corrupt(_) => None,
        }
    }

    /// What the client can do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Query(_) => "narrow the time range, or ask for less at a time",
            Self::Corrupt(_) => {
                "the file named is damaged; nothing of it is served. Restore it from a replica or a \
                 backup"
            }
            Self::Unavailable(_) | Self::Busy => "try again in a moment",
        }
    }
}

impl From<QueryError> for ReadError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Table(_) => Self::Corrupt(error),
            other => Self::Query(other),
        }
    }
}

/// An answer, and how far each shard's log was read for it.
#[derive(Debug)]
pub(crate) struct Found<T> {
    /// The answer.
    pub result: T,
    /// The memory that its records take.
    _held: Option<OwnedSemaphorePermit>,
    /// What it shows.
    pub as_of: BTreeMap<ShardId, LogIndex>,
}

/// Answers searches from what this node can read.
pub(crate) struct Reader {
    host: Host,
    env: Env,
    running: Arc<Semaphore>,
    waiting: Semaphore,
    /// Memory for the records of answers, in units.
    answers: Arc<Semaphore>,
    /// What one answer may take of it, in bytes.
    answer_bytes_max: usize,
}

/// A question that is being answered.
struct Reading {
    chunks: Vec<Arc<dyn Chunk>>,
    as_of: BTreeMap<ShardId, LogIndex>,
    limits: Limits,
    _place: OwnedSemaphorePermit,
    _cancel: CancelOnDrop,
}

/// Stops a search whose caller went away.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Reader {
    /// A reader of the shards that `host` has, whose answers under way have records of at most
    /// so many bytes together.
    #[must_use]
    pub(crate) fn new(host: Host, env: Env, answers_bytes: usize) -> Self {
        Self {
            host,
            env,
            running: Arc::new(Semaphore::new(SEARCHES_MAX)),
            waiting: Semaphore::new(WAITING_MAX),
            answers: Arc::new(Semaphore::new(answers_bytes / UNIT_BYTES)),
            answer_bytes_max: answers_bytes.min(ANSWER_BYTES_MAX),
        }
    }

    /// Runs a search that sees everything acknowledged before it was asked.
    ///
    /// # Errors
    ///
    /// See [`ReadError`]; an answer is never partial.
    pub(crate) async fn search(&self, search: Search) -> Result<Found<SearchResult>, ReadError> {
        let asked = Instant::now();
        let found = self.run_search(search).await;
        metrics::search(found.as_ref().map(|found| &found.result.explain), asked.elapsed());
        found
    }

    async fn run_search(&self, search: Search) -> Result<Found<SearchResult>, ReadError> {
        let Reading { chunks, as_of, limits, _place, _cancel } = self.begin().await?;
        let plan = self.blocking(move || Plan::new(&chunks, &search, &limits)).await?;
        let workers = plan.groups().clamp(1, WORKERS_MAX);
        let (plan, scanned) = self.share(plan, workers, Plan::work).await?;
        let mut held = self.place_for_answer().await?;
        let page = self.blocking(move || Ok(plan.page(scanned))).await?;
        let workers = page.groups().min(WORKERS_MAX);
        let (page, records) = self.share(page, workers, Page::work).await?;
        let result = page.finish(records);
        let taken: usize = result.hits.iter().map(|hit| record_bytes(&hit.record)).sum();
        // What the answer might have taken and did not is for others.
        drop(held.split(held.num_permits().saturating_sub(taken.div_ceil(UNIT_BYTES))));
        Ok(Found { result, as_of, _held: Some(held) })
    }

    /// Counts records, all that were acknowledged before this was asked.
    ///
    /// # Errors
    ///
    /// See [`ReadError`]; an answer is never partial.
    pub(crate) async fn aggregate(
        &self,
        aggregate: Aggregate,
    ) -> Result<Found<AggregateResult>, ReadError> {
        let asked = Instant::now();
        let found = self.run_aggregate(aggregate).await;
        metrics::search(found.as_ref().map(|found| &found.result.explain), asked.elapsed());
        found
    }

    async fn run_aggregate(
        &self,
        aggregate: Aggregate,
    ) -> Result<Found<AggregateResult>, ReadError> {
        let Reading { chunks, as_of, limits, _place, _cancel } = self.begin().await?;
        let workers = chunks.len().clamp(1, WORKERS_MAX);
        let plan = AggregatePlan::new(&chunks, &aggregate, &limits);
        let (plan, counted) = self.share(plan, workers, AggregatePlan::work).await?;
        let result = self.blocking(move || plan.finish(counted)).await?;
        Ok(Found { result, as_of, _held: None })
    }

    /// Waits for a place, and looks at what there is to read.
    async fn begin(&self) -> Result<Reading, ReadError> {
        let place = self.place().await?;
        let reads = self.host.read_all().await?;
        let as_of = reads.iter().filter_map(|read| Some((read.shard, read.index?))).collect();
        let cancelled = Arc::new(AtomicBool::new(false));
        Ok(Reading {
            chunks: chunks(&reads),
            as_of,
            limits: Limits {
                answer_bytes_max: self.answer_bytes_max,
                cancelled: Some(Arc::clone(&cancelled)),
                ..Limits::default()
            },
            _place: place,
            _cancel: CancelOnDrop(cancelled),
        })
    }

    /// Has several workers do their parts of one job.
    async fn share<J, T>(
        &self,
        job: J,
        workers: usize,
        work: fn(&J) -> Result<T, QueryError>,
    ) -> Result<(J, Vec<T>), ReadError>
    where
        J: Send + Sync + 'static,
        T: Send + 'static,
    {
        let job = Arc::new(job);
        let parts = (0..workers).map(|_| {
            let job = Arc::clone(&job);
            self.blocking(move || work(&job))
        });
        let parts = try_join_all(parts).await?;
        Ok((Arc::into_inner(job).expect("BUG: a worker still holds its job"), parts))
    }

    /// Reads where blocking is allowed.
    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, ReadError> {
        Ok(self.env.blocking.run(read).await?)
    }

    /// The record with an id, if it is stored.
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    pub(crate) async fn find(&self, id: RecordId) -> Result<Option<Hit>, ReadError> {
        let _place = self.place().await?;
        let reads = self.host.read_all().await?;
        self.blocking(move || varve_query::find(&chunks(&reads), id)).await
    }

    /// Whether every shard can be read.
    ///
    /// # Errors
    ///
    /// Names the shard that cannot.
    pub(crate) async fn probe(&self) -> Result<(), ReadError> {
        self.host.read_all().await?;
        Ok(())
    }

    /// How many searches run, and how many wait for a place.
    pub(crate) fn searches(&self) -> (u64, u64) {
        let taken = |places: usize, free: usize| places.saturating_sub(free) as u64;
        let running = taken(SEARCHES_MAX, self.running.available_permits());
        (running, taken(WAITING_MAX, self.waiting.available_permits()))
    }

    /// Waits for memory for the largest answer: how large this one is, reading it tells.
    async fn place_for_answer(&self) -> Result<OwnedSemaphorePermit, ReadError> {
        let units = u32::try_from(self.answer_bytes_max / UNIT_BYTES).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.answers).acquire_many_owned(units).await;
        // The semaphore is never closed.
        place.map_err(|_| ReadError::Busy)
    }

    /// Waits for a place among the searches that run.
    async fn place(&self) -> Result<OwnedSemaphorePermit, ReadError> {
        let _waits = self.waiting.try_acquire().map_err(|_| ReadError::Busy)?;
        // The semaphore is never closed.
        Arc::clone(&self.running).acquire_owned().await.map_err(|_| ReadError::Busy)
    }
}

/// Everything that the shards show, as chunks.
fn chunks(reads: &[ShardRead]) -> Vec<Arc<dyn Chunk>> {
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
