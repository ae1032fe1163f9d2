//! One row group while it is searched: its pages, each read at most once and only when asked for.

use std::collections::BTreeMap;
use std::ops::{Deref, Range};
use std::sync::Arc;

use roaring::RoaringBitmap;
use varve_columnar::{
    ByteColumn, Column, ColumnId, FormatError, GroupMeta, Messages, Presence, ShapedColumn, Table,
    decode_resource,
};
use varve_types::{Record, Resource};

use crate::row_set::RowSet;

/// A row group and what was read of it so far.
pub(crate) struct Group<'a> {
    table: &'a Table,
    number: usize,
    meta: &'a GroupMeta,
    pages: Pages,
    resources: Option<Arc<Resources>>,
    /// The messages, read and not put together.
    shaped: Option<Arc<ShapedColumn>>,
    pages_read: u64,
    bytes_read: u64,
}

/// The columns of a group that were read; `None` for one that no row has a value in.
pub(crate) type Pages = BTreeMap<ColumnId, Option<Arc<Column>>>;

/// The resource sets of a group, decoded, and which rows have them. Rows of the empty set have
/// none.
pub(crate) struct Resources {
    column: Arc<Column>,
    sets: Vec<Resource>,
}

/// A number for every row of a group.
pub(crate) struct Ints(Arc<Column>);

impl Deref for Ints {
    type Target = [i64];

    fn deref(&self) -> &[i64] {
        match &*self.0 {
            Column::Ints { values, .. } => values,
            _ => unreachable!("BUG: a column of numbers holds none"),
        }
    }
}

impl<'a> Group<'a> {
    pub(crate) fn new(table: &'a Table, number: usize) -> Self {
        Self::with_pages(table, number, Pages::new())
    }

    /// A group of which some pages were read before.
    pub(crate) fn with_pages(table: &'a Table, number: usize, pages: Pages) -> Self {
        let meta = &table.groups()[number];
        Self {
            table,
            number,
            meta,
            pages,
            resources: None,
            shaped: None,
            pages_read: 0,
            bytes_read: 0,
        }
    }

    /// The pages read, to go on with later.
    pub(crate) fn into_pages(self) -> Pages {
        self.pages
    }

    pub(crate) const fn meta(&self) -> &'a GroupMeta {
        self.meta
    }

    pub(crate) const fn rows(&self) -> usize {
        self.meta.rows as usize
    }

    pub(crate) const fn pages_read(&self) -> u64 {
        self.pages_read
    }

    /// Bytes of the pages read, as stored.
    pub(crate) const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    fn note_read(&mut self, id: &ColumnId) {
        self.pages_read += 1;
        self.bytes_read += self.table.page_bytes(self.number, id).unwrap_or_default();
    }

    /// A column of the group, or `None` when no row has a value in it.
    pub(crate) fn column(&mut self, id: &ColumnId) -> Result<Option<Arc<Column>>, FormatError> {
        if let Some(page) = self.pages.get(id) {
            return Ok(page.clone());
        }
        let page = match &self.shaped {
            Some(shaped) if *id == ColumnId::Message => {
                Some(Arc::new(self.table.messages_of(self.number, shaped)?))
            }
            _ => {
                let page = self.table.read(self.number, id)?.map(Arc::new);
                if page.is_some() {
                    self.note_read(id);
                }
                page
            }
        };
        self.pages.insert(id.clone(), page.clone());
        Ok(page)
    }

    /// The shapes of the messages, or `None` where they are not shaped or already put together.
    pub(crate) fn shaped_messages(&mut self) -> Result<Option<Arc<ShapedColumn>>, FormatError> {
        if self.shaped.is_none() && !self.pages.contains_key(&ColumnId::Message) {
            match self.table.skim_messages(self.number)? {
                Messages::Shaped(shaped) => self.shaped = Some(Arc::new(shaped)),
                Messages::Whole(column) => {
                    self.pages.insert(ColumnId::Message, Some(Arc::new(column)));
                }
            }
            self.note_read(&ColumnId::Message);
        }
        Ok(self.shaped.clone())
    }

    /// A column that every row has a value in.
    fn whole(&mut self, id: &ColumnId) -> Result<Arc<Column>, FormatError> {
        match self.column(id)? {
            Some(column) if matches!(column.presence(), Presence::All(_)) => Ok(column),
            _ => Err(self.corrupt(&format!("column {id} lacks rows"))),
        }
    }

    /// The numbers of a column that every row has a value in.
    pub(crate) fn ints(&mut self, id: &ColumnId) -> Result<Ints, FormatError> {
        let column = self.whole(id)?;
        match &*column {
            Column::Ints { values, .. } if values.len() == self.rows() => Ok(Ints(column)),
            _ => Err(self.corrupt(&format!("column {id} holds no numbers"))),
        }
    }

    /// The resource sets, or `None` when every row has the empty one.
    pub(crate) fn resources(&mut self) -> Result<Option<Arc<Resources>>, FormatError> {
        if let Some(resources) = &self.resources {
            return Ok(Some(Arc::clone(resources)));
        }
        let Some(column) = self.column(&ColumnId::Resource)? else { return Ok(None) };
        let encoded: &ByteColumn = match &*column {
            Column::Dict { dictionary, .. } => dictionary,
            Column::Bytes { values, .. } => values,
            Column::Ints { .. } | Column::Unit { .. } => {
                return Err(self.corrupt("column resource holds no bytes"));
            }
        };
        let sets = encoded
            .iter()
            .map(decode_resource)
            .collect::<Option<_>>()
            .ok_or_else(|| self.corrupt("a resource set is not one"))?;
        let resources = Arc::new(Resources { column: Arc::clone(&column), sets });
        self.resources = Some(Arc::clone(&resources));
        Ok(Some(resources))
    }

    /// The rows that are records, of those outside `dead`: positions in the table, ascending.
    pub(crate) fn live_rows(&self, dead: &[Range<u32>]) -> RowSet {
        let first = self.meta.first_row as usize;
        let end = first + self.rows();
        let mut live = RowSet::all(self.rows());
        let from = dead.partition_point(|range| range.end as usize <= first);
        for range in dead[from..].iter().take_while(|range| (range.start as usize) < end) {
            let start = (range.start as usize).max(first) - first;
            live.remove_range(start..(range.end as usize).min(end) - first);
        }
        live
    }

    /// The group's part of a set of positions in the table.
    pub(crate) fn rows_of(&self, positions: &RoaringBitmap) -> RowSet {
        let mut rows = RowSet::none(self.rows());
        let range = positions_of(self.meta);
        for position in positions.range(range.clone()) {
            rows.insert((position - range.start) as usize);
        }
        rows
    }

    /// The records at positions in the group, which ascend.
    pub(crate) fn records(&mut self, rows: &[u32]) -> Result<Vec<Record>, FormatError> {
        let is_read = |id: &&ColumnId| id.is_of_record() && !self.pages.contains_key(*id);
        let unread: Vec<&ColumnId> = self.columns().filter(is_read).collect();
        unread.into_iter().for_each(|id| self.note_read(id));
        let held = |id: &ColumnId| self.pages.get(id).cloned().flatten();
        self.table.records_with(self.number, rows, &held)
    }

    pub(crate) const fn table(&self) -> &'a Table {
        self.table
    }

    /// The columns that have a value in this group.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &'a ColumnId> + use<'a> {
        self.table.columns_in(self.number)
    }

    /// Checks passed, and yet the contents make no sense.
    pub(crate) fn corrupt(&self, what: &str) -> FormatError {
        FormatError::Corrupt {
            name: self.table.name().to_owned(),
            offset: 0,
            what: format!("row group {}: {what}", self.number).into(),
        }
    }
}

impl Resources {
    /// The rows whose resource set is wanted.
    pub(crate) fn rows_where(&self, rows: usize, wanted: impl Fn(&Resource) -> bool) -> RowSet {
        let is_wanted: Vec<bool> = self.sets.iter().map(wanted).collect();
        let wanted = |set: u32| is_wanted.get(set as usize).copied().unwrap_or(false);
        match &*self.column {
            Column::Dict { presence, codes, .. } => {
                spread(presence, &RowSet::of_values(codes, wanted), rows)
            }
            column => {
                let sets = RowSet::of_values(&is_wanted, |is_wanted| is_wanted);
                spread(column.presence(), &sets, rows)
            }
        }
    }
}

/// A group's positions in its table. Indexes know none past 32 bits.
pub(crate) fn positions_of(meta: &GroupMeta) -> Range<u32> {
    let position = |row: u64| u32::try_from(row).unwrap_or(u32::MAX);
    position(meta.first_row)..position(meta.first_row + u64::from(meta.rows))
}

/// The rows whose values, of a column's values, are in the set.
pub(crate) fn spread(presence: &Presence, values: &RowSet, rows: usize) -> RowSet {
    match presence {
        Presence::All(_) if values.rows() == rows => values.clone(),
        Presence::All(_) | Presence::Some { .. } => {
            let mut spread = RowSet::none(rows);
            for (value, row) in presence.iter().enumerate() {
                if values.contains(value) {
                    spread.insert(row as usize);
                }
            }
            spread
        }
    }
}
