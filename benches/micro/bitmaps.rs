//! Bitmaps: the rows of a service and a level, from a segment's bytes to their number.

use criterion::Criterion;
use varve_benches::corpus::service_name;
use varve_types::{Level, TenantId};

use crate::rows::segment;

pub(crate) fn intersect(criterion: &mut Criterion) {
    let segment = segment();
    let mut group = criterion.benchmark_group("bitmaps");
    for (name, rank) in [("of the most frequent service", 0), ("of a rare service", 500)] {
        let service = service_name(rank);
        group.bench_function(format!("errors {name}"), |bencher| {
            bencher.iter(|| {
                let owners = segment.owner_index().expect("reads").expect("has owners");
                let levels = segment.level_index().expect("reads").expect("has levels");
                let of_service = owners.rows(TenantId(0), &service).expect("reads");
                of_service.intersection_len(&levels.rows(Level::Error).expect("reads"))
            });
        });
    }
    group.bench_function("opening the roll-up", |bencher| {
        bencher.iter(|| segment.rollup().expect("reads").expect("has a roll-up").hours.len());
    });
    group.finish();
}
