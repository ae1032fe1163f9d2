//! Records survive the way through their messages; malformed messages are refused by place.

use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use varve_proto::{decode_batch_key, decode_records, encode_batch_key, encode_records, v1};
use varve_types::{Attribute, BatchKey, Level, Record, Resource, TenantId, TimestampNs, Value};

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e300..1e300f64).prop_map(Value::Float),
        "[0-9]{20,25}".prop_map(|text| Value::Number(text.into())),
        ".{0,8}".prop_map(|text| Value::Text(text.into())),
        vec(any::<u8>(), 0..8).prop_map(|bytes| Value::Bytes(bytes.into())),
        Just(Value::EmptyObject),
        Just(Value::Array("[1, 2]".into())),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    proptest::collection::btree_map("[a-e]{1,2}", value(), 0..5).prop_map(|map| {
        map.into_iter().map(|(name, value)| Attribute { name: name.into(), value }).collect()
    })
}

fn record() -> impl Strategy<Value = Record> {
    let times = proptest::option::of(any::<i64>().prop_map(TimestampNs));
    let level_text = proptest::option::of("[a-z]{1,3}".prop_map(Arc::from));
    let level = proptest::sample::select(&Level::ALL);
    (times, ".{0,4}", level, level_text, vec(any::<u8>(), 0..9), attributes(), attributes())
        .prop_map(|(timestamp, service, level, level_text, message, resource, attributes)| Record {
            timestamp,
            service: service.into(),
            level,
            level_text,
            message: Bytes::from(message),
            resource: Arc::new(Resource(resource)),
            attributes,
        })
}

proptest! {
    #[test]
    fn records_come_back(records in vec(record(), 0..6)) {
        let (resources, messages) = encode_records(&records);
        prop_assert_eq!(decode_records(resources, messages), Ok(records));
    }
}

#[test]
fn a_resource_travels_once() {
    let resource = || Arc::new(Resource(vec![attribute("host", Value::Text("a".into()))]));
    let shared = resource();
    let of =
        |resource: &Arc<Resource>| Record { resource: Arc::clone(resource), ..Record::default() };
    let records = [of(&shared), of(&resource()), of(&shared), Record::default()];
    let (resources, messages) = encode_records(&records);
    assert_eq!(resources.len(), 1);
    assert_eq!(messages.iter().map(|m| m.resource).collect::<Vec<_>>(), [1, 1, 1, 0]);
}

#[test]
fn attributes_are_sorted_whatever_the_order_sent() {
    let message =
        v1::Record { attributes: vec![sent("b", 1), sent("a", 2)], ..v1::Record::default() };
    let records = decode_records(vec![], vec![message]).expect("decodes");
    assert_eq!(
        records[0].attributes,
        [attribute("a", Value::Int(2)), attribute("b", Value::Int(1))]
    );
}

#[test]
fn what_is_malformed_is_named_by_its_place() {
    let plain = v1::Record::default;
    let absent = v1::Attribute { name: "a".into(), value: None };
    let refusals = [
        v1::Record { level: 9, ..plain() },
        v1::Record { resource: 2, ..plain() },
        v1::Record { attributes: vec![sent("b", 1), absent.clone()], ..plain() },
        v1::Record { attributes: vec![sent("b", 1), sent("a", 1), sent("b", 1)], ..plain() },
    ]
    .map(|record| {
        let resources = vec![v1::Resource::default()];
        decode_records(resources, vec![plain(), record]).expect_err("malformed").to_string()
    });
    assert_eq!(
        refusals,
        [
            "records[1].level: 9 is not a level; the levels are 0 to 6",
            "records[1].resource: 2 is past the request's 1 resources; they count from 1, and 0 is none",
            "records[1].attributes[1].value: is absent; set it",
            "records[1].attributes: \"b\" occurs twice; names are unique within a record",
        ]
    );
    let resource = v1::Resource { attributes: vec![absent] };
    let refusal = decode_records(vec![resource], vec![]).expect_err("malformed").to_string();
    assert_eq!(refusal, "resources[0].attributes[0].value: is absent; set it");
}

#[test]
fn batch_keys_come_back_and_malformed_ones_are_named() {
    let key = BatchKey::parse(TenantId(3), "billing-7:4:9").expect("parses");
    let message = encode_batch_key(&key);
    assert_eq!(decode_batch_key(TenantId(3), &message), Ok(key));
    let refusal = |message| decode_batch_key(TenantId(0), &message).expect_err("bad").to_string();
    let unnamed = v1::BatchKey { producer_id: String::new(), ..message.clone() };
    assert!(refusal(unnamed).starts_with("key.producer_id: producer id \"\""));
    assert!(refusal(v1::BatchKey { sequence: 0, ..message }).starts_with("key.sequence: "));
}

fn attribute(name: &str, value: Value) -> Attribute {
    Attribute { name: name.into(), value }
}

fn sent(name: &str, int: i64) -> v1::Attribute {
    let value = v1::Value { kind: Some(v1::value::Kind::Int(int)) };
    v1::Attribute { name: name.into(), value: Some(value) }
}
