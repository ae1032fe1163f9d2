//! How many rows a service has, by level and time.
//!
//! ```text
//! rollup = unit:u8 count:varint owner*                unit: 0 hours, 1 minutes
//! owner  = tenant:varint service length:varint service
//!          count:varint (level:u8 count:varint cell*)*
//! cell   = start - previous start:zigzag rows:varint  starts ascending, in units since 1970
//! ```
//!
//! Minutes are kept where their cells are few next to the rows, and hours are then their sums.

use std::collections::BTreeMap;
use std::sync::Arc;

use varve_types::{Level, TenantId};

use crate::encoding::varint::{Reader, put_bytes, put_i64, put_u64};
use crate::error::{FormatError, Malformed};
use crate::index::{ROLLUP_SECTION, damaged};
use crate::table::Table;

const HOURS: u8 = 0;
const MINUTES: u8 = 1;

const MINUTES_PER_HOUR: i64 = 60;

/// How many rows one owner has of one level in one hour or minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RollupCell {
    /// The place of the tenant's service in [`Rollup::owners`].
    pub owner: u32,
    /// The level.
    pub level: Level,
    /// The hour or minute since 1970, negative before it.
    pub start: i64,
    /// How many rows, at least 1.
    pub rows: u64,
}

/// How many rows each service of each tenant has, by level and time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// The services of the tenants that have rows, sorted.
    pub owners: Vec<(TenantId, Arc<str>)>,
    /// Rows per hour, sorted by owner, level and hour.
    pub hours: Vec<RollupCell>,
    /// Rows per minute, sorted by owner, level and minute, where minutes are few.
    pub minutes: Option<Vec<RollupCell>>,
}

impl Rollup {
    pub(super) fn open(table: &Table) -> Result<Option<Self>, FormatError> {
        let section = table.section(ROLLUP_SECTION)?;
        let decoded = section.map(|section| decode(&section)).transpose();
        decoded.map_err(|what| damaged(table, "roll-up", &what))
    }
}

fn decode(section: &[u8]) -> Result<Rollup, Malformed> {
    let mut reader = Reader::new(section);
    let unit = reader.u8()?;
    let mut owners: Vec<(TenantId, Arc<str>)> = Vec::new();
    let mut cells = Vec::new();
    for owner in 0..reader.count(3)? as u32 {
        let name = (TenantId(reader.varint_u32()?), Arc::from(reader.str()?));
        if owners.last().is_some_and(|previous| *previous >= name) {
            return Err("the owners do not ascend".into());
        }
        owners.push(name);
        let mut previous = None;
        for _ in 0..reader.count(2)? {
            let level = Level::from_number(reader.u8()?).ok_or("an unknown level")?;
            if previous.is_some_and(|previous| previous >= level) {
                return Err("the levels do not ascend".into());
            }
            previous = Some(level);
            read_cells(&mut reader, owner, level, &mut cells)?;
        }
    }
    reader.end()?;
    match unit {
        HOURS => Ok(Rollup { owners, hours: cells, minutes: None }),
        MINUTES => Ok(Rollup { owners, hours: hours_of(&cells)?, minutes: Some(cells) }),
        _ => Err("an unknown unit of time".into()),
    }
}

fn read_cells(
    reader: &mut Reader<'_>,
    owner: u32,
    level: Level,
    cells: &mut Vec<RollupCell>,
) -> Result<(), Malformed> {
    let mut start = 0i64;
    for cell in 0..reader.count(2)? {
        let delta = reader.zigzag()?;
        if cell > 0 && delta <= 0 {
            return Err("the times do not ascend".into());
        }
        start = start.checked_add(delta).ok_or("a time is impossible")?;
        cells.push(RollupCell { owner, level, start, rows: reader.varint()? });
    }
    Ok(())
}

/// Sums minutes, sorted, to hours.
fn hours_of(minutes: &[RollupCell]) -> Result<Vec<RollupCell>, Malformed> {
    let mut hours: Vec<RollupCell> = Vec::new();
    for minute in minutes {
        let start = minute.start.div_euclid(MINUTES_PER_HOUR);
        match hours.last_mut() {
            Some(hour)
                if (hour.owner, hour.level, hour.start) == (minute.owner, minute.level, start) =>
            {
                hour.rows = hour.rows.checked_add(minute.rows).ok_or("a count is impossible")?;
            }
            _ => hours.push(RollupCell { start, ..*minute }),
        }
    }
    Ok(hours)
}

/// What is counted of a segment while it is written: by owner in the order of appearance, level
/// and minute, or hour once minutes are too many.
#[derive(Debug)]
pub(super) struct Counts {
    unit: u8,
    cells: BTreeMap<(u32, Level, i64), u64>,
}

/// Cells that are counted at most: about 20 MiB. Past it minutes are given up for hours, and
/// past it again the roll-up.
const CELLS_MAX: usize = 1 << 18;

/// Minutes are kept while each cell stands for as many rows.
const ROWS_PER_MINUTE_CELL_MIN: u64 = 8;

const MINUTE_NS: i64 = 60_000_000_000;

impl Counts {
    pub(super) fn new() -> Self {
        Self { unit: MINUTES, cells: BTreeMap::new() }
    }

    /// The hour or minute, whichever is counted, of a time.
    pub(super) fn start_of(&self, time_ns: i64) -> i64 {
        let minute = time_ns.div_euclid(MINUTE_NS);
        if self.unit == MINUTES { minute } else { minute.div_euclid(MINUTES_PER_HOUR) }
    }

    /// Counts rows, by what [`Self::start_of`] says of their time.
    pub(super) fn add(&mut self, owner: u32, level: Level, start: i64, rows: u64) {
        *self.cells.entry((owner, level, start)).or_default() += rows;
    }

    /// Whether there are too many cells to go on. To be asked now and then; units may change.
    pub(super) fn overflows(&mut self) -> bool {
        if self.cells.len() > CELLS_MAX && self.unit == MINUTES {
            self.count_by_hour();
        }
        self.cells.len() > CELLS_MAX
    }

    fn count_by_hour(&mut self) {
        self.unit = HOURS;
        for ((owner, level, minute), rows) in std::mem::take(&mut self.cells) {
            self.add(owner, level, minute.div_euclid(MINUTES_PER_HOUR), rows);
        }
    }

    /// Writes the section; `owners` are sorted, each with its number here. `rows` has the segment.
    pub(super) fn encode(mut self, owners: &[(&(TenantId, Arc<str>), u32)], rows: u64) -> Vec<u8> {
        let worth = rows / ROWS_PER_MINUTE_CELL_MIN;
        if self.unit == MINUTES && self.cells.len() as u64 > worth {
            self.count_by_hour();
        }
        let mut out = vec![self.unit];
        put_u64(&mut out, owners.len() as u64);
        for ((tenant, service), number) in owners {
            put_u64(&mut out, u64::from(tenant.0));
            put_bytes(&mut out, service.as_bytes());
            let from = (*number, Level::Unknown, i64::MIN);
            let to = (*number, Level::Fatal, i64::MAX);
            let cells: Vec<_> = self.cells.range(from..=to).collect();
            let levels: Vec<_> = cells.chunk_by(|(a, _), (b, _)| a.1 == b.1).collect();
            put_u64(&mut out, levels.len() as u64);
            for cells in levels {
                out.push(cells[0].0.1.number());
                put_u64(&mut out, cells.len() as u64);
                let mut previous = 0;
                for ((_, _, start), rows) in cells {
                    put_i64(&mut out, start - previous);
                    put_u64(&mut out, **rows);
                    previous = *start;
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in vec(prop_oneof![0..5u8, any::<u8>()], 0..60)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn damaged_bytes_do_not_panic(
            rows in vec((0..3u32, 0..7u8, -200..200i64), 1..60),
            at in any::<prop::sample::Index>(),
            byte: u8,
        ) {
            let names = ["a", "b", "c"].map(|name| (TenantId(0), Arc::from(name)));
            let owners: Vec<_> = names.iter().zip(0..).collect();
            let mut counts = Counts::new();
            for (owner, level, start) in &rows {
                counts.add(*owner, Level::ALL[usize::from(*level)], *start, 1);
            }
            let mut bytes = counts.encode(&owners, 1000);
            let rollup = decode(&bytes).expect("decodes");
            prop_assert_eq!(rollup.hours.iter().map(|cell| cell.rows).sum::<u64>(), rows.len() as u64);
            *at.get_mut(&mut bytes) = byte;
            let _ = decode(&bytes);
        }
    }
}
