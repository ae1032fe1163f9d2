//! One producer's remembered parts. Never empty: it is made with its first part.

use std::collections::VecDeque;

use varve_mutants::Mutant;
use varve_types::{BatchDigest, HashRange, Sequence, TimestampNs, limits};

use crate::{PartOutcome, Position, StoredRange};

/// What one part costs in memory. Fixed, and not what some compiler makes of it: replicas of
/// different releases must agree on when the table is full.
const PART_BYTES: usize = 96;
const _: () = assert!(size_of::<StoredPart>() <= PART_BYTES);

/// A part that was stored. The order of the fields is the order of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StoredPart {
    pub(super) sequence: Sequence,
    pub(super) range: HashRange,
    pub(super) position: Position,
    pub(super) digest: BatchDigest,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Producer {
    /// Ascending, without repetition; all within 256 sequences of the last.
    parts: VecDeque<StoredPart>,
    last_seen: TimestampNs,
}

impl Producer {
    pub(super) fn new(first: StoredPart, seen: TimestampNs) -> Self {
        Self { parts: VecDeque::from([first]), last_seen: seen }
    }

    /// From parts as they were stored; `None` when they are not such as a producer has.
    pub(super) fn from_parts(parts: VecDeque<StoredPart>, seen: TimestampNs) -> Option<Self> {
        let highest = parts.back()?.sequence;
        let ascending = parts.iter().zip(parts.iter().skip(1)).all(|(a, b)| a < b);
        let near = parts.front()?.sequence >= lowest_remembered(highest);
        (ascending && near).then_some(Self { parts, last_seen: seen })
    }

    pub(super) fn parts(&self) -> impl ExactSizeIterator<Item = &StoredPart> {
        self.parts.iter()
    }

    pub(super) const fn last_seen(&self) -> TimestampNs {
        self.last_seen
    }

    pub(super) fn touch(&mut self, seen: TimestampNs) {
        self.last_seen = self.last_seen.max(seen);
    }

    /// What its parts take in memory, in bytes, as far as replicas must agree on it.
    pub(super) fn bytes(&self) -> usize {
        self.parts.len() * PART_BYTES
    }

    /// What is known of a part; `None` when it is new.
    pub(super) fn recall(
        &self,
        sequence: Sequence,
        digest: BatchDigest,
        range: HashRange,
    ) -> Option<PartOutcome> {
        let lowest = lowest_remembered(self.highest());
        if sequence < lowest {
            return Some(PartOutcome::Forgotten { lowest });
        }
        if Mutant::DedupByHighestSequence.is_planted() && sequence < self.highest() {
            return Some(PartOutcome::Duplicate { stored: Vec::new() });
        }
        let first = self.parts.partition_point(|part| part.sequence < sequence);
        let same = || self.parts.range(first..).take_while(|part| part.sequence == sequence);
        if same().any(|part| part.digest != digest) {
            return Some(PartOutcome::Conflict);
        }
        let overlapping: Vec<&StoredPart> =
            same().filter(|part| part.range.overlaps(range)).collect();
        if overlapping.is_empty() {
            return None;
        }
        let ranges: Vec<HashRange> = overlapping.iter().map(|part| part.range).collect();
        let left = range.without(&ranges);
        let stored = overlapping
            .iter()
            .map(|part| StoredRange { range: part.range, position: part.position })
            .collect();
        if left.is_empty() {
            Some(PartOutcome::Duplicate { stored })
        } else {
            Some(PartOutcome::Uncovered { stored, left })
        }
    }

    pub(super) fn remember(&mut self, part: StoredPart) {
        let at = self.parts.partition_point(|known| *known < part);
        if self.parts.get(at) != Some(&part) {
            self.parts.insert(at, part);
        }
        self.prune();
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let mut parts: Vec<StoredPart> = self.parts.iter().chain(&other.parts).copied().collect();
        parts.sort_unstable();
        parts.dedup();
        self.parts = parts.into();
        self.touch(other.last_seen);
        self.prune();
    }

    fn highest(&self) -> Sequence {
        self.parts.back().expect("BUG: a producer without a part").sequence
    }

    fn prune(&mut self) {
        let lowest = lowest_remembered(self.highest());
        let old = self.parts.partition_point(|part| part.sequence < lowest);
        self.parts.drain(..old);
    }
}

/// The first of the last 256 sequences.
fn lowest_remembered(highest: Sequence) -> Sequence {
    let number = highest.get().saturating_sub(limits::DEDUP_SEQUENCES as u64 - 1);
    Sequence::new(number).unwrap_or(Sequence::FIRST)
}
