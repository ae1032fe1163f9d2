//! The key that makes a batch safe to resend, as a message.

use varve_types::{BatchKey, BatchKeyError, Epoch, ProducerId, ProducerKey, Sequence, TenantId};

use crate::{DecodeError, Place, v1};

/// The key in a tenant's namespace.
///
/// # Errors
///
/// Names `key.producer_id` or `key.sequence`, and what is wrong with it.
pub fn decode_batch_key(tenant: TenantId, key: &v1::BatchKey) -> Result<BatchKey, DecodeError> {
    let refused = |field: &str, problem: BatchKeyError| DecodeError {
        place: Place::Request,
        field: format!("key.{field}"),
        problem: problem.into(),
    };
    let producer = ProducerId::new(&key.producer_id).map_err(|e| refused("producer_id", e))?;
    let sequence = Sequence::new(key.sequence)
        .ok_or_else(|| refused("sequence", BatchKeyError::Sequence(key.sequence.to_string())))?;
    Ok(BatchKey { producer: ProducerKey { tenant, producer, epoch: Epoch(key.epoch) }, sequence })
}

/// The key as a message; its tenant is that of the connection.
#[must_use]
pub fn encode_batch_key(key: &BatchKey) -> v1::BatchKey {
    v1::BatchKey {
        producer_id: key.producer.producer.as_str().to_owned(),
        epoch: key.producer.epoch.0,
        sequence: key.sequence.get(),
    }
}
