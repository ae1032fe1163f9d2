//! Arbitrary records, batches and blocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use varve_columnar::{
    Block, BlockBuilder, Segment, SegmentBuilder, SegmentOptions, SegmentSummary,
};
use varve_types::{
    Attribute, BatchDigest, BatchKey, HashRange, Level, Record, Resource, TenantId, TimestampNs,
    Value,
};

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::EmptyObject),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        // Not a NaN, whose equality would fail; bits are compared elsewhere.
        (-1e300..1e300f64).prop_map(Value::Float),
        Just(Value::Float(-0.0)),
        select(vec!["1.0", "1e400", "-0", "0.10"]).prop_map(|text| Value::Number(text.into())),
        "[a-c]{0,3}".prop_map(|text| Value::Text(text.into())),
        ".{0,40}".prop_map(|text| Value::Text(text.into())),
        vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(bytes.into())),
        select(vec!["[]", "[1, 2]"]).prop_map(|text| Value::Array(text.into())),
    ]
}

/// Few names, so that columns are shared; some with odd characters.
fn attributes(count: usize) -> impl Strategy<Value = Vec<Attribute>> {
    let name = prop_oneof![
        4 => select(vec!["a", "b", "http.status", "user\\.id", "ü"]).prop_map(str::to_owned),
        1 => ".{0,12}",
    ];
    btree_map(name, value(), 0..count).prop_map(|attributes: BTreeMap<String, Value>| {
        attributes.into_iter().map(|(name, value)| Attribute { name: name.into(), value }).collect()
    })
}

prop_compose! {
    pub(crate) fn record()(
        time in prop_oneof![0..50i64, any::<i64>()],
        service in select(vec!["api", "billing", "größe", "x"]),
        level in select(Level::ALL.to_vec()),
        level_text in option::weighted(0.2, "[a-z]{1,5}"),
        message in prop_oneof!["[a-d ]{0,30}".prop_map(Bytes::from), vec(any::<u8>(), 0..80).prop_map(Bytes::from)],
        resource in attributes(3),
        attributes in attributes(5),
    ) -> Record {
        Record {
            timestamp: Some(TimestampNs(time)),
            service: service.into(),
            level,
            level_text: level_text.map(Into::into),
            message,
            resource: Arc::new(Resource(resource)),
            attributes,
        }
    }
}

/// Batches of one block.
pub(crate) fn batches() -> impl Strategy<Value = Vec<Vec<Record>>> {
    vec(vec(record(), 0..30), 0..4)
}

pub(crate) fn key(sequence: u64) -> BatchKey {
    BatchKey::parse(TenantId(0), &format!("tester:0:{sequence}")).expect("a key")
}

/// A block of batches with the sequences 1, 2, 3 …
pub(crate) fn block_of(batches: &[Vec<Record>]) -> Block {
    Block::open(block_bytes(batches)).expect("a new block opens")
}

pub(crate) fn block_bytes(batches: &[Vec<Record>]) -> Bytes {
    let mut builder = BlockBuilder::new();
    for (number, records) in batches.iter().enumerate() {
        builder
            .push_part(
                key(number as u64 + 1),
                BatchDigest(number as u128),
                HashRange::WHOLE,
                records,
            )
            .expect("records as they must be");
    }
    builder.finish()
}

pub(crate) fn segment_of(builder: SegmentBuilder) -> (Segment, SegmentSummary) {
    let (bytes, summary) = segment_bytes(builder);
    let source = varve_columnar::BytesSource::new("segment", bytes);
    (Segment::open(Arc::new(source)).expect("a new segment opens"), summary)
}

pub(crate) fn segment_bytes(builder: SegmentBuilder) -> (Bytes, SegmentSummary) {
    let mut bytes = Vec::new();
    let summary = builder
        .finish(&mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
        .expect("inputs are sound");
    (bytes.into(), summary)
}

pub(crate) fn segment_builder() -> SegmentBuilder {
    SegmentBuilder::new(SegmentOptions::default())
}
