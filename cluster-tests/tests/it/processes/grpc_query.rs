//! What gRPC answers: the order, the page, and every value exactly as it was sent.

use std::fmt::Write as _;

use expect_test::expect;
use prost::Message;
use tonic::Code;
use varve_proto::v1;
use varve_proto::v1::query_response::Part;
use varve_proto::v1::value::Kind;

use super::grpc::{Logs, batch, connect, record, said};
use super::server::{Server, data_dir};

/// An answer taken apart: the total, and each record with its resource put back in.
struct Answer {
    total: u64,
    records: Vec<(v1::StoredRecord, v1::Resource)>,
    messages: usize,
}

async fn query(logs: &mut Logs, request: v1::QueryRequest) -> Answer {
    let mut stream = logs.query(request).await.expect("a stream").into_inner();
    let mut answer = Answer { total: 0, records: Vec::new(), messages: 0 };
    while let Some(message) = stream.message().await.expect("the answer goes on") {
        match message.part.expect("a part") {
            Part::Summary(summary) => {
                assert_eq!(answer.messages, 0, "the summary comes first, and once");
                assert!(!summary.as_of.expect("as of").positions.is_empty());
                answer.total = summary.total;
            }
            Part::Records(page) => {
                assert!(answer.messages > 0, "records before the summary");
                for stored in page.records {
                    let resource = stored.record.as_ref().expect("a record").resource as usize;
                    let resource = match resource {
                        0 => v1::Resource::default(),
                        number => page.resources[number - 1].clone(),
                    };
                    answer.records.push((stored, resource));
                }
            }
        }
        answer.messages += 1;
    }
    answer
}

fn messages(answer: &Answer) -> Vec<String> {
    let message = |(stored, _): &(v1::StoredRecord, _)| {
        let record = stored.record.as_ref().expect("a record");
        String::from_utf8(record.message.to_vec()).expect("UTF-8")
    };
    answer.records.iter().map(message).collect()
}

fn text(name: &str, value: &str) -> v1::Attribute {
    attribute(name, Kind::Text(value.to_owned()))
}

fn attribute(name: &str, kind: Kind) -> v1::Attribute {
    v1::Attribute { name: name.to_owned(), value: Some(v1::Value { kind: Some(kind) }) }
}

/// One attribute of every kind and every odd value, sorted by name.
fn every_value() -> Vec<v1::Attribute> {
    let floats = [
        0.0,
        -0.0,
        0.1,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -f64::NAN,
        f64::from_bits(0x7FF0_0000_0000_0001),
        f64::from_bits(0xFFF8_0000_DEAD_BEEF),
    ];
    let numbers = ["1.50", "-0", "1e400", "1E5", "18446744073709551615", "0.10000000000000000001"];
    let arrays = ["[]", "[ 1, 2.0,\"x\",null ]", r#"[{"a":[[],{}]},"\u00e9"]"#];
    let bytes: [&[u8]; 3] = [b"", b"\0\xFF\x80", b"text"];
    let mut all = vec![attribute("", Kind::Text("empty name".to_owned()))];
    let mut add = |kinds: Vec<Kind>| {
        for kind in kinds {
            all.push(attribute(&format!("v{:03}", all.len()), kind));
        }
    };
    add(vec![Kind::Null(true), Kind::EmptyObject(true), Kind::Bool(true), Kind::Bool(false)]);
    add([0, 1, -1, i64::MIN, i64::MAX].map(Kind::Int).to_vec());
    add(floats.map(Kind::Float).to_vec());
    add(numbers.map(|text| Kind::Number(text.to_owned())).to_vec());
    add(arrays.map(|text| Kind::Array(text.to_owned())).to_vec());
    add(bytes.map(|bytes| Kind::Bytes(bytes.to_vec().into())).to_vec());
    add(["", "é\u{0}\n", "null", "1"].map(|text| Kind::Text(text.to_owned())).to_vec());
    all
}

#[tokio::test]
async fn every_value_comes_back_bit_for_bit() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let mut logs = Logs::new(connect(&server).await);
    let resources = vec![
        v1::Resource { attributes: vec![text("host", "a"), text("pod", "p-1")] },
        v1::Resource { attributes: every_value() },
    ];
    let not_utf8: Vec<u8> = (0..=255).collect();
    let sent = vec![
        v1::Record {
            timestamp_ns: Some(i64::MIN),
            level: v1::Level::Fatal.into(),
            attributes: every_value(),
            resource: 1,
            ..record("kinds", "all")
        },
        v1::Record {
            timestamp_ns: Some(-1),
            level_text: "loud".to_owned(),
            message: not_utf8.into(),
            resource: 2,
            ..record("kinds", "")
        },
        v1::Record {
            timestamp_ns: Some(i64::MAX),
            attributes: vec![text("v001", "null in another record is text here")],
            ..record("kinds", "")
        },
    ];
    let request =
        v1::AppendRequest { resources: resources.clone(), want_ids: true, ..batch(sent.clone()) };
    let ids = logs.append(request).await.expect("stored").into_inner().log_ids;
    // Once from memory, once as written out.
    for flushed in [false, true] {
        let oldest = v1::Order::Oldest.into();
        let answer =
            query(&mut logs, v1::QueryRequest { order: oldest, ..Default::default() }).await;
        assert_eq!((answer.total, answer.records.len()), (3, 3));
        for (n, (stored, resource)) in answer.records.iter().enumerate() {
            let found = stored.record.clone().expect("a record");
            same(found, resource, &sent[n], &resources);
            assert_eq!(stored.log_id, ids[n]);
            assert!(stored.created_at_ns > 1_700_000_000_000_000_000);
            let request = v1::GetRecordRequest { log_id: ids[n].clone() };
            let one = logs.get_record(request).await.expect("found").into_inner();
            let one_stored = one.record.expect("a stored record");
            assert_eq!(
                (&one_stored.log_id, one_stored.created_at_ns),
                (&ids[n], stored.created_at_ns)
            );
            let one_record = one_stored.record.expect("a record");
            let resource = one.resources.first().cloned().unwrap_or_default();
            same(one_record, &resource, &sent[n], &resources);
        }
        if !flushed {
            assert!(server.run(&["cluster", "seal"]).status.success());
        }
    }
}

/// Compares encodings: floats are equal by their bits there, NaN included.
fn same(found: v1::Record, resource: &v1::Resource, sent: &v1::Record, resources: &[v1::Resource]) {
    let wanted = match sent.resource {
        0 => v1::Resource::default(),
        number => resources[number as usize - 1].clone(),
    };
    assert_eq!(resource.encode_to_vec(), wanted.encode_to_vec(), "{resource:?}");
    let found = v1::Record { resource: sent.resource, ..found };
    assert_eq!(found.encode_to_vec(), sent.encode_to_vec(), "{found:?}\n{sent:?}");
}

#[tokio::test]
async fn a_query_filters_orders_and_pages() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let mut logs = Logs::new(connect(&server).await);
    let records = (0..300).map(|n: i64| v1::Record {
        timestamp_ns: Some(1_000 + n / 3),
        level: i32::try_from(n % 7).expect("a level"),
        attributes: vec![
            attribute("n", Kind::Int(n)),
            text("parity", ["even", "odd"][n as usize % 2]),
        ],
        ..record(["a", "b"][n as usize / 200], &format!("number {n} of many"))
    });
    logs.append(batch(records.collect())).await.expect("stored");

    let all = v1::QueryRequest { limit: 10_000, ..Default::default() };
    let newest = query(&mut logs, all.clone()).await;
    assert_eq!((newest.total, newest.records.len()), (300, 300));
    let oldest = v1::QueryRequest { order: v1::Order::Oldest.into(), ..all.clone() };
    let mut oldest_first = messages(&query(&mut logs, oldest.clone()).await);
    let mut paged = Vec::new();
    for offset in (0..=300).step_by(17) {
        let page = query(&mut logs, v1::QueryRequest { offset, limit: 17, ..oldest.clone() }).await;
        assert_eq!(page.total, 300);
        paged.extend(messages(&page));
    }
    assert_eq!(paged, oldest_first);
    oldest_first.reverse();
    assert_eq!(messages(&newest), oldest_first, "one order is the other reversed");
    let default = query(&mut logs, v1::QueryRequest::default()).await;
    assert_eq!((default.total, default.records.len()), (300, 100));
    let past = query(&mut logs, v1::QueryRequest { offset: 300, ..all.clone() }).await;
    assert_eq!((past.total, past.records.len()), (300, 0));

    let filter =
        |name: &str, value: &str| v1::AttributeFilter { name: name.into(), value: value.into() };
    let cases = [
        (v1::QueryRequest { services: vec!["b".into()], ..all.clone() }, 100),
        (
            v1::QueryRequest { services: vec!["a".into(), "b".into(), "c".into()], ..all.clone() },
            300,
        ),
        (v1::QueryRequest { levels: vec![6, 0], ..all.clone() }, 85),
        (v1::QueryRequest { start_ns: Some(1_001), end_ns: Some(1_003), ..all.clone() }, 6),
        (v1::QueryRequest { start_ns: Some(1_003), end_ns: Some(1_001), ..all.clone() }, 0),
        (v1::QueryRequest { words: "NUMBER 7".into(), ..all.clone() }, 1),
        (v1::QueryRequest { words: "\"er 29\"".into(), ..all.clone() }, 11),
        (v1::QueryRequest { attributes: vec![filter("parity", "odd")], ..all.clone() }, 150),
        (
            v1::QueryRequest {
                attributes: vec![filter("parity", "odd"), filter("n", "8")],
                ..all.clone()
            },
            0,
        ),
        (v1::QueryRequest { attributes: vec![filter("n", "8")], ..all.clone() }, 1),
        (v1::QueryRequest { attributes: vec![filter("none", "8")], ..all }, 0),
    ];
    for (request, total) in cases {
        let answer = query(&mut logs, request.clone()).await;
        assert_eq!((answer.total, answer.records.len() as u64), (total, total), "{request:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_named() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    let mut logs = Logs::new(connect(&server).await);
    let mut all = String::new();
    for request in [
        v1::QueryRequest { levels: vec![7], ..Default::default() },
        v1::QueryRequest { order: 2, ..Default::default() },
        v1::QueryRequest { limit: 10_001, ..Default::default() },
        v1::QueryRequest { words: "\"open".into(), ..Default::default() },
        v1::QueryRequest { offset: u64::MAX, ..Default::default() },
    ] {
        let status = logs.query(request).await.expect_err("refused");
        writeln!(all, "{}", said(&status)).expect("a String takes all");
    }
    let nowhere = "A".repeat(32);
    for id in ["", "nonsense", "é", nowhere.as_str()] {
        let request = v1::GetRecordRequest { log_id: id.to_owned() };
        let status = logs.get_record(request).await.expect_err("refused");
        assert!(matches!(status.code(), Code::InvalidArgument | Code::NotFound));
        writeln!(all, "{}", said(&status)).expect("a String takes all");
    }
    expect![[r#"
        InvalidArgument: levels: 7 is not a level; the levels are 0 to 6
        InvalidArgument: order: 2 is no order
        InvalidArgument: limit: 10001 is not a number from 1 to 10000
        InvalidArgument: words: the quote opened at byte 0 of the query is never closed; end the phrase with a quote, or write \" for a quote inside one
        InvalidArgument: offset 18446744073709551615 + limit 100 reaches past the first 1000000 records of the result; narrow the time range instead of paging further (narrow the time range, or ask for less at a time)
        InvalidArgument: log_id: log_id "" is not an id of this store (32 characters of base32)
        InvalidArgument: log_id: log_id "nonsense" is not an id of this store (32 characters of base32)
        InvalidArgument: log_id: log_id "é" is not an id of this store (32 characters of base32)
        NotFound: no record has the id AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    "#]].assert_eq(&all);
}

#[tokio::test]
async fn an_answer_of_large_records_fits_in_messages_that_any_client_takes() {
    let dir = data_dir();
    let server = Server::start(dir.path(), &[]);
    // The generated client as it comes: messages of at most 4 MiB.
    let mut logs = Logs::new(connect(&server).await);
    for _ in 0..8 {
        let lines = vec![record("large", &"x".repeat(1 << 20)); 10];
        logs.append(batch(lines)).await.expect("stored");
    }
    let answer = query(&mut logs, v1::QueryRequest::default()).await;
    assert_eq!((answer.total, answer.records.len()), (80, 80));
}
