//! From a search to its answer: each shard is read on one of its nodes, and what they find is
//! merged here.
//!
//! ```text
//! question ── read points ──┬── shards of this node ── chunks ── scan ──┬── page ── answer
//!                           └── fragments to other nodes ─── keys ──────┘    └── their records
//! ```
//!
//! Keys come first, at most as many as the page is deep, and then the records of the page only:
//! what is held here does not depend on how many records match. A node that fails is replaced by
//! another that has its shards. What the answer shows is decided before anything is read: by read
//! points, which every replica that answers has reached.

mod answer;
mod chunks;
mod error;
mod fragment;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod gather;
mod options;
mod search;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::try_join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use varve_consensus::Host;
use varve_env::Env;
use varve_query::limits::ANSWER_BYTES_MAX;
use varve_query::{Limits, QueryError};

pub(crate) use error::ReadError;
pub(crate) use options::{Consistency, ReadOptions};

/// Searches that run at the same time; each may hold what [`Limits`] allow.
const SEARCHES_MAX: usize = 8;

/// Searches that wait for one of those places before a further one is turned away.
const WAITING_MAX: usize = 64;

/// Parts of other nodes' searches that run at the same time. They have places of their own: two
/// nodes whose searches wait for each other's places would wait for ever.
const FRAGMENTS_MAX: usize = 8;

/// Memory for answers is counted in units of this size, because the semaphore counts to 2^32.
const UNIT_BYTES: usize = 1 << 10;

/// Threads that share one search. More would take the cores from ingestion.
const WORKERS_MAX: usize = 2;

/// Answers searches from what the cluster holds.
pub(crate) struct Reader {
    host: Host,
    env: Env,
    running: Arc<Semaphore>,
    waiting: Semaphore,
    fragments: Semaphore,
    /// Parts that are asked for twice now, because a node is slow.
    hedges: Semaphore,
    /// Memory for the records of answers, in units.
    answers: Arc<Semaphore>,
    /// What one answer may take of it, in bytes.
    answer_bytes_max: usize,
}

/// Stops the work of a question whose asker went away.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Reader {
    /// A reader of the shards that `host` and its peers have, whose answers under way have
    /// records of at most so many bytes together.
    #[must_use]
    pub(crate) fn new(host: Host, env: Env, answers_bytes: usize) -> Self {
        Self {
            host,
            env,
            running: Arc::new(Semaphore::new(SEARCHES_MAX)),
            waiting: Semaphore::new(WAITING_MAX),
            fragments: Semaphore::new(FRAGMENTS_MAX),
            hedges: Semaphore::new(gather::HEDGES_MAX),
            answers: Arc::new(Semaphore::new(answers_bytes / UNIT_BYTES)),
            answer_bytes_max: answers_bytes.min(ANSWER_BYTES_MAX),
        }
    }

    /// Whether every shard can be read.
    ///
    /// # Errors
    ///
    /// Names the shards that cannot.
    pub(crate) async fn probe(&self) -> Result<(), ReadError> {
        self.points(ReadOptions::default()).await.map(drop)
    }

    /// How many searches run, and how many wait for a place.
    pub(crate) fn searches(&self) -> (u64, u64) {
        let taken = |places: usize, free: usize| places.saturating_sub(free) as u64;
        let running = taken(SEARCHES_MAX, self.running.available_permits());
        (running, taken(WAITING_MAX, self.waiting.available_permits()))
    }

    /// The limits of one question, and what ends its work when it is dropped.
    fn limits(&self) -> (Limits, CancelOnDrop) {
        let cancelled = Arc::new(AtomicBool::new(false));
        let limits = Limits {
            answer_bytes_max: self.answer_bytes_max,
            cancelled: Some(Arc::clone(&cancelled)),
            ..Limits::default()
        };
        (limits, CancelOnDrop(cancelled))
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
