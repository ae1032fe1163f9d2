//! The table's bytes, as a dedup file and as what a successor inherits.
//!
//! ```text
//! file      frame "VARVEDUP", version 1
//! payload   last stamp i64 | count | producer…
//! producer  tenant | name length, name | epoch | last seen i64 | count | part…
//! part      sequence (first), then the distance from the one before | range
//!           | position (shard, index, row, rows) | batch digest u128
//! ```
//!
//! Numbers without a width are varints. Producers and parts ascend.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use varve_types::{BatchDigest, Epoch, ProducerId, ProducerKey, Sequence, TenantId, TimestampNs};

use super::Dedup;
use super::producer::{Producer, StoredPart};
use crate::Position;
use crate::codec::{DecodeError, Reader, put_len, put_prefixed, put_range, put_varint};
use crate::frame;

const MAGIC: &[u8; 8] = b"VARVEDUP";
/// Versions that are read; the last is written.
const VERSIONS: RangeInclusive<u16> = 1..=1;
const PRODUCER_BYTES_MIN: usize = 1 + 2 + 1 + 8 + 1 + PART_BYTES_MIN;
const PART_BYTES_MIN: usize = 1 + 2 + 4 + 16;

impl Dedup {
    /// The table as bytes, with the last stamp that the shard gave.
    pub(crate) fn encode(&self, last_stamp: TimestampNs) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.bytes() / 2);
        out.extend_from_slice(&last_stamp.get().to_le_bytes());
        put_len(&mut out, self.producers.len());
        for (key, producer) in &self.producers {
            put_varint(&mut out, key.tenant.get().into());
            put_prefixed(&mut out, key.producer.as_str().as_bytes());
            put_varint(&mut out, key.epoch.0.into());
            out.extend_from_slice(&producer.last_seen().get().to_le_bytes());
            put_len(&mut out, producer.parts().len());
            let mut before = 0;
            for part in producer.parts() {
                put_varint(&mut out, part.sequence.get() - before);
                before = part.sequence.get();
                put_range(&mut out, part.range);
                part.position.encode_into(&mut out);
                out.extend_from_slice(&part.digest.0.to_le_bytes());
            }
        }
        frame::wrap(MAGIC, *VERSIONS.end(), &out)
    }

    /// The table in these bytes, and the last stamp.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, TimestampNs), DecodeError> {
        let (_, payload) = frame::unwrap(MAGIC, VERSIONS, bytes)?;
        let mut reader = Reader::new(payload);
        let last_stamp = TimestampNs(reader.i64()?);
        let mut table = Self::default();
        for _ in 0..reader.count(PRODUCER_BYTES_MIN)? {
            let key = read_key(&mut reader)?;
            if table.producers.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(reader.refuse("producers do not ascend"));
            }
            let producer = read_producer(&mut reader)?;
            table.insert(key, producer);
        }
        reader.end()?;
        Ok((table, last_stamp))
    }
}

fn read_key(reader: &mut Reader<'_>) -> Result<ProducerKey, DecodeError> {
    let tenant = TenantId(reader.varint_u32()?);
    let producer = ProducerId::new(reader.text()?)
        .map_err(|_| reader.refuse("a producer's name that cannot be"))?;
    Ok(ProducerKey { tenant, producer, epoch: Epoch(reader.varint_u32()?) })
}

fn read_producer(reader: &mut Reader<'_>) -> Result<Producer, DecodeError> {
    let last_seen = TimestampNs(reader.i64()?);
    let count = reader.count(PART_BYTES_MIN)?;
    let mut parts = VecDeque::with_capacity(count);
    let mut sequence = 0u64;
    for _ in 0..count {
        sequence = reader
            .varint()?
            .checked_add(sequence)
            .ok_or_else(|| reader.refuse("a sequence past 64 bits"))?;
        parts.push_back(StoredPart {
            sequence: Sequence::new(sequence).ok_or_else(|| reader.refuse("a sequence of 0"))?,
            range: reader.range()?,
            position: Position::read(reader)?,
            digest: BatchDigest(reader.u128()?),
        });
    }
    Producer::from_parts(parts, last_seen)
        .ok_or_else(|| reader.refuse("a producer's parts do not ascend within 256 sequences"))
}
