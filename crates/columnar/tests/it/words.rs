//! The word index against the words of every row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use varve_columnar::{BytesSource, Segment, tokens, with_word_text};
use varve_types::{LogIndex, Record, TimestampNs};

use crate::generate::{batches, block_of, segment_builder, segment_bytes, segment_of};

fn words_of(record: &Record) -> BTreeSet<Vec<u8>> {
    let mut words = BTreeSet::new();
    let mut add = |text: &[u8]| words.extend(tokens(text).map(<[u8]>::to_ascii_lowercase));
    add(&record.message);
    for attribute in record.resource.0.iter().chain(&record.attributes) {
        with_word_text(&attribute.value, &mut add);
    }
    words
}

/// For each word, by row group, how many rows have it.
type Counts = BTreeMap<Vec<u8>, BTreeMap<usize, u32>>;

/// A segment, and the words of its records, which come out one batch after another.
fn segment_of_batches(batches: &[Vec<Record>]) -> (Segment, Counts) {
    let mut builder = segment_builder();
    let block = block_of(batches);
    let live = 0..block.table().rows() as u32;
    builder.add_block(&block, LogIndex(1), TimestampNs(0), &[live]).expect("adds");
    let (segment, _) = segment_of(builder);
    let records: Vec<&Record> = batches.iter().flatten().collect();
    let mut counts = Counts::new();
    for group in 0..segment.table().groups().len() {
        let numbers = segment.table().read(group, &varve_columnar::ColumnId::Row);
        for (_, number) in numbers.expect("reads").expect("every row has one").iter_ints() {
            for word in words_of(records[number as usize]) {
                *counts.entry(word).or_default().entry(group).or_default() += 1;
            }
        }
    }
    (segment, counts)
}

/// Every word is found where it is, and every count is right; says how many groups were named
/// and how many of them have the word.
fn check(segment: &Segment, counts: &Counts, absent: &[String]) -> (usize, usize) {
    let index = segment.word_index().expect("reads").expect("is there");
    let groups = segment.table().groups();
    let (mut named, mut having) = (0, 0);
    let none = BTreeMap::new();
    let absent = absent.iter().map(|word| (word.as_bytes(), &none));
    for (word, by_group) in counts.iter().map(|(word, groups)| (&word[..], groups)).chain(absent) {
        let found = index.groups(word).expect("reads");
        let counted = index.counts(word).expect("reads");
        assert_eq!(counted.len(), groups.len());
        for (group, meta) in groups.iter().enumerate() {
            let rows = by_group.get(&group).copied().unwrap_or_default();
            let is_named = found.contains(group as u32);
            assert!(is_named || rows == 0, "a word is not found where it is");
            let is_often = rows * 64 >= meta.rows && (rows >= 128 || rows > meta.rows / 2);
            let is_frequent = is_often && word.len() <= 64;
            match counted[group] {
                Some(count) => assert_eq!(count, rows, "a count is wrong"),
                None => assert!(is_named && !is_frequent, "a count is missing"),
            }
            named += usize::from(is_named);
            having += usize::from(rows > 0);
        }
    }
    (named, having)
}

proptest! {
    #[test]
    fn words_are_found_and_counted(batches in batches(), absent in proptest::collection::vec("[a-z]{1,20}", 0..5)) {
        let (segment, counts) = segment_of_batches(&batches);
        let absent: Vec<String> =
            absent.into_iter().filter(|word| !counts.contains_key(word.as_bytes())).collect();
        check(&segment, &counts, &absent);
    }
}

proptest! {
    #[test]
    fn damage_hides_no_word(
        batches in batches(),
        at in any::<prop::sample::Index>(),
        bit in 0..8u32,
    ) {
        let mut builder = segment_builder();
        let block = block_of(&batches);
        let live = 0..block.table().rows() as u32;
        builder.add_block(&block, LogIndex(1), TimestampNs(0), &[live]).expect("adds");
        let mut bytes = segment_bytes(builder).0.to_vec();
        *at.get_mut(&mut bytes) ^= 1 << bit;
        let source = BytesSource::new("damaged", bytes.into());
        let Ok(segment) = Segment::open(Arc::new(source)) else { return Ok(()) };
        let Ok(Some(index)) = segment.word_index() else { return Ok(()) };
        for word in batches.iter().flatten().flat_map(words_of) {
            if let Ok(groups) = index.groups(&word) {
                prop_assert!(!groups.is_empty(), "{:?} is lost", word);
            }
        }
    }
}

/// Over 64 groups, so that there is more than one part: words of all rows, of some, of one.
#[test]
fn words_of_many_groups_are_found_and_counted() {
    let record = |number: u64| {
        let filler = "lorem_ipsum_".repeat(90);
        let message = format!(
            "GET /items/{number} id={:016x} mod{} {filler}",
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            number % 7
        );
        Record {
            timestamp: Some(TimestampNs(number as i64 * 1_000_000)),
            service: "shop".into(),
            message: message.into(),
            ..Record::default()
        }
    };
    let mut builder = segment_builder();
    let blocks: Vec<_> = (0..24u64)
        .map(|block| {
            let records: Vec<Record> = (0..3000).map(|row| record(block * 3000 + row)).collect();
            block_of(&[records])
        })
        .collect();
    let live = 0..3000;
    for (index, block) in blocks.iter().enumerate() {
        let index = LogIndex(index as u64);
        builder.add_block(block, index, TimestampNs(0), std::slice::from_ref(&live)).expect("adds");
    }
    let (segment, _) = segment_of(builder);
    let groups = segment.table().groups();
    assert!(groups.len() > 70, "{} groups", groups.len());
    let mut counts = Counts::new();
    let mut number = 0;
    for (group, meta) in groups.iter().enumerate() {
        for _ in 0..meta.rows {
            for word in words_of(&record(number)) {
                *counts.entry(word).or_default().entry(group).or_default() += 1;
            }
            number += 1;
        }
    }
    // Of the thousands of words that few rows have, some will do.
    let mut place = 0;
    counts.retain(|_, groups| {
        place += 1;
        groups.len() > 10 || place % 100 == 0
    });
    let absent: Vec<String> = (0..500).map(|number| format!("nowhere{number}")).collect();
    let (named, having) = check(&segment, &counts, &absent);
    let words = counts.len() + absent.len();
    assert!(named - having < words * 2 * 2 / 3, "{} of {words} words", named - having);
}
