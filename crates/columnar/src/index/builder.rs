//! Gathers the indexes of a segment while its row groups are written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use varve_types::{Level, TenantId};

use crate::cells::{GroupCells, Values};
use crate::column_id::ColumnId;
use crate::index::levels::LevelRows;
use crate::index::positions::PositionsWriter;
use crate::index::rollup::Counts;
use crate::index::words::WordsBuilder;
use crate::index::{
    LEVELS_SECTION, OWNERS_SECTION, RESOURCES_SECTION, ROLLUP_SECTION, owners, resources,
};
use crate::table::bounds::PAGE_RAW_BYTES_MAX;
use crate::table::writer::TableWriter;

/// Owners that are indexed: with more, rows of each are so few that an index of them would be
/// about as long as the column.
const OWNERS_MAX: usize = 1 << 16;

/// Resource sets that are indexed, and the bytes of them.
const SETS_MAX: usize = 4096;
const SETS_BYTES_MAX: usize = 4 << 20;

/// The indexes of a segment being written. Its memory is bounded: an index that outgrows its
/// bound is left out.
#[derive(Debug)]
pub(crate) struct IndexBuilder {
    rows: u64,
    owners: Option<Owners>,
    levels: Option<LevelRows>,
    sets: Option<Sets>,
    counts: Option<Counts>,
    words: WordsBuilder,
}

/// Tenants' services, numbered in order of appearance.
#[derive(Debug, Default)]
struct Owners {
    numbers: BTreeMap<(TenantId, Arc<str>), u32>,
    rows: Vec<PositionsWriter>,
}

/// Resource sets in their encoding, numbered in order of appearance. Looked up, never iterated
/// but to be sorted.
#[derive(Debug, Default)]
struct Sets {
    numbers: HashMap<Box<[u8]>, u32>,
    bytes: usize,
    rows: Vec<PositionsWriter>,
}

impl IndexBuilder {
    pub(crate) fn new() -> Self {
        Self {
            rows: 0,
            owners: Some(Owners::default()),
            levels: Some(LevelRows::default()),
            sets: Some(Sets::default()),
            counts: Some(Counts::new()),
            words: WordsBuilder::default(),
        }
    }

    /// Adds the cells of the next group, before they are encoded. `first_row` is the position of
    /// its first row: groups follow each other.
    pub(crate) fn add_group(&mut self, group: &GroupCells, first_row: u64) {
        debug_assert_eq!(first_row, self.rows, "BUG: a group is indexed out of its place");
        self.rows = first_row + u64::from(group.rows);
        self.words.add_group(group);
        let Ok(end) = u32::try_from(self.rows) else {
            // A position has 32 bits: an index of some rows alone would be none.
            (self.owners, self.levels, self.sets, self.counts) = (None, None, None, None);
            return;
        };
        let first_row = end - group.rows;
        self.add_sets(group, first_row);
        let levels = levels(group);
        if let Some(rows) = &mut self.levels {
            for (start, end) in runs(&levels) {
                rows.push(levels[start], first_row + start as u32, first_row + end as u32);
            }
        }
        let Some(owners) = &mut self.owners else { return };
        let numbers = owners.number(group);
        for (start, end) in runs(&numbers) {
            let rows = &mut owners.rows[numbers[start] as usize];
            rows.push(first_row + start as u32, first_row + end as u32);
        }
        if owners.rows.len() > OWNERS_MAX {
            (self.owners, self.counts) = (None, None);
        }
        self.count(group, &numbers, &levels);
    }

    fn count(&mut self, group: &GroupCells, owners: &[u32], levels: &[Level]) {
        let Some(counts) = &mut self.counts else { return };
        let starts: Vec<i64> =
            ints(group, &ColumnId::Timestamp).iter().map(|&time| counts.start_of(time)).collect();
        let cells: Vec<(u32, Level, i64)> = (owners.iter().zip(levels).zip(&starts))
            .map(|((&owner, &level), &start)| (owner, level, start))
            .collect();
        for (from, to) in runs(&cells) {
            let (owner, level, start) = cells[from];
            counts.add(owner, level, start, (to - from) as u64);
        }
        if counts.overflows() {
            self.counts = None;
        }
    }

    fn add_sets(&mut self, group: &GroupCells, first_row: u32) {
        let Some(sets) = &mut self.sets else { return };
        let cells = &group.cells[GroupCells::fixed(&ColumnId::Resource)];
        let Values::Interned { interner, codes } = &cells.values else { return };
        let numbers: Vec<u32> = interner.strings().iter().map(|set| sets.number(set)).collect();
        for (&row, &code) in cells.present.iter().zip(codes) {
            let row = first_row + row;
            sets.rows[numbers[code as usize] as usize].push(row, row + 1);
        }
        if sets.rows.len() > SETS_MAX || sets.bytes > SETS_BYTES_MAX {
            self.sets = None;
        }
    }

    /// Writes the sections, in order of their numbers.
    pub(crate) fn write(self, table: &mut TableWriter) {
        let mut write = |section, payload: Vec<u8>| {
            // What no reader would accept is better not there.
            if payload.len() <= PAGE_RAW_BYTES_MAX {
                table.write_section(section, &payload);
            }
        };
        let mut rollup = None;
        if let Some(Owners { numbers, rows }) = self.owners {
            let owners: Vec<_> = numbers.iter().map(|(owner, &number)| (owner, number)).collect();
            rollup = self.counts.map(|counts| counts.encode(&owners, self.rows));
            write(OWNERS_SECTION, owners::encode(by_key(numbers, rows)));
        }
        if let Some(levels) = self.levels {
            write(LEVELS_SECTION, levels.encode());
        }
        if let Some(Sets { numbers, rows, .. }) = self.sets {
            write(RESOURCES_SECTION, resources::encode(by_key(numbers, rows)));
        }
        if let Some(rollup) = rollup {
            write(ROLLUP_SECTION, rollup);
        }
        self.words.write(table);
    }
}

impl Owners {
    /// The owner of each row of a group.
    fn number(&mut self, group: &GroupCells) -> Vec<u32> {
        let services = &group.cells[GroupCells::fixed(&ColumnId::Service)];
        let Values::Interned { interner, codes } = &services.values else {
            unreachable!("BUG: services are no dictionary");
        };
        let tenants = &group.cells[GroupCells::fixed(&ColumnId::Tenant)];
        let mut tenants = tenants.present.iter().zip(ints(group, &ColumnId::Tenant)).peekable();
        let mut known_tenant = TenantId(0);
        let mut known = vec![None; interner.len()];
        let mut numbers = Vec::with_capacity(codes.len());
        for (row, &code) in (0..).zip(codes) {
            let tenant = tenants.next_if(|(present, _)| **present == row);
            let tenant = TenantId(tenant.map_or(0, |(_, &tenant)| tenant as u32));
            if tenant != known_tenant {
                known_tenant = tenant;
                known.fill(None);
            }
            let number = known[code as usize].get_or_insert_with(|| {
                let service = std::str::from_utf8(interner.strings().get(code as usize))
                    .expect("BUG: services are texts, checked when a page is decoded");
                self.of(tenant, service)
            });
            numbers.push(*number);
        }
        numbers
    }

    fn of(&mut self, tenant: TenantId, service: &str) -> u32 {
        *self.numbers.entry((tenant, service.into())).or_insert_with(|| {
            self.rows.push(PositionsWriter::default());
            self.rows.len() as u32 - 1
        })
    }
}

impl Sets {
    fn number(&mut self, set: &[u8]) -> u32 {
        if let Some(&number) = self.numbers.get(set) {
            return number;
        }
        let number = self.rows.len() as u32;
        self.rows.push(PositionsWriter::default());
        self.bytes += set.len();
        self.numbers.insert(set.into(), number);
        number
    }
}

/// The rows of each key, by its number.
fn by_key<K: Ord>(
    numbers: impl IntoIterator<Item = (K, u32)>,
    mut rows: Vec<PositionsWriter>,
) -> BTreeMap<K, PositionsWriter> {
    numbers
        .into_iter()
        .map(|(key, number)| (key, std::mem::take(&mut rows[number as usize])))
        .collect()
}

fn levels(group: &GroupCells) -> Vec<Level> {
    let level =
        |&number: &i64| u8::try_from(number).ok().and_then(Level::from_number).unwrap_or_default();
    ints(group, &ColumnId::Level).iter().map(level).collect()
}

fn ints<'a>(group: &'a GroupCells, id: &ColumnId) -> &'a [i64] {
    match &group.cells[GroupCells::fixed(id)].values {
        Values::Ints(numbers) => numbers,
        _ => &[],
    }
}

/// Where equal values follow each other: the first place of each run, and the one after its last.
fn runs<T: PartialEq>(values: &[T]) -> impl Iterator<Item = (usize, usize)> {
    let mut end = 0;
    values.chunk_by(|a, b| a == b).map(move |run| {
        let start = end;
        end += run.len();
        (start, end)
    })
}
