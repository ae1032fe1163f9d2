//! The best rows found so far, as many as the page reaches, and not one more.

use std::collections::BinaryHeap;

use varve_types::{LogIndex, RecordId, RowNumber, ShardId, TimestampNs};

use crate::{Key, Order};

/// Where a row lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Which of the chunks given to the search.
    pub(crate) chunk: u32,
    /// Which of its row groups.
    pub(crate) group: u32,
    /// The position in the group.
    pub(crate) row: u32,
}

impl Place {
    /// Of a row that was found by another search, in chunks that this one does not have.
    pub(crate) const ELSEWHERE: Self = Self { chunk: u32::MAX, group: 0, row: 0 };
}

/// A row's place in the order of answers: the smaller comes first. For newest first the numbers
/// are stored inverted, which reverses their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    time: i64,
    shard: u64,
    index: u64,
    row: u32,
}

impl Rank {
    const fn of(order: Order, time: TimestampNs, id: RecordId) -> Self {
        let plain = Self { time: time.get(), shard: id.shard.0, index: id.index.0, row: id.row.0 };
        plain.turned(order)
    }

    /// To the order's numbers from plain ones, and back.
    const fn turned(self, order: Order) -> Self {
        match order {
            Order::Oldest => self,
            Order::Newest => {
                Self { time: !self.time, shard: !self.shard, index: !self.index, row: !self.row }
            }
        }
    }
}

/// At most `depth` rows: the first in the order of all rows offered.
#[derive(Debug)]
pub(crate) struct Candidates {
    order: Order,
    depth: usize,
    /// The last in the order is on top.
    heap: BinaryHeap<(Rank, Place)>,
}

const _: () = assert!(size_of::<(Rank, Place)>() <= crate::limits::CANDIDATE_BYTES);

impl Candidates {
    pub(crate) const fn new(order: Order, depth: usize) -> Self {
        Self { order, depth, heap: BinaryHeap::new() }
    }

    /// Whether a row of this time may be among the first: asked before its id is looked up.
    pub(crate) fn may_take(&self, time: TimestampNs) -> bool {
        self.heap.len() < self.depth
            || self.last().is_some_and(|last| self.order.number(time) <= last)
    }

    /// The time of the last row, in the order's numbers, once there are as many as wanted.
    pub(crate) fn last(&self) -> Option<i64> {
        let is_full = self.heap.len() >= self.depth;
        self.heap.peek().filter(|_| is_full).map(|(last, _)| last.time)
    }

    /// Takes a row if it is among the first.
    pub(crate) fn offer(&mut self, time: TimestampNs, id: RecordId, place: Place) {
        self.take((Rank::of(self.order, time, id), place));
    }

    /// Takes what another worker kept, of the same order and depth.
    pub(crate) fn merge(&mut self, other: Self) {
        for kept in other.heap {
            self.take(kept);
        }
    }

    fn take(&mut self, offered: (Rank, Place)) {
        if self.heap.len() < self.depth {
            self.heap.push(offered);
        } else if let Some(mut last) = self.heap.peek_mut()
            && offered < *last
        {
            *last = offered;
        }
    }

    /// The rows from `offset` on, in order.
    pub(crate) fn into_page(self, offset: usize) -> Vec<(Key, Place)> {
        let order = self.order;
        let named = |(rank, place): (Rank, Place)| {
            let rank = rank.turned(order);
            let id = RecordId {
                shard: ShardId(rank.shard),
                index: LogIndex(rank.index),
                row: RowNumber(rank.row),
            };
            (Key { time: TimestampNs(rank.time), id }, place)
        };
        self.heap.into_sorted_vec().into_iter().skip(offset).map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_kept_is_the_front_of_the_sorted_whole(
            rows in btree_set((-3..3i64, 0..3u64, 0..3u64, 0..9u32), 0..60)
                .prop_map(Vec::from_iter)
                .prop_shuffle(),
            depth in 0..20usize,
            offset in 0..20usize,
            newest: bool,
        ) {
            let order = if newest { Order::Newest } else { Order::Oldest };
            let mut candidates = Candidates::new(order, depth);
            for &(time, shard, index, row) in &rows {
                let (time, id) = (TimestampNs(time), id(shard, index, row));
                if candidates.may_take(time) {
                    candidates.offer(time, id, Place { chunk: 0, group: 0, row });
                }
            }
            let mut sorted = rows;
            sorted.sort_unstable();
            if newest {
                sorted.reverse();
            }
            let wanted: Vec<RecordId> = sorted.into_iter().take(depth).skip(offset)
                .map(|(_, shard, index, row)| id(shard, index, row)).collect();
            let page: Vec<RecordId> =
                candidates.into_page(offset).into_iter().map(|(key, _)| key.id).collect();
            prop_assert_eq!(page, wanted);
        }
    }

    const fn id(shard: u64, index: u64, row: u32) -> RecordId {
        RecordId { shard: ShardId(shard), index: LogIndex(index), row: RowNumber(row) }
    }
}
