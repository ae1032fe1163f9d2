//! How large a record and a batch are, decoded: the one measure that all limits on batches and
//! blocks use.

use std::collections::HashSet;
use std::sync::Arc;

use varve_types::{Attribute, Record, Resource, Value};

/// What a record costs beside its strings: its times, level and places in columns.
const RECORD_FIXED_BYTES: usize = 24;

/// What an attribute costs beside its name and value: its place in its column.
const ATTRIBUTE_FIXED_BYTES: usize = 8;

/// A record's decoded size in bytes, without its resource, which many records share.
///
/// Names of attributes count in every record: they are what makes a directory of columns large.
#[must_use]
pub fn record_bytes(record: &Record) -> usize {
    RECORD_FIXED_BYTES
        + record.service.len()
        + record.level_text.as_ref().map_or(0, |text| text.len())
        + record.message.len()
        + attributes_bytes(&record.attributes)
}

/// A record's decoded size in bytes with its resource: what a batch of it alone has.
pub(crate) fn bytes_alone(record: &Record) -> usize {
    record_bytes(record) + attributes_bytes(&record.resource.0)
}

fn attributes_bytes(attributes: &[Attribute]) -> usize {
    let bytes = |attribute: &Attribute| {
        ATTRIBUTE_FIXED_BYTES + attribute.name.len() + value_bytes(&attribute.value)
    };
    attributes.iter().map(bytes).sum()
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::EmptyObject => 0,
        Value::Bool(_) => 1,
        Value::Int(_) | Value::Float(_) => 8,
        Value::Number(text) | Value::Text(text) | Value::Array(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
    }
}

/// Adds up the size of a batch: its records, and each resource once.
#[derive(Debug, Default)]
pub struct BatchSize<'a> {
    bytes: usize,
    last_resource: Option<&'a Arc<Resource>>,
    /// Addresses, which the borrow of the records keeps from being used again.
    resources: HashSet<*const Resource>,
}

impl<'a> BatchSize<'a> {
    /// The decoded size of these records together, in bytes.
    #[must_use]
    pub fn of(records: &'a [Record]) -> usize {
        let mut size = Self::default();
        for record in records {
            size.add(record);
        }
        size.bytes
    }

    /// Adds a record, and returns the size with it, in bytes.
    pub fn add(&mut self, record: &'a Record) -> usize {
        self.bytes += record_bytes(record);
        let repeats = self.last_resource.is_some_and(|last| Arc::ptr_eq(last, &record.resource));
        if !repeats {
            self.last_resource = Some(&record.resource);
            if self.resources.insert(Arc::as_ptr(&record.resource)) {
                self.bytes += attributes_bytes(&record.resource.0);
            }
        }
        self.bytes
    }
}
