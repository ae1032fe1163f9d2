//! Digests: of a batch as it was sent, and of rows as they are stored.

use std::fmt;
use std::ops::{Add, AddAssign};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::{LogIndex, RowNumber};

/// The digest of a whole decoded batch, computed when its protocol is decoded and before the
/// server fills anything in: a resend of the same batch has the same digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchDigest(pub u128);

/// What one row's cells add up to, in any order of columns.
///
/// A cell contributes the XXH3-128 of its bytes, seeded with its column's identity; a row is the
/// wrapping sum of its cells. So a row's digest can be gathered column by column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowDigest(u128);

/// An additive digest of rows: the same set of rows has the same digest, whatever blocks,
/// segments or order they are stored in.
///
/// Each row's cells are mixed, then weighted by the row's place: by its number within the block
/// ([`ContentDigest::of_row`]) and, once the log has given the block an index, by that
/// ([`ContentDigest::at`]). Weighting multiplies, so it distributes over sums: a part's digest,
/// computed by the gateway before the index is known, is lifted to its place in one step. A row
/// that moved, a cell that changed and two rows that swapped cells all show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentDigest(pub u128);

/// Odd 128-bit constants with well-spread bits (PCG's multiplier and the golden ratio).
const MIX_MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;
const PLACE_MULTIPLIER: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;

const fn mix(mut x: u128) -> u128 {
    x ^= x >> 64;
    x = x.wrapping_mul(MIX_MULTIPLIER);
    x ^= x >> 59;
    x = x.wrapping_mul(MIX_MULTIPLIER);
    x ^ (x >> 64)
}

/// An odd weight for a place, so that multiplying by it loses nothing.
const fn weight(domain: u128, place: u64) -> u128 {
    mix((place as u128 + 1).wrapping_mul(PLACE_MULTIPLIER) ^ domain) | 1
}

const ROW_DOMAIN: u128 = 1 << 100;
const INDEX_DOMAIN: u128 = 1 << 101;

impl RowDigest {
    /// What one cell contributes. `column_seed` is the column's identity as a number.
    #[must_use]
    pub fn of_cell(column_seed: u64, bytes: &[u8]) -> Self {
        Self(xxh3_128_with_seed(bytes, column_seed))
    }

    /// The plain number: well spread, so that a table of cells can be keyed by it.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl AddAssign for RowDigest {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl ContentDigest {
    /// The digest of nothing.
    pub const EMPTY: Self = Self(0);

    /// The digest of one row at its number in the block.
    #[must_use]
    pub const fn of_row(cells: RowDigest, row: RowNumber) -> Self {
        Self(mix(cells.0).wrapping_mul(weight(ROW_DOMAIN, row.0 as u64)))
    }

    /// The digest of the same rows once their block has its index in the log.
    #[must_use]
    pub const fn at(self, index: LogIndex) -> Self {
        Self(self.0.wrapping_mul(weight(INDEX_DOMAIN, index.0)))
    }
}

impl Add for ContentDigest {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

impl AddAssign for ContentDigest {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for BatchDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(u64, &str)]) -> RowDigest {
        let mut digest = RowDigest::default();
        for (column, value) in cells {
            digest += RowDigest::of_cell(*column, value.as_bytes());
        }
        digest
    }

    #[test]
    fn a_row_does_not_depend_on_the_order_of_columns() {
        assert_eq!(row(&[(1, "a"), (2, "b")]), row(&[(2, "b"), (1, "a")]));
    }

    #[test]
    fn swapped_cells_moved_rows_and_moved_blocks_all_show() {
        let of = |first: RowDigest, second: RowDigest| {
            ContentDigest::of_row(first, RowNumber(0)) + ContentDigest::of_row(second, RowNumber(1))
        };
        let (x, y) = (row(&[(1, "a"), (2, "b")]), row(&[(1, "c"), (2, "d")]));
        let swapped = of(row(&[(1, "a"), (2, "d")]), row(&[(1, "c"), (2, "b")]));
        assert_ne!(of(x, y), swapped);
        assert_ne!(of(x, y), of(y, x));
        assert_ne!(of(x, y).at(LogIndex(4)), of(x, y).at(LogIndex(5)));
    }

    #[test]
    fn weighting_by_index_distributes_over_rows() {
        let a = ContentDigest::of_row(row(&[(1, "a")]), RowNumber(0));
        let b = ContentDigest::of_row(row(&[(1, "b")]), RowNumber(1));
        let index = LogIndex(99);
        assert_eq!((a + b).at(index), a.at(index) + b.at(index));
    }
}
