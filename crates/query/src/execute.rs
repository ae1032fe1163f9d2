//! Running a search: which row groups to look at and in what order, what each adds to the total
//! and to the page, and at last the page's records.
//!
//! Groups are visited from the page's end of time, so that the page fills with rows that stay and
//! later groups add to the total without their ids ever being read. What is held is the page's
//! candidates and one group's pages, however many rows match.

use std::sync::Arc;

use varve_columnar::ColumnId;
use varve_types::TimestampNs;

use crate::candidates::{Candidates, Place};
use crate::filter::{Filters, Scratch};
use crate::group::Group;
use crate::names::RowNames;
use crate::page::hits;
use crate::row_set::RowSet;
use crate::{Chunk, Explain, Limits, Order, QueryError, Search, SearchResult};

/// Finds the records that match: their exact number, and one page of them in order.
///
/// Pure and synchronous; it reads pages through the tables' sources, so run it where blocking is
/// allowed.
///
/// # Errors
///
/// [`QueryError`]; a part of the result is never answered as the whole.
pub fn search(
    chunks: &[Arc<dyn Chunk>],
    search: &Search,
    limits: &Limits,
) -> Result<SearchResult, QueryError> {
    let (offset, depth) = depth(search, limits)?;
    let filters = Filters::new(search);
    let mut run = Run {
        chunks,
        filters,
        candidates: Candidates::new(search.order, depth),
        scratch: Scratch::default(),
        explain: Explain { chunks: chunks.len() as u64, ..Explain::default() },
    };
    for (chunk, group) in run.groups(search.order) {
        limits.check_cancelled()?;
        run.visit(chunk, group)?;
    }
    let Run { candidates, mut explain, .. } = run;
    let hits = hits(chunks, &candidates.into_page(offset), limits, &mut explain)?;
    Ok(SearchResult { total: explain.rows_matched, hits, explain })
}

/// How many rows to skip, and how many to hold.
fn depth(search: &Search, limits: &Limits) -> Result<(usize, usize), QueryError> {
    let Search { offset, limit, .. } = *search;
    if limit == 0 {
        return Ok((0, 0));
    }
    let depth = offset.checked_add(limit).filter(|&depth| depth <= limits.depth_max);
    let depth = depth.and_then(|depth| usize::try_from(depth).ok());
    depth.map(|depth| (offset as usize, depth)).ok_or(QueryError::TooDeep {
        offset,
        limit,
        depth_max: limits.depth_max,
    })
}

/// One search under way.
struct Run<'a> {
    chunks: &'a [Arc<dyn Chunk>],
    filters: Filters,
    candidates: Candidates,
    scratch: Scratch,
    explain: Explain,
}

impl Run<'_> {
    /// The groups that footers do not rule out, from the order's first in time.
    fn groups(&mut self, order: Order) -> Vec<(u32, u32)> {
        let mut groups = Vec::new();
        for (at, chunk) in self.chunks.iter().enumerate() {
            let metas = chunk.table().groups();
            if !metas.iter().any(|meta| self.filters.may_have_time(meta)) {
                self.explain.chunks_pruned_by_time += 1;
                continue;
            }
            if !self.filters.may_have_service(chunk.table().zone()) {
                self.explain.chunks_pruned_by_service += 1;
                continue;
            }
            self.explain.groups += metas.len() as u64;
            for (group, meta) in metas.iter().enumerate() {
                if !self.filters.may_have_time(meta) {
                    self.explain.groups_pruned_by_time += 1;
                } else if !self.filters.may_have_level(meta) {
                    self.explain.groups_pruned_by_level += 1;
                } else {
                    let first = match order {
                        Order::Oldest => meta.min_time.get(),
                        Order::Newest => !meta.max_time.get(),
                    };
                    groups.push((first, at as u32, group as u32));
                }
            }
        }
        groups.sort_unstable();
        groups.into_iter().map(|(_, chunk, group)| (chunk, group)).collect()
    }

    /// Counts a group's matches and takes those that belong on the page.
    fn visit(&mut self, chunk: u32, number: u32) -> Result<(), QueryError> {
        let owner = &*self.chunks[chunk as usize];
        let mut group = Group::new(owner.table(), number as usize);
        let mut selected = group.live_rows(owner.dead());
        self.filters.apply(&mut group, &mut selected, &mut self.scratch, &mut self.explain)?;
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
        let order = self.candidates.order();
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
