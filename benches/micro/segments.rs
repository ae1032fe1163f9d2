//! The segment writer: merging blocks into strips, with all indexes.

use criterion::{Criterion, Throughput};
use varve_columnar::SegmentOptions;

use crate::rows::{BLOCKS, ROWS_PER_BLOCK, blocks, segment_bytes};

pub(crate) fn write(criterion: &mut Criterion) {
    let blocks = blocks();
    let mut group = criterion.benchmark_group("segment writer");
    group.throughput(Throughput::Elements((BLOCKS * ROWS_PER_BLOCK) as u64)).sample_size(10);
    for (name, zstd_level) in [("as a flush writes", 3), ("as a final merge writes", 9)] {
        let options = SegmentOptions { zstd_level, ..SegmentOptions::default() };
        group.bench_function(name, |bencher| bencher.iter(|| segment_bytes(&blocks, options)));
    }
    group.finish();
}
