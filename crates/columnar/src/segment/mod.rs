//! The segment: rows of many blocks merged, each with its place in the log.
//!
//! A segment is a table of kind segment: it has the columns index, row and created_at besides
//! those of blocks. Its rows lie in *strips*, which follow each other in time, a few row groups
//! each; within a strip rows are sorted by (tenant, service, timestamp, index, row), so that the
//! rows of one service are in few groups and repeat each other, while a search of the newest rows
//! still finds them at one end. The order only helps: no reader relies on it, strips may overlap
//! in time, and older segments are one strip sorted by time alone. Section 2 counts the rows per
//! hour of event time.

mod builder;
mod days;
mod gather;
mod hours;
mod input;
mod owners;
mod pool;
mod writer;

use std::sync::Arc;

pub use builder::{SegmentBuilder, SegmentError, SegmentOptions, SegmentSummary};
pub use hours::EventHours;
pub use writer::{SegmentWriter, Step};

use crate::error::FormatError;
use crate::table::{PageSource, Table, TableKind};

/// The section that counts rows per hour.
const HOURS_SECTION: u16 = 2;

/// An open segment. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Segment {
    table: Table,
}

impl Segment {
    /// Checks and reads the footer; no page is read.
    ///
    /// # Errors
    ///
    /// When the source cannot be read, its bytes are damaged, of an unknown version, or no
    /// segment.
    pub fn open(source: Arc<dyn PageSource>) -> Result<Self, FormatError> {
        let table = Table::open(source)?;
        if table.kind() != TableKind::Segment {
            return Err(table.contradiction("the table is not a segment"));
        }
        Ok(Self { table })
    }

    /// The rows.
    #[must_use]
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// How many rows each hour of event time has.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or the section is damaged.
    pub fn event_hours(&self) -> Result<EventHours, FormatError> {
        let section = self
            .table
            .section(HOURS_SECTION)?
            .ok_or_else(|| self.table.contradiction("the segment has no count of event hours"))?;
        hours::decode(&section).map_err(|what| self.table.contradiction(what.0))
    }

    /// Everything that [`Table::verify`] checks, and the counts of event hours.
    ///
    /// # Errors
    ///
    /// The first damage or contradiction found.
    pub fn verify(&self) -> Result<(), FormatError> {
        self.table.verify()?;
        let mut counted = EventHours::default();
        for group in 0..self.table.groups().len() {
            if let Some(times) = self.table.read(group, &crate::ColumnId::Timestamp)? {
                times.iter_ints().for_each(|(_, time)| hours::count(&mut counted, time));
            }
        }
        if counted != self.event_hours()? {
            return Err(self.table.contradiction("the counts of event hours are not the rows'"));
        }
        Ok(())
    }
}
