//! The filter of words: which row groups may have a word, and how long cutting lines into words
//! takes.

use criterion::{Criterion, Throughput};
use varve_benches::corpus::FREQUENT_WORD;
use varve_columnar::tokens;

use crate::rows::{ROWS_PER_BLOCK, records, segment};

pub(crate) fn find(criterion: &mut Criterion) {
    let segment = segment();
    let mut group = criterion.benchmark_group("filters");
    for (name, word) in [("a frequent word", FREQUENT_WORD), ("an absent word", "mark0123")] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let words = segment.word_index().expect("reads").expect("has words");
                words.groups(word.as_bytes()).expect("reads").len()
            });
        });
    }
    let records = records(ROWS_PER_BLOCK);
    group.throughput(Throughput::Elements(ROWS_PER_BLOCK as u64));
    group.bench_function("words of 8,000 lines", |bencher| {
        let words_of = |record: &varve_types::Record| tokens(&record.message).count();
        bencher.iter(|| records.iter().map(words_of).sum::<usize>());
    });
    group.finish();
}
