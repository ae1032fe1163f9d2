//! One shard in the catalogue cache.
//!
//! ```text
//! record  version u8 (1) | manifest version u64 | phase u8 | rows u64 | digest u128
//!         | min time i64 | max time i64 | segments u64 | bytes u64 | crc32c u32
//! ```

use varve_types::{ContentDigest, TimestampNs};

use crate::codec::{DecodeError, Reader};
use crate::{Manifest, Phase};

const VERSION: u8 = 1;

/// What the cache keeps of a shard: enough to list it and to skip it. Successors, event hours and
/// file names are the manifest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardRecord {
    /// Which manifest it was made from.
    pub manifest_version: u64,
    /// 0 awaiting its inheritance, 1 open, 2 sealed.
    pub phase: u8,
    /// Rows in segments.
    pub rows: u64,
    /// Their digest.
    pub digest: ContentDigest,
    /// The earliest event; the end of time when there is no row.
    pub min_time: TimestampNs,
    /// The latest event; the beginning of time when there is no row.
    pub max_time: TimestampNs,
    /// How many segments.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl ShardRecord {
    /// The record of what a manifest says.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let segments = &manifest.segments;
        let none = (TimestampNs::MAX, TimestampNs::MIN);
        let (min_time, max_time) = segments.iter().fold(none, |(min, max), segment| {
            (min.min(segment.min_time), max.max(segment.max_time))
        });
        Self {
            manifest_version: manifest.version,
            phase: match manifest.phase {
                Phase::AwaitingInherit => 0,
                Phase::Open => 1,
                Phase::Sealed { .. } => 2,
            },
            rows: manifest.rows,
            digest: manifest.digest,
            min_time,
            max_time,
            segments: segments.len() as u64,
            bytes: segments.iter().map(|segment| segment.bytes).sum(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.manifest_version.to_le_bytes());
        out.push(self.phase);
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&self.digest.0.to_le_bytes());
        out.extend_from_slice(&self.min_time.get().to_le_bytes());
        out.extend_from_slice(&self.max_time.get().to_le_bytes());
        out.extend_from_slice(&self.segments.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError { offset: 0, what: "a record of an unknown version" });
        }
        let record = Self {
            manifest_version: reader.u64()?,
            phase: reader.u8()?,
            rows: reader.u64()?,
            digest: ContentDigest(reader.u128()?),
            min_time: TimestampNs(reader.i64()?),
            max_time: TimestampNs(reader.i64()?),
            segments: reader.u64()?,
            bytes: reader.u64()?,
        };
        let checked = &bytes[..reader.offset()];
        if reader.u32()? != crc32c::crc32c(checked) {
            return Err(reader.refuse("its checksum does not match"));
        }
        reader.end()?;
        Ok(record)
    }
}
