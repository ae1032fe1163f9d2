//! The list of a block's parts.
//!
//! ```text
//! parts = count:varint part*
//! part  = tenant:varint producer length:varint producer epoch:varint sequence:varint
//!         batch digest:u128 range bits:u8 range prefix:varint rows:varint content digest:u128
//! ```

use std::ops::Range;

use varve_types::{
    BatchDigest, BatchKey, ContentDigest, Epoch, HashRange, ProducerId, ProducerKey, Sequence,
    TenantId,
};

use crate::encoding::varint::{Reader, put_bytes, put_u64};
use crate::error::Malformed;

/// The rows of one batch that fell into one range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which batch: what a resend is recognised by.
    pub key: BatchKey,
    /// The digest of the whole batch as it was sent.
    pub batch_digest: BatchDigest,
    /// Which of the batch's rows: all those whose hash lies here.
    pub range: HashRange,
    /// Where they are in the block.
    pub rows: Range<u32>,
    /// What they are, before the log gives the block an index; [`ContentDigest::at`] lifts it.
    pub content: ContentDigest,
}

/// A part takes at least so many bytes: what bounds a count that was read.
const PART_BYTES_MIN: usize = 2 * 16 + 8;

pub(super) fn encode(parts: &[Part]) -> Vec<u8> {
    let mut out = Vec::new();
    put_u64(&mut out, parts.len() as u64);
    for part in parts {
        let BatchKey { producer, sequence } = &part.key;
        put_u64(&mut out, u64::from(producer.tenant.get()));
        put_bytes(&mut out, producer.producer.as_str().as_bytes());
        put_u64(&mut out, u64::from(producer.epoch.0));
        put_u64(&mut out, sequence.get());
        out.extend_from_slice(&part.batch_digest.0.to_le_bytes());
        out.push(part.range.bits());
        put_u64(&mut out, part.range.prefix());
        put_u64(&mut out, part.rows.len() as u64);
        out.extend_from_slice(&part.content.0.to_le_bytes());
    }
    out
}

pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Part>, Malformed> {
    let mut reader = Reader::new(bytes);
    let count = reader.count(PART_BYTES_MIN)?;
    let mut parts = Vec::with_capacity(count);
    let mut row = 0;
    for _ in 0..count {
        let part = read(&mut reader, row)?;
        row = part.rows.end;
        parts.push(part);
    }
    reader.end()?;
    Ok(parts)
}

fn read(reader: &mut Reader<'_>, first_row: u32) -> Result<Part, Malformed> {
    let tenant = TenantId(reader.varint_u32()?);
    let producer =
        ProducerId::new(reader.str()?).map_err(|_| "a part has an impossible producer id")?;
    let epoch = Epoch(reader.varint_u32()?);
    let sequence =
        Sequence::new(reader.varint()?).ok_or("a part has the sequence 0, which is none")?;
    let batch_digest = BatchDigest(reader.u128()?);
    let bits = reader.u8()?;
    let range =
        HashRange::new(bits, reader.varint()?).ok_or("a part has an impossible hash range")?;
    let end = first_row.checked_add(reader.varint_u32()?).ok_or("a part has too many rows")?;
    Ok(Part {
        key: BatchKey { producer: ProducerKey { tenant, producer, epoch }, sequence },
        batch_digest,
        range,
        rows: first_row..end,
        content: ContentDigest(reader.u128()?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(
            random: Vec<u8>,
            edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let part = |sequence, rows: Range<u32>| Part {
                key: BatchKey::parse(TenantId(3), &format!("p:9:{sequence}")).expect("a key"),
                batch_digest: BatchDigest(5),
                range: HashRange::WHOLE,
                rows,
                content: ContentDigest(6),
            };
            let parts = vec![part(1, 0..10), part(200, 10..10), part(3, 10..300)];
            let mut bytes = encode(&parts);
            prop_assert_eq!(decode(&bytes), Ok(parts));
            let span = bytes.len();
            edits.into_iter().for_each(|(at, byte)| bytes[at.index(span)] = byte);
            let _ = decode(&bytes);
            let _ = decode(&random);
        }
    }
}
