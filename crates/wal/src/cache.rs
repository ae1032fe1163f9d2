//! Which entries' bytes stay in memory: the most recently synced ones, up to a bound.
//!
//! Holds no bytes itself: they are in the groups' slots. Entries that are not in a file yet are
//! counted and never evicted.

use std::collections::{BTreeMap, VecDeque};

use varve_types::{GroupId, LogIndex};

use crate::index::{GroupLog, WriteId};

/// Below this many queued names it is not worth dropping the stale ones.
const STALE_MIN: usize = 1024;

/// An entry whose bytes may be dropped.
#[derive(Clone, Copy, Debug)]
struct Cached {
    group: GroupId,
    index: LogIndex,
    write: WriteId,
}

/// The order of eviction, and how much is held.
#[derive(Debug)]
pub(crate) struct Cache {
    bytes_max: usize,
    bytes: usize,
    /// Synced entries, oldest first; some may be gone since.
    order: VecDeque<Cached>,
    /// How many of `order` have not been looked at since the last sweep.
    fresh: usize,
}

impl Cache {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, order: VecDeque::new(), fresh: 0 }
    }

    /// Bytes of entries in memory.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// An entry's bytes came into memory.
    pub(crate) const fn added(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Entries' bytes left memory because the entries did.
    pub(crate) const fn dropped(&mut self, bytes: usize) {
        self.bytes -= bytes;
    }

    /// An entry is in its file: from now on its bytes may go.
    pub(crate) fn synced(&mut self, group: GroupId, index: LogIndex, write: WriteId) {
        self.order.push_back(Cached { group, index, write });
        self.fresh += 1;
    }

    /// Drops bytes of the oldest synced entries until the bound holds.
    pub(crate) fn evict(&mut self, groups: &mut BTreeMap<GroupId, GroupLog>) {
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.order.pop_front() else { break };
            let log = groups.get_mut(&oldest.group);
            if let Some(slot) = log.and_then(|log| log.slot_mut(oldest.index, oldest.write)) {
                self.bytes -= slot.bytes.take().map_or(0, |bytes| bytes.len());
            }
        }
        // Entries that were purged while cached leave their names behind.
        if self.fresh > STALE_MIN && self.fresh > self.order.len() / 2 {
            self.fresh = 0;
            self.order.retain(|cached| {
                let log = groups.get(&cached.group);
                log.and_then(|log| log.slot(cached.index, cached.write)).is_some()
            });
        }
    }
}
