//! An aggregate counts what a loop over all records counts, in blocks and in segments, with
//! roll-ups of minutes, of hours and at the edges of both.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::thread;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use varve_query::{Aggregate, AggregateCell, AggregatePlan, Limits, QueryError, aggregate};
use varve_types::{Level, Record, ShardId, TenantId, TimeRange, TimestampNs};

use crate::parts::aggregate_in_parts;
use crate::world::{Entry, World};

const SECOND_NS: i64 = 1_000_000_000;

/// Counted one record at a time.
fn count(wanted: &Aggregate, world: &World) -> Vec<AggregateCell> {
    let mut counts = BTreeMap::new();
    for (tenant, hit) in &world.stored {
        let record = &hit.record;
        let time = record.timestamp.expect("stored with one");
        let is_wanted = *tenant == wanted.tenant
            && wanted.time.contains(time)
            && (wanted.services.is_empty()
                || wanted.services.iter().any(|name| **name == *record.service))
            && (wanted.levels.is_empty() || wanted.levels.contains(&record.level));
        if is_wanted {
            let start = wanted.step_ns.map(|step| {
                let step = i128::from(step.get());
                let start = i128::from(time.get()).div_euclid(step) * step;
                TimestampNs(start.try_into().unwrap_or(i64::MIN))
            });
            let service = wanted.by_service.then(|| Arc::clone(&record.service));
            let level = wanted.by_level.then_some(record.level);
            *counts.entry((start, service, level)).or_insert(0) += 1;
        }
    }
    let cell = |((start, service, level), rows)| AggregateCell { start, service, level, rows };
    counts.into_iter().map(cell).collect()
}

/// Counted by as many workers.
fn counted(wanted: &Aggregate, world: &World, workers: usize) -> Vec<AggregateCell> {
    let plan = AggregatePlan::new(&world.chunks, wanted, &Limits::default());
    let parts = thread::scope(|scope| {
        let work = || scope.spawn(|| plan.work().expect("counts"));
        let workers: Vec<_> = (0..workers).map(|_| work()).collect();
        workers.into_iter().map(|worker| worker.join().expect("does not panic")).collect()
    });
    plan.finish(parts).expect("counts").cells
}

/// About minutes and hours, and their borders.
fn times() -> impl Strategy<Value = TimestampNs> {
    let seconds = prop_oneof![
        4 => -130..130i64,
        4 => -7300..7300i64,
        2 => select(vec![-86_400, -3600, 0, 60, 3600, 86_400]),
    ];
    prop_oneof![
        20 => (seconds, -1..2i64).prop_map(|(seconds, ns)| seconds * SECOND_NS + ns),
        1 => select(vec![i64::MIN, i64::MAX]),
    ]
    .prop_map(TimestampNs)
}

fn services() -> impl Strategy<Value = String> {
    select(vec!["api", "db", "web"]).prop_map(str::to_owned)
}

prop_compose! {
    fn entries()(
        tenant in prop_oneof![5 => Just(0), 1 => Just(7)],
        rows in vec((times(), services(), select(Level::ALL.to_vec())), 1..12),
        copies in select(vec![1, 40]),
    ) -> Entry {
        let record = |(timestamp, service, level): (_, String, _)| Record {
            timestamp: Some(timestamp),
            service: service.into(),
            level,
            ..Record::default()
        };
        let records: Vec<Record> = rows.into_iter().map(record).collect();
        // Many rows a minute, so that minutes are kept.
        let records: Vec<Record> = records.into_iter().flat_map(|r| vec![r; copies]).collect();
        let dead: Vec<_> = (records.len() > 2).then_some(1..2).into_iter().collect();
        Entry { tenant: TenantId(tenant), records, dead }
    }
}

prop_compose! {
    fn aggregates()(
        tenant in prop_oneof![6 => Just(0), 1 => Just(7), 1 => Just(8)],
        services in vec(services(), 0..2),
        levels in vec(select(Level::ALL.to_vec()), 0..3),
        start in option::of(times()),
        end in option::of(times()),
        step in option::of(select(vec![
            1, SECOND_NS as u64, 60 * SECOND_NS as u64, 90 * SECOND_NS as u64,
            3600 * SECOND_NS as u64, 86_400 * SECOND_NS as u64, u64::MAX,
        ])),
        by_service: bool,
        by_level: bool,
    ) -> Aggregate {
        let (tenant, time) = (TenantId(tenant), TimeRange { start, end });
        let step_ns = step.and_then(NonZeroU64::new);
        Aggregate { tenant, services, levels, time, step_ns, by_service, by_level }
    }
}

proptest! {
    #[test]
    fn an_aggregate_counts_every_row_once(
        shards in vec((vec(entries(), 1..5), 0..5usize), 1..3),
        aggregates in vec(aggregates(), 1..12),
        workers in 1..4usize,
    ) {
        let mut world = World::default();
        for (number, (entries, merged)) in (1..).zip(&shards) {
            world.add_shard(ShardId(number), entries, *merged.min(&entries.len()));
        }
        for wanted in &aggregates {
            let cells = count(wanted, &world);
            let in_parts = aggregate_in_parts(&world.chunks, wanted).cells;
            prop_assert_eq!(&in_parts, &cells, "in parts: {:?}", wanted);
            prop_assert_eq!(counted(wanted, &world, workers), cells, "{:?}", wanted);
        }
    }
}

/// One record a second of two services, for four hours and a bit, merged.
fn seconds() -> World {
    let record = |second: i64| Record {
        timestamp: Some(TimestampNs(second * SECOND_NS)),
        service: ["api", "db"][second as usize % 2].into(),
        level: Level::ALL[second as usize % 5],
        message: "tick".into(),
        ..Record::default()
    };
    let entry = |from: i64| Entry {
        records: (from..from + 5000).map(record).collect(),
        ..Entry::default()
    };
    let mut world = World::default();
    world.add_shard(ShardId(1), &[entry(0), entry(5000), entry(10_000)], 3);
    world
}

#[test]
fn whole_hours_and_minutes_are_counted_without_a_page() {
    let world = seconds();
    let span = |start: i64, end: i64| TimeRange {
        start: Some(TimestampNs(start * SECOND_NS)),
        end: Some(TimestampNs(end * SECOND_NS)),
    };
    for (time, pages) in
        [(TimeRange::ALL, false), (span(3600, 7200), false), (span(3599, 7200), true)]
    {
        let wanted = Aggregate { time, by_level: true, ..Aggregate::default() };
        let found = aggregate(&world.chunks, &wanted, &Limits::default()).expect("counts");
        assert_eq!(found.cells, count(&wanted, &world));
        assert_eq!(found.explain.pages_read > 0, pages, "{time:?}: {:?}", found.explain);
    }
}

#[test]
fn too_many_counts_are_refused() {
    let records = (0..100_001).map(|ns| Record {
        timestamp: Some(TimestampNs(ns)),
        service: "api".into(),
        ..Record::default()
    });
    let mut world = World::default();
    world.add_shard(ShardId(1), &[Entry { records: records.collect(), ..Entry::default() }], 0);
    let wanted = Aggregate { step_ns: NonZeroU64::new(1), ..Aggregate::default() };
    let refused = aggregate(&world.chunks, &wanted, &Limits::default()).expect_err("refuses");
    assert!(matches!(refused, QueryError::TooManyCells { .. }), "{refused}");
}
