//! Looking at row groups one after another: what each adds to the total and to the page.
//!
//! What is held is the page's candidates and one group's pages, however many rows match.

use varve_columnar::ColumnId;
use varve_types::TimestampNs;

use crate::candidates::{Candidates, Place};
use crate::filter::Scratch;
use crate::group::Group;
use crate::names::RowNames;
use crate::plan::{Plan, PlannedGroup};
use crate::row_set::RowSet;
use crate::{Chunk, Explain, Order, QueryError};

/// What one worker found in the groups that it looked at.
#[derive(Debug)]
pub struct Scanned {
    pub(crate) candidates: Candidates,
    pub(crate) explain: Explain,
    /// How many groups.
    pub(crate) visited: usize,
}

/// One worker's look at groups, under way.
pub(crate) struct Scan<'a> {
    plan: &'a Plan,
    candidates: Candidates,
    scratch: Scratch,
    explain: Explain,
    visited: usize,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            candidates: Candidates::new(plan.order, plan.depth),
            scratch: Scratch::default(),
            explain: Explain::default(),
            visited: 0,
        }
    }

    pub(crate) fn finish(self) -> Scanned {
        let Self { candidates, explain, visited, .. } = self;
        Scanned { candidates, explain, visited }
    }

    /// Counts a group's matches and takes those that belong on the page.
    pub(crate) fn visit(&mut self, planned: PlannedGroup) -> Result<(), QueryError> {
        let PlannedGroup { chunk, group: number, .. } = planned;
        let owner = &*self.plan.chunks[chunk as usize];
        let mut group = Group::new(owner.table(), number as usize);
        let mut selected = group.live_rows(owner.dead());
        self.plan.filters.apply(&mut group, &mut selected, &mut self.scratch, &mut self.explain)?;
        let matched = selected.count() as u64;
        self.explain.rows_matched += matched;
        if group.pages_read() == 0 {
            self.explain.groups_counted += 1;
        } else {
            self.explain.rows_scanned += group.rows() as u64;
        }
        if matched > 0 {
            self.take(owner, &mut group, &selected, Place { chunk, group: number, row: 0 })?;
        }
        self.explain.pages_read += group.pages_read();
        self.visited += 1;
        Ok(())
    }

    /// Offers the selected rows of a group. Ids are looked up once a row's time is good enough.
    fn take(
        &mut self,
        owner: &dyn Chunk,
        group: &mut Group<'_>,
        selected: &RowSet,
        place: Place,
    ) -> Result<(), QueryError> {
        let order = self.plan.order;
        let best = match order {
            Order::Oldest => group.meta().min_time,
            Order::Newest => group.meta().max_time,
        };
        if !self.candidates.may_take(best) {
            return Ok(());
        }
        let stamps = group.with_ints(&ColumnId::Timestamp, <[i64]>::to_vec)?;
        // Rows ascend in time within a segment: from the good end, the page fills with rows that
        // stay there.
        let mut rows: Vec<usize> = selected.iter().collect();
        if order == Order::Newest {
            rows.reverse();
        }
        let mut names = None;
        for row in rows {
            let time = TimestampNs(stamps[row]);
            if self.candidates.may_take(time) {
                let names = match &names {
                    Some(names) => names,
                    None => names.insert(RowNames::read(owner, group)?),
                };
                self.candidates.offer(time, names.id(row), Place { row: row as u32, ..place });
            }
        }
        Ok(())
    }
}
