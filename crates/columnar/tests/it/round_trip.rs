//! What goes in comes out, and digests survive every merge.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use varve_columnar::{
    Block, BytesSource, ColumnId, EventHours, Segment, SegmentBuilder, SegmentOptions, Step, Table,
};
use varve_types::{ContentDigest, LogIndex, Record, RowNumber, TimestampNs};

use crate::generate::{batches, block_of, segment_builder, segment_of};

fn records_of(table: &Table) -> Vec<Record> {
    (0..table.groups().len())
        .flat_map(|group| table.all_records(group).expect("a new table reads"))
        .collect()
}

/// A model of a segment: what is stored at (timestamp, index, row).
type Model = BTreeMap<Place, Stored>;
type Place = (i64, u64, u32);
/// The stamp of arrival and the record.
type Stored = (i64, Record);

fn rows_of(segment: &Segment) -> Vec<(Place, Stored)> {
    let table = segment.table();
    let mut rows = Vec::new();
    for group in 0..table.groups().len() {
        let column = |id| table.read(group, &id).expect("reads").expect("is there");
        let (indexes, numbers) = (column(ColumnId::Index), column(ColumnId::Row));
        let stamps = column(ColumnId::CreatedAt);
        for (row, record) in (0..).zip(table.all_records(group).expect("reads")) {
            let time = record.timestamp.expect("always there").get();
            let index = indexes.int_at(row).expect("always there") as u64;
            let number = numbers.int_at(row).expect("always there") as u32;
            rows.push(((time, index, number), (stamps.int_at(row).expect("always there"), record)));
        }
    }
    rows.sort_by_key(|(place, _)| *place);
    rows
}

fn check_against_model(segment: &Segment, model: &Model) {
    let wanted: Vec<_> = model.clone().into_iter().collect();
    assert_eq!(rows_of(segment), wanted);
    check_summaries(segment, model);
}

fn check_summaries(segment: &Segment, model: &Model) {
    let mut hours = EventHours::new();
    for (time, _, _) in model.keys() {
        *hours.entry(time.div_euclid(3_600_000_000_000)).or_default() += 1;
    }
    assert_eq!(segment.event_hours().expect("reads"), hours);
    let times: Vec<_> = model.keys().map(|key| TimestampNs(key.0)).collect();
    let zone = segment.table().zone();
    assert_eq!(zone.times, times.iter().copied().min().zip(times.iter().copied().max()));
    for (_, record) in model.values() {
        assert!(zone.may_have_service(&record.service) && zone.levels.contains(record.level));
    }
    segment.verify().expect("a new segment verifies");
}

/// The live ranges of a block when each part is live or dead as told.
fn live_parts(block: &Block, alive: &[bool]) -> (Vec<Range<u32>>, ContentDigest) {
    let live = block.parts().iter().zip(alive.iter().cycle()).filter(|(_, alive)| **alive);
    let digest = live.clone().fold(ContentDigest::EMPTY, |sum, (part, _)| sum + part.content);
    (live.map(|(part, _)| part.rows.clone()).collect(), digest)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_block_gives_back_its_records(batches in batches(), picks in vec(any::<Index>(), 0..20)) {
        let block = block_of(&batches);
        let wanted = batches.concat();
        prop_assert_eq!(records_of(block.table()), &wanted[..]);
        prop_assert_eq!(block.parts().len(), batches.len());
        for (part, batch) in block.parts().iter().zip(&batches) {
            prop_assert_eq!(part.rows.len(), batch.len());
        }
        block.verify().expect("a new block verifies");
        if !wanted.is_empty() {
            // Any rows in any order, some twice.
            let rows: Vec<u32> = picks.iter().map(|pick| pick.index(wanted.len()) as u32).collect();
            let picked: Vec<_> = rows.iter().map(|&row| wanted[row as usize].clone()).collect();
            prop_assert_eq!(block.table().records(0, &rows).expect("reads"), picked);
            let last = RowNumber(wanted.len() as u32 - 1);
            prop_assert_eq!(block.locate(last), Some((0, last.get())));
            prop_assert_eq!(block.locate(last.next()), None);
        }
    }

    #[test]
    fn merges_keep_the_live_rows_and_their_digest(
        blocks in vec((batches(), 0..1000i64, vec(any::<bool>(), 4)), 0..5),
        cut in any::<Index>(),
    ) {
        let mut model = Model::new();
        let mut digest = ContentDigest::EMPTY;
        let (mut first, mut second) = (segment_builder(), segment_builder());
        let cut = cut.index(blocks.len() + 1);
        for (number, (batches, created_at, alive)) in blocks.iter().enumerate() {
            let block = block_of(batches);
            let index = LogIndex(3 * number as u64 + 1);
            let (live, live_digest) = live_parts(&block, alive);
            digest += live_digest.at(index);
            let records = records_of(block.table());
            for row in live.iter().cloned().flatten() {
                let record = records[row as usize].clone();
                let time = record.timestamp.expect("always there").get();
                model.insert((time, index.get(), row), (*created_at, record));
            }
            let builder = if number < cut { &mut first } else { &mut second };
            builder.add_block(&block, index, TimestampNs(*created_at), &live).expect("fits");
        }
        let ((first, one), (second, two)) = (segment_of(first), segment_of(second));
        prop_assert_eq!(one.digest + two.digest, digest);
        let mut merged = segment_builder();
        merged.add_segment(&first).expect("fits");
        merged.add_segment(&second).expect("fits");
        let (merged, summary) = segment_of(merged);
        prop_assert_eq!(summary.digest, digest);
        prop_assert_eq!(summary.rows, model.len() as u64);
        prop_assert_eq!(merged.table().content_digest(), digest);
        check_against_model(&merged, &model);
    }

    #[test]
    fn steps_write_each_row_once_however_tight_the_bounds(
        blocks in vec(batches(), 1..6),
        loaded_bytes_max in select(vec![0, 10_000, 1 << 26]),
        segment_bytes_max in select(vec![0, 2000, 1 << 28]),
        separate_days: bool,
    ) {
        let options =
            SegmentOptions { loaded_bytes_max, segment_bytes_max, separate_days, ..SegmentOptions::default() };
        let mut builder = SegmentBuilder::new(options);
        let mut model = Model::new();
        for (index, batches) in (1..).zip(&blocks) {
            let block = block_of(batches);
            let rows = block.table().rows() as u32;
            builder.add_block(&block, LogIndex(index), TimestampNs(7), std::slice::from_ref(&(0..rows))).expect("fits");
            for (row, record) in (0..).zip(records_of(block.table())) {
                let time = record.timestamp.expect("always there").get();
                model.insert((time, index, row), (7, record));
            }
        }
        let wanted: Vec<_> = model.into_iter().collect();
        // Those of the first merge are merged again: blocks and segments take the same way.
        let mut first = SegmentBuilder::new(options);
        let (once, digest) = segments_of(builder, wanted.len() as u64);
        for segment in &once {
            first.add_segment(segment).expect("fits");
        }
        let (twice, digest_again) = segments_of(first, wanted.len() as u64);
        prop_assert_eq!(digest, digest_again);
        for segments in [once, twice] {
            let mut rows: Vec<_> = segments.iter().flat_map(rows_of).collect();
            rows.sort_by_key(|(place, _)| *place);
            prop_assert_eq!(&rows, &wanted);
            for segment in &segments {
                check_summaries(segment, &rows_of(segment).into_iter().collect());
            }
        }
    }
}

/// Merges step by step, and says what the segments' digests sum to.
fn segments_of(builder: SegmentBuilder, rows: u64) -> (Vec<Segment>, ContentDigest) {
    let mut writer = builder.begin();
    let (mut bytes, mut segments) = (Vec::new(), Vec::new());
    let (mut digest, mut written) = (ContentDigest::EMPTY, 0);
    while !writer.is_done() {
        let step = writer.step(&mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        match step.expect("inputs are sound") {
            Step::Wrote { rows } => written += rows,
            Step::Finished(summary) => {
                assert_eq!(summary.bytes, bytes.len() as u64);
                let source = BytesSource::new("segment", std::mem::take(&mut bytes).into());
                let segment = Segment::open(Arc::new(source)).expect("a new segment opens");
                assert_eq!(summary.rows, segment.table().rows());
                assert!(summary.rows > 0 || rows == 0);
                digest += summary.digest;
                segments.push(segment);
            }
        }
    }
    assert_eq!(written, rows);
    (segments, digest)
}

#[test]
fn floats_keep_their_bits() {
    use varve_types::{Attribute, Value};
    let bits = [0x7ff8_dead_beef_0001u64, 0x8000_0000_0000_0000, 0x7ff0_0000_0000_0000];
    let records: Vec<Record> = bits
        .iter()
        .map(|&bits| Record {
            timestamp: Some(TimestampNs(1)),
            service: "s".into(),
            attributes: vec![Attribute {
                name: "f".into(),
                value: Value::Float(f64::from_bits(bits)),
            }],
            ..Record::default()
        })
        .collect();
    let read: Vec<u64> = records_of(block_of(&[records]).table())
        .into_iter()
        .map(|record| match record.attributes[0].value {
            Value::Float(number) => number.to_bits(),
            ref other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(read, bits);
}
