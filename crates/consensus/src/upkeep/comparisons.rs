//! What comparing the replicas of open shards found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use varve_types::{ReplicaId, ShardId};

/// Comparisons that this node made of the shards that it leads.
#[derive(Default)]
pub(crate) struct Comparisons {
    made: AtomicU64,
    differences: AtomicU64,
    /// Shards whose replicas differ now, and those of them that a majority contradicts.
    differing: Mutex<BTreeMap<ShardId, BTreeSet<ReplicaId>>>,
}

/// Comparisons of the replicas of open shards, since the node's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComparisonStats {
    /// That were made.
    pub made: u64,
    /// Shards whose replicas came to differ.
    pub differences: u64,
}

impl Comparisons {
    fn differing(&self) -> MutexGuard<'_, BTreeMap<ShardId, BTreeSet<ReplicaId>>> {
        self.differing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The replicas of a shard hold the same.
    pub(crate) fn alike(&self, shard: ShardId) {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.differing().remove(&shard);
    }

    /// They do not; a majority contradicts some of them. Answers whether that is news.
    pub(crate) fn differ(&self, shard: ShardId, odd: BTreeSet<ReplicaId>) -> bool {
        self.made.fetch_add(1, Ordering::Relaxed);
        let before = self.differing().insert(shard, odd.clone());
        if before.is_none() {
            self.differences.fetch_add(1, Ordering::Relaxed);
        }
        before != Some(odd)
    }

    /// Whether a shard's replicas differed when they were last compared.
    pub(crate) fn is_differing(&self, shard: ShardId) -> bool {
        self.differing().contains_key(&shard)
    }

    /// Forgets all other shards: those that another node leads now, or that are closed.
    pub(crate) fn retain(&self, shards: &BTreeSet<ShardId>) {
        self.differing().retain(|shard, _| shards.contains(shard));
    }

    /// The shards whose replicas differ.
    pub(crate) fn shards(&self) -> Vec<ShardId> {
        self.differing().keys().copied().collect()
    }

    /// The replicas that a majority contradicts.
    pub(crate) fn odd(&self) -> Vec<(ShardId, ReplicaId)> {
        let differing = self.differing();
        let odd = differing.iter();
        odd.flat_map(|(shard, odd)| odd.iter().map(|replica| (*shard, *replica))).collect()
    }

    pub(crate) fn stats(&self) -> ComparisonStats {
        ComparisonStats {
            made: self.made.load(Ordering::Relaxed),
            differences: self.differences.load(Ordering::Relaxed),
        }
    }
}
