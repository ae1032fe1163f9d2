//! What is written reads back, and no bytes panic.

use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use varve_types::{
    Attribute, Level, Record, RecordId, Resource, TenantId, TimeRange, TimestampNs, Value,
};

use super::{Reader, Writer};
use crate::explain::Tally;
use crate::{
    Aggregate, AttributeFilter, Counted, Hit, Key, Keys, Lookup, Order, Records, Search, Total,
    WordQuery,
};

fn written(write: impl FnOnce(&mut Writer)) -> Bytes {
    let mut writer = Writer::default();
    write(&mut writer);
    writer.finish()
}

fn levels() -> impl Strategy<Value = Level> {
    select(Level::ALL.to_vec())
}

prop_compose! {
    fn searches()(
        (tenant, services, levels) in (any::<u32>(), vec(".{0,5}", 0..3), vec(levels(), 0..3)),
        (start, end) in (option::of(any::<i64>()), option::of(any::<i64>())),
        words in "([a-z]{1,3} |\"[a-z \\\\\\\\é]{1,5}\"){0,5}",
        attributes in vec((".{0,5}", ".{0,5}"), 0..3),
        (offset, limit, oldest, unasked) in any::<(u64, u64, bool, bool)>(),
    ) -> Search {
        let attribute = |(name, value)| AttributeFilter { name, value };
        Search {
            tenant: TenantId(tenant),
            services,
            levels,
            time: TimeRange { start: start.map(TimestampNs), end: end.map(TimestampNs) },
            words: WordQuery::parse(&words).unwrap_or_default(),
            attributes: attributes.into_iter().map(attribute).collect(),
            order: if oldest { Order::Oldest } else { Order::Newest },
            offset,
            limit,
            total: if unasked { Total::Unasked } else { Total::Exact },
        }
    }
}

fn ids() -> impl Strategy<Value = RecordId> {
    any::<(u64, u64, u32)>().prop_map(|(shard, index, row)| RecordId {
        shard: shard.into(),
        index: index.into(),
        row: row.into(),
    })
}

fn tallies() -> impl Strategy<Value = Tally> {
    any::<([(u64, u64); 10], u64, u64, u64, u64)>().prop_map(
        |(steps, pages_read, bytes_read, rows_scanned, rows_matched)| Tally {
            steps,
            pages_read,
            bytes_read,
            rows_scanned,
            rows_matched,
        },
    )
}

prop_compose! {
    fn hits()(
        (id, created_at, timestamp) in (ids(), any::<i64>(), option::of(any::<i64>())),
        (service, level, level_text) in (".{1,5}", levels(), option::of(".{0,5}")),
        message in vec(any::<u8>(), 0..9),
        (host, size) in (option::of("[ab]"), option::of(any::<i64>())),
    ) -> Hit {
        let text = |text: String| Value::Text(text.into());
        let resource = host.map(|host| Attribute { name: "host".into(), value: text(host) });
        let size = size.map(|size| Attribute { name: "size".into(), value: Value::Int(size) });
        let record = Record {
            timestamp: timestamp.map(TimestampNs),
            service: service.into(),
            level,
            level_text: level_text.map(Arc::from),
            message: message.into(),
            resource: Arc::new(Resource(resource.into_iter().collect())),
            attributes: size.into_iter().collect(),
        };
        Hit { id, created_at: TimestampNs(created_at), record }
    }
}

proptest! {
    #[test]
    fn a_search_reads_back(search in searches()) {
        let mut reader = Reader::new(written(|writer| search.write(writer)));
        prop_assert_eq!(Search::read(&mut reader).unwrap(), search);
        reader.end().unwrap();
    }

    #[test]
    fn keys_read_back(keys in vec((any::<i64>(), ids()), 0..9), tally in tallies()) {
        let keys: Vec<Key> = keys.into_iter().map(|(time, id)| Key { time: TimestampNs(time), id }).collect();
        let sent = Keys { keys, tally };
        let mut reader = Reader::new(written(|writer| sent.write(writer)));
        let read = Keys::read(&mut reader).unwrap();
        reader.end().unwrap();
        prop_assert_eq!(read.keys, sent.keys);
        prop_assert_eq!(read.tally.explain(), sent.tally.explain());
    }

    #[test]
    fn records_read_back(hits in vec(hits(), 0..9), tally in tallies()) {
        let sent = Records { hits, tally };
        let mut reader = Reader::new(written(|writer| sent.clone().write(writer)));
        let read = Records::read(&mut reader).unwrap();
        reader.end().unwrap();
        prop_assert_eq!(read.hits, sent.hits);
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200), by_service: bool) {
        let reader = || Reader::new(bytes.clone().into());
        let aggregate = Aggregate { by_service, ..Aggregate::default() };
        let _ = Search::read(&mut reader());
        let _ = Aggregate::read(&mut reader());
        let _ = Lookup::read(&mut reader());
        let _ = Keys::read(&mut reader());
        let _ = Records::read(&mut reader());
        let _ = Counted::read(&aggregate, &mut reader());
    }

    #[test]
    fn what_is_cut_off_is_refused(search in searches(), hits in vec(hits(), 1..4), cut: usize) {
        let search = written(|writer| search.write(writer));
        let records = Records { hits, tally: Tally::default() };
        let records = written(|writer| records.write(writer));
        Search::read(&mut Reader::new(search.slice(..cut % search.len()))).unwrap_err();
        Records::read(&mut Reader::new(records.slice(..cut % records.len()))).unwrap_err();
    }
}

#[test]
fn an_aggregate_reads_back() {
    let aggregate = Aggregate {
        services: vec!["api".to_owned()],
        levels: vec![Level::ALL[3]],
        step_ns: std::num::NonZeroU64::new(7),
        by_level: true,
        ..Aggregate::default()
    };
    let mut reader = Reader::new(written(|writer| aggregate.write(writer)));
    assert_eq!(Aggregate::read(&mut reader).unwrap(), aggregate);
    reader.end().unwrap();
}
