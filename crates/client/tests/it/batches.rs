//! Where batches are cut.

use proptest::prelude::*;
use varve_client::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, Batcher, record_bytes};
use varve_types::{Attribute, Record, Value, limits};

fn cut(records: &[Record]) -> Vec<Vec<Record>> {
    let mut batcher = Batcher::default();
    let mut batches: Vec<_> =
        records.iter().filter_map(|record| batcher.push(record.clone())).collect();
    batches.extend(batcher.take());
    batches
}

fn record(message_bytes: usize, attributes: std::ops::Range<usize>) -> Record {
    let attribute = |n: usize| Attribute { name: format!("a{n:06}").into(), value: Value::Int(1) };
    Record {
        service: "s".into(),
        message: vec![b'x'; message_bytes].into(),
        attributes: attributes.map(attribute).collect(),
        ..Record::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn batches_keep_the_records_in_order_and_within_the_limits(
        sizes in proptest::collection::vec(prop_oneof![9 => 0_usize..5_000, 1 => 0_usize..2_000_000], 0..400),
    ) {
        let records: Vec<Record> = sizes.iter().map(|bytes| record(*bytes, 0..2)).collect();
        let batches = cut(&records);
        for batch in &batches {
            let bytes: usize = batch.iter().map(record_bytes).sum();
            prop_assert!(!batch.is_empty() && batch.len() <= BATCH_ROWS_MAX);
            prop_assert!(bytes <= BATCH_BYTES_MAX || batch.len() == 1);
        }
        prop_assert_eq!(batches.concat(), records);
    }
}

#[test]
fn many_small_rows_are_cut_by_their_number_and_many_columns_by_theirs() {
    let small = vec![record(1, 0..0); 2 * BATCH_ROWS_MAX + 1];
    let sizes: Vec<usize> = cut(&small).iter().map(Vec::len).collect();
    assert_eq!(sizes, [BATCH_ROWS_MAX, BATCH_ROWS_MAX, 1]);

    let wide: Vec<Record> = (0..40).map(|n| record(1, n * 1_000..(n + 1) * 1_000)).collect();
    for batch in cut(&wide) {
        assert!(batch.len() * 1_000 <= limits::COLUMNS_PER_BATCH_MAX);
    }
}
