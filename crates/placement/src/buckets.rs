//! How many buckets a window has.

use varve_types::HashRange;

/// The bits of the finest buckets that a window may have: more of them would make blocks small
/// without spreading the work any better.
pub const BUCKET_BITS_MAX: u8 = 10;
const _: () = assert!(BUCKET_BITS_MAX <= HashRange::BITS_MAX);

/// A window that would be full early is cut at most this many times finer than its nodes ask for.
const LOAD_BITS_MAX: u8 = 2;

/// What is written to a cluster, as far as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowLoad {
    /// Bytes that all shards of a window take together, if it goes on as before.
    pub bytes: u64,
    /// Bytes that one shard may take before its window ends.
    pub shard_bytes_max: u64,
}

/// The bits of a window's ranges: it has `2^bits` buckets.
///
/// One bucket on a single node; in a cluster about twice as many as there are nodes, so that
/// leaders spread evenly, and no more, because a client's batch is cut once per bucket. Where that
/// many shards would be full before their window ends, up to four times as many: windows last as
/// long as they should. With no node at all there is nothing to place, and one bucket is as good
/// as any number.
#[must_use]
pub fn bucket_bits(nodes: usize, load: WindowLoad) -> u8 {
    if nodes <= 1 {
        return 0;
    }
    let wanted = nodes.saturating_mul(2).checked_next_power_of_two().unwrap_or(usize::MAX);
    let bits = u8::try_from(wanted.ilog2()).unwrap_or(BUCKET_BITS_MAX).min(BUCKET_BITS_MAX);
    let room = |bits: u8| load.shard_bytes_max.max(1).saturating_mul(1 << bits);
    let finer = (0..LOAD_BITS_MAX).take_while(|more| load.bytes > room(bits + more)).count();
    (bits + u8::try_from(finer).unwrap_or(0)).min(BUCKET_BITS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: WindowLoad = WindowLoad { bytes: 0, shard_bytes_max: 4 };

    #[test]
    fn one_on_a_single_node_and_two_to_four_a_node_in_a_cluster() {
        assert_eq!(bucket_bits(0, CALM), 0);
        assert_eq!(bucket_bits(1, CALM), 0);
        for nodes in 2..=400 {
            let buckets = 1usize << bucket_bits(nodes, CALM);
            assert!((nodes * 2..nodes * 4).contains(&buckets), "{nodes} nodes, {buckets} buckets");
        }
        assert_eq!(bucket_bits(usize::MAX, CALM), BUCKET_BITS_MAX);
    }

    #[test]
    fn more_where_a_window_would_be_full_early() {
        let bits = |bytes| bucket_bits(3, WindowLoad { bytes, shard_bytes_max: 4 });
        assert_eq!([0, 32, 33, 64, 65, 1 << 40].map(bits), [3, 3, 4, 4, 5, 5]);
        assert_eq!(bucket_bits(1, WindowLoad { bytes: 1 << 40, shard_bytes_max: 4 }), 0);
        let most = WindowLoad { bytes: u64::MAX, shard_bytes_max: u64::MAX };
        assert_eq!(bucket_bits(2, most), 2);
    }
}
