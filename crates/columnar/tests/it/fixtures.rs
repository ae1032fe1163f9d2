//! One stored file per version of the format, read for ever. A new version adds files and never
//! rewrites old ones. To make the files of a new version: VARVE_WRITE_FIXTURES=1.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use expect_test::expect_file;
use varve_columnar::{Block, BytesSource, Segment, SegmentBuilder, SegmentOptions, Table};
use varve_types::{Attribute, Level, LogIndex, Record, Resource, TimestampNs, Value};

use crate::generate::segment_bytes;

fn record(number: i64) -> Record {
    let values = [
        Value::Null,
        Value::Bool(number % 2 == 0),
        Value::Int(number - 3),
        Value::Float(number as f64 / 8.0),
        Value::Number("1.50".into()),
        Value::Text(format!("text {}", number % 3).into()),
        Value::Bytes(Bytes::from(vec![number as u8, 0xff])),
        Value::EmptyObject,
        Value::Array("[1, \"two\"]".into()),
    ];
    let attributes = (values.into_iter().enumerate())
        .filter(|(kind, _)| !(number as usize + kind).is_multiple_of(3))
        .map(|(kind, value)| Attribute { name: format!("a{kind}").into(), value })
        .collect();
    let host =
        Attribute { name: "host".into(), value: Value::Text(format!("h{}", number % 2).into()) };
    Record {
        timestamp: Some(TimestampNs(
            1_700_000_000_000_000_000 + (number * 7 % 5) * 1_800_000_000_000,
        )),
        service: ["api", "größe"][number as usize % 2].into(),
        level: Level::ALL[number as usize % 7],
        level_text: (number % 13 == 0).then(|| "loud".into()),
        message: if number == 4 {
            Bytes::from_static(&[0, 0xfe, b'x'])
        } else {
            format!("line {number} of the fixture").into()
        },
        resource: Arc::new(Resource(if number == 5 { Vec::new() } else { vec![host] })),
        attributes,
    }
}

/// Two batches that hold every kind of value and every optional field.
pub(crate) fn sample_batches() -> Vec<Vec<Record>> {
    vec![(0..5).map(record).collect(), (5..12).map(record).collect()]
}

/// Enough rows that each encoding occurs.
fn stored_batches() -> Vec<Vec<Record>> {
    vec![(0..15).map(record).collect(), (15..40).map(record).collect()]
}

/// A segment of version 2, at a level at which its encodings are used.
fn write_segment(block: Bytes) -> Bytes {
    let block = Block::open(block).expect("opens");
    let options = SegmentOptions { zstd_level: 9, ..SegmentOptions::default() };
    let mut builder = SegmentBuilder::new(options);
    builder
        .add_block(&block, LogIndex(40), TimestampNs(1_800), std::slice::from_ref(&(0..15)))
        .expect("fits");
    builder
        .add_block(&block, LogIndex(41), TimestampNs(1_900), std::slice::from_ref(&(20..40)))
        .expect("fits");
    segment_bytes(builder).0
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[expect(clippy::disallowed_methods, reason = "fixtures are files; the crate itself reads none")]
fn fixture(name: &str) -> Bytes {
    std::fs::read(path(name)).expect("the fixture is there").into()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "fixtures are files; the crate itself writes none")]
fn write_fixtures_of_a_new_version() {
    if std::env::var_os("VARVE_WRITE_FIXTURES").is_some() {
        // Blocks are still of version 1.
        std::fs::write(path("segment-v2.bin"), write_segment(fixture("block-v1.bin")))
            .expect("writes");
    }
}

/// Everything that a table says, as text.
fn dump(table: &Table) -> String {
    let mut out = format!(
        "{:?}, {} rows, digest {}\n{:#?}\n{:#?}\ncolumns: {}\n",
        table.kind(),
        table.rows(),
        table.content_digest(),
        table.zone(),
        table.groups(),
        table.columns().iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    );
    for group in 0..table.groups().len() {
        for (row, record) in table.all_records(group).expect("reads").iter().enumerate() {
            writeln!(out, "{group}/{row}: {record:?}").expect("a string takes everything");
        }
    }
    out
}

#[test]
fn the_block_of_version_1_reads() {
    let block = Block::open(fixture("block-v1.bin")).expect("opens");
    block.verify().expect("verifies");
    let text = format!("{}\n{:#?}\n", dump(block.table()), block.parts());
    expect_file!["../fixtures/block-v1.txt"].assert_eq(&text);
    assert_eq!(block.table().all_records(0).expect("reads"), stored_batches().concat());
}

#[test]
fn the_segment_of_version_1_reads() {
    let (segment, text) = dump_segment("segment-v1.bin");
    expect_file!["../fixtures/segment-v1.txt"].assert_eq(&text);
    assert!(segment.owner_index().expect("reads").is_none());
    assert!(segment.word_index().expect("reads").is_none());
}

#[test]
fn the_segment_of_version_2_reads() {
    let (segment, mut text) = dump_segment("segment-v2.bin");
    let owners = segment.owner_index().expect("reads").expect("is there");
    for (tenant, service) in owners.owners() {
        let rows = owners.rows(tenant, service).expect("reads");
        writeln!(text, "{tenant:?} {service}: {rows:?}").expect("writes");
    }
    let levels = segment.level_index().expect("reads").expect("is there");
    for level in Level::ALL {
        writeln!(text, "{level}: {:?}", levels.rows(level).expect("reads")).expect("writes");
    }
    let resources = segment.resource_index().expect("reads").expect("is there");
    let rows = resources.rows_where(|resource| resource.0.is_empty()).expect("reads");
    writeln!(text, "without a resource: {rows:?}").expect("writes");
    writeln!(text, "{:#?}", segment.rollup().expect("reads").expect("is there")).expect("writes");
    let words = segment.word_index().expect("reads").expect("is there");
    for word in ["fixture", "h1", "nowhere"] {
        let groups = words.groups(word.as_bytes()).expect("reads");
        let counts = words.counts(word.as_bytes()).expect("reads");
        writeln!(text, "{word}: in {groups:?}, {counts:?}").expect("writes");
    }
    expect_file!["../fixtures/segment-v2.txt"].assert_eq(&text);
}

fn dump_segment(name: &str) -> (Segment, String) {
    let segment = Segment::open(Arc::new(BytesSource::new(name, fixture(name)))).expect("opens");
    segment.verify().expect("verifies");
    let table = segment.table();
    let mut text = dump(table);
    for column in ["Index", "Row", "CreatedAt", "Tenant"] {
        let id = table.columns().iter().find(|id| format!("{id:?}") == column).expect("is there");
        let values = table.read(0, id).expect("reads").expect("is there");
        writeln!(text, "{column}: {:?}", values.iter_ints().collect::<Vec<_>>()).expect("writes");
    }
    writeln!(text, "{:?}", segment.event_hours().expect("reads")).expect("writes");
    (segment, text)
}
