//! What records must be to be taken into a block: what its format relies on.

use std::collections::BTreeSet;
use std::sync::Arc;

use varve_types::{Attribute, Record, Resource, Value, ValueKind, limits};

use crate::block::BlockError;
use crate::cells::GroupCells;
use crate::table::bounds::RECORD_BYTES_MAX;

/// A timestamp and a level.
pub(super) const FIXED_BYTES: usize = 9;

/// Checks a part against a block that has `rows` rows of `raw_bytes` bytes, decoded.
pub(super) fn check(
    records: &[Record],
    group: &GroupCells,
    rows: u32,
    raw_bytes: usize,
) -> Result<(), BlockError> {
    let rows = rows as usize + records.len();
    if rows > limits::BLOCK_ROWS_MAX {
        return Err(BlockError::TooManyRows { rows });
    }
    let mut resource: Option<&Arc<Resource>> = None;
    let (mut bytes, mut attributes) = (raw_bytes, 0);
    for (number, record) in records.iter().enumerate() {
        let is_new = resource.is_none_or(|last| !Arc::ptr_eq(last, &record.resource));
        bytes += FIXED_BYTES + check_record(number, record, is_new)?;
        attributes += record.attributes.len();
        resource = Some(&record.resource);
    }
    if bytes > limits::REQUEST_BYTES_MAX {
        return Err(BlockError::TooManyBytes { bytes });
    }
    // Mostly the attributes, counted once per record, already fit; only else count columns.
    if group.attributes() + attributes > limits::COLUMNS_PER_SEGMENT_MAX {
        let new: BTreeSet<(&Arc<str>, ValueKind)> = (records.iter())
            .flat_map(|record| &record.attributes)
            .map(|attribute| (&attribute.name, attribute.value.kind()))
            .filter(|(name, kind)| group.find(name, *kind).is_none())
            .collect();
        let columns = group.attributes() + new.len();
        if columns > limits::COLUMNS_PER_SEGMENT_MAX {
            return Err(BlockError::TooManyColumns { columns });
        }
    }
    Ok(())
}

/// How many bytes of strings the record adds, its resource being new or that of the one before.
fn check_record(
    number: usize,
    record: &Record,
    is_new_resource: bool,
) -> Result<usize, BlockError> {
    if record.timestamp.is_none() {
        return Err(BlockError::NoTimestamp { record: number });
    }
    if record.service.len() > limits::SERVICE_BYTES_MAX {
        return Err(BlockError::NameTooLong { record: number, bytes: record.service.len() });
    }
    let mut bytes = own_bytes(record);
    check_names(number, &record.attributes)?;
    if is_new_resource {
        check_names(number, &record.resource.0)?;
        bytes += attribute_bytes(&record.resource.0);
    }
    if bytes > RECORD_BYTES_MAX {
        return Err(BlockError::TooLong { record: number, bytes });
    }
    Ok(bytes)
}

fn check_names(record: usize, attributes: &[Attribute]) -> Result<(), BlockError> {
    let mut previous: Option<&Arc<str>> = None;
    for Attribute { name, .. } in attributes {
        if name.len() > limits::ATTRIBUTE_NAME_BYTES_MAX {
            return Err(BlockError::NameTooLong { record, bytes: name.len() });
        }
        if previous.is_some_and(|previous| previous >= name) {
            return Err(BlockError::Unsorted { record, name: Arc::clone(name) });
        }
        previous = Some(name);
    }
    Ok(())
}

/// All strings of a record but its resource, which many records share.
pub(super) fn own_bytes(record: &Record) -> usize {
    record.service.len()
        + record.message.len()
        + record.level_text.as_ref().map_or(0, |text| text.len())
        + attribute_bytes(&record.attributes)
}

/// All names and values of some attributes.
pub(super) fn attribute_bytes(attributes: &[Attribute]) -> usize {
    let value_bytes = |value: &Value| match value {
        Value::Null | Value::EmptyObject => 0,
        Value::Bool(_) => 1,
        Value::Int(_) | Value::Float(_) => 8,
        Value::Number(text) | Value::Text(text) | Value::Array(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    };
    attributes.iter().map(|attribute| attribute.name.len() + value_bytes(&attribute.value)).sum()
}
