//! What all shards of a node share while they are looked after: the memory of their tails, the
//! queue of merges, and the counts of what was done.

mod activity;
mod comparisons;
mod merges;
mod pace;
mod repairs;
mod tails;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) use activity::Activity;
pub use comparisons::ComparisonStats;
pub(crate) use comparisons::Comparisons;
pub(crate) use merges::MergeQueue;
pub use merges::MergeStats;
pub(crate) use pace::Pace;
pub use repairs::RepairStats;
pub(crate) use repairs::Repairs;
pub(crate) use tails::{Promise, Share, Tails};

/// One for each node. Homes, the writers of blocks and the merger have it.
pub(crate) struct Upkeep {
    pub(crate) tails: Arc<Tails>,
    pub(crate) merges: MergeQueue,
    pub(crate) flushes: Flushes,
    pub(crate) activity: Activity,
    pub(crate) repairs: Repairs,
    pub(crate) comparisons: Comparisons,
    /// How fast files go between nodes.
    pub(crate) copying: Arc<Pace>,
}

impl Upkeep {
    pub(crate) fn new(tail_bytes_max: u64, copied_bytes_per_s: u64) -> Self {
        Self {
            tails: Arc::new(Tails::new(tail_bytes_max)),
            merges: MergeQueue::default(),
            flushes: Flushes::default(),
            activity: Activity::default(),
            repairs: Repairs::default(),
            comparisons: Comparisons::default(),
            copying: Arc::new(Pace::new(copied_bytes_per_s)),
        }
    }
}

/// Counts of flushes since the start.
#[derive(Default)]
pub(crate) struct Flushes {
    done: AtomicU64,
    borrowed: AtomicU64,
    failed: AtomicU64,
    micros: AtomicU64,
}

/// Flushes since the node's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushStats {
    /// That wrote a tail out.
    pub done: u64,
    /// Those of them that took the segments that another replica had built.
    pub borrowed: u64,
    /// That failed; each was tried again.
    pub failed: u64,
    /// What those that succeeded took together.
    pub took: Duration,
}

impl Flushes {
    /// One that succeeded, with segments that were borrowed or not, or `None` for one that failed.
    pub(crate) fn count(&self, is_borrowed: Option<bool>, took: Duration) {
        if let Some(is_borrowed) = is_borrowed {
            self.done.fetch_add(1, Ordering::Relaxed);
            self.borrowed.fetch_add(u64::from(is_borrowed), Ordering::Relaxed);
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.micros.fetch_add(micros, Ordering::Relaxed);
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn stats(&self) -> FlushStats {
        FlushStats {
            done: self.done.load(Ordering::Relaxed),
            borrowed: self.borrowed.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            took: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
        }
    }
}
