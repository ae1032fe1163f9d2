//! A search answers what the rules say, row by row: compared with a model that knows nothing of
//! columns, for random records in random chunks.

use std::ops::Range;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use varve_query::{
    AttributeFilter, Hit, Limits, Order, Plan, Search, SearchResult, Total, WordQuery, find, search,
};
use varve_types::{
    Attribute, Level, LogIndex, Record, Resource, ShardId, TenantId, TimeRange, TimestampNs, Value,
};

use crate::parts::search_in_parts;
use crate::world::{Entry, World};

/// The canonical text of a value, and whether words are sought in it.
fn text(value: &Value) -> (String, bool) {
    match value {
        Value::Null => ("null".to_owned(), false),
        Value::EmptyObject => ("{}".to_owned(), false),
        Value::Bool(true) => ("true".to_owned(), true),
        Value::Bool(false) => ("false".to_owned(), true),
        Value::Int(int) => (int.to_string(), true),
        Value::Float(float) => (format!("{float:?}"), true),
        Value::Number(text) | Value::Text(text) | Value::Array(text) => (text.to_string(), true),
        // The only bytes that these tests store.
        Value::Bytes(_) => ("aGk=".to_owned(), false),
    }
}

fn attributes(record: &Record) -> impl Iterator<Item = &Attribute> {
    record.attributes.iter().chain(&record.resource.0)
}

fn has_word(text: &[u8], word: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
    text.to_ascii_lowercase().split(|&byte| !is_token(byte)).any(|token| token == word.as_bytes())
}

/// Whether a record matches, by the words of the specification.
fn matches(search: &Search, tenant: TenantId, record: &Record) -> bool {
    let message = record.message.to_ascii_lowercase();
    let word = |word: &String| {
        has_word(&message, word)
            || attributes(record).any(|attribute| {
                let (text, has_words) = text(&attribute.value);
                has_words && has_word(text.as_bytes(), word)
            })
    };
    let phrase =
        |phrase: &String| message.windows(phrase.len()).any(|window| window == phrase.as_bytes());
    let filter = |filter: &AttributeFilter| {
        attributes(record).any(|attribute| {
            *attribute.name == filter.name && text(&attribute.value).0 == filter.value
        })
    };
    tenant == search.tenant
        && (search.services.is_empty()
            || search.services.iter().any(|name| **name == *record.service))
        && (search.levels.is_empty() || search.levels.contains(&record.level))
        && search.time.contains(record.timestamp.expect("stored with one"))
        && search.attributes.iter().all(filter)
        && search.words.words().iter().all(word)
        && search.words.phrases().iter().all(phrase)
}

/// All matches, in order.
fn answer<'a>(search: &Search, stored: &'a [(TenantId, Hit)]) -> Vec<&'a Hit> {
    let mut hits: Vec<&Hit> = stored
        .iter()
        .filter(|(tenant, hit)| matches(search, *tenant, &hit.record))
        .map(|(_, hit)| hit)
        .collect();
    hits.sort_by_key(|hit| (hit.record.timestamp, hit.id));
    if search.order == Order::Newest {
        hits.reverse();
    }
    hits
}

fn check(world: &World, search_for: &Search) {
    let wanted = answer(search_for, &world.stored);
    let found = search_by(world, search_for);
    let total = (search_for.total == Total::Exact).then_some(wanted.len() as u64);
    assert_eq!(found.total, total, "{search_for:?}");
    let page = wanted.into_iter().skip(search_for.offset as usize).take(search_for.limit as usize);
    let page: Vec<Hit> = page.cloned().collect();
    assert_eq!(shown(&found.hits), shown(&page), "{search_for:?}");
    let in_parts = search_in_parts(&world.chunks, search_for);
    assert_eq!(in_parts.total, total, "in parts: {search_for:?}");
    assert_eq!(shown(&in_parts.hits), shown(&page), "in parts: {search_for:?}");
}

/// One worker or, for every other offset, three that take turns as they come.
fn search_by(world: &World, wanted: &Search) -> SearchResult {
    let limits = Limits::default();
    if wanted.offset.is_multiple_of(2) {
        return search(&world.chunks, wanted, &limits).expect("answers");
    }
    let plan = Plan::new(&world.chunks, wanted, &limits).expect("plans");
    let parts = thread::scope(|scope| {
        let workers = [(); 3].map(|()| scope.spawn(|| plan.work().expect("answers")));
        workers.into_iter().map(|worker| worker.join().expect("does not panic")).collect()
    });
    let page = plan.page(parts);
    let parts = thread::scope(|scope| {
        let workers = [(); 2].map(|()| scope.spawn(|| page.work().expect("answers")));
        workers.into_iter().map(|worker| worker.join().expect("does not panic")).collect()
    });
    page.finish(parts)
}

/// NaN is not equal to itself, but prints as itself.
fn shown(hits: &[Hit]) -> Vec<String> {
    hits.iter().map(|hit| format!("{hit:?}")).collect()
}

fn times() -> impl Strategy<Value = TimestampNs> {
    prop_oneof![3 => -3..3i64, 1 => select(vec![i64::MIN, i64::MAX])].prop_map(TimestampNs)
}

/// Few words, in both cases, with separators of every kind and without.
fn messages() -> impl Strategy<Value = Bytes> {
    let bytes = "([aAbB]|ab|[0-9]|é|_| |-|\\.|null|true|\"|\\\\){0,8}";
    prop_oneof![
        9 => bytes.prop_map(Bytes::from),
        1 => vec(select(b"ab \xff\xc3".to_vec()), 0..6).prop_map(Bytes::from),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let floats = vec![0.0, -0.0, 1.0, 1.5, f64::NAN, f64::INFINITY, 1e300, -2.0];
    let numbers = vec!["1.50", "1e5", "-0", "12345678901234567890"];
    let arrays = vec!["[]", "[1,\"a b\"]", "[true]"];
    prop_oneof![
        Just(Value::Null),
        Just(Value::EmptyObject),
        any::<bool>().prop_map(Value::Bool),
        (-2..3i64).prop_map(Value::Int),
        select(floats).prop_map(Value::Float),
        select(numbers).prop_map(|text| Value::Number(text.into())),
        select(arrays).prop_map(|text| Value::Array(text.into())),
        Just(Value::Bytes(Bytes::from_static(b"hi"))),
        texts().prop_map(|text| Value::Text(text.into())),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[aAbB ]{0,3}",
        select(vec!["1", "1.5", "null", "true", "{}", "[]", "aGk=", "NaN", "a b", "-0.0"])
            .prop_map(str::to_owned),
    ]
}

const NAMES: [&str; 3] = ["a", "b.c", "b\\.c"];

fn attribute_lists() -> impl Strategy<Value = Vec<Attribute>> {
    btree_map(select(NAMES.to_vec()), values(), 0..3).prop_map(|map| {
        map.into_iter().map(|(name, value)| Attribute { name: name.into(), value }).collect()
    })
}

fn services() -> impl Strategy<Value = String> {
    select(vec!["api", "db", "A"]).prop_map(str::to_owned)
}

prop_compose! {
    fn records()(
        timestamp in times(),
        service in services(),
        level in select(Level::ALL.to_vec()),
        message in messages(),
        attributes in attribute_lists(),
        resource in attribute_lists(),
    ) -> Record {
        Record {
            timestamp: Some(timestamp),
            service: service.into(),
            level,
            level_text: None,
            message,
            resource: Arc::new(Resource(resource)),
            attributes,
        }
    }
}

prop_compose! {
    fn entries()(
        tenant in prop_oneof![4 => Just(0), 1 => Just(7), 1 => Just(9)],
        records in vec(records(), 1..12),
        cut in option::weighted(0.3, (0..12u32, 0..12u32)),
    ) -> Entry {
        let rows = records.len() as u32;
        let dead: Vec<Range<u32>> = cut
            .map(|(one, other)| one.min(other).min(rows)..one.max(other).min(rows))
            .filter(|range| !range.is_empty())
            .into_iter()
            .collect();
        Entry { tenant: TenantId(tenant), records, dead }
    }
}

fn words() -> impl Strategy<Value = WordQuery> {
    let term = prop_oneof![
        4 => select(vec!["a", "B", "ab", "1", "é", "null", "true", "_", "NaN", "1e300"])
            .prop_map(str::to_owned),
        1 => "[abé \\.1-]{1,2}".prop_map(|phrase| format!("\"{phrase}\"")),
        1 => select(vec!["\"\\\"\"", "\"\\\\\""]).prop_map(str::to_owned),
    ];
    vec(term, 0..3).prop_map(|terms| WordQuery::parse(&terms.join(" ")).expect("parses"))
}

prop_compose! {
    fn filters()(name in select(NAMES.to_vec()), value in values()) -> AttributeFilter {
        AttributeFilter { name: name.to_owned(), value: text(&value).0 }
    }
}

prop_compose! {
    fn searches()(
        tenant in prop_oneof![6 => Just(0), 1 => Just(7), 1 => Just(8)],
        services in vec(services(), 0..2),
        levels in vec(select(Level::ALL.to_vec()), 0..3),
        start in option::of(times()),
        end in option::of(times()),
        words in words(),
        attributes in vec(filters(), 0..2),
        newest: bool,
        offset in 0..5u64,
        limit in 0..20u64,
        total in select(vec![Total::Exact, Total::Unasked]),
    ) -> Search {
        let order = if newest { Order::Newest } else { Order::Oldest };
        let (tenant, time) = (TenantId(tenant), TimeRange { start, end });
        Search { tenant, services, levels, time, words, attributes, order, offset, limit, total }
    }
}

proptest! {
    #[test]
    fn a_search_answers_what_the_rules_say(
        shards in vec((vec(entries(), 1..5), 0..5usize), 1..3),
        searches in vec(searches(), 1..12),
    ) {
        let mut world = World::default();
        for (number, (entries, merged)) in (1..).zip(&shards) {
            world.add_shard(ShardId(number), entries, *merged.min(&entries.len()));
        }
        for search in &searches {
            check(&world, search);
        }
        for (_, hit) in &world.stored {
            let found = find(&world.chunks, hit.id).expect("reads").expect("is there");
            prop_assert_eq!(format!("{found:?}"), format!("{hit:?}"));
            for missing in [
                varve_types::RecordId { shard: ShardId(9), ..hit.id },
                varve_types::RecordId { index: LogIndex(99), ..hit.id },
                varve_types::RecordId { row: varve_types::RowNumber(99), ..hit.id },
            ] {
                prop_assert_eq!(find(&world.chunks, missing).expect("reads"), None);
            }
        }
        let dead = shards.iter().zip(1..).flat_map(|((entries, _), shard)| {
            entries.iter().zip(1..).flat_map(move |(entry, index)| {
                entry.dead.iter().flat_map(Clone::clone).map(move |row| varve_types::RecordId {
                    shard: ShardId(shard),
                    index: LogIndex(index),
                    row: varve_types::RowNumber(row),
                })
            })
        });
        for id in dead {
            prop_assert_eq!(find(&world.chunks, id).expect("reads"), None);
        }
    }
}

/// Many row groups in a chunk, cut by rows and by bytes, rows out of order in time.
#[test]
fn chunks_of_many_groups_answer_alike() {
    let record = |row: u32| {
        let mixed = row.wrapping_mul(2_654_435_761);
        let padding = if mixed.is_multiple_of(1000) { 200_000 } else { (mixed >> 8) as usize % 50 };
        let message = format!("Request {row} tooK {} Ms {} done", mixed % 97, "=".repeat(padding));
        Record {
            timestamp: Some(TimestampNs(i64::from(mixed % 5000))),
            service: ["api", "db"][row as usize % 2].into(),
            level: Level::ALL[(mixed >> 4) as usize % 7],
            message: message.into(),
            attributes: vec![
                Attribute { name: "size".into(), value: Value::Int(i64::from(mixed % 300)) },
                Attribute {
                    name: "user".into(),
                    value: Value::Text(format!("u{}", row % 50).into()),
                },
            ],
            ..Record::default()
        }
    };
    let entry = |start: u32| Entry {
        records: (start..start + 10_000).map(record).collect(),
        dead: vec![10..20, 8000..9000],
        ..Entry::default()
    };
    let mut world = World::default();
    world.add_shard(ShardId(1), &[entry(0), entry(10_000), entry(20_000)], 2);
    assert!(world.chunks.iter().any(|chunk| chunk.table().groups().len() > 4));
    for (words, filter, start) in [
        ("", None, None),
        ("42", None, None),
        ("took 7 u13", None, Some(1000)),
        ("29123 ms", None, None),
        ("\"== DONE\" request", None, None),
        ("\"k 7 M\" u3", None, None),
        ("", Some(("size", "42")), Some(2500)),
        ("absent", None, None),
    ] {
        for (order, offset) in [(Order::Newest, 0), (Order::Oldest, 0), (Order::Newest, 151)] {
            check(
                &world,
                &Search {
                    words: WordQuery::parse(words).expect("parses"),
                    attributes: filter
                        .into_iter()
                        .map(|(name, value): (&str, &str)| AttributeFilter {
                            name: name.to_owned(),
                            value: value.to_owned(),
                        })
                        .collect(),
                    time: TimeRange { start: start.map(TimestampNs), end: None },
                    order,
                    offset,
                    limit: 100,
                    ..Search::default()
                },
            );
        }
    }
}
