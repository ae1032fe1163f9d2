//! Rows back to records: each page of a group is read once, whatever number of rows is wanted.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use varve_types::{Attribute, Level, Record, Resource, TimestampNs, Value, ValueKind};

use crate::byte_column::ByteColumn;
use crate::column::Column;
use crate::column_id::ColumnId;
use crate::error::{FormatError, Malformed};
use crate::resource::decode_resource;
use crate::table::Table;

impl Table {
    /// The records at some rows of a group, in the order asked. Rows may repeat.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or a page is damaged.
    ///
    /// # Panics
    ///
    /// When there is no such group, or a row is not below its number of rows.
    pub fn records(&self, group: usize, rows: &[u32]) -> Result<Vec<Record>, FormatError> {
        let group_rows = self.groups()[group].rows;
        assert!(
            rows.iter().all(|&row| row < group_rows),
            "BUG: a row is outside its group of {group_rows} rows"
        );
        if rows.is_sorted_by(|a, b| a < b) {
            return self.ascending_records(group, rows, &|_| None);
        }
        let mut wanted = rows.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let records = self.ascending_records(group, &wanted, &|_| None)?;
        let place = |row: &u32| wanted.binary_search(row).unwrap_or_default();
        Ok(rows.iter().map(|row| records[place(row)].clone()).collect())
    }

    /// The record at one row of a group.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or a page is damaged.
    ///
    /// # Panics
    ///
    /// When there is no such group or row.
    pub fn record(&self, group: usize, row: u32) -> Result<Record, FormatError> {
        let mut records = self.records(group, &[row])?;
        Ok(records.pop().expect("BUG: one row was asked for"))
    }

    /// All records of a group, in order.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or a page is damaged.
    ///
    /// # Panics
    ///
    /// When there is no such group.
    pub fn all_records(&self, group: usize) -> Result<Vec<Record>, FormatError> {
        let rows: Vec<u32> = (0..self.groups()[group].rows).collect();
        self.ascending_records(group, &rows, &|_| None)
    }

    /// The records at some rows of a group, which ascend, by a caller that has read some of the
    /// group's columns already.
    ///
    /// # Errors
    ///
    /// When the source cannot be read or a page is damaged.
    ///
    /// # Panics
    ///
    /// When there is no such group, or a row is not below its number of rows.
    pub fn records_with(
        &self,
        group: usize,
        rows: &[u32],
        held: &dyn Fn(&ColumnId) -> Option<Arc<Column>>,
    ) -> Result<Vec<Record>, FormatError> {
        let group_rows = self.groups()[group].rows;
        assert!(
            rows.is_sorted_by(|a, b| a < b) && rows.last().is_none_or(|&last| last < group_rows),
            "BUG: rows do not ascend within their group of {group_rows}"
        );
        self.ascending_records(group, rows, held)
    }

    fn ascending_records(
        &self,
        group: usize,
        rows: &[u32],
        held: &dyn Fn(&ColumnId) -> Option<Arc<Column>>,
    ) -> Result<Vec<Record>, FormatError> {
        let mut records = vec![Record::default(); rows.len()];
        if rows.is_empty() {
            return Ok(records);
        }
        self.for_pages(group, Some(rows), |id, decode| {
            if !id.is_of_record() {
                return Ok(());
            }
            let filled = match held(id) {
                Some(column) => fill(&mut records, rows, id, &column),
                None => fill(&mut records, rows, id, &decode()?),
            };
            filled.map_err(|what| self.contradiction(format!("column {id}, group {group}: {what}")))
        })?;
        Ok(records)
    }
}

/// Fills one column's values into the records of some rows, which ascend.
fn fill(
    records: &mut [Record],
    rows: &[u32],
    id: &ColumnId,
    column: &Column,
) -> Result<(), Malformed> {
    match id {
        ColumnId::Timestamp => ints(column, rows, |out, ns| {
            records[out].timestamp = Some(TimestampNs(ns));
        }),
        ColumnId::Level => ints(column, rows, |out, number| {
            let level = u8::try_from(number).ok().and_then(Level::from_number);
            records[out].level = level.unwrap_or_default();
        }),
        ColumnId::Service => shared(column, rows, text, |out, service| {
            records[out].service = service;
        }),
        ColumnId::LevelText => shared(column, rows, text, |out, spelling| {
            records[out].level_text = Some(spelling);
        }),
        ColumnId::Message => shared(column, rows, raw, |out, message| {
            records[out].message = message;
        }),
        ColumnId::Resource => shared(column, rows, resource, |out, resource| {
            records[out].resource = resource;
        }),
        ColumnId::Attribute { name, kind } => {
            let mut push = |out: usize, value| {
                records[out].attributes.push(Attribute { name: Arc::clone(name), value });
            };
            attribute(column, rows, *kind, &mut push)
        }
        ColumnId::Tenant | ColumnId::Index | ColumnId::Row | ColumnId::CreatedAt => Ok(()),
    }
}

fn attribute(
    column: &Column,
    rows: &[u32],
    kind: ValueKind,
    push: &mut dyn FnMut(usize, Value),
) -> Result<(), Malformed> {
    match kind {
        ValueKind::Null => units(column, rows, |out| push(out, Value::Null)),
        ValueKind::EmptyObject => units(column, rows, |out| push(out, Value::EmptyObject)),
        ValueKind::Bool => ints(column, rows, |out, truth| push(out, Value::Bool(truth != 0))),
        ValueKind::Int => ints(column, rows, |out, number| push(out, Value::Int(number))),
        ValueKind::Float => ints(column, rows, |out, bits| {
            push(out, Value::Float(f64::from_bits(bits as u64)));
        }),
        ValueKind::Number => shared(column, rows, text, |out, text| push(out, Value::Number(text))),
        ValueKind::Text => shared(column, rows, text, |out, text| push(out, Value::Text(text))),
        ValueKind::Array => shared(column, rows, text, |out, text| push(out, Value::Array(text))),
        ValueKind::Bytes => shared(column, rows, raw, |out, raw| push(out, Value::Bytes(raw))),
    }
}

const WRONG_CLASS: &str = "a column has values of another class than its identity says";

fn ints(column: &Column, rows: &[u32], mut each: impl FnMut(usize, i64)) -> Result<(), Malformed> {
    let Column::Ints { presence, values } = column else {
        return Err(WRONG_CLASS.into());
    };
    presence.for_wanted(rows, |out, value| each(out, values[value]));
    Ok(())
}

fn units(column: &Column, rows: &[u32], mut each: impl FnMut(usize)) -> Result<(), Malformed> {
    let Column::Unit { presence } = column else {
        return Err(WRONG_CLASS.into());
    };
    presence.for_wanted(rows, |out, _| each(out));
    Ok(())
}

/// Strings made into values; a dictionary's entries are made once and shared.
fn shared<T: Clone>(
    column: &Column,
    rows: &[u32],
    make: impl Fn(&ByteColumn, usize) -> Result<T, Malformed>,
    mut each: impl FnMut(usize, T),
) -> Result<(), Malformed> {
    let mut failed = None;
    match column {
        Column::Bytes { presence, values } => {
            presence.for_wanted(rows, |out, value| match make(values, value) {
                Ok(made) => each(out, made),
                Err(what) => failed = Some(what),
            });
        }
        Column::Dict { presence, dictionary, codes } => {
            let mut made: HashMap<u32, T> = HashMap::new();
            presence.for_wanted(rows, |out, value| {
                let code = codes[value];
                if let Some(value) = made.get(&code) {
                    return each(out, value.clone());
                }
                match make(dictionary, code as usize) {
                    Ok(value) => {
                        made.insert(code, value.clone());
                        each(out, value);
                    }
                    Err(what) => failed = Some(what),
                }
            });
        }
        Column::Ints { .. } | Column::Unit { .. } => return Err(WRONG_CLASS.into()),
    }
    failed.map_or(Ok(()), Err)
}

fn text(strings: &ByteColumn, position: usize) -> Result<Arc<str>, Malformed> {
    std::str::from_utf8(strings.get(position))
        .map(Arc::from)
        .map_err(|_| "a text is not UTF-8".into())
}

/// Copied, so that one answer does not hold a whole page in memory.
fn raw(strings: &ByteColumn, position: usize) -> Result<Bytes, Malformed> {
    Ok(Bytes::copy_from_slice(strings.get(position)))
}

fn resource(strings: &ByteColumn, position: usize) -> Result<Arc<Resource>, Malformed> {
    decode_resource(strings.get(position))
        .map(Arc::new)
        .ok_or_else(|| "a resource set is not in its canonical encoding".into())
}
