//! A record that came as JSON goes out as equal JSON, and no body makes the decoder panic.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};
use varve_ingest::json::{Defaults, Format, RecordJson, decode};
use varve_ingest::{Batch, IngestError};
use varve_types::TenantId;

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |f| f.is_finite()).prop_map(Value::from),
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?"
            .prop_map(|text| Value::Number(text.parse::<Number>().expect("a number"))),
    ]
}

fn metadata() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::Array), object(inner)]
    });
    object(value)
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let name = prop_oneof!["[ab.\\\\!]{0,3}", any::<String>()];
    vec((name, value), 0..5).prop_map(|members| Value::Object(Map::from_iter(members)))
}

fn record() -> impl Strategy<Value = Value> {
    (any::<String>(), metadata(), metadata(), "[a-z]{1,9}", any::<String>()).prop_map(
        |(message, metadata, resource, level, service)| {
            let service = format!("s{service}").chars().take(99).collect::<String>();
            json!({"service": service, "level": level, "message": message,
                "metadata": metadata, "resource": resource, "timestamp": "2026-01-31T12:00:00Z"})
        },
    )
}

fn decode_json(body: Vec<u8>, format: Format) -> Result<Batch, IngestError> {
    decode(TenantId(0), None, &Bytes::from(body), format, &Defaults::default())
        .map(|decoded| decoded.batch)
}

/// The record as answers should show it: levels by name, no empty resource.
fn as_answered(mut sent: Value) -> Value {
    let spelled = sent["level"].take();
    let known = spelled.as_str().and_then(varve_types::Level::from_spelling);
    sent["level"] = known.unwrap_or_default().name().into();
    if known.is_none() {
        sent["level_text"] = spelled;
    }
    if sent["resource"] == json!({}) {
        sent.as_object_mut().expect("an object").remove("resource");
    }
    sent
}

proptest! {
    #[test]
    fn a_record_comes_back_equal(records in vec(record(), 1..4), lines: bool) {
        let (body, format) = if lines {
            let lines: Vec<String> = records.iter().map(Value::to_string).collect();
            (lines.join("\n"), Format::Lines)
        } else {
            (Value::from(records.clone()).to_string(), Format::Json)
        };
        let batch = decode_json(body.into_bytes(), format).expect("decodes");
        prop_assert_eq!(batch.records.len(), records.len());
        for (record, sent) in batch.records.iter().zip(records) {
            let answer = RecordJson { record, log_id: None, created_at: None };
            let answer = serde_json::to_value(answer).expect("serializes");
            prop_assert_eq!(answer, as_answered(sent));
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same_batch(records in vec(record(), 1..4)) {
        let batch = decode_json(Value::from(records).to_string().into_bytes(), Format::Json)
            .expect("decodes");
        let mut again = String::new();
        for record in &batch.records {
            let mut record = record.clone();
            // An answer gives an unknown level a field of its own, which requests do not have.
            record.level_text = None;
            RecordJson { record: &record, log_id: None, created_at: None }.write(&mut again);
        }
        let again = decode_json(again.into_bytes(), Format::Json).expect("decodes");
        for (record, again) in batch.records.iter().zip(&again.records) {
            prop_assert_eq!(&record.attributes, &again.attributes);
            prop_assert_eq!(&record.resource, &again.resource);
            prop_assert_eq!(&record.message, &again.message);
        }
    }

    #[test]
    fn no_bytes_panic(body: Vec<u8>, lines: bool) {
        let format = if lines { Format::Lines } else { Format::Json };
        let _ = decode_json(body, format);
    }

    #[test]
    fn no_damaged_record_panics(
        record in record(), at: prop::sample::Index, byte: u8, cut: bool, lines: bool,
    ) {
        let mut body = record.to_string().into_bytes();
        let at = at.index(body.len());
        if cut { body.truncate(at) } else { body[at] = byte }
        let _ = decode_json(body, if lines { Format::Lines } else { Format::Json });
    }
}

/// What no JSON record can hold together is written flat.
#[test]
fn names_that_exclude_each_other_are_written_flat() {
    use varve_types::{Attribute, Value};
    let written = |names: &[&str]| {
        let attribute = |name: &&str| Attribute { name: (*name).into(), value: Value::Null };
        let attributes: Vec<_> = names.iter().map(attribute).collect();
        let mut json = String::new();
        varve_ingest::json::write_attributes(&attributes, &mut json);
        json
    };
    assert_eq!(written(&["a", "a!", "a.b"]), r#"{"a":null,"a!":null,"a.b":null}"#);
    assert_eq!(written(&["a.b", "a.b!", "a.b.c"]), r#"{"a.b":null,"a.b!":null,"a.b.c":null}"#);
    assert_eq!(written(&["a\\x"]), r#"{"a\\x":null}"#);
    assert_eq!(
        written(&["a!", "a.b", "a.c.d", "b"]),
        r#"{"a!":null,"a":{"b":null,"c":{"d":null}},"b":null}"#
    );
}
