//! Counts by service, step and level, while they grow.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;

use varve_types::{Level, TimestampNs};

use super::{Aggregate, AggregateCell};
use crate::wire::{Reader, WireError, Writer, read_level};
use crate::{QueryError, limits};

/// Counts by service, step and level.
#[derive(Debug)]
pub(crate) struct Cells {
    step_ns: Option<NonZeroU64>,
    by_service: bool,
    by_level: bool,
    services: Vec<Arc<str>>,
    /// The places in `services`. Looked up, never iterated.
    places: HashMap<Arc<str>, ServicePlace>,
    counts: HashMap<Key, u64>,
    run: Option<Run>,
}

/// A service's place among those counted; 0 where all are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ServicePlace(u32);

/// A service, the beginning of a step in nanoseconds, and a level.
type Key = (ServicePlace, i64, Level);

/// What is counted follows each other by service and time: one step of one service at a time is
/// counted here, so that not every row is looked up.
#[derive(Debug)]
struct Run {
    service: ServicePlace,
    step: Range<i128>,
    /// By the level's number.
    rows: [u64; Level::ALL.len()],
}

impl Cells {
    pub(super) fn new(aggregate: &Aggregate) -> Self {
        Self {
            step_ns: aggregate.step_ns,
            by_service: aggregate.by_service,
            by_level: aggregate.by_level,
            services: Vec::new(),
            places: HashMap::new(),
            counts: HashMap::new(),
            run: None,
        }
    }

    /// Under which place to count a service.
    pub(super) fn place(&mut self, service: &str) -> ServicePlace {
        if !self.by_service {
            return ServicePlace::default();
        }
        if let Some(place) = self.places.get(service) {
            return *place;
        }
        let (name, place) = (Arc::<str>::from(service), ServicePlace(self.services.len() as u32));
        self.services.push(Arc::clone(&name));
        self.places.insert(name, place);
        place
    }

    /// Counts rows of one service, time and level.
    pub(super) fn add(
        &mut self,
        service: ServicePlace,
        time_ns: i128,
        level: Level,
        rows: u64,
    ) -> Result<(), QueryError> {
        let fits = |run: &&mut Run| run.service == service && run.step.contains(&time_ns);
        let run = match self.run.as_mut().filter(fits) {
            Some(run) => run,
            None => {
                self.end_run()?;
                let step = step(self.step_ns, time_ns);
                self.run.insert(Run { service, step, rows: [0; Level::ALL.len()] })
            }
        };
        let count = &mut run.rows[usize::from(level.number())];
        *count = count.saturating_add(rows);
        Ok(())
    }

    /// Counts what is counted aside.
    pub(super) fn end_run(&mut self) -> Result<(), QueryError> {
        let Some(Run { service, step, rows }) = self.run.take() else { return Ok(()) };
        // The step in which time begins may begin before.
        let start = i64::try_from(step.start).unwrap_or(i64::MIN);
        for (level, rows) in Level::ALL.into_iter().zip(rows).filter(|(_, rows)| *rows > 0) {
            let level = if self.by_level { level } else { Level::default() };
            let count = self.counts.entry((service, start, level)).or_default();
            // What a peer says may be any number.
            *count = count.saturating_add(rows);
        }
        if self.counts.len() > limits::CELLS_MAX {
            return Err(QueryError::TooManyCells { cells_max: limits::CELLS_MAX });
        }
        Ok(())
    }

    /// Adds what another worker counted.
    pub(super) fn merge(&mut self, mut other: Self) -> Result<(), QueryError> {
        other.end_run()?;
        let places: Vec<_> = other.services.iter().map(|service| self.place(service)).collect();
        for ((service, start, level), rows) in other.counts {
            let service = places.get(service.0 as usize).copied().unwrap_or_default();
            self.add(service, start.into(), level, rows)?;
        }
        Ok(())
    }

    /// Appends the counts, none of which may be counted aside.
    pub(crate) fn write(&self, writer: &mut Writer) {
        assert!(self.run.is_none(), "BUG: counts are written before they are whole");
        writer.list(&self.services, |writer, service| writer.bytes(service.as_bytes()));
        writer.list(&self.counts, |writer, (&(service, start, level), &rows)| {
            writer.varint(service.0.into());
            writer.i64(start);
            writer.u8(level.number());
            writer.varint(rows);
        });
    }

    /// The counts, sorted.
    pub(super) fn finish(mut self) -> Result<Vec<AggregateCell>, QueryError> {
        self.end_run()?;
        let cell = |((service, start, level), rows): (Key, u64)| AggregateCell {
            start: self.step_ns.map(|_| TimestampNs(start)),
            service: self.services.get(service.0 as usize).cloned(),
            level: self.by_level.then_some(level),
            rows,
        };
        let mut cells: Vec<AggregateCell> = self.counts.into_iter().map(cell).collect();
        cells.sort_unstable();
        Ok(cells)
    }
}

/// Reads the counts of an aggregate.
pub(crate) fn read(aggregate: &Aggregate, reader: &mut Reader) -> Result<Cells, WireError> {
    /// The fewest bytes of a count.
    const COUNT_BYTES: usize = 11;
    let services = reader.list(1, |reader| Ok(Arc::<str>::from(reader.string()?)))?;
    let places = if aggregate.by_service { services.len() as u64 } else { 1 };
    let counts = reader.list(COUNT_BYTES, |reader| {
        let service = Some(reader.varint()?).filter(|place| *place < places);
        let service = service.ok_or_else(|| reader.refuse("there is no such service"))?;
        let (start, level) = (reader.i64()?, read_level(reader)?);
        Ok(((ServicePlace(service as u32), start, level), reader.varint()?))
    })?;
    let counts = counts.into_iter().collect();
    Ok(Cells { services, counts, ..Cells::new(aggregate) })
}

/// The step that a time is in.
fn step(step_ns: Option<NonZeroU64>, time_ns: i128) -> Range<i128> {
    let Some(step_ns) = step_ns else { return i128::MIN..i128::MAX };
    let step_ns = i128::from(step_ns.get());
    let start = time_ns.div_euclid(step_ns) * step_ns;
    start..start + step_ns
}
