//! Sizes and extremes: one record, very many columns, very long messages, many groups.

use std::sync::Arc;

use varve_columnar::{BlockBuilder, BlockError, ColumnId, table::bounds};
use varve_types::{
    Attribute, BatchDigest, HashRange, Level, LogIndex, Record, Resource, TimestampNs, Value,
    ValueKind, limits,
};

use crate::generate::{block_bytes, block_of, key, segment_builder, segment_of};

fn line(number: usize) -> Record {
    let text =
        |name: &str, text: String| Attribute { name: name.into(), value: Value::Text(text.into()) };
    let mut message = format!("GET /api/v1/orders/{number} took {} ms", number * 7919 % 1000);
    let mut mixed = number as u64;
    while message.len() < 200 {
        mixed = (mixed ^ mixed >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        message.push_str([" user", " order", " upstream", " trace", " ms"][mixed as usize % 5]);
        message.push_str(&format!("={}", mixed >> 48));
    }
    Record {
        timestamp: Some(TimestampNs(1_700_000_000_000_000_000 + number as i64 * 1_000_000)),
        service: "checkout".into(),
        level: if number.is_multiple_of(50) { Level::Error } else { Level::Info },
        message: message.into(),
        attributes: vec![
            text("request_id", format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15))),
            Attribute { name: "status".into(), value: Value::Int(200 + number as i64 % 5) },
            text("zone", format!("eu-{}", number % 3)),
        ],
        ..Record::default()
    }
}

#[test]
fn a_block_of_one_record_is_small() {
    let record = Record { message: "hello".into(), ..line(1) };
    let bytes = block_bytes(&[vec![record]]);
    assert!(bytes.len() < 400, "{} bytes", bytes.len());
}

#[test]
fn columns_cost_what_their_values_cost() {
    let count = 10_000;
    let records: Vec<Record> = (0..count / 2)
        .map(|number| Record {
            message: "m".into(),
            attributes: (0..2)
                .map(|which| Attribute {
                    name: format!("attribute.{number:05}.{which}").into(),
                    value: Value::Int(number),
                })
                .collect(),
            ..line(number as usize)
        })
        .collect();
    let bytes = block_bytes(std::slice::from_ref(&records));
    assert!(bytes.len() < count as usize * 40, "{} bytes", bytes.len());
    let block = block_of(std::slice::from_ref(&records));
    assert_eq!(block.table().all_records(0).expect("reads"), records);
    let mut builder = segment_builder();
    builder
        .add_block(&block, LogIndex(1), TimestampNs(1), std::slice::from_ref(&(0..5000)))
        .expect("fits");
    let (segment, _) = segment_of(builder);
    assert_eq!(segment.table().all_records(0).expect("reads"), records);
    let attribute = segment.table().attribute_columns("attribute.00007.1");
    let name = "attribute.00007.1".into();
    assert_eq!(attribute, [ColumnId::Attribute { name, kind: ValueKind::Int }]);
}

#[test]
fn groups_are_cut_by_rows_and_by_bytes() {
    let mut records: Vec<Record> =
        (0..20_000).map(|n| Record { message: "m".into(), ..line(n) }).collect();
    let long = vec![b'x'; limits::MESSAGE_BYTES_MAX];
    records.push(Record { message: long.into(), ..line(20_000) });
    let block = block_of(std::slice::from_ref(&records));
    let rows = |table: &varve_columnar::Table| -> Vec<u32> {
        table.groups().iter().map(|group| group.rows).collect()
    };
    assert_eq!(rows(block.table()), [8192, 8192, 3616, 1]);
    block.verify().expect("verifies");
    let mut builder = segment_builder();
    builder
        .add_block(&block, LogIndex(1), TimestampNs(1), std::slice::from_ref(&(5..20_001)))
        .expect("fits");
    let (segment, _) = segment_of(builder);
    assert_eq!(rows(segment.table()), [8192, 8192, 3611, 1]);
    segment.verify().expect("verifies");
    let read: Vec<Record> =
        (0..4).flat_map(|group| segment.table().all_records(group).expect("reads")).collect();
    assert_eq!(read, records[5..]);
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_of_it_added() {
    let mut builder = BlockBuilder::new();
    let mut push =
        |records: &[Record]| builder.push_part(key(1), BatchDigest(0), HashRange::WHOLE, records);
    push(&[line(0)]).expect("fits");
    let unstamped = Record { timestamp: None, ..line(1) };
    assert_eq!(push(&[line(0), unstamped]), Err(BlockError::NoTimestamp { record: 1 }));
    let mut unsorted = line(1);
    unsorted.attributes.swap(0, 2);
    assert!(matches!(push(&[unsorted]), Err(BlockError::Unsorted { record: 0, .. })));
    let repeated = vec![Attribute { name: "a".into(), value: Value::Null }; 2];
    let repeated = Record { resource: Arc::new(Resource(repeated)), ..line(1) };
    assert!(matches!(push(&[repeated]), Err(BlockError::Unsorted { record: 0, .. })));
    let text = "x".repeat(bounds::RECORD_BYTES_MAX).into();
    let mut long = line(1);
    long.attributes[0].value = Value::Text(text);
    assert!(matches!(push(&[long]), Err(BlockError::TooLong { record: 0, .. })));
    let mut long = line(1);
    long.attributes[0].name = "x".repeat(limits::ATTRIBUTE_NAME_BYTES_MAX + 1).into();
    assert!(matches!(push(&[long]), Err(BlockError::NameTooLong { record: 0, .. })));
    let long = Record { message: vec![b'x'; limits::MESSAGE_BYTES_MAX].into(), ..line(1) };
    assert!(matches!(push(&vec![long; 17]), Err(BlockError::TooManyBytes { .. })));
    let rows = vec![line(1); limits::BLOCK_ROWS_MAX];
    assert_eq!(push(&rows), Err(BlockError::TooManyRows { rows: rows.len() + 1 }));
    let wide = |from: usize| Record {
        attributes: (from..from + limits::COLUMNS_PER_SEGMENT_MAX)
            .map(|n| Attribute { name: format!("{n:08}").into(), value: Value::Null })
            .collect(),
        ..line(1)
    };
    assert!(matches!(push(&[wide(0)]), Err(BlockError::TooManyColumns { .. })));
    assert_eq!(builder.rows(), 1);
    let block = varve_columnar::Block::open(builder.finish()).expect("opens");
    assert_eq!(block.table().all_records(0).expect("reads"), [line(0)]);
}

#[test]
fn other_tenants_rows_say_whose_they_are() {
    let mut builder = BlockBuilder::new();
    let key = |tenant| {
        varve_types::BatchKey::parse(varve_types::TenantId(tenant), "p:0:1").expect("a key")
    };
    for tenant in [0, 7] {
        let records = [line(1), line(2)];
        builder.push_part(key(tenant), BatchDigest(0), HashRange::WHOLE, &records).expect("fits");
    }
    let block = varve_columnar::Block::open(builder.finish()).expect("opens");
    let tenants = block.table().read(0, &ColumnId::Tenant).expect("reads").expect("is there");
    let rows: Vec<_> = (0..4).map(|row| tenants.int_at(row)).collect();
    assert_eq!(rows, [None, None, Some(7), Some(7)]);
    assert_ne!(block.parts()[0].content, block.parts()[1].content);
}

#[test]
#[ignore = "a measurement: run it with --release -- --ignored --nocapture"]
fn speed() {
    let resource = Arc::new(Resource(vec![
        Attribute { name: "host".into(), value: Value::Text("node-17".into()) },
        Attribute { name: "pod".into(), value: Value::Text("checkout-5d8f7".into()) },
    ]));
    let records: Vec<Record> = (0..5000)
        .map(|number| Record { resource: Arc::clone(&resource), ..line(number) })
        .collect();
    let batches = [records];
    let time = |name: &str, rows: usize, work: &mut dyn FnMut()| {
        let rounds = (500_000 / rows).clamp(10, 10_000);
        let start = cpu_ns();
        for _ in 0..rounds {
            work();
        }
        println!("{name}: {} ns/row", (cpu_ns() - start) / (rounds * rows) as u64);
    };
    let bytes = block_bytes(&batches);
    println!("block: {} bytes/row", bytes.len() / 5000);
    time("encode block", 5000, &mut || drop(block_bytes(&batches)));
    for rows in [1, 10, 100] {
        let few = [batches[0][..rows].to_vec()];
        time(&format!("encode block of {rows}"), rows, &mut || drop(block_bytes(&few)));
    }
    let block = block_of(&batches);
    time("decode records", 5000, &mut || drop(block.table().all_records(0).expect("reads")));
    time("verify", 5000, &mut || block.verify().expect("verifies"));
    time("read messages", 5000, &mut || {
        block.table().read(0, &ColumnId::Message).expect("reads");
    });
    let mut size = 0;
    time("merge 16 blocks", 16 * 5000, &mut || {
        let mut builder = segment_builder();
        for index in 0..16 {
            builder
                .add_block(
                    &block,
                    LogIndex(index),
                    TimestampNs(1),
                    std::slice::from_ref(&(0..5000)),
                )
                .expect("fits");
        }
        size = segment_of(builder).1.bytes;
    });
    println!("segment: {} bytes/row", size / 16 / 5000);
}

/// Nanoseconds of CPU time of this process.
fn cpu_ns() -> u64 {
    // The first field of schedstat: time spent on the CPU by this thread.
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().expect("a field").parse().expect("a number")
}
