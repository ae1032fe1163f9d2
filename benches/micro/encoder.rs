//! The encoder of blocks: what the gateway spends on rows before they are replicated.

use criterion::{Criterion, Throughput};

use crate::rows::{ROWS_PER_BLOCK, block_bytes, records};

pub(crate) fn encode(criterion: &mut Criterion) {
    let records = records(ROWS_PER_BLOCK);
    let mut group = criterion.benchmark_group("encoder");
    group.throughput(Throughput::Elements(ROWS_PER_BLOCK as u64));
    group.bench_function("block of 8,000 rows", |bencher| bencher.iter(|| block_bytes(&records)));
    group.finish();
}
