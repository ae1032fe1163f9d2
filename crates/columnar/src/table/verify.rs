//! Whether a table is what it says it is: every checksum, every cell, and everything that the
//! footer states about rows worked out again from the rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use varve_types::{ContentDigest, Level, LogIndex, RowDigest, RowNumber, TimestampNs};

use crate::column::Column;
use crate::column_id::ColumnId;
use crate::digest;
use crate::error::FormatError;
use crate::table::bounds::ZONE_SERVICES_MAX;
use crate::table::zone::LevelSet;
use crate::table::{Table, TableKind};

/// What one group's rows say of themselves.
#[derive(Default)]
struct GroupFacts {
    digests: Vec<RowDigest>,
    times: Vec<i64>,
    indexes: Vec<i64>,
    numbers: Vec<i64>,
    levels: LevelSet,
}

impl Table {
    /// Reads everything: checks every checksum, decodes every cell, and compares the digest and
    /// the zone map with what the rows say.
    ///
    /// # Errors
    ///
    /// The first damage or contradiction found.
    pub fn verify(&self) -> Result<(), FormatError> {
        let footer = &self.inner.footer;
        for section in &footer.sections {
            self.read_checked(section.offset, section.len, section.crc, "section")?;
        }
        let mut services = BTreeSet::new();
        let mut whole = ContentDigest::EMPTY;
        for group in 0..self.groups().len() {
            let facts = self.group_facts(group, &mut services)?;
            self.check_group(group, &facts)?;
            // Texts and resource sets must make records too.
            self.all_records(group)?;
            whole += self.digest_of(group, &facts);
        }
        if whole != footer.digest {
            return Err(self.contradiction(format!(
                "the rows' digest is {whole}, the footer says {}",
                footer.digest
            )));
        }
        let listed = footer.services.as_ref();
        let agrees = match listed {
            Some(listed) => listed.iter().eq(services.iter()),
            None => services.len() > ZONE_SERVICES_MAX,
        };
        if !agrees {
            return Err(self.contradiction("the footer lists other services than the rows have"));
        }
        Ok(())
    }

    /// The digest of every row of a group, not yet weighted by its place.
    pub(crate) fn row_digests(&self, group: usize) -> Result<Vec<RowDigest>, FormatError> {
        self.group_facts(group, &mut BTreeSet::new()).map(|facts| facts.digests)
    }

    fn group_facts(
        &self,
        group: usize,
        services: &mut BTreeSet<Arc<str>>,
    ) -> Result<GroupFacts, FormatError> {
        let rows = self.groups()[group].rows;
        let mut facts = GroupFacts {
            digests: vec![RowDigest::default(); rows as usize],
            ..GroupFacts::default()
        };
        self.for_columns(group, |id, column| {
            digest::add_column(id, &column, &mut facts.digests);
            match (id, column) {
                (ColumnId::Timestamp, Column::Ints { values, .. }) => facts.times = values,
                (ColumnId::Index, Column::Ints { values, .. }) => facts.indexes = values,
                (ColumnId::Row, Column::Ints { values, .. }) => facts.numbers = values,
                (ColumnId::Level, Column::Ints { values, .. }) => {
                    let levels = values.iter().filter_map(|&number| u8::try_from(number).ok());
                    levels
                        .filter_map(Level::from_number)
                        .for_each(|level| facts.levels.insert(level));
                }
                (ColumnId::Service, Column::Dict { dictionary, .. }) => {
                    let texts = dictionary.iter().filter_map(|text| std::str::from_utf8(text).ok());
                    services.extend(texts.map(Arc::<str>::from));
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(facts)
    }

    fn check_group(&self, group: usize, facts: &GroupFacts) -> Result<(), FormatError> {
        let meta = &self.groups()[group];
        let times = facts.times.iter().min().zip(facts.times.iter().max());
        let stated = (meta.min_time, meta.max_time);
        if times.map(|(&min, &max)| (TimestampNs(min), TimestampNs(max))) != Some(stated) {
            return Err(self.contradiction(format!("group {group}: the footer states other times")));
        }
        if facts.levels != meta.levels {
            return Err(
                self.contradiction(format!("group {group}: the footer states other levels"))
            );
        }
        let indexes = facts.indexes.iter().map(|&index| LogIndex(index as u64));
        if indexes.clone().min().zip(indexes.max()) != meta.indexes {
            return Err(
                self.contradiction(format!("group {group}: the footer states other indexes"))
            );
        }
        Ok(())
    }

    fn digest_of(&self, group: usize, facts: &GroupFacts) -> ContentDigest {
        let first = self.groups()[group].first_row as u32;
        let mut whole = ContentDigest::EMPTY;
        for (position, &cells) in facts.digests.iter().enumerate() {
            whole += match self.kind() {
                TableKind::Block => {
                    ContentDigest::of_row(cells, RowNumber(first + position as u32))
                }
                TableKind::Segment => {
                    let row = RowNumber(facts.numbers[position] as u32);
                    ContentDigest::of_row(cells, row).at(LogIndex(facts.indexes[position] as u64))
                }
            };
        }
        whole
    }
}
