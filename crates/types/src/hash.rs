//! Which shard a record belongs to: the hash of (tenant, service), and ranges of that hash.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::TenantId;

/// Version 1 of the routing hash. A change of the hash would send a resend another way and so
/// break exactly-once: it would have to be a new version that windows name.
const SERVICE_HASH_SEED_V1: u64 = 0x5641_5256_4500_0001;

/// The fixed 64-bit hash of (tenant, service): XXH3-64 of the tenant's number in little-endian
/// order followed by the service's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceHash(pub u64);

/// A tenant and a service's name of up to so many bytes are hashed without allocating.
const SHORT_INPUT_BYTES: usize = 64;

impl ServiceHash {
    /// The hash that routes the records of a service.
    #[must_use]
    pub fn of(tenant: TenantId, service: &str) -> Self {
        let (tenant, service) = (tenant.get().to_le_bytes(), service.as_bytes());
        // Every record is hashed, and names are short.
        let mut short = [0; SHORT_INPUT_BYTES];
        let hash = |input: &[u8]| Self(xxh3_64_with_seed(input, SERVICE_HASH_SEED_V1));
        match short.get_mut(..tenant.len() + service.len()) {
            Some(input) => {
                let (first, rest) = input.split_at_mut(tenant.len());
                first.copy_from_slice(&tenant);
                rest.copy_from_slice(service);
                hash(input)
            }
            None => hash(&[&tenant, service].concat()),
        }
    }
}

/// A dyadic piece of the hash space: all hashes whose top `bits` bits are `prefix`.
///
/// Two ranges are therefore either nested or disjoint, never crossing, which is what makes
/// "was this resend stored already?" decidable after the number of buckets changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashRange {
    bits: u8,
    prefix: u64,
}

impl HashRange {
    /// The whole space.
    pub const WHOLE: Self = Self { bits: 0, prefix: 0 };

    /// More bits would make ranges smaller than any cluster can use.
    pub const BITS_MAX: u8 = 32;

    /// The range of hashes whose top `bits` bits are `prefix`, or `None` when `bits` is above
    /// [`Self::BITS_MAX`] or `prefix` does not fit in them.
    #[must_use]
    pub const fn new(bits: u8, prefix: u64) -> Option<Self> {
        if bits > Self::BITS_MAX || prefix >= 1 << bits {
            return None;
        }
        Some(Self { bits, prefix })
    }

    /// The ranges that cover the space once with `2^bits` pieces.
    pub fn split_space(bits: u8) -> impl Iterator<Item = Self> {
        (0..1u64 << bits.min(Self::BITS_MAX)).map(move |prefix| Self { bits, prefix })
    }

    /// How many top bits are fixed.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// What the fixed bits are.
    #[must_use]
    pub const fn prefix(self) -> u64 {
        self.prefix
    }

    /// Whether a hash lies in the range.
    #[must_use]
    pub const fn contains(self, hash: ServiceHash) -> bool {
        self.bits == 0 || hash.0 >> (64 - self.bits) == self.prefix
    }

    /// Whether every hash of `other` lies in this range.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.bits <= other.bits && other.prefix >> (other.bits - self.bits) == self.prefix
    }

    /// Whether the two ranges share a hash: then one of them covers the other.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// The two halves, or `None` at [`Self::BITS_MAX`].
    #[must_use]
    pub const fn halves(self) -> Option<[Self; 2]> {
        if self.bits == Self::BITS_MAX {
            return None;
        }
        let bits = self.bits + 1;
        Some([Self { bits, prefix: self.prefix << 1 }, Self { bits, prefix: self.prefix << 1 | 1 }])
    }

    /// What of this range none of `stored` covers, as the fewest ranges, in order.
    ///
    /// ```
    /// use varve_types::HashRange;
    /// let [left, right] = HashRange::WHOLE.halves().unwrap();
    /// assert_eq!(HashRange::WHOLE.without(&[left]), vec![right]);
    /// assert_eq!(left.without(&[HashRange::WHOLE]), vec![]);
    /// ```
    #[must_use]
    pub fn without(self, stored: &[Self]) -> Vec<Self> {
        if stored.iter().any(|range| range.covers(self)) {
            return Vec::new();
        }
        if !stored.iter().any(|range| self.covers(*range)) {
            return vec![self];
        }
        let Some(halves) = self.halves() else {
            return Vec::new();
        };
        halves.into_iter().flat_map(|half| half.without(stored)).collect()
    }
}

impl fmt::Display for HashRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.prefix, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range() -> impl Strategy<Value = HashRange> {
        (0u8..6).prop_flat_map(|bits| {
            (0..1u64 << bits).prop_map(move |prefix| HashRange::new(bits, prefix).expect("fits"))
        })
    }

    #[test]
    fn the_routing_hash_never_changes() {
        assert_eq!(ServiceHash::of(TenantId(0), "checkout").0, 0x9C4E_4415_0F15_B33C);
    }

    #[test]
    fn names_of_all_lengths_are_hashed_alike() {
        for len in 0..2 * SHORT_INPUT_BYTES {
            let (tenant, service) = (TenantId(0x0102_0304), "x".repeat(len));
            let input = [&[4, 3, 2, 1], service.as_bytes()].concat();
            let hash = xxh3_64_with_seed(&input, SERVICE_HASH_SEED_V1);
            assert_eq!(ServiceHash::of(tenant, &service).0, hash, "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_and_what_was_stored_cover_the_range_once(
            whole in range(),
            stored in proptest::collection::vec(range(), 0..5),
            hash in any::<u64>(),
        ) {
            let hash = ServiceHash(hash);
            let left = whole.without(&stored);
            let times = left.iter().filter(|range| range.contains(hash)).count();
            let wanted = whole.contains(hash) && !stored.iter().any(|r| r.contains(hash));
            prop_assert_eq!(times, usize::from(wanted));
        }

        #[test]
        fn ranges_nest_or_are_disjoint(a in range(), b in range(), hash in any::<u64>()) {
            let hash = ServiceHash(hash);
            prop_assert!(!(a.contains(hash) && b.contains(hash)) || a.overlaps(b));
            prop_assert!(!a.covers(b) || !b.contains(hash) || a.contains(hash));
        }
    }
}
