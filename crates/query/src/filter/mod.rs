//! From a search to the rows of a group that match it: cheap columns first, so that the dear
//! ones are read only where rows are left.
//!
//! The order is: time, tenant, service, level, attributes by name, phrases, words. Each filter
//! takes rows away from the set and says nothing about those already gone.

mod attribute;
mod fixed;
mod words;

use varve_columnar::{FormatError, GroupMeta, LevelSet, ZoneMap};
use varve_types::{Level, TenantId, TimeRange};

use crate::group::Group;
use crate::row_set::RowSet;
use crate::{Explain, Search};

/// Buffers kept from one group to the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Messages in lower case.
    messages: Vec<u8>,
    /// Attributes' values in lower case.
    attributes: Vec<u8>,
}

/// A search's predicates, ready to run.
pub(crate) struct Filters {
    time: TimeRange,
    tenant: TenantId,
    services: Vec<String>,
    levels: LevelSet,
    attributes: Vec<attribute::AttributeTerm>,
    words: words::WordTerms,
}

impl Filters {
    pub(crate) fn new(search: &Search) -> Self {
        let any = if search.levels.is_empty() { &Level::ALL[..] } else { &search.levels };
        let mut levels = LevelSet::EMPTY;
        any.iter().for_each(|&level| levels.insert(level));
        Self {
            time: search.time,
            tenant: search.tenant,
            services: search.services.clone(),
            levels,
            attributes: search.attributes.iter().map(attribute::AttributeTerm::new).collect(),
            words: words::WordTerms::new(&search.words),
        }
    }

    /// Whether the footer of a table allows a match of service.
    pub(crate) fn may_have_service(&self, zone: &ZoneMap) -> bool {
        self.services.is_empty() || self.services.iter().any(|name| zone.may_have_service(name))
    }

    /// Whether the footer allows a match in time.
    pub(crate) fn may_have_time(&self, meta: &GroupMeta) -> bool {
        self.time.overlaps(meta.min_time, meta.max_time)
    }

    /// Whether the footer allows a match of level.
    pub(crate) fn may_have_level(&self, meta: &GroupMeta) -> bool {
        Level::ALL
            .into_iter()
            .any(|level| self.levels.contains(level) && meta.levels.contains(level))
    }

    /// Leaves of `selected` the rows that match.
    pub(crate) fn apply(
        &self,
        group: &mut Group<'_>,
        selected: &mut RowSet,
        scratch: &mut Scratch,
        explain: &mut Explain,
    ) -> Result<(), FormatError> {
        fixed::by_time(&self.time, group, selected)?;
        fixed::by_tenant(self.tenant, group, selected)?;
        if selected.is_empty() {
            return Ok(());
        }
        if !self.services.is_empty() && !group.has_only_services(&self.services) {
            fixed::by_service(&self.services, group, selected)?;
            if selected.is_empty() {
                explain.groups_emptied_by_service += 1;
                return Ok(());
            }
        }
        if self.levels.union(group.meta().levels) != self.levels {
            fixed::by_level(self.levels, group, selected)?;
            if selected.is_empty() {
                explain.groups_emptied_by_level += 1;
                return Ok(());
            }
        }
        for attribute in &self.attributes {
            attribute.apply(group, selected)?;
            if selected.is_empty() {
                explain.groups_emptied_by_attribute += 1;
                return Ok(());
            }
        }
        self.words.apply(group, selected, scratch)?;
        explain.groups_emptied_by_words += u64::from(selected.is_empty());
        Ok(())
    }
}
