//! What a search will look at: decided by footers and indexes, before a page is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use roaring::RoaringBitmap;
use varve_columnar::GroupMeta;

use crate::candidates::{Candidates, Place};
use crate::explain::{Step, Tally};
use crate::filter::{Filters, Remaining};
use crate::group::{Group, positions_of};
use crate::narrow::{Narrowed, Narrowing};
use crate::scan::{KeptPages, Scan, Scanned};
use crate::{Chunk, Key, Keys, Limits, Order, Page, QueryError, Search, Total};

/// A search, planned: the row groups that may have a match, in the order of the page.
///
/// Groups are visited from the page's end of time, so that the page fills with rows that stay and
/// later groups add to the total without their ids ever being read.
pub struct Plan {
    pub(crate) chunks: Vec<PlannedChunk>,
    pub(crate) filters: Filters,
    pub(crate) limits: Limits,
    pub(crate) order: Order,
    pub(crate) total: Total,
    /// How many rows of the page's order to skip.
    offset: usize,
    /// How many rows to hold: those skipped too.
    pub(crate) depth: usize,
    groups: Vec<PlannedGroup>,
    /// The first group that no worker took yet.
    next: AtomicUsize,
    /// How many workers began.
    workers: AtomicUsize,
    /// In the order's numbers: rows past this time are not on the page.
    last: AtomicI64,
    tally: Tally,
}

/// A chunk, and what its indexes said of its rows.
pub(crate) struct PlannedChunk {
    pub(crate) owner: Arc<dyn Chunk>,
    /// Positions outside of which no row matches; `None` where nothing is known.
    pub(crate) rows: Option<RoaringBitmap>,
    /// What pages must answer.
    pub(crate) remaining: Remaining,
}

/// One row group to visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PlannedGroup {
    /// Its best row's time; for newest first inverted, so that the smallest comes first.
    pub(crate) best: i64,
    pub(crate) chunk: u32,
    pub(crate) group: u32,
    /// How many of its rows match, where that is known.
    pub(crate) count: Option<u32>,
}

impl Plan {
    /// Plans a search. Reads indexes, so run it where blocking is allowed.
    ///
    /// # Errors
    ///
    /// [`QueryError::TooDeep`] and [`QueryError::Table`].
    pub fn new(
        chunks: &[Arc<dyn Chunk>],
        search: &Search,
        limits: &Limits,
    ) -> Result<Self, QueryError> {
        let (offset, depth) = depth(search, limits)?;
        let mut plan = Self {
            chunks: Vec::new(),
            filters: Filters::new(search),
            limits: limits.clone(),
            order: search.order,
            total: search.total,
            offset,
            depth,
            groups: Vec::new(),
            next: AtomicUsize::new(0),
            workers: AtomicUsize::new(0),
            last: AtomicI64::new(if depth == 0 { i64::MIN } else { i64::MAX }),
            tally: Tally::default(),
        };
        if search.total == Total::Exact || depth > 0 {
            for chunk in chunks {
                limits.check_cancelled()?;
                plan.add_chunk(chunk)?;
            }
        }
        plan.groups.sort_unstable();
        Ok(plan)
    }

    fn add_chunk(&mut self, chunk: &Arc<dyn Chunk>) -> Result<(), QueryError> {
        let narrowing = Narrowing::new(&**chunk, &self.filters, &mut self.tally);
        let Some(narrowed) = narrowing.run()? else { return Ok(()) };
        let number = self.chunks.len() as u32;
        for &group in &narrowed.groups {
            let meta = &chunk.table().groups()[group as usize];
            let best = match self.order {
                Order::Oldest => meta.min_time,
                Order::Newest => meta.max_time,
            };
            let best = self.order.number(best);
            let count = self.count(&**chunk, group, &narrowed);
            self.groups.push(PlannedGroup { best, chunk: number, group, count });
        }
        let Narrowed { rows, remaining, .. } = narrowed;
        self.chunks.push(PlannedChunk { owner: Arc::clone(chunk), rows, remaining });
        Ok(())
    }

    /// How many rows of a group match, where indexes and the footer say so.
    fn count(&self, chunk: &dyn Chunk, group: u32, narrowed: &Narrowed) -> Option<u32> {
        let meta = &chunk.table().groups()[group as usize];
        if !self.filters.time.covers(meta.min_time, meta.max_time) {
            None
        } else if !self.filters.words.is_empty() {
            narrowed.counts.as_ref().and_then(|counts| counts[group as usize])
        } else if self.is_answered(&narrowed.remaining, meta) {
            Some(match &narrowed.rows {
                Some(rows) => rows.range_cardinality(positions_of(meta)) as u32,
                None if chunk.dead().is_empty() => meta.rows,
                None => {
                    Group::new(chunk.table(), group as usize).live_rows(chunk.dead()).count() as u32
                }
            })
        } else {
            None
        }
    }

    fn is_answered(&self, remaining: &Remaining, meta: &GroupMeta) -> bool {
        !remaining.owners
            && !remaining.attributes.contains(&true)
            && (!remaining.levels || self.filters.has_all_levels(meta.levels))
    }

    /// How many row groups are to be looked at: more workers than that have nothing to do.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Looks at groups until none is left. Any number of workers may do so at once; each takes
    /// the groups that the others have not. What each answers belongs into [`Self::page`].
    ///
    /// # Errors
    ///
    /// [`QueryError::Table`] and [`QueryError::Cancelled`]. The search has then failed.
    pub fn work(&self) -> Result<Scanned, QueryError> {
        self.workers.fetch_add(1, Ordering::Relaxed);
        let mut scan = Scan::new(self);
        while let Some(&group) = self.groups.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            self.limits.check_cancelled()?;
            if self.total == Total::Unasked && !self.may_take(group.best) {
                // Those that follow are no better.
                break;
            }
            scan.visit(group)?;
        }
        Ok(scan.finish())
    }

    /// Whether a row of this time, in the order's numbers, may be on the page.
    pub(crate) fn may_take(&self, time: i64) -> bool {
        time <= self.last.load(Ordering::Relaxed)
    }

    /// Notes that the page is full of rows up to this time, in the order's numbers.
    pub(crate) fn page_ends_by(&self, time: i64) {
        self.last.fetch_min(time, Ordering::Relaxed);
    }

    /// The page, from what every worker found: its records are still to be read.
    ///
    /// # Panics
    ///
    /// When a worker's part is missing, because the rest would pass for the whole.
    #[must_use]
    pub fn page(self, parts: Vec<Scanned>) -> Page {
        self.page_among(parts, &[])
    }

    /// The page, from what every worker found and from the keys that other searches found for
    /// the same question in other chunks.
    ///
    /// # Panics
    ///
    /// As [`Self::page`].
    #[must_use]
    pub fn page_among(mut self, parts: Vec<Scanned>, others: &[Keys]) -> Page {
        let (mut candidates, kept) = self.gather(parts);
        for other in others {
            self.tally.add(&other.tally);
            for &Key { time, id } in &other.keys {
                candidates.offer(time, id, Place::ELSEWHERE);
            }
        }
        let total = (self.total == Total::Exact).then_some(self.tally.rows_matched);
        let page = candidates.into_page(self.offset);
        Page::new(self.chunks, self.limits, &page, kept, total, self.tally)
    }

    /// The keys that this search has for a page among others': those skipped too.
    ///
    /// # Panics
    ///
    /// As [`Self::page`].
    #[must_use]
    pub fn keys(mut self, parts: Vec<Scanned>) -> Keys {
        let (candidates, _) = self.gather(parts);
        let keys = candidates.into_page(0).into_iter().map(|(key, _)| key).collect();
        Keys { keys, tally: self.tally }
    }

    /// What every worker found, together.
    fn gather(&mut self, parts: Vec<Scanned>) -> (Candidates, KeptPages) {
        let workers = *self.workers.get_mut();
        assert_eq!(parts.len(), workers, "BUG: a search is finished with a part missing");
        let mut candidates = Candidates::new(self.order, self.depth);
        let mut kept = KeptPages::new();
        let mut visited = 0;
        for part in parts {
            visited += part.visited;
            self.tally.add(&part.tally);
            candidates.merge(part.candidates);
            kept.extend(part.kept);
        }
        let groups = self.groups.len() as u64;
        match self.total {
            Total::Exact => {
                assert_eq!(visited, groups, "BUG: a search is finished before all was visited");
            }
            Total::Unasked => self.tally.prune(Step::GroupPage, groups, groups - visited),
        }
        (candidates, kept)
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
