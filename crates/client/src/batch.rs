//! Cutting a stream of records into batches, always at the same places.
//!
//! Where a batch ends depends on nothing but the records, so that sending the same input again
//! under the same producer sends the same batches under the same sequences, and stores nothing
//! twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use varve_types::{Record, Value, ValueKind, limits};

/// Rows of one batch: enough to compress well, few enough to be stored within milliseconds.
pub const BATCH_ROWS_MAX: usize = 5_000;

/// Bytes of one batch, as [`record_bytes`] counts them, unless a single record has more.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

const _: () = assert!(BATCH_BYTES_MAX <= limits::KEYED_BATCH_BYTES_MAX);

/// Gathers records until a batch is full.
#[derive(Debug, Default)]
pub struct Batcher {
    records: Vec<Record>,
    bytes: usize,
    columns: BTreeSet<(Arc<str>, ValueKind)>,
}

/// What a record weighs in a batch, in bytes.
#[must_use]
pub fn record_bytes(record: &Record) -> usize {
    let text = |attribute: &varve_types::Attribute| {
        attribute.name.len()
            + match &attribute.value {
                Value::Number(text) | Value::Text(text) | Value::Array(text) => text.len(),
                Value::Bytes(bytes) => bytes.len(),
                Value::Null
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::EmptyObject => 8,
            }
    };
    let attributes: usize = record.attributes.iter().map(text).sum();
    let resource: usize = record.resource.0.iter().map(text).sum();
    record.message.len() + record.service.len() + 16 + attributes + resource
}

impl Batcher {
    /// Takes a record, and answers the batch before it when it no longer fits there.
    #[must_use = "what is answered is a batch to send"]
    pub fn push(&mut self, record: Record) -> Option<Vec<Record>> {
        let bytes = record_bytes(&record);
        let new_columns = record
            .attributes
            .iter()
            .filter(|a| !self.columns.contains(&(Arc::clone(&a.name), a.value.kind())))
            .count();
        let full = self.records.len() >= BATCH_ROWS_MAX
            || self.bytes + bytes > BATCH_BYTES_MAX
            || self.columns.len() + new_columns > limits::COLUMNS_PER_BATCH_MAX;
        let batch = if full { self.take() } else { None };
        if batch.is_some() || new_columns > 0 {
            let columns = record.attributes.iter().map(|a| (Arc::clone(&a.name), a.value.kind()));
            self.columns.extend(columns);
        }
        self.bytes += bytes;
        self.records.push(record);
        batch
    }

    /// What was gathered since the last batch, if anything was.
    pub fn take(&mut self) -> Option<Vec<Record>> {
        self.bytes = 0;
        self.columns.clear();
        let room = self.records.len();
        let records = std::mem::replace(&mut self.records, Vec::with_capacity(room));
        (!records.is_empty()).then_some(records)
    }
}
