//! What nodes and clients send.

use std::sync::Arc;

use prost::Message;
use varve_proto::v1::{self, Frame, Hello, Introduction, Part, Parts, frame};
use varve_proto::{encode_batch_key, encode_records};
use varve_query::wire::Writer;
use varve_query::{Aggregate, AttributeFilter, Lookup, Search, WordQuery};
use varve_types::{
    Attribute, BatchKey, Level, LogIndex, Record, RecordId, Resource, RowNumber, ShardId, TenantId,
    TimestampNs, Value,
};

use super::chunks;

/// Each kind of message in the versions that there are, with nothing in it: a fuzzer finds the rest.
pub(super) fn messages() -> Vec<Vec<u8>> {
    let kinds = 0..u8::try_from(varve_consensus::fuzzing::READINGS.len()).expect("they are few");
    let of_kind = |kind: u8| (1..=3).map(move |version| [&[kind, version][..], &[0; 40]].concat());
    kinds.flat_map(of_kind).collect()
}

/// A change of the catalog: its index, its stamp and its command.
fn change(index: u64, command: &[u8]) -> Vec<u8> {
    let stamp = 5i64.to_le_bytes();
    let len = u8::try_from(command.len()).expect("a command is short");
    [&index.to_le_bytes()[..], &stamp, &[len], command].concat()
}

/// A cluster that is founded and joined by another node; and a command of each kind.
pub(super) fn news() -> Vec<Vec<u8>> {
    let card = [&[4][..], b"a:92", &[1], b"z", &[3], b"0.1", &[7; 16]].concat();
    let found = [&[2, 1][..], &[9; 16], &card, &[1]].concat();
    let add = [&[2, 2][..], &card, &[0]].concat();
    let founded = chunks([&[&[1, 1, 2][..], &change(1, &found), &change(2, &add)].concat()[..]]);
    let one_of_each = (3..=18u8).map(|kind| {
        let ids = [1u64, 1, 0].iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<_>>();
        let command = [&[2, kind][..], &ids].concat();
        [&founded[..], &chunks([&[&[1, 1, 1][..], &change(3, &command)].concat()[..]])].concat()
    });
    std::iter::once(founded.clone()).chain(one_of_each).collect()
}

/// A position and a catalog with nothing in them.
pub(super) fn catalog_files() -> Vec<Vec<u8>> {
    let of = |zeros: usize| {
        let position = [5, 1, 0, 0, 0, 0];
        let catalog = [vec![u8::try_from(zeros + 1).expect("it is short"), 2], vec![0; zeros]];
        [&b"VARVECAT"[..], &[0; 4], &[1], &position, &catalog.concat()].concat()
    };
    (60..100).step_by(4).map(of).collect()
}

fn framed(content: frame::Content) -> Vec<u8> {
    Frame { content: Some(content) }.encode_length_delimited_to_vec()
}

pub(super) fn frames() -> Vec<Vec<u8>> {
    // Version, kind, group, replica.
    let head = [&[1, 3][..], &[0; 16]].concat();
    let part = |request: u64, body: &'static [u8], last: bool| Part {
        request,
        head: head.clone().into(),
        body: body.into(),
        last,
        ..Part::default()
    };
    let frame = |parts: Vec<Part>| framed(frame::Content::Parts(Parts { parts }));
    let cancelled = Part { request: 3, cancelled: true, ..Part::default() };
    let pieces = [
        frame(vec![part(1, b"whole", true), part(2, b"be", false), part(3, b"never", false)]),
        frame(vec![part(2, b"gun", true), cancelled]),
    ];
    vec![pieces.concat(), frame(vec![part(9, b"", true)])]
}

pub(super) fn introductions() -> Vec<Vec<u8>> {
    let introduction = Introduction {
        cluster: 1u128.to_be_bytes().to_vec().into(),
        node: 2,
        protocol_min: 1,
        protocol_max: 1,
        version: "0.1.0".to_owned(),
        clock_ns: 1,
        start: 9,
        start_before: 5,
    };
    let hello = Hello { introduction: Some(introduction), to: 1, lane: 1 };
    vec![hello.encode_to_vec(), Hello::default().encode_to_vec()]
}

/// A question about two shards: a search, counts, records by their ids.
pub(super) fn fragments() -> Vec<Vec<u8>> {
    let begun = || {
        let mut writer = Writer::default();
        writer.u8(1);
        writer.list([(1, 2), (2, 0)], |writer, (shard, at)| {
            writer.u64(shard);
            writer.u8(at);
        });
        writer
    };
    let words = WordQuery::parse("slow \"read failed\"").expect("words");
    let filter = AttributeFilter { name: "host".to_owned(), value: "h1".to_owned() };
    let services = vec!["api".to_owned()];
    let mut search = begun();
    search.u8(1);
    let attributes = vec![filter];
    Search { words, services, attributes, limit: 10, ..Search::default() }.write(&mut search);
    let mut counts = begun();
    counts.u8(2);
    let levels = vec![Level::Warn];
    Aggregate { levels, by_level: true, by_service: true, ..Aggregate::default() }
        .write(&mut counts);
    let mut records = begun();
    records.u8(3);
    let id = RecordId { shard: ShardId(1), index: LogIndex(2), row: RowNumber(3) };
    records.list([id], |writer, id| Lookup { id, time: None }.write(writer));
    [search, counts, records].map(|writer| writer.finish().to_vec()).into()
}

/// An answer to each: how far two shards were read, and a part with nothing in it.
pub(super) fn replies() -> Vec<Vec<u8>> {
    let reply = |(part, question): (u8, Vec<u8>)| {
        let mut writer = Writer::default();
        writer.u8(1);
        writer.list([1, 2], |writer, shard| {
            writer.u64(shard);
            writer.u8(0);
            writer.option(Some(7), Writer::u64);
        });
        writer.u8(part);
        [chunks([&question[..]]), writer.finish().to_vec(), vec![0; 6]].concat()
    };
    (1..).zip(fragments()).map(reply).collect()
}

pub(super) fn questions() -> Vec<Vec<u8>> {
    let query = v1::QueryRequest {
        services: vec!["api".to_owned()],
        levels: vec![4],
        words: "slow \"read failed\"".to_owned(),
        limit: 10,
        start_ns: Some(1),
        ..v1::QueryRequest::default()
    };
    let counts = v1::AggregateRequest { step_ns: 60_000_000_000, ..Default::default() };
    vec![query.encode_to_vec(), counts.encode_to_vec()]
}

/// A batch with a value of every kind.
pub(super) fn appends() -> Vec<Vec<u8>> {
    let values = [
        Value::Null,
        Value::Bool(true),
        Value::Int(-3),
        Value::Float(0.5),
        Value::Number("1.50".into()),
        Value::Text("text".into()),
        Value::Bytes(vec![0, 0xff].into()),
        Value::EmptyObject,
        Value::Array("[1, \"two\"]".into()),
    ];
    let attribute = |(number, value)| Attribute { name: format!("a{number}").into(), value };
    let attributes: Vec<_> = values.into_iter().enumerate().map(attribute).collect();
    let record = Record {
        timestamp: Some(TimestampNs(1_700_000_000_000_000_000)),
        service: "api".into(),
        level: Level::Warn,
        message: "one line".into(),
        resource: Arc::new(Resource(attributes[5..6].to_vec())),
        attributes,
        ..Record::default()
    };
    let (resources, records) =
        encode_records(&[record.clone(), Record { level_text: Some("loud".into()), ..record }]);
    let key = BatchKey::parse(TenantId(0), "p:0:1").expect("a key");
    let key = Some(encode_batch_key(&key));
    let request = v1::AppendRequest { key, resources, records, ..Default::default() };
    vec![request.encode_to_vec()]
}
