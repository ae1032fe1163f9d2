//! Which row groups of a chunk may have a match, by what can be known without reading a page.
//!
//! The steps go from what costs nothing to what is read from disk: the footer's times, the event
//! hours, the footer's levels and services, bitmaps of rows, the roll-up, the words of row groups.
//! An index is opened where it may rule something out, and a step that leaves nothing is the last.

use std::collections::BTreeSet;

use roaring::RoaringBitmap;
use varve_columnar::{
    ColumnId, FormatError, GroupMeta, OwnerIndex, Rollup, Segment, Table, WordIndex,
};
use varve_types::Resource;

use crate::Chunk;
use crate::explain::{Step, Tally};
use crate::filter::{AttributeTerm, Filters, Owners, Remaining};
use crate::group::positions_of;

/// The level index holds the rows of all groups. It is read when at least one in so many of them
/// is left: for fewer, the groups' own pages of levels are less to read.
const LEVEL_GROUPS_FRACTION: usize = 4;

/// The roll-up is read when at least so many groups are left, each of which it may save.
const ROLLUP_GROUPS_MIN: usize = 64;

const HOUR_NS: i64 = 3_600_000_000_000;

/// One chunk while it is narrowed down.
pub(crate) struct Narrowing<'a> {
    chunk: &'a dyn Chunk,
    table: &'a Table,
    filters: &'a Filters,
    tally: &'a mut Tally,
    groups: Vec<u32>,
    rows: Option<RoaringBitmap>,
    remaining: Remaining,
    counts: Option<Vec<Option<u32>>>,
}

/// What is left of a chunk.
pub(crate) struct Narrowed {
    /// The row groups that may have a match, ascending.
    pub(crate) groups: Vec<u32>,
    /// Positions outside of which no row matches; `None` where nothing is known.
    pub(crate) rows: Option<RoaringBitmap>,
    /// The predicates that pages must answer.
    pub(crate) remaining: Remaining,
    /// By row group: how many rows match, where that was counted.
    pub(crate) counts: Option<Vec<Option<u32>>>,
}

impl<'a> Narrowing<'a> {
    pub(crate) fn new(chunk: &'a dyn Chunk, filters: &'a Filters, tally: &'a mut Tally) -> Self {
        let table = chunk.table();
        Self {
            chunk,
            table,
            filters,
            tally,
            groups: Vec::new(),
            rows: None,
            remaining: filters.remaining(table),
            counts: None,
        }
    }

    /// What is left, or `None` when nothing is.
    pub(crate) fn run(mut self) -> Result<Option<Narrowed>, FormatError> {
        if !self.by_footer() {
            return Ok(None);
        }
        if let Some(segment) = self.chunk.segment() {
            let by_owner_or_level = self.remaining.owners || self.remaining.levels;
            self.by_bitmaps(segment)?;
            if by_owner_or_level && self.groups.len() >= ROLLUP_GROUPS_MIN {
                self.by_rollup(segment)?;
            }
            if !self.groups.is_empty() {
                self.by_words(segment)?;
            }
        }
        let Self { groups, rows, remaining, counts, .. } = self;
        Ok((!groups.is_empty()).then_some(Narrowed { groups, rows, remaining, counts }))
    }

    /// Leaves the groups that the footer allows; says whether there are any.
    fn by_footer(&mut self) -> bool {
        let Self { chunk, table, filters, tally, groups, .. } = self;
        let metas = table.groups();
        let in_range = metas.iter().any(|meta| filters.may_have_time(meta));
        if !(tally.stays(Step::ChunkRange, in_range)
            && tally.stays(Step::ChunkHours, chunk.may_have_time(&filters.time))
            && tally.stays(Step::ChunkZone, filters.may_match(table)))
        {
            return false;
        }
        for (group, meta) in (0..).zip(metas) {
            if tally.stays(Step::GroupRange, filters.may_have_time(meta))
                && tally.stays(Step::GroupZone, filters.may_have_level(meta.levels))
            {
                groups.push(group);
            }
        }
        !groups.is_empty()
    }

    fn by_bitmaps(&mut self, segment: &Segment) -> Result<(), FormatError> {
        let before = self.groups.len();
        if self.remaining.owners
            && let Some(index) = segment.owner_index()?
        {
            self.remaining.owners = false;
            if let Some(rows) = owner_rows(&index, &self.filters.owners)? {
                self.intersect(rows);
            }
        }
        let is_worth = self.groups.len() * LEVEL_GROUPS_FRACTION >= self.table.groups().len();
        if self.remaining.levels
            && is_worth
            && !self.groups.is_empty()
            && let Some(index) = segment.level_index()?
        {
            self.remaining.levels = false;
            let mut rows = RoaringBitmap::new();
            for level in self.filters.levels() {
                rows |= index.rows(level)?;
            }
            self.intersect(rows);
        }
        for at in 0..self.filters.attributes.len() {
            if !self.groups.is_empty() {
                self.by_resource(segment, at)?;
            }
        }
        if self.rows.is_some() {
            self.tally.prune(Step::GroupBitmap, before as u64, (before - self.groups.len()) as u64);
        }
        Ok(())
    }

    /// Where no row has an attribute of its own that may be the one wanted, resources decide.
    fn by_resource(&mut self, segment: &Segment, at: usize) -> Result<(), FormatError> {
        let attribute = &self.filters.attributes[at];
        if attribute.columns(self.table).next().is_some() {
            return Ok(());
        }
        let rows = if !has_resources(self.table) {
            RoaringBitmap::new()
        } else if let Some(index) = segment.resource_index()? {
            index.rows_where(|resource| attribute.kind_in(resource).is_some())?
        } else {
            return Ok(());
        };
        self.remaining.attributes[at] = false;
        self.intersect(rows);
        Ok(())
    }

    /// Leaves the groups that have some of the rows.
    fn intersect(&mut self, rows: RoaringBitmap) {
        let rows = match self.rows.take() {
            Some(known) => known & rows,
            None => rows,
        };
        let metas = self.table.groups();
        let has_row = |meta: &GroupMeta| rows.range(positions_of(meta)).next().is_some();
        self.groups.retain(|&group| has_row(&metas[group as usize]));
        self.rows = Some(rows);
    }

    fn by_rollup(&mut self, segment: &Segment) -> Result<(), FormatError> {
        let Some(rollup) = segment.rollup()? else { return Ok(()) };
        let hours = hours(&rollup, self.filters);
        let Self { tally, groups, table, filters, .. } = self;
        let (start, end) = (filters.time.start, filters.time.end);
        groups.retain(|&group| {
            let meta = &table.groups()[group as usize];
            let from = start.map_or(meta.min_time, |start| start.max(meta.min_time));
            let to = end.map_or(meta.max_time, |end| end.min(meta.max_time));
            let (from, to) = (from.get().div_euclid(HOUR_NS), to.get().div_euclid(HOUR_NS));
            let has_rows = from <= to && hours.range(from..=to).next().is_some();
            tally.stays(Step::GroupRollup, has_rows)
        });
        Ok(())
    }

    fn by_words(&mut self, segment: &Segment) -> Result<(), FormatError> {
        let filters = self.filters;
        let terms: Vec<&AttributeTerm> = (filters.attributes.iter())
            .zip(&self.remaining.attributes)
            .filter_map(|(term, remains)| remains.then_some(term))
            .collect();
        if filters.words.tokens().next().is_none() && terms.is_empty() {
            return Ok(());
        }
        let Some(index) = segment.word_index()? else { return Ok(()) };
        let before = self.groups.len();
        let is_all = self.rows.is_none()
            && !self.remaining.is_some_but_words()
            && self.chunk.dead().is_empty();
        match filters.words.only_word().filter(|_| is_all) {
            Some(word) => {
                let counts = index.counts(word)?;
                self.groups.retain(|&group| counts[group as usize] != Some(0));
                self.counts = Some(counts);
            }
            None => {
                for word in filters.words.tokens() {
                    self.retain_with(&index, word)?;
                }
            }
        }
        for term in terms {
            if !self.is_empty_or_lacks_words(segment, term)? {
                for word in term.words() {
                    self.retain_with(&index, &word)?;
                }
            }
        }
        self.tally.prune(Step::GroupFilter, before as u64, (before - self.groups.len()) as u64);
        Ok(())
    }

    fn retain_with(&mut self, index: &WordIndex, word: &[u8]) -> Result<(), FormatError> {
        if !self.groups.is_empty() {
            let groups = index.groups(word)?;
            self.groups.retain(|&group| groups.contains(group));
        }
        Ok(())
    }

    /// Whether some row may have the value without its words being indexed, or nothing is left.
    fn is_empty_or_lacks_words(
        &self,
        segment: &Segment,
        term: &AttributeTerm,
    ) -> Result<bool, FormatError> {
        let lacks_words = |id: &ColumnId| matches!(id, ColumnId::Attribute { kind, .. } if term.may_lack_words(*kind));
        if self.groups.is_empty() || term.columns(self.table).any(lacks_words) {
            return Ok(true);
        }
        if !term.has_kind_without_words() || !has_resources(self.table) {
            return Ok(false);
        }
        let in_resource = |resource: &Resource| {
            term.kind_in(resource).is_some_and(|kind| term.may_lack_words(kind))
        };
        let index = segment.resource_index()?;
        let rows = index.map(|index| index.rows_where(in_resource)).transpose()?;
        Ok(rows.is_none_or(|rows| !rows.is_empty()))
    }
}

fn has_resources(table: &Table) -> bool {
    table.columns().binary_search(&ColumnId::Resource).is_ok()
}

/// The rows of the tenant's services, or `None` when they are all rows.
fn owner_rows(index: &OwnerIndex, owners: &Owners) -> Result<Option<RoaringBitmap>, FormatError> {
    let is_wanted =
        |(tenant, service): (_, &str)| tenant == owners.tenant && owners.wants_service(service);
    if index.owners().all(is_wanted) {
        return Ok(None);
    }
    let mut rows = RoaringBitmap::new();
    if owners.services.is_empty() {
        for (tenant, service) in index.owners().filter(|&owner| is_wanted(owner)) {
            rows |= index.rows(tenant, service)?;
        }
    } else {
        for service in &owners.services {
            rows |= index.rows(owners.tenant, service)?;
        }
    }
    Ok(Some(rows))
}

/// The hours in which the owners wanted have rows of the levels wanted.
fn hours(rollup: &Rollup, filters: &Filters) -> BTreeSet<i64> {
    let owners = &filters.owners;
    let is_owner: Vec<bool> = (rollup.owners.iter())
        .map(|(tenant, service)| *tenant == owners.tenant && owners.wants_service(service))
        .collect();
    (rollup.hours.iter())
        .filter(|cell| is_owner[cell.owner as usize] && filters.wants_level(cell.level))
        .map(|cell| cell.start)
        .collect()
}
