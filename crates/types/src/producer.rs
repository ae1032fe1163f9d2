//! Who sends batches, and the key that makes sending one again safe.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{TenantId, limits};

/// The name under which a client numbers its batches: 1 to 64 of `[A-Za-z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(Arc<str>);

/// A namespace of sequences of one producer: a restarted client that forgot where it was starts
/// a new one. It fences nothing: batches of older epochs are still taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

/// A batch's number within (tenant, producer, epoch), from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u64);

/// Whose sequences: (tenant, producer, epoch).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerKey {
    /// Producers of two tenants never meet.
    pub tenant: TenantId,
    /// The client's chosen name.
    pub producer: ProducerId,
    /// The client's namespace of sequences.
    pub epoch: Epoch,
}

/// One batch: sending it again under the same key, with the same content, stores it once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchKey {
    /// Whose batch.
    pub producer: ProducerKey,
    /// Which of them.
    pub sequence: Sequence,
}

/// Why a producer id, a sequence or an idempotency key was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchKeyError {
    /// The producer id is empty, too long or has a character outside the set.
    #[error(
        "producer id {0:?} is not 1 to {max} characters of A-Z a-z 0-9 . _ -",
        max = limits::PRODUCER_ID_BYTES_MAX
    )]
    Producer(String),
    /// Not three parts divided by colons.
    #[error("idempotency key {0:?} is not PRODUCER:EPOCH:SEQUENCE, for example \"billing-7:0:42\"")]
    Form(String),
    /// The epoch is not a whole number from 0 to 2^32 - 1.
    #[error("epoch {0:?} is not a whole number from 0 to 4294967295")]
    Epoch(String),
    /// The sequence is not a whole number from 1 to 2^64 - 1.
    #[error("sequence {0:?} is not a whole number from 1 to 18446744073709551615")]
    Sequence(String),
}

impl ProducerId {
    /// Takes a name as it was sent.
    ///
    /// # Errors
    ///
    /// [`BatchKeyError::Producer`] when the name is empty, longer than
    /// [`limits::PRODUCER_ID_BYTES_MAX`] or has another character.
    pub fn new(name: &str) -> Result<Self, BatchKeyError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty()
            || name.len() > limits::PRODUCER_ID_BYTES_MAX
            || !name.bytes().all(allowed)
        {
            return Err(BatchKeyError::Producer(name.to_owned()));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Sequence {
    /// The first sequence of a producer.
    pub const FIRST: Self = Self(1);

    /// The sequence with this number, or `None` for 0.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// The plain number, from 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sequence after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl BatchKey {
    /// Reads the header form `PRODUCER:EPOCH:SEQUENCE` in a tenant's namespace.
    ///
    /// # Errors
    ///
    /// Says which of the three parts is wrong, and how.
    pub fn parse(tenant: TenantId, text: &str) -> Result<Self, BatchKeyError> {
        let mut parts = text.split(':');
        let (Some(producer), Some(epoch), Some(sequence), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BatchKeyError::Form(text.to_owned()));
        };
        let producer = ProducerId::new(producer)?;
        let epoch = digits(epoch).ok_or_else(|| BatchKeyError::Epoch(epoch.to_owned()))?;
        let sequence = digits(sequence)
            .and_then(Sequence::new)
            .ok_or_else(|| BatchKeyError::Sequence(sequence.to_owned()))?;
        Ok(Self { producer: ProducerKey { tenant, producer, epoch: Epoch(epoch) }, sequence })
    }
}

/// A number written in digits alone: `u32::from_str` would also take a leading plus sign.
fn digits<N: FromStr>(text: &str) -> Option<N> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The header form, without the tenant: `PRODUCER:EPOCH:SEQUENCE`.
impl fmt::Display for BatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.producer.producer, self.producer.epoch.0, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_prints_as_it_was_written() {
        let key = BatchKey::parse(TenantId(0), "billing-7:3:42").expect("parses");
        assert_eq!(key.to_string(), "billing-7:3:42");
    }

    #[test]
    fn each_wrong_part_is_named() {
        let long = "x".repeat(limits::PRODUCER_ID_BYTES_MAX + 1);
        let refusals: Vec<String> =
            ["", "a:1", "a:1:2:3", "ü:1:1", "a:-1:1", "a:1:0", "a:+1:1", "a:1:x"]
                .into_iter()
                .map(str::to_owned)
                .chain([format!("{long}:1:1")])
                .map(|text| BatchKey::parse(TenantId(0), &text).expect_err(&text).to_string())
                .collect();
        for (refusal, part) in refusals.iter().zip([
            "idempotency key",
            "idempotency key",
            "idempotency key",
            "producer id",
            "epoch",
            "sequence",
            "epoch",
            "sequence",
            "producer id",
        ]) {
            assert!(refusal.starts_with(part), "{refusal}");
        }
    }
}
