//! How many buckets a window has.

use varve_types::HashRange;

/// More buckets than this would make blocks small without spreading the work any better.
const BITS_MAX: u8 = 10;
const _: () = assert!(BITS_MAX <= HashRange::BITS_MAX);

/// The bits of a window's ranges: it has `2^bits` buckets.
///
/// One bucket on a single node; in a cluster about twice as many as there are nodes, so that
/// leaders spread evenly, and no more, because a client's batch is cut once per bucket. With no
/// node at all there is nothing to place, and one bucket is as good as any number.
#[must_use]
pub fn bucket_bits(nodes: usize) -> u8 {
    if nodes <= 1 {
        return 0;
    }
    let wanted = nodes.saturating_mul(2).checked_next_power_of_two().unwrap_or(usize::MAX);
    u8::try_from(wanted.ilog2()).unwrap_or(BITS_MAX).min(BITS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_on_a_single_node_and_two_to_four_a_node_in_a_cluster() {
        assert_eq!(bucket_bits(0), 0);
        assert_eq!(bucket_bits(1), 0);
        for nodes in 2..=400 {
            let buckets = 1usize << bucket_bits(nodes);
            assert!((nodes * 2..nodes * 4).contains(&buckets), "{nodes} nodes, {buckets} buckets");
        }
        assert_eq!(bucket_bits(usize::MAX), BITS_MAX);
    }
}
