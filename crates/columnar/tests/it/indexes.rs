//! Indexes against what a count of the rows one by one says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use roaring::RoaringBitmap;
use varve_columnar::{Block, BlockBuilder, Cell, ColumnId, RollupCell, Segment, decode_resource};
use varve_types::{
    BatchDigest, BatchKey, HashRange, Level, LogIndex, Record, Resource, TenantId, TimestampNs,
};

use crate::generate::{batches, segment_builder, segment_of};

fn block_of(tenant: TenantId, batches: &[Vec<Record>]) -> Block {
    let mut builder = BlockBuilder::new();
    for (number, records) in batches.iter().enumerate() {
        let key = BatchKey::parse(tenant, &format!("tester:0:{}", number + 1)).expect("a key");
        let digest = BatchDigest(number as u128);
        builder.push_part(key, digest, HashRange::WHOLE, records).expect("records as they must be");
    }
    Block::open(builder.finish()).expect("a new block opens")
}

/// What the indexes are about, of one row.
struct Row {
    owner: (TenantId, Arc<str>),
    level: Level,
    time_ns: i64,
    resource: Resource,
}

fn rows(segment: &Segment) -> Vec<Row> {
    let table = segment.table();
    let mut rows = Vec::new();
    for group in 0..table.groups().len() {
        let read = |id| table.read(group, &id).expect("reads");
        let services = read(ColumnId::Service).expect("every row has one");
        let (levels, times) = (read(ColumnId::Level), read(ColumnId::Timestamp));
        let (tenants, resources) = (read(ColumnId::Tenant), read(ColumnId::Resource));
        for row in 0..table.groups()[group].rows {
            let int = |column: &Option<varve_columnar::Column>| {
                column.as_ref().and_then(|column| column.int_at(row))
            };
            let Some(Cell::Bytes(service)) = services.value_at(row) else { panic!("no service") };
            let set = resources.as_ref().and_then(|column| column.bytes_at(row));
            rows.push(Row {
                owner: (
                    TenantId(int(&tenants).unwrap_or(0) as u32),
                    String::from_utf8_lossy(service).into(),
                ),
                level: Level::from_number(int(&levels).expect("a level") as u8).expect("known"),
                time_ns: int(&times).expect("a time"),
                resource: set.map(|set| decode_resource(set).expect("a set")).unwrap_or_default(),
            });
        }
    }
    rows
}

fn positions(rows: &[Row], wanted: impl Fn(&Row) -> bool) -> RoaringBitmap {
    (0..).zip(rows).filter(|(_, row)| wanted(row)).map(|(position, _)| position).collect()
}

fn cells(rows: &[Row], owners: &[(TenantId, Arc<str>)], unit_ns: i64) -> Vec<RollupCell> {
    let mut counts = BTreeMap::new();
    for row in rows {
        let owner = owners.binary_search(&row.owner).expect("listed") as u32;
        *counts.entry((owner, row.level, row.time_ns.div_euclid(unit_ns))).or_default() += 1;
    }
    let cell = |((owner, level, start), rows)| RollupCell { owner, level, start, rows };
    counts.into_iter().map(cell).collect()
}

const MINUTE_NS: i64 = 60_000_000_000;

proptest! {
    #[test]
    fn indexes_say_what_the_rows_say(batches in batches(), scale in 0..12u32) {
        let mut batches = batches;
        // Times that are sometimes within a minute, and sometimes all over the centuries.
        for record in batches.iter_mut().flatten() {
            let TimestampNs(time) = record.timestamp.expect("given");
            record.timestamp = Some(TimestampNs(time.saturating_mul(10i64.pow(scale))));
        }
        let mut builder = segment_builder();
        for tenant in [7, 0] {
            let block = block_of(TenantId(tenant), &batches);
            let live = 0..block.table().rows() as u32;
            builder.add_block(&block, LogIndex(7), TimestampNs(0), &[live]).expect("adds");
        }
        let (segment, _) = segment_of(builder);
        let rows = rows(&segment);

        let index = segment.owner_index().expect("reads").expect("is there");
        let owners: Vec<(TenantId, Arc<str>)> =
            rows.iter().map(|row| row.owner.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let listed: Vec<_> = index.owners().map(|(tenant, name)| (tenant, name.into())).collect();
        prop_assert_eq!(&listed, &owners);
        let tenants = owners.iter().map(|(tenant, _)| *tenant).collect::<BTreeSet<_>>();
        prop_assert!(index.tenants().eq(tenants));
        for owner in &owners {
            let found = index.rows(owner.0, &owner.1).expect("reads");
            prop_assert_eq!(found, positions(&rows, |row| row.owner == *owner));
        }
        prop_assert!(index.rows(TenantId(0), "nobody").expect("reads").is_empty());
        prop_assert!(index.rows(TenantId(9), "api").expect("reads").is_empty());

        let index = segment.level_index().expect("reads").expect("is there");
        for level in Level::ALL {
            let found = index.rows(level).expect("reads");
            prop_assert_eq!(found, positions(&rows, |row| row.level == level));
        }

        let index = segment.resource_index().expect("reads").expect("is there");
        let wishes: [fn(&Resource) -> bool; 4] = [
            |_| true,
            |set| set.0.is_empty(),
            |set| set.0.iter().any(|attribute| &*attribute.name == "a"),
            |set| !set.0.iter().any(|attribute| &*attribute.name == "a"),
        ];
        for wanted in wishes {
            let found = index.rows_where(wanted).expect("reads");
            prop_assert_eq!(found, positions(&rows, |row| wanted(&row.resource)));
        }

        let rollup = segment.rollup().expect("reads").expect("is there");
        prop_assert_eq!(&rollup.owners, &owners);
        prop_assert_eq!(&rollup.hours, &cells(&rows, &owners, 60 * MINUTE_NS));
        let minutes = cells(&rows, &owners, MINUTE_NS);
        let few = minutes.len() as u64 <= rows.len() as u64 / 8;
        prop_assert_eq!(rollup.minutes, few.then_some(minutes));
    }
}
