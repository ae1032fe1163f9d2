//! What footers rule out is not read, and a search stays within its limits.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use expect_test::{Expect, expect};
use varve_query::{Limits, QueryError, Search, WordQuery, search};
use varve_types::{Level, Record, ShardId, TimeRange, TimestampNs};

use crate::world::{Entry, World};

/// Three blocks: 10,000 rows of api, then of db, and 10 of both; one level each, times ascending.
fn world() -> World {
    let record = |number: i64, service: &str, level: Level| Record {
        timestamp: Some(TimestampNs(number)),
        service: service.into(),
        level,
        message: format!("line {number}").into(),
        ..Record::default()
    };
    let entry = |records: Vec<Record>| Entry { records, ..Entry::default() };
    let entries = [
        entry((0..10_000).map(|n| record(n, "api", Level::Info)).collect()),
        entry((10_000..20_000).map(|n| record(n, "db", Level::Warn)).collect()),
        entry(
            (20_000..20_010)
                .map(|n| record(n, ["api", "db"][n as usize % 2], Level::Info))
                .collect(),
        ),
    ];
    let mut world = World::default();
    world.add_shard(ShardId(1), &entries, 0);
    world
}

fn check(wanted: &Search, expected: &Expect) {
    let result = search(&world().chunks, wanted, &Limits::default()).expect("answers");
    let shown = format!("{:?}", result.explain);
    let counts: Vec<&str> = shown
        .trim_start_matches("Explain { ")
        .trim_end_matches(" }")
        .split(", ")
        .filter(|count| !count.ends_with(": 0"))
        .collect();
    expected.assert_eq(&counts.join(", "));
}

#[test]
fn what_footers_answer_is_not_read() {
    let all = Search::default();
    let span =
        |start, end| TimeRange { start: Some(TimestampNs(start)), end: Some(TimestampNs(end)) };
    let words = WordQuery::parse("line 9999").expect("parses");
    check(&all, &expect!["chunks: 3, groups: 5, groups_counted: 5, rows_matched: 20010"]);
    check(
        &Search { time: span(9_000, 10_000), ..all.clone() },
        &expect![
            "chunks: 3, chunks_pruned_by_time: 2, groups: 2, groups_pruned_by_time: 1, pages_read: 1, rows_scanned: 1808, rows_matched: 1000"
        ],
    );
    check(
        &Search { services: vec!["api".to_owned()], ..all.clone() },
        &expect![
            "chunks: 3, chunks_pruned_by_service: 1, groups: 3, groups_counted: 2, pages_read: 1, rows_scanned: 10, rows_matched: 10005"
        ],
    );
    check(
        &Search { levels: vec![Level::Warn], ..all.clone() },
        &expect![
            "chunks: 3, groups: 5, groups_pruned_by_level: 3, groups_counted: 2, rows_matched: 10000"
        ],
    );
    check(
        &Search { levels: vec![Level::Fatal], ..all.clone() },
        &expect!["chunks: 3, groups: 5, groups_pruned_by_level: 5"],
    );
    check(
        &Search { words, ..all.clone() },
        &expect![
            "chunks: 3, groups: 5, groups_emptied_by_words: 4, pages_read: 5, rows_scanned: 20010, rows_matched: 1"
        ],
    );
    // The newest group alone is read; of the others not even the stamps.
    check(
        &Search { limit: 5, ..all },
        &expect!["chunks: 3, groups: 5, groups_counted: 5, pages_read: 5, rows_matched: 20010"],
    );
}

#[test]
fn limits_are_kept() {
    let world = world();
    let refusal = |wanted: &Search, limits: &Limits| {
        search(&world.chunks, wanted, limits).expect_err("refused")
    };
    let deep = Search { offset: 999_999, limit: 2, ..Search::default() };
    expect!["offset 999999 + limit 2 reaches past the first 1000000 records of the result; narrow the time range instead of paging further"].assert_eq(&refusal(&deep, &Limits::default()).to_string());
    let overflowing = Search { offset: u64::MAX, limit: 2, ..Search::default() };
    assert!(matches!(refusal(&overflowing, &Limits::default()), QueryError::TooDeep { .. }));
    let small = Limits { answer_bytes_max: 1000, ..Limits::default() };
    let many = Search { limit: 100, ..Search::default() };
    expect!["the records of this page take more than 1000 bytes together; ask for fewer at a time"]
        .assert_eq(&refusal(&many, &small).to_string());
    let cancelled = Arc::new(AtomicBool::new(true));
    let cancelled = Limits { cancelled: Some(cancelled), ..Limits::default() };
    assert!(matches!(refusal(&many, &cancelled), QueryError::Cancelled));
}
