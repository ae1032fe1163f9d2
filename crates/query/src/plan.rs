//! What a search will look at: decided by footers alone, before a page is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::candidates::Candidates;
use crate::filter::Filters;
use crate::page::hits;
use crate::scan::{Scan, Scanned};
use crate::{Chunk, Explain, Limits, Order, QueryError, Search, SearchResult};

/// A search, planned: the row groups that footers do not rule out, in the order of the page.
///
/// Groups are visited from the page's end of time, so that the page fills with rows that stay and
/// later groups add to the total without their ids ever being read.
pub struct Plan {
    pub(crate) chunks: Vec<Arc<dyn Chunk>>,
    pub(crate) filters: Filters,
    pub(crate) limits: Limits,
    pub(crate) order: Order,
    /// How many rows of the page's order to skip.
    offset: usize,
    /// How many rows to hold: those skipped too.
    pub(crate) depth: usize,
    groups: Vec<PlannedGroup>,
    /// The first group that no worker took yet.
    next: AtomicUsize,
    explain: Explain,
}

/// One row group to visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PlannedGroup {
    /// Its best row's time; for newest first inverted, so that the smallest comes first.
    best: i64,
    pub(crate) chunk: u32,
    pub(crate) group: u32,
}

impl Plan {
    /// Plans a search.
    ///
    /// # Errors
    ///
    /// [`QueryError::TooDeep`].
    pub fn new(
        chunks: &[Arc<dyn Chunk>],
        search: &Search,
        limits: &Limits,
    ) -> Result<Self, QueryError> {
        let (offset, depth) = depth(search, limits)?;
        let filters = Filters::new(search);
        let mut explain = Explain { chunks: chunks.len() as u64, ..Explain::default() };
        let groups = groups(chunks, &filters, search.order, &mut explain);
        Ok(Self {
            chunks: chunks.to_vec(),
            filters,
            limits: limits.clone(),
            order: search.order,
            offset,
            depth,
            groups,
            next: AtomicUsize::new(0),
            explain,
        })
    }

    /// How many row groups are to be looked at: more workers than that have nothing to do.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Looks at groups until none is left. Any number of workers may do so at once; each takes
    /// the groups that the others have not. What each answers belongs into [`Self::finish`].
    ///
    /// # Errors
    ///
    /// [`QueryError::Table`] and [`QueryError::Cancelled`]. The search has then failed.
    pub fn work(&self) -> Result<Scanned, QueryError> {
        let mut scan = Scan::new(self);
        while let Some(&group) = self.groups.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            self.limits.check_cancelled()?;
            scan.visit(group)?;
        }
        Ok(scan.finish())
    }

    /// The answer, from what every worker found: reads the page's records.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    ///
    /// # Panics
    ///
    /// When a worker's part is missing, because the rest would pass for the whole.
    pub fn finish(self, parts: Vec<Scanned>) -> Result<SearchResult, QueryError> {
        let mut explain = self.explain;
        let mut candidates = Candidates::new(self.order, self.depth);
        let mut visited = 0;
        for part in parts {
            visited += part.visited;
            explain.add(&part.explain);
            candidates.merge(part.candidates);
        }
        assert_eq!(visited, self.groups.len(), "BUG: a search is finished with a part missing");
        let page = candidates.into_page(self.offset);
        let hits = hits(&self.chunks, &page, &self.limits, &mut explain)?;
        Ok(SearchResult { total: explain.rows_matched, hits, explain })
    }
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

/// The groups that footers do not rule out, from the order's first in time.
fn groups(
    chunks: &[Arc<dyn Chunk>],
    filters: &Filters,
    order: Order,
    explain: &mut Explain,
) -> Vec<PlannedGroup> {
    let mut groups = Vec::new();
    for (chunk, owner) in (0..).zip(chunks) {
        let metas = owner.table().groups();
        if !metas.iter().any(|meta| filters.may_have_time(meta)) {
            explain.chunks_pruned_by_time += 1;
            continue;
        }
        if !filters.may_have_service(owner.table().zone()) {
            explain.chunks_pruned_by_service += 1;
            continue;
        }
        explain.groups += metas.len() as u64;
        for (group, meta) in (0..).zip(metas) {
            if !filters.may_have_time(meta) {
                explain.groups_pruned_by_time += 1;
            } else if !filters.may_have_level(meta) {
                explain.groups_pruned_by_level += 1;
            } else {
                let best = match order {
                    Order::Oldest => meta.min_time.get(),
                    Order::Newest => !meta.max_time.get(),
                };
                groups.push(PlannedGroup { best, chunk, group });
            }
        }
    }
    groups.sort_unstable();
    groups
}
