//! Where a merge begins a new segment because the day changes.

use std::collections::BTreeMap;

const DAY_NS: i64 = 86_400_000_000_000;

/// The fewest stored bytes on either side of a change of segments: smaller ones cost more in
/// files than they save in searches.
const DAYS_BYTES_MIN: u64 = 16 << 20;

/// The days' beginnings at which segments are divided, ascending, by the earliest time and the
/// stored bytes of each row group to be merged.
pub(super) fn divide(groups: impl Iterator<Item = (i64, u64)>) -> Vec<i64> {
    let mut days: BTreeMap<i64, u64> = BTreeMap::new();
    for (min_time, bytes) in groups {
        *days.entry(min_time.div_euclid(DAY_NS)).or_default() += bytes;
    }
    let mut after: u64 = days.values().sum();
    let mut before = 0;
    let mut cuts = Vec::new();
    for (day, bytes) in days {
        if before >= DAYS_BYTES_MIN && after >= DAYS_BYTES_MIN {
            // The first day there is begins before the earliest time that 64 bits hold.
            cuts.push(day.saturating_mul(DAY_NS));
            before = 0;
        }
        before += bytes;
        after -= bytes;
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn cuts(days: &[(i64, u64)]) -> Vec<i64> {
        let groups = days.iter().map(|&(day, mib)| (day * DAY_NS + 5, mib * MIB));
        divide(groups).into_iter().map(|time| time / DAY_NS).collect()
    }

    #[test]
    fn days_are_divided_where_both_sides_are_large() {
        assert_eq!(cuts(&[]), [0; 0]);
        assert_eq!(cuts(&[(3, 100)]), [0; 0]);
        assert_eq!(cuts(&[(3, 16), (4, 16)]), [4]);
        assert_eq!(cuts(&[(3, 15), (4, 100)]), [0; 0]);
        assert_eq!(cuts(&[(3, 100), (4, 15)]), [0; 0]);
        assert_eq!(cuts(&[(-9, 8), (-8, 8), (-7, 8), (0, 8), (9, 8)]), [-7]);
        assert_eq!(cuts(&[(5, 10), (6, 10), (7, 10), (8, 10)]), [7]);
        assert_eq!(cuts(&[(7, 10), (5, 10), (7, 10), (5, 10)]), [7]);
    }

    #[test]
    fn the_ends_of_time_are_days_too() {
        let groups = [(i64::MIN, 16 * MIB), (i64::MAX, 16 * MIB)];
        assert_eq!(divide(groups.into_iter()), [i64::MAX / DAY_NS * DAY_NS]);
    }
}
