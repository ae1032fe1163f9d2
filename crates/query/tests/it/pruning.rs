//! What footers rule out is not read, and a search stays within its limits.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use expect_test::{Expect, expect};
use varve_query::{Explain, Limits, QueryError, Search, Total, WordQuery, search};
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

/// What each step ruled out, and what was read in spite of all steps.
fn check(wanted: &Search, expected: &Expect) {
    let result = search(&world().chunks, wanted, &Limits::default()).expect("answers");
    let Explain { steps, pages_read, rows_scanned, rows_matched, .. } = result.explain;
    let mut shown: Vec<String> = steps
        .iter()
        .filter(|step| step.pruned > 0)
        .map(|step| format!("{} {} of {} {}", step.name, step.pruned, step.considered, step.unit))
        .collect();
    shown.push(format!("{pages_read} pages, {rows_scanned} scanned, {rows_matched} matched"));
    expected.assert_eq(&shown.join("; "));
}

#[test]
fn what_footers_answer_is_not_read() {
    let all = Search::default();
    let span =
        |start, end| TimeRange { start: Some(TimestampNs(start)), end: Some(TimestampNs(end)) };
    let words = WordQuery::parse("line 9999").expect("parses");
    check(&all, &expect!["count 5 of 5 row groups; 0 pages, 0 scanned, 20010 matched"]);
    check(
        &Search { time: span(9_000, 10_000), ..all.clone() },
        &expect![
            "range 2 of 3 chunks; range 1 of 2 row groups; 1 pages, 1808 scanned, 1000 matched"
        ],
    );
    check(
        &Search { services: vec!["api".to_owned()], ..all.clone() },
        &expect![
            "zone map 1 of 3 chunks; count 2 of 3 row groups; 1 pages, 10 scanned, 10005 matched"
        ],
    );
    check(
        &Search { levels: vec![Level::Warn], ..all.clone() },
        &expect![
            "zone map 2 of 3 chunks; count 2 of 2 row groups; 0 pages, 0 scanned, 10000 matched"
        ],
    );
    check(
        &Search { levels: vec![Level::Fatal], ..all.clone() },
        &expect!["zone map 3 of 3 chunks; 0 pages, 0 scanned, 0 matched"],
    );
    check(&Search { words, ..all.clone() }, &expect!["5 pages, 20010 scanned, 1 matched"]);
    // The newest group alone is read; of the others not even the stamps.
    check(
        &Search { limit: 5, total: Total::Unasked, ..all.clone() },
        &expect!["page 4 of 5 row groups; 4 pages, 0 scanned, 10 matched"],
    );
    check(
        &Search { limit: 5, ..all },
        &expect!["count 4 of 5 row groups; 4 pages, 0 scanned, 20010 matched"],
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
