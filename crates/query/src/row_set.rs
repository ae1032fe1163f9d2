//! A set of row positions within one row group, as a dense bitmap.
//!
//! A group has at most a few thousand rows, so a bitmap is a kilobyte: every filter is a pass of
//! whole words over it, and nothing is allocated per row.

use std::ops::Range;

/// Positions below `rows`, each in the set or not. Bits past `rows` are always clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowSet {
    rows: usize,
    words: Vec<u64>,
}

impl RowSet {
    pub(crate) fn none(rows: usize) -> Self {
        Self { rows, words: vec![0; rows.div_ceil(64)] }
    }

    pub(crate) fn all(rows: usize) -> Self {
        let mut set = Self { rows, words: vec![u64::MAX; rows.div_ceil(64)] };
        set.clear_past_the_end();
        set
    }

    /// The positions of the values that `wanted` accepts.
    pub(crate) fn of_values<T: Copy>(values: &[T], wanted: impl Fn(T) -> bool) -> Self {
        let word = |chunk: &[T]| {
            chunk
                .iter()
                .enumerate()
                .fold(0, |bits, (at, &value)| bits | u64::from(wanted(value)) << at)
        };
        Self { rows: values.len(), words: values.chunks(64).map(word).collect() }
    }

    fn clear_past_the_end(&mut self) {
        if let Some(last) = self.words.last_mut()
            && !self.rows.is_multiple_of(64)
        {
            *last &= (1 << (self.rows % 64)) - 1;
        }
    }

    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        row < self.rows && self.words[row / 64] >> (row % 64) & 1 == 1
    }

    /// Adds a position, which must be below `rows`.
    pub(crate) fn insert(&mut self, row: usize) {
        assert!(row < self.rows, "BUG: row {row} of a group of {}", self.rows);
        self.words[row / 64] |= 1 << (row % 64);
    }

    /// Removes the part of a range that lies below `rows`.
    pub(crate) fn remove_range(&mut self, range: Range<usize>) {
        let end = range.end.min(self.rows);
        let mut row = range.start;
        while row < end {
            let here = (end - row).min(64 - row % 64);
            let mask = if here == 64 { u64::MAX } else { ((1 << here) - 1) << (row % 64) };
            self.words[row / 64] &= !mask;
            row += here;
        }
    }

    pub(crate) fn intersect(&mut self, other: &Self) {
        self.zip(other, |mine, theirs| mine & theirs);
    }

    pub(crate) fn union(&mut self, other: &Self) {
        self.zip(other, |mine, theirs| mine | theirs);
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.zip(other, |mine, theirs| mine & !theirs);
    }

    fn zip(&mut self, other: &Self, merge: impl Fn(u64, u64) -> u64) {
        assert_eq!(self.rows, other.rows, "BUG: sets of two groups");
        for (mine, &theirs) in self.words.iter_mut().zip(&other.words) {
            *mine = merge(*mine, theirs);
        }
    }

    /// The positions, from the first or from the last.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.words
            .iter()
            .enumerate()
            .flat_map(|(at, &word)| Bits { word }.map(move |bit| at * 64 + bit))
    }
}

/// The set bits of a word, from either end.
struct Bits {
    word: u64,
}

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let bit = self.word.trailing_zeros();
        self.word &= self.word.wrapping_sub(1);
        (bit < 64).then_some(bit as usize)
    }
}

impl DoubleEndedIterator for Bits {
    fn next_back(&mut self) -> Option<usize> {
        let bit = 63u32.checked_sub(self.word.leading_zeros())?;
        self.word &= !(1 << bit);
        Some(bit as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    const ROWS: usize = 200;

    proptest! {
        #[test]
        fn it_is_a_set(
            rows in 1..ROWS,
            left in btree_set(0..ROWS, 0..ROWS),
            right in btree_set(0..ROWS, 0..ROWS),
            cuts in vec((0..ROWS, 0..ROWS), 0..3),
        ) {
            let below = |set: BTreeSet<usize>| -> BTreeSet<usize> {
                set.into_iter().filter(|&row| row < rows).collect()
            };
            let (mut left, right) = (below(left), below(right));
            let of = |set: &BTreeSet<usize>| {
                let all: Vec<usize> = (0..rows).collect();
                RowSet::of_values(&all, |row| set.contains(&row))
            };
            let mut set = of(&left);
            for (start, end) in cuts {
                set.remove_range(start..end);
                left.retain(|row| !(start..end).contains(row));
            }
            prop_assert_eq!(set.count(), left.len());
            prop_assert!(set.iter().eq(left.iter().copied()));
            prop_assert!(set.iter().rev().eq(left.iter().rev().copied()));
            let with = |merge: fn(&mut RowSet, &RowSet)| {
                let mut merged = set.clone();
                merge(&mut merged, &of(&right));
                merged
            };
            prop_assert_eq!(with(RowSet::intersect), of(&(&left & &right)));
            prop_assert_eq!(with(RowSet::union), of(&(&left | &right)));
            prop_assert_eq!(with(RowSet::subtract), of(&(&left - &right)));
            prop_assert_eq!(RowSet::all(rows).count(), rows);
            prop_assert!((0..ROWS).all(|row| set.contains(row) == left.contains(&row)));
        }
    }
}
