//! The segment: rows of many blocks merged, sorted by time, each with its place in the log.
//!
//! A segment is a table of kind segment: it has the columns index, row and created_at besides
//! those of blocks, and its rows are sorted by (timestamp, index, row). Its section 2 counts its
//! rows per hour of event time.

mod builder;
mod gather;
mod hours;
mod input;

use std::sync::Arc;

pub use builder::{SegmentBuilder, SegmentError, SegmentOptions, SegmentSummary};
pub use hours::EventHours;

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
