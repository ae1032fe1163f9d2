//! What copying files to this node came to, and is at now.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use varve_types::ShardId;

/// Copies that are made here, for whoever wants to know.
#[derive(Default)]
pub(crate) struct Repairs {
    current: Mutex<Option<Current>>,
    shards_waiting: AtomicU64,
    copied: AtomicU64,
    failed: AtomicU64,
    copied_bytes: AtomicU64,
    scrubbed_bytes: AtomicU64,
    damaged: AtomicU64,
    snapshots: AtomicU64,
    asked: Notify,
    suspects: Mutex<BTreeSet<ShardId>>,
    suspected: Notify,
}

struct Current {
    shard: ShardId,
    began: Instant,
    bytes_done: u64,
    bytes_total: u64,
}

/// Closed shards that are copied to this node, and damage that was found here, since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairStats {
    /// Closed shards, or their final files, that are to come to this node.
    pub shards_waiting: u64,
    /// The one that comes now.
    pub current: Option<ShardId>,
    /// Bytes of it that came.
    pub bytes_done: u64,
    /// Bytes of it that had to come when that began.
    pub bytes_total: u64,
    /// How fast they come.
    pub bytes_per_s: u64,
    /// Copies that were finished.
    pub copied: u64,
    /// Attempts that failed; each is made again.
    pub failed: u64,
    /// Bytes that came, of all.
    pub copied_bytes: u64,
    /// Bytes that were read again to find damage.
    pub scrubbed_bytes: u64,
    /// Copies that were found damaged.
    pub damaged: u64,
}

impl Repairs {
    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may be to be copied.
    pub(crate) fn ask(&self) {
        self.asked.notify_one();
    }

    /// Waits until that is said.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Bytes of one of these shards could not be believed.
    pub(crate) fn suspect(&self, shards: impl IntoIterator<Item = ShardId>) {
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        suspects.extend(shards);
        self.suspected.notify_one();
    }

    /// Waits until that is said.
    pub(crate) async fn suspected(&self) {
        self.suspected.notified().await;
    }

    /// Takes all of which it was said.
    pub(crate) fn suspects(&self) -> BTreeSet<ShardId> {
        std::mem::take(&mut self.suspects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_waiting(&self, shards: usize) {
        self.shards_waiting.store(shards as u64, Ordering::Relaxed);
    }

    pub(crate) fn begin(&self, shard: ShardId) {
        let began = Instant::now();
        *self.current() = Some(Current { shard, began, bytes_done: 0, bytes_total: 0 });
    }

    /// So much of the current one is missing.
    pub(crate) fn expect(&self, bytes: u64) {
        if let Some(current) = &mut *self.current() {
            (current.bytes_done, current.bytes_total) = (0, bytes);
        }
    }

    pub(crate) fn count_bytes(&self, bytes: u64) {
        self.copied_bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(current) = &mut *self.current() {
            current.bytes_done += bytes;
        }
    }

    pub(crate) fn end(&self, succeeded: bool) {
        *self.current() = None;
        let count = if succeeded { &self.copied } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_scrubbed(&self, bytes: u64) {
        self.scrubbed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn count_damaged(&self) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_snapshot(&self) {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
    }

    /// Snapshots of open shards that replicas here took over.
    pub(crate) fn snapshots(&self) -> u64 {
        self.snapshots.load(Ordering::Relaxed)
    }

    pub(crate) fn stats(&self) -> RepairStats {
        let mut stats = RepairStats {
            shards_waiting: self.shards_waiting.load(Ordering::Relaxed),
            copied: self.copied.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            copied_bytes: self.copied_bytes.load(Ordering::Relaxed),
            scrubbed_bytes: self.scrubbed_bytes.load(Ordering::Relaxed),
            damaged: self.damaged.load(Ordering::Relaxed),
            ..RepairStats::default()
        };
        if let Some(current) = &*self.current() {
            let millis = current.began.elapsed().max(Duration::from_millis(1)).as_millis();
            let millis = u64::try_from(millis).unwrap_or(u64::MAX);
            stats.current = Some(current.shard);
            (stats.bytes_done, stats.bytes_total) = (current.bytes_done, current.bytes_total);
            stats.bytes_per_s = current.bytes_done.saturating_mul(1000) / millis;
        }
        stats
    }
}
