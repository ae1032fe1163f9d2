//! Which shards may have something to merge, and what merges came to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use varve_types::ShardId;

/// The merger's work. Shards without anything to merge are not in it, so that looking for work
/// costs nothing for all those that are closed and merged for good.
#[derive(Default)]
pub(crate) struct MergeQueue {
    shards: Mutex<BTreeSet<ShardId>>,
    changed: Notify,
    stopping: AtomicBool,
    current: Mutex<Option<ShardId>>,
    problems: Mutex<BTreeMap<ShardId, String>>,
    done: AtomicU64,
    failed: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// Merges since the node's start, and now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeStats {
    /// That replaced segments.
    pub done: u64,
    /// That failed; each is tried again, later.
    pub failed: u64,
    /// Bytes of segments that were replaced.
    pub bytes_in: u64,
    /// Bytes of segments that replaced them.
    pub bytes_out: u64,
    /// How many run now.
    pub running: u64,
    /// Segments that wait to be merged, of all shards.
    pub segments_waiting: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MergeQueue {
    /// Something of a shard may be to be merged.
    pub(crate) fn offer(&self, shard: ShardId) {
        lock(&self.shards).insert(shard);
        self.changed.notify_one();
    }

    pub(crate) fn shards(&self) -> Vec<ShardId> {
        lock(&self.shards).iter().copied().collect()
    }

    /// Takes a shard out, before it is looked at: what is offered from then on counts.
    pub(crate) fn take(&self, shard: ShardId) {
        lock(&self.shards).remove(&shard);
    }

    /// Waits until a shard is offered or the merger is to stop.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Lets the merger end at its next pause.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Which shard is being merged.
    pub(crate) fn current(&self) -> Option<ShardId> {
        *lock(&self.current)
    }

    pub(crate) fn set_current(&self, shard: Option<ShardId>) {
        *lock(&self.current) = shard;
    }

    /// Why the last merge of a shard failed, unless one succeeded since.
    pub(crate) fn problem(&self, shard: ShardId) -> Option<String> {
        lock(&self.problems).get(&shard).cloned()
    }

    pub(crate) fn count_done(&self, shard: ShardId, bytes_in: u64, bytes_out: u64) {
        lock(&self.problems).remove(&shard);
        self.done.fetch_add(1, Ordering::Relaxed);
        self.bytes_in.fetch_add(bytes_in, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
    }

    /// Answers whether this is news: the shard's last merge failed of the same.
    pub(crate) fn count_failed(&self, shard: ShardId, why: &str) -> bool {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let before = lock(&self.problems).insert(shard, why.to_owned());
        before.as_deref() != Some(why)
    }

    pub(crate) fn stats(&self, segments_waiting: u64) -> MergeStats {
        MergeStats {
            done: self.done.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            running: u64::from(self.current().is_some()),
            segments_waiting,
        }
    }
}
