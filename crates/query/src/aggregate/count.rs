//! Counting the rows of one chunk after another.

use std::ops::Range;

use varve_columnar::{Column, ColumnId, FormatError, Rollup, RollupCell};
use varve_types::{Level, TimeRange, TimestampNs};

use super::Aggregate;
use super::cells::{Cells, ServicePlace};
use crate::explain::{Step, Tally};
use crate::filter::Filters;
use crate::group::Group;
use crate::narrow::{Narrowed, Narrowing};
use crate::{Chunk, Limits, QueryError};

const MINUTE_NS: i128 = 60_000_000_000;
const HOUR_NS: i128 = 60 * MINUTE_NS;

/// What one worker counted, or one part of all chunks has.
#[derive(Debug)]
pub struct Counted {
    pub(crate) cells: Cells,
    pub(crate) tally: Tally,
}

impl Counted {
    /// Adds what another counted.
    pub(super) fn add(&mut self, other: Self) -> Result<(), QueryError> {
        self.tally.add(&other.tally);
        self.cells.merge(other.cells)
    }
}

/// One worker's counting, under way.
pub(super) struct Counting<'a> {
    aggregate: &'a Aggregate,
    filters: &'a Filters,
    limits: &'a Limits,
    cells: Cells,
    tally: Tally,
}

impl<'a> Counting<'a> {
    pub(super) fn new(aggregate: &'a Aggregate, filters: &'a Filters, limits: &'a Limits) -> Self {
        let cells = Cells::new(aggregate);
        Self { aggregate, filters, limits, cells, tally: Tally::default() }
    }

    pub(super) fn finish(self) -> Counted {
        Counted { cells: self.cells, tally: self.tally }
    }

    /// Counts the rows of a chunk.
    pub(super) fn add(&mut self, chunk: &dyn Chunk) -> Result<(), QueryError> {
        self.limits.check_cancelled()?;
        let table = chunk.table();
        let in_range: Vec<_> =
            table.groups().iter().filter(|meta| self.filters.may_have_time(meta)).collect();
        let mut counted = 0..0;
        if !in_range.is_empty()
            && self.filters.may_match(table)
            && let Some(segment) = chunk.segment()
            && let Some(rollup) = segment.rollup()?
        {
            counted = self.add_rollup(&rollup)?;
            let is_counted = |(min, max)| is_counted(&self.filters.time, &counted, min, max);
            if in_range.iter().all(|meta| is_counted((meta.min_time, meta.max_time))) {
                let groups = in_range.len() as u64;
                self.tally.prune(Step::GroupRollup, groups, groups);
                return Ok(());
            }
        }
        let narrowing = Narrowing::new(chunk, self.filters, &mut self.tally);
        if let Some(narrowed) = narrowing.run()? {
            self.add_groups(chunk, &narrowed, &counted)?;
        }
        Ok(())
    }

    /// Counts what whole hours and minutes hold; says which time is counted with that.
    fn add_rollup(&mut self, rollup: &Rollup) -> Result<Range<i128>, QueryError> {
        let owners = &self.filters.owners;
        let cells = &mut self.cells;
        let places: Vec<Option<ServicePlace>> = (rollup.owners.iter())
            .map(|(tenant, service)| {
                let is_wanted = *tenant == owners.tenant && owners.wants_service(service);
                is_wanted.then(|| cells.place(service))
            })
            .collect();
        let hours = self.whole(HOUR_NS);
        self.add_cells(&places, &rollup.hours, HOUR_NS, &hours, &(0..0))?;
        let Some(cells) = &rollup.minutes else { return Ok(hours) };
        let minutes = self.whole(MINUTE_NS);
        self.add_cells(&places, cells, MINUTE_NS, &minutes, &hours)?;
        Ok(minutes)
    }

    /// The part of the range that consists of whole units, where steps do too.
    fn whole(&self, unit_ns: i128) -> Range<i128> {
        let in_step = |step: std::num::NonZeroU64| i128::from(step.get()) % unit_ns == 0;
        if !self.aggregate.step_ns.is_none_or(in_step) {
            return 0..0;
        }
        let TimeRange { start, end } = self.aggregate.time;
        let floor = |time: i128| time.div_euclid(unit_ns) * unit_ns;
        let start = start.map_or(i128::MIN, |start| floor(i128::from(start.get()) + unit_ns - 1));
        let end = end.map_or(i128::MAX, |end| floor(i128::from(end.get())));
        start..end
    }

    /// Counts the cells within a range but not within another.
    fn add_cells(
        &mut self,
        places: &[Option<ServicePlace>],
        cells: &[RollupCell],
        unit_ns: i128,
        within: &Range<i128>,
        without: &Range<i128>,
    ) -> Result<(), QueryError> {
        if within.is_empty() {
            return Ok(());
        }
        for cell in cells {
            let start = i128::from(cell.start) * unit_ns;
            if let Some(place) = places[cell.owner as usize]
                && self.filters.wants_level(cell.level)
                && within.contains(&start)
                && !without.contains(&start)
            {
                self.cells.add(place, start, cell.level, cell.rows)?;
            }
        }
        Ok(())
    }

    /// Counts the rows whose time is not counted yet.
    fn add_groups(
        &mut self,
        chunk: &dyn Chunk,
        narrowed: &Narrowed,
        counted: &Range<i128>,
    ) -> Result<(), QueryError> {
        for &number in &narrowed.groups {
            self.limits.check_cancelled()?;
            let mut group = Group::new(chunk.table(), number as usize);
            let (min, max) = (group.meta().min_time, group.meta().max_time);
            let is_counted = is_counted(&self.filters.time, counted, min, max);
            if !self.tally.stays(Step::GroupRollup, !is_counted) {
                continue;
            }
            self.add_group(chunk, &mut group, narrowed, counted)?;
            if group.pages_read() > 0 {
                self.tally.rows_scanned += group.rows() as u64;
            }
            self.tally.pages_read += group.pages_read();
            self.tally.bytes_read += group.bytes_read();
        }
        Ok(())
    }

    fn add_group(
        &mut self,
        chunk: &dyn Chunk,
        group: &mut Group<'_>,
        narrowed: &Narrowed,
        counted: &Range<i128>,
    ) -> Result<(), QueryError> {
        let mut selected = group.live_rows(chunk.dead());
        if let Some(rows) = &narrowed.rows {
            selected.intersect(&group.rows_of(rows));
        }
        self.filters.apply_fixed(&narrowed.remaining, group, &mut selected)?;
        if selected.is_empty() {
            return Ok(());
        }
        let times = group.ints(&ColumnId::Timestamp)?;
        let levels = group.ints(&ColumnId::Level)?;
        let services = self.services(group)?;
        for row in selected.iter() {
            let time = i128::from(times[row]);
            if !counted.contains(&time) {
                let number = u8::try_from(levels[row]).unwrap_or_default();
                let level = Level::from_number(number).unwrap_or_default();
                let service = services.get(row).copied().unwrap_or_default();
                self.cells.add(service, time, level, 1)?;
            }
        }
        Ok(())
    }

    /// Each row's service, or nothing where all are counted together.
    fn services(&mut self, group: &mut Group<'_>) -> Result<Vec<ServicePlace>, FormatError> {
        if !self.aggregate.by_service {
            return Ok(Vec::new());
        }
        let column = group.column(&ColumnId::Service)?;
        let Some(Column::Dict { dictionary, codes, .. }) = column.as_deref() else {
            return Err(group.corrupt("column service holds no dictionary"));
        };
        let place = |name: &[u8]| {
            std::str::from_utf8(name)
                .map(|name| self.cells.place(name))
                .map_err(|_| group.corrupt("a service is not UTF-8"))
        };
        let places: Vec<_> = dictionary.iter().map(place).collect::<Result<_, _>>()?;
        Ok(codes.iter().map(|&code| places[code as usize]).collect())
    }
}

/// Whether of a group of these times all that lies in the range is counted.
fn is_counted(time: &TimeRange, counted: &Range<i128>, min: TimestampNs, max: TimestampNs) -> bool {
    let from = time.start.map_or(min, |start| start.max(min));
    let to = time
        .end
        .map_or(i128::from(max.get()), |end| i128::from(max.get()).min(i128::from(end.get()) - 1));
    counted.contains(&i128::from(from.get())) && counted.contains(&to)
}
