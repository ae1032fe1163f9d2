//! The memory of all tails of a node together: what is held, and what is promised to blocks on
//! their way.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Encoded bytes of blocks in memory, counted for all shards of a node.
pub(crate) struct Tails {
    max: u64,
    bytes: Mutex<Bytes>,
    relief_asked: AtomicBool,
}

#[derive(Default)]
struct Bytes {
    held: u64,
    promised: u64,
}

/// Room for a block that is proposed; given back when dropped, by when the block is counted in
/// its tail or is not stored.
pub(crate) struct Promise {
    tails: Arc<Tails>,
    bytes: u64,
}

/// What one shard holds of the node's memory; given back when dropped.
pub(crate) struct Share {
    tails: Arc<Tails>,
    bytes: AtomicU64,
}

impl Tails {
    pub(super) const fn new(max: u64) -> Self {
        let bytes = Mutex::new(Bytes { held: 0, promised: 0 });
        Self { max, bytes, relief_asked: AtomicBool::new(false) }
    }

    fn bytes(&self) -> std::sync::MutexGuard<'_, Bytes> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Promises room for a block; `None` when there is none. A block larger than all of it is
    /// let pass alone: it was taken from a client and must be stored somewhere.
    pub(crate) fn promise(self: &Arc<Self>, block_bytes: u64) -> Option<Promise> {
        let mut bytes = self.bytes();
        let taken = bytes.held + bytes.promised;
        if taken > 0 && taken.saturating_add(block_bytes) > self.max {
            return None;
        }
        bytes.promised += block_bytes;
        Some(Promise { tails: Arc::clone(self), bytes: block_bytes })
    }

    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { tails: Arc::clone(self), bytes: AtomicU64::new(0) }
    }

    pub(crate) fn held(&self) -> u64 {
        self.bytes().held
    }

    /// Whether no more may be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.held() >= self.max
    }

    /// Whether so much is held that writing out must not wait for processors to be idle: blocks
    /// would soon wait for memory.
    pub(crate) fn is_pressing(&self) -> bool {
        self.held() > self.max / 4 * 3
    }

    /// Whether more than half is held and nobody was told to write out: says so once, until a
    /// flush ends.
    pub(crate) fn wants_relief(&self) -> bool {
        self.held() > self.max / 2 && !self.relief_asked.swap(true, Ordering::Relaxed)
    }

    /// A flush ended.
    pub(crate) fn relieved(&self) {
        self.relief_asked.store(false, Ordering::Relaxed);
    }
}

impl Share {
    /// Says what the shard holds now.
    pub(crate) fn set(&self, now: u64) {
        let mut bytes = self.tails.bytes();
        let before = self.bytes.swap(now, Ordering::Relaxed);
        bytes.held = bytes.held - before + now;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.tails.bytes().promised -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_and_promised_stays_within_the_maximum() {
        let tails = Arc::new(Tails::new(100));
        let (a, b) = (tails.share(), tails.share());
        a.set(30);
        b.set(20);
        let first = tails.promise(40).expect("fits");
        assert!(tails.promise(11).is_none());
        let second = tails.promise(10).expect("fits exactly");
        a.set(70);
        drop(first);
        assert!(tails.is_full() == (tails.held() >= 100) && tails.held() == 90);
        assert!(tails.promise(1).is_none());
        drop(second);
        assert!(tails.promise(10).is_some());
        drop(a);
        assert_eq!(tails.held(), 20);
    }

    #[test]
    fn a_block_larger_than_all_of_it_passes_alone() {
        let tails = Arc::new(Tails::new(100));
        let large = tails.promise(1000).expect("is alone");
        assert!(tails.promise(1).is_none());
        drop(large);
        tails.share().set(1);
        assert!(tails.promise(1000).is_some(), "the share was given back");
    }

    #[test]
    fn what_is_held_presses_and_relief_is_asked_for_once_until_a_flush_ends() {
        let tails = Arc::new(Tails::new(100));
        let share = tails.share();
        assert!(!tails.wants_relief());
        share.set(51);
        assert!(tails.wants_relief() && !tails.wants_relief());
        share.set(75);
        assert!(!tails.is_pressing());
        share.set(76);
        assert!(tails.is_pressing());
        tails.relieved();
        assert!(tails.wants_relief());
    }
}
