//! A batch: the unit of acknowledgement and of exactly-once, as every protocol delivers it.

use varve_types::limits::{BLOCK_ROWS_MAX, KEYED_BATCH_BYTES_MAX};
use varve_types::{BatchDigest, BatchKey, Record, TenantId};

use crate::size::bytes_alone;
use crate::{BatchSize, ErrorKind, IngestError, Refusal, batch_digest};

/// Records that were sent together, checked, and safe to store.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Whose records.
    pub tenant: TenantId,
    /// What makes a resend safe; `None` lets the gateway choose.
    pub key: Option<BatchKey>,
    /// Of all records, as they were decoded.
    pub digest: BatchDigest,
    /// At least one. With a key, within the limits of one block.
    pub records: Vec<Record>,
}

impl Batch {
    /// Takes decoded records, whose own fields have been checked.
    ///
    /// # Errors
    ///
    /// Invalid when there are no records. Too large when one record with its resource, or a batch
    /// with a key as a whole, does not fit in a block.
    pub(crate) fn new(
        tenant: TenantId,
        key: Option<BatchKey>,
        records: Vec<Record>,
    ) -> Result<Self, IngestError> {
        if records.is_empty() {
            let hint = "send at least one record";
            return Err(Refusal::of_request(ErrorKind::Invalid, "", "no records", hint).into());
        }
        if let Some(index) = records.iter().position(|r| bytes_alone(r) > KEYED_BATCH_BYTES_MAX) {
            return Err(record_too_large(index, bytes_alone(&records[index])).into());
        }
        if key.is_some() {
            check_keyed(&records)?;
        }
        let digest = batch_digest(&records);
        Ok(Self { tenant, key, digest, records })
    }
}

fn record_too_large(index: usize, bytes: usize) -> Refusal {
    Refusal {
        index: Some(index),
        ..Refusal::of_request(
            ErrorKind::TooLarge,
            "",
            format!("is {bytes} bytes decoded; a record has at most {KEYED_BATCH_BYTES_MAX}"),
            "send less metadata, or a smaller resource, per record",
        )
    }
}

fn check_keyed(records: &[Record]) -> Result<(), IngestError> {
    let bytes = BatchSize::of(records);
    let message = if bytes > KEYED_BATCH_BYTES_MAX {
        format!("is {bytes} bytes decoded; one with a key has at most {KEYED_BATCH_BYTES_MAX}")
    } else if records.len() > BLOCK_ROWS_MAX {
        format!("has {} records; one with a key has at most {BLOCK_ROWS_MAX}", records.len())
    } else {
        return Ok(());
    };
    let hint = "send smaller batches, each under its own key, or leave the key out";
    Err(Refusal::of_request(ErrorKind::TooLarge, "batch", message, hint).into())
}

/// Cuts the records of a batch without a key into pieces that each fit in a block, in order: at
/// most [`KEYED_BATCH_BYTES_MAX`] decoded bytes and [`BLOCK_ROWS_MAX`] records.
#[must_use]
pub fn cut(mut records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut starts = Vec::new();
    let mut size = BatchSize::default();
    let mut start = 0;
    for (row, record) in records.iter().enumerate() {
        if row - start == BLOCK_ROWS_MAX || size.add(record) > KEYED_BATCH_BYTES_MAX && row > start
        {
            starts.push(row);
            start = row;
            size = BatchSize::default();
            size.add(record);
        }
    }
    let mut pieces: Vec<_> = starts.into_iter().rev().map(|at| records.split_off(at)).collect();
    pieces.push(records);
    pieces.reverse();
    pieces
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use varve_types::{Attribute, Resource, Value};

    use super::*;

    fn records(count: usize, message_bytes: usize) -> Vec<Record> {
        let text = Value::Text("x".repeat(1000).into());
        let resource = Arc::new(Resource(vec![Attribute { name: "host".into(), value: text }]));
        let record = |row: usize| Record {
            service: "s".into(),
            message: format!("{row}{}", "x".repeat(message_bytes)).into(),
            resource: Arc::clone(&resource),
            ..Record::default()
        };
        (0..count).map(record).collect()
    }

    #[test]
    fn pieces_fit_and_keep_the_order() {
        for (count, message_bytes) in [(1, 1), (40, 1 << 20), (BLOCK_ROWS_MAX + 1, 1), (9000, 2000)]
        {
            let whole = records(count, message_bytes);
            let pieces = cut(whole.clone());
            for piece in &pieces {
                assert!(BatchSize::of(piece) <= KEYED_BATCH_BYTES_MAX);
                assert!((1..=BLOCK_ROWS_MAX).contains(&piece.len()));
            }
            assert!(pieces.len() > 1 || count == 1);
            assert_eq!(pieces.concat(), whole);
        }
    }

    #[test]
    fn with_a_key_a_batch_must_fit_in_a_block() {
        let key = BatchKey::parse(TenantId(0), "p:0:1").expect("parses");
        let new = |key: Option<&BatchKey>, records| Batch::new(TenantId(0), key.cloned(), records);
        let refusal = |key, records| new(key, records).expect_err("refused").to_string();
        assert_eq!(refusal(None, vec![]), "no records");
        assert_eq!(
            refusal(Some(&key), records(8, 1 << 20)),
            "batch is 8389828 bytes decoded; one with a key has at most 8388608"
        );
        assert_eq!(
            refusal(Some(&key), records(BLOCK_ROWS_MAX + 1, 1)),
            "batch has 131073 records; one with a key has at most 131072"
        );
        assert_eq!(
            refusal(None, records(1, 9 << 20)),
            "records[0] is 9438222 bytes decoded; a record has at most 8388608"
        );
        // A record is never cut: with its resource it must fit in a block by itself.
        let text = Value::Bytes(vec![0; 9 << 20].into());
        let resource = Arc::new(Resource(vec![Attribute { name: "host".into(), value: text }]));
        assert_eq!(
            refusal(None, vec![Record { resource, ..records(1, 1)[0].clone() }]),
            "records[0] is 9437223 bytes decoded; a record has at most 8388608"
        );
        assert!(new(None, records(8, 1 << 20)).is_ok());
        assert!(new(Some(&key), records(7, 1 << 20)).is_ok());
    }
}
