//! A damaged table is an error that names it, never a part of the answer.

use std::sync::Arc;

use varve_columnar::{BytesSource, Table};
use varve_query::{AttributeFilter, Chunk, Limits, Origin, QueryError, Search, WordQuery, search};
use varve_types::{
    Attribute, Level, LogIndex, Record, Resource, ShardId, TenantId, TimeRange, TimestampNs, Value,
};

use crate::world::{TestChunk, block};

fn records() -> Vec<Record> {
    let record = |row: i64| Record {
        timestamp: Some(TimestampNs(row * 1_000_003)),
        service: ["api", "db"][row as usize % 2].into(),
        level: Level::ALL[row as usize % 7],
        message: format!("request {row} of user {} done", row * 7919 % 1000).into(),
        attributes: vec![Attribute { name: "size".into(), value: Value::Int(row * row % 997) }],
        resource: Arc::new(Resource(vec![Attribute {
            name: "host".into(),
            value: Value::Text(format!("web-{}", row % 5).into()),
        }])),
        ..Record::default()
    };
    (0..200).map(record).collect()
}

#[test]
fn a_flipped_bit_never_changes_an_answer() {
    let bytes = block(TenantId(0), &records());
    let wanted = Search {
        words: WordQuery::parse("request 47").expect("parses"),
        attributes: vec![AttributeFilter { name: "host".to_owned(), value: "web-2".to_owned() }],
        levels: vec![Level::Info, Level::Warn, Level::Error, Level::Trace, Level::Debug],
        time: TimeRange { start: Some(TimestampNs(5)), end: None },
        limit: 100,
        ..Search::default()
    };
    let answer = |bytes: Vec<u8>| {
        let table = Table::open(Arc::new(BytesSource::new("the-block", bytes.into())))?;
        let origin = Origin::Block { index: LogIndex(1), created_at: TimestampNs(0) };
        let chunk = TestChunk { table, segment: None, shard: ShardId(1), origin, dead: Vec::new() };
        let chunks: [Arc<dyn Chunk>; 1] = [Arc::new(chunk)];
        search(&chunks, &wanted, &Limits::default())
    };
    let right = answer(bytes.to_vec()).expect("undamaged");
    assert!(right.total > Some(0));
    let mut refused = 0;
    for at in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1 << (at % 8);
        match answer(damaged) {
            Ok(result) => assert_eq!(result, right, "byte {at} flipped"),
            Err(error) => {
                assert!(matches!(error, QueryError::Table(_)), "{error}");
                assert!(error.to_string().contains("the-block"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused * 2 > bytes.len(), "only {refused} of {} bytes matter", bytes.len());
}
