//! gRPC requests become the same batches as JSON bodies, under the same rules.

use bytes::Bytes;
use expect_test::{Expect, expect};
use varve_ingest::{grpc, json};
use varve_proto::v1::value::Kind;
use varve_proto::{encode_records, v1};
use varve_types::TenantId;

fn attribute(name: &str, kind: Kind) -> v1::Attribute {
    v1::Attribute { name: name.into(), value: Some(v1::Value { kind: Some(kind) }) }
}

fn record() -> v1::Record {
    v1::Record { service: "s".into(), message: "m".into(), ..v1::Record::default() }
}

fn check(request: v1::AppendRequest, expected: &Expect) {
    expected.assert_eq(&match grpc::decode(TenantId(0), request) {
        Ok(batch) => format!("{} records", batch.records.len()),
        Err(error) => {
            let line = |refusal| format!("{refusal}\n");
            let refusals: String = error.refusals.iter().map(line).collect();
            format!("{:?}\n{refusals}", error.kind())
        }
    });
}

fn of(records: Vec<v1::Record>) -> v1::AppendRequest {
    v1::AppendRequest { records, ..v1::AppendRequest::default() }
}

#[test]
fn the_same_records_have_the_same_digest_by_every_way_in() {
    let body = Bytes::from_static(
        br#"[{"service":"a","level":"WARN","message":"m","timestamp":1700000000,
              "metadata":{"b":{"c":1},"a":[1, 2],"n":1.50,"f":1.5,"e":{},"z":null,"t":true,"s":"x"},
              "resource":{"host":"h"}},
             {"service":"b","level":"loud","message":"","resource":{"host":"h"}}]"#,
    );
    let defaults = json::Defaults::default();
    let json = json::decode(TenantId(1), None, &body, json::Format::Json, &defaults)
        .expect("decodes")
        .batch;
    let (resources, mut records) = encode_records(&json.records);
    records[0].attributes.reverse();
    records[0].level = 0;
    records[0].level_text = "Warning".to_owned();
    for attribute in &mut records[0].attributes {
        if attribute.name == "b.c" {
            attribute.value = Some(v1::Value { kind: Some(Kind::Number("1".into())) });
        }
    }
    let request = v1::AppendRequest { resources, records, ..v1::AppendRequest::default() };
    assert_eq!(grpc::decode(TenantId(1), request), Ok(json));
}

#[test]
fn refused_records_are_all_listed_by_index_and_field() {
    let with = |kind| v1::Record { attributes: vec![attribute("a", kind)], ..record() };
    let records = vec![
        record(),
        v1::Record { service: String::new(), ..record() },
        v1::Record { service: "s".repeat(513), ..record() },
        v1::Record { level: 9, ..record() },
        v1::Record { level_text: "l".repeat(257), ..record() },
        v1::Record { message: vec![0; (4 << 20) + 1].into(), ..record() },
        v1::Record { resource: 1, ..record() },
        v1::Record { attributes: vec![v1::Attribute::default()], ..record() },
        v1::Record { attributes: vec![attribute(&"n".repeat(1025), Kind::Int(1))], ..record() },
        v1::Record {
            attributes: vec![attribute("a", Kind::Int(1)), attribute("a", Kind::Bool(true))],
            ..record()
        },
        with(Kind::Number("0x10".into())),
        with(Kind::Array("{}".into())),
        with(Kind::Array("[1] ".into())),
        with(Kind::Array("[1,".into())),
        with(Kind::Array("[0,{\"k\":1,\"k\":2}]".into())),
        with(Kind::Array("[".repeat(64) + &"]".repeat(64))),
    ];
    check(
        of(records),
        &expect![[r#"
            Invalid
            records[1].service is empty
            records[2].service is 513 bytes; at most 512 are taken
            records[3].level 9 is not a level; the levels are 0 to 6
            records[4].level_text is 257 bytes; at most 256 are taken
            records[5].message is 4194305 bytes; at most 4194304 are taken
            records[6].resource 1 is past the request's 0 resources; they count from 1, and 0 is none
            records[7].attributes[0].value is absent; set it
            records[8].attributes.nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn's name is 1025 bytes; at most 1024 are taken
            records[9].attributes "a" occurs twice; names are unique within a record
            records[10].attributes.a is not a JSON number
            records[11].attributes.a is not a JSON array: it does not begin with `[` (byte 0)
            records[12].attributes.a is not a JSON array: more follows its end (byte 3)
            records[13].attributes.a is not a JSON array: the text ends where a value should be (byte 3)
            records[14].attributes.a has a part [1].k that occurs twice
            records[15].attributes.a has a part [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0] that is nested deeper than 64
        "#]],
    );
}

#[test]
fn what_is_wrong_with_the_request_itself_is_named() {
    check(
        of(vec![]),
        &expect![[r#"
        Invalid
        no records
    "#]],
    );
    let key = v1::BatchKey { producer_id: "p p".into(), epoch: 0, sequence: 1 };
    check(
        v1::AppendRequest { key: Some(key), ..of(vec![record()]) },
        &expect![[r#"
        Invalid
        key.producer_id producer id "p p" is not 1 to 64 characters of A-Z a-z 0-9 . _ -
    "#]],
    );
    let resources = vec![
        v1::Resource::default(),
        v1::Resource { attributes: vec![attribute("pi", Kind::Number("3,14".into()))] },
    ];
    check(
        v1::AppendRequest { resources, ..of(vec![record()]) },
        &expect![[r#"
        Invalid
        resources[1].attributes.pi is not a JSON number
    "#]],
    );
}

#[test]
fn a_batch_with_a_key_fits_in_a_block() {
    let key = v1::BatchKey { producer_id: "p".into(), epoch: 0, sequence: 1 };
    let large = v1::Record { message: vec![b'x'; 4 << 20].into(), ..record() };
    let request = of(vec![large.clone(), large]);
    check(request.clone(), &expect!["2 records"]);
    check(
        v1::AppendRequest { key: Some(key), ..request },
        &expect![[r#"
        TooLarge
        batch is 8388658 bytes decoded; one with a key has at most 8388608
    "#]],
    );
}
