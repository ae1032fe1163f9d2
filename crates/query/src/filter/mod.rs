//! From a search to the rows of a group that match it: cheap columns first, so that the dear
//! ones are read only where rows are left.
//!
//! The order is: time, tenant, service, level, attributes by name, phrases, words. Each filter
//! takes rows away from the set and says nothing about those already gone.

mod attribute;
mod fixed;
mod shapes;
mod words;

use varve_columnar::{ColumnId, FormatError, GroupMeta, LevelSet, Table, ZoneMap};
use varve_types::{Level, TenantId, TimeRange};

use crate::group::Group;
use crate::row_set::RowSet;
use crate::{Aggregate, Search};
pub(crate) use attribute::AttributeTerm;
pub(crate) use words::WordTerms;

/// Buffers kept from one group to the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Messages in lower case.
    messages: Vec<u8>,
    /// Attributes' values in lower case.
    attributes: Vec<u8>,
    /// By term: what is known of messages' shapes.
    shapes: Vec<shapes::Verdicts>,
}

/// A search's predicates, ready to run.
pub(crate) struct Filters {
    pub(crate) time: TimeRange,
    pub(crate) owners: Owners,
    levels: LevelSet,
    pub(crate) attributes: Vec<AttributeTerm>,
    pub(crate) words: WordTerms,
}

/// Whose rows are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Owners {
    pub(crate) tenant: TenantId,
    /// Any of these; empty means every service.
    pub(crate) services: Vec<String>,
}

/// Which predicates are still to be answered by the pages of a chunk.
#[derive(Clone, Debug)]
pub(crate) struct Remaining {
    pub(crate) owners: bool,
    pub(crate) levels: bool,
    /// By the predicate's place.
    pub(crate) attributes: Vec<bool>,
}

impl Filters {
    pub(crate) fn new(search: &Search) -> Self {
        Self {
            time: search.time,
            owners: Owners { tenant: search.tenant, services: search.services.clone() },
            levels: level_set(&search.levels),
            attributes: search.attributes.iter().map(AttributeTerm::new).collect(),
            words: WordTerms::new(&search.words),
        }
    }

    /// The predicates of an aggregate: neither attributes nor words.
    pub(crate) fn of_aggregate(aggregate: &Aggregate) -> Self {
        let Aggregate { tenant, time, services, levels, .. } = aggregate;
        Self::new(&Search {
            tenant: *tenant,
            time: *time,
            services: services.clone(),
            levels: levels.clone(),
            ..Search::default()
        })
    }

    /// What is left to pages where no index answers.
    pub(crate) fn remaining(&self, table: &Table) -> Remaining {
        let is_mine = self.owners.tenant == TenantId(0) && !has_tenants(table);
        Remaining {
            owners: !is_mine || !self.owners.are_all_of(table.zone()),
            levels: !self.has_all_levels(table.zone().levels),
            attributes: vec![true; self.attributes.len()],
        }
    }

    /// Whether the footer of a table allows a match.
    pub(crate) fn may_match(&self, table: &Table) -> bool {
        let zone = table.zone();
        (self.owners.tenant == TenantId(0) || has_tenants(table))
            && self.may_have_level(zone.levels)
            && self.owners.may_occur(zone)
    }

    /// Whether the footer allows a match in time.
    pub(crate) fn may_have_time(&self, meta: &GroupMeta) -> bool {
        self.time.overlaps(meta.min_time, meta.max_time)
    }

    /// Whether rows of these levels allow a match.
    pub(crate) fn may_have_level(&self, levels: LevelSet) -> bool {
        self.levels().any(|level| levels.contains(level))
    }

    /// Whether every row of these levels is of one wanted.
    pub(crate) fn has_all_levels(&self, levels: LevelSet) -> bool {
        self.levels.union(levels) == self.levels
    }

    pub(crate) const fn wants_level(&self, level: Level) -> bool {
        self.levels.contains(level)
    }

    /// The levels wanted.
    pub(crate) fn levels(&self) -> impl Iterator<Item = Level> {
        Level::ALL.into_iter().filter(|&level| self.levels.contains(level))
    }

    /// Leaves of `selected` the rows that match what remains.
    pub(crate) fn apply(
        &self,
        remaining: &Remaining,
        group: &mut Group<'_>,
        selected: &mut RowSet,
        scratch: &mut Scratch,
    ) -> Result<(), FormatError> {
        self.apply_fixed(remaining, group, selected)?;
        for (attribute, _) in
            self.attributes.iter().zip(&remaining.attributes).filter(|(_, is)| **is)
        {
            if selected.is_empty() {
                return Ok(());
            }
            attribute.apply(group, selected)?;
        }
        self.words.apply(group, selected, scratch)
    }

    /// Leaves of `selected` the rows of the time, the tenant, the services and the levels.
    pub(crate) fn apply_fixed(
        &self,
        remaining: &Remaining,
        group: &mut Group<'_>,
        selected: &mut RowSet,
    ) -> Result<(), FormatError> {
        fixed::by_time(&self.time, group, selected)?;
        if remaining.owners && !selected.is_empty() {
            fixed::by_tenant(self.owners.tenant, group, selected)?;
            if !self.owners.services.is_empty() && !selected.is_empty() {
                fixed::by_service(&self.owners.services, group, selected)?;
            }
        }
        if remaining.levels && !selected.is_empty() && !self.has_all_levels(group.meta().levels) {
            fixed::by_level(self.levels, group, selected)?;
        }
        Ok(())
    }
}

impl Owners {
    pub(crate) fn wants_service(&self, service: &str) -> bool {
        self.services.is_empty() || self.services.iter().any(|wanted| wanted == service)
    }

    fn may_occur(&self, zone: &ZoneMap) -> bool {
        self.services.is_empty() || self.services.iter().any(|name| zone.may_have_service(name))
    }

    /// Whether the footer says that no row is of another service.
    fn are_all_of(&self, zone: &ZoneMap) -> bool {
        self.services.is_empty()
            || zone
                .services
                .as_ref()
                .is_some_and(|all| all.iter().all(|name| self.wants_service(name)))
    }
}

impl Remaining {
    /// Whether some predicate of a row is left beside its time and words.
    pub(crate) fn is_some_but_words(&self) -> bool {
        self.owners || self.levels || self.attributes.contains(&true)
    }
}

/// Whether rows of another tenant than 0 occur.
pub(crate) fn has_tenants(table: &Table) -> bool {
    table.columns().binary_search(&ColumnId::Tenant).is_ok()
}

/// No level wanted means any.
fn level_set(levels: &[Level]) -> LevelSet {
    let mut set = LevelSet::EMPTY;
    let any = if levels.is_empty() { &Level::ALL[..] } else { levels };
    any.iter().for_each(|&level| set.insert(level));
    set
}
