//! Looking at row groups one after another: what each adds to the total and to the page.
//!
//! What is held is the page's candidates and one group's pages, however many rows match.

use std::collections::BTreeMap;

use varve_columnar::ColumnId;
use varve_types::TimestampNs;

use crate::candidates::{Candidates, Place};
use crate::explain::{Step, Tally};
use crate::filter::Scratch;
use crate::group::{Group, Pages};
use crate::names::RowNames;
use crate::plan::{Plan, PlannedChunk, PlannedGroup};
use crate::row_set::RowSet;
use crate::{Chunk, Order, QueryError};

/// What one worker found in the groups that it looked at.
#[derive(Debug)]
pub struct Scanned {
    pub(crate) candidates: Candidates,
    pub(crate) tally: Tally,
    /// How many groups.
    pub(crate) visited: u64,
    pub(crate) kept: KeptPages,
}

/// Pages of groups that have a row on the page, by chunk and group: they were read for filtering,
/// and answering would read them again.
pub(crate) type KeptPages = BTreeMap<(u32, u32), Pages>;

/// What one worker keeps of them: about as many groups as a page's rows are in.
const KEPT_BYTES_MAX: usize = 6 << 20;

/// One worker's look at groups, under way.
pub(crate) struct Scan<'a> {
    plan: &'a Plan,
    candidates: Candidates,
    scratch: Scratch,
    tally: Tally,
    visited: u64,
    kept: KeptPages,
    kept_bytes: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            candidates: Candidates::new(plan.order, plan.depth),
            scratch: Scratch::default(),
            tally: Tally::default(),
            visited: 0,
            kept: KeptPages::new(),
            kept_bytes: 0,
        }
    }

    pub(crate) fn finish(self) -> Scanned {
        let Self { candidates, tally, visited, kept, .. } = self;
        Scanned { candidates, tally, visited, kept }
    }

    /// Counts a group's matches and takes those that belong on the page.
    pub(crate) fn visit(&mut self, planned: PlannedGroup) -> Result<(), QueryError> {
        self.visited += 1;
        let count = planned.count.filter(|_| !self.plan.may_take(planned.best));
        self.tally.stays(Step::GroupCount, count.is_none());
        if let Some(count) = count {
            self.tally.rows_matched += u64::from(count);
            return Ok(());
        }
        let PlannedChunk { owner, rows, remaining } = &self.plan.chunks[planned.chunk as usize];
        let mut group = Group::new(owner.table(), planned.group as usize);
        let mut selected = group.live_rows(owner.dead());
        if let Some(rows) = rows {
            selected.intersect(&group.rows_of(rows));
        }
        self.plan.filters.apply(remaining, &mut group, &mut selected, &mut self.scratch)?;
        self.tally.rows_matched += selected.count() as u64;
        if group.pages_read() > 0 {
            self.tally.rows_scanned += group.rows() as u64;
        }
        let place = Place { chunk: planned.chunk, group: planned.group, row: 0 };
        let has_taken = !selected.is_empty()
            && self.plan.may_take(planned.best)
            && self.take(&**owner, &mut group, &selected, place)?;
        self.tally.pages_read += group.pages_read();
        self.tally.bytes_read += group.bytes_read();
        if has_taken {
            self.keep(place, group.into_pages());
        }
        Ok(())
    }

    /// Keeps pages while there is room: groups come best first, so the first are those that stay.
    fn keep(&mut self, place: Place, pages: Pages) {
        let bytes: usize = pages.values().flatten().map(|column| column.memory_bytes()).sum();
        if self.kept_bytes + bytes <= KEPT_BYTES_MAX {
            self.kept_bytes += bytes;
            self.kept.insert((place.chunk, place.group), pages);
        }
    }

    /// Offers the selected rows of a group, and says whether some were good enough when they were.
    /// Ids are looked up once a row's time is.
    fn take(
        &mut self,
        owner: &dyn Chunk,
        group: &mut Group<'_>,
        selected: &RowSet,
        place: Place,
    ) -> Result<bool, QueryError> {
        let order = self.plan.order;
        let times = group.ints(&ColumnId::Timestamp)?;
        let mut names = None;
        let mut offer = |row: usize| {
            let time = TimestampNs(times[row]);
            if self.candidates.may_take(time) && self.plan.may_take(order.number(time)) {
                let names = match &names {
                    Some(names) => names,
                    None => names.insert(RowNames::read(owner, group)?),
                };
                self.candidates.offer(time, names.id(row), Place { row: row as u32, ..place });
            }
            Ok::<_, QueryError>(())
        };
        // The rows of a service ascend in time: from the good end, the page fills with rows that
        // stay there.
        match order {
            Order::Oldest => selected.iter().try_for_each(&mut offer),
            Order::Newest => selected.iter().rev().try_for_each(&mut offer),
        }?;
        if let Some(last) = self.candidates.last() {
            self.plan.page_ends_by(last);
        }
        Ok(names.is_some())
    }
}
