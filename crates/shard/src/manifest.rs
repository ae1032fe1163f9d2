//! The manifest: what of a shard is durable on this replica, in one small file.
//!
//! ```text
//! file      frame "VARVEMAN", version 3
//! payload   version u64 | shard u64
//!           | applied u8 (0: nothing, 1: index u64, position length, position)
//!           | phase | last stamp i64 | rows u64 | digest u128
//!           | volume: blocks u64, bytes u64
//!           | dedup file: name | bytes u64 | hash u128
//!           | count | segment…
//! segment   name | rows u64 | digest u128 | min time i64 | max time i64 | bytes u64
//!           | hash u128 | first index u64 | last index u64 | event hours | retention class u8
//!           | stage u8
//! ```
//!
//! Hashes are [`FileHash`]. Versions 1 and 2 have a CRC-32C u32 in the place of each, and no volume:
//! one of them is replaced when its shard is opened, once its files were found right. Version 1 had
//! neither class nor stage either: its segments are of class 0, as they were flushed.
//! Names are length and text; a name is a plain file name in the shard's folder. The position is
//! whatever the caller keeps with an index (its log id, its membership): opaque here.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use bytes::Bytes;
use varve_types::{ContentDigest, LogIndex, RetentionClass, ShardId, TimestampNs};

use crate::codec::{DecodeError, Reader, put_len, put_prefixed};
use crate::{EventHours, FileHash, Phase, Volume, files, frame};

const MAGIC: &[u8; 8] = b"VARVEMAN";
/// Versions that are read; the last is written.
const VERSIONS: RangeInclusive<u16> = 1..=3;
/// The first version whose segments have a class and a stage.
const STAGED_VERSION: u16 = 2;
/// The first version that knows files by their hash, and the volume.
const HASHED_VERSION: u16 = 3;
const SEGMENT_BYTES_MIN: usize = 2 + 8 + 16 + 8 + 8 + 8 + 4 + 8 + 8 + 2;

/// What is durable of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Ascends with each manifest of this replica, from 1; numbers of work that failed are left
    /// out.
    pub version: u64,
    /// Whose manifest it is.
    pub shard: ShardId,
    /// Up to where the log is contained; `None` before the first entry.
    pub applied: Option<Applied>,
    /// The phase as of `applied`.
    pub phase: Phase,
    /// The last stamp given as of `applied`.
    pub last_stamp: TimestampNs,
    /// Rows stored as of `applied`: all of them are in the segments.
    pub rows: u64,
    /// Their digest.
    pub digest: ContentDigest,
    /// What its blocks came to.
    pub volume: Volume,
    /// What is remembered of producers as of `applied`.
    pub dedup: DedupFile,
    /// The rows.
    pub segments: Vec<SegmentMeta>,
}

/// A place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The last entry applied.
    pub index: LogIndex,
    /// What the caller noted with it.
    pub position: Bytes,
}

/// Where the dedup table was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DedupFile {
    /// Its name in the shard's folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// What it is.
    pub hash: FileHash,
}

/// One segment, as its manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentMeta {
    /// Its name in the shard's folder.
    pub name: String,
    /// Rows in it, from 1.
    pub rows: u64,
    /// Their digest.
    pub digest: ContentDigest,
    /// The earliest event.
    pub min_time: TimestampNs,
    /// The latest event.
    pub max_time: TimestampNs,
    /// The file's length.
    pub bytes: u64,
    /// What it is.
    pub hash: FileHash,
    /// The first entry that it may hold rows of.
    pub first_index: LogIndex,
    /// The last entry that it may hold rows of.
    pub last_index: LogIndex,
    /// When its rows happened.
    pub hours: EventHours,
    /// For how long its rows are kept.
    pub class: RetentionClass,
    /// How often they were merged.
    pub stage: Stage,
}

/// How far a segment has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Written from a tail.
    #[default]
    Flushed = 0,
    /// Merged from smaller ones, and may be merged again.
    Merged = 1,
    /// Merged after its shard was closed, for good.
    Final = 2,
}

impl Stage {
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Flushed),
            1 => Some(Self::Merged),
            2 => Some(Self::Final),
            _ => None,
        }
    }
}

impl Manifest {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + 256 * self.segments.len());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.shard.get().to_le_bytes());
        match &self.applied {
            None => out.push(0),
            Some(applied) => {
                out.push(1);
                out.extend_from_slice(&applied.index.get().to_le_bytes());
                put_prefixed(&mut out, &applied.position);
            }
        }
        self.phase.encode_into(&mut out);
        out.extend_from_slice(&self.last_stamp.get().to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&self.digest.0.to_le_bytes());
        out.extend_from_slice(&self.volume.blocks.to_le_bytes());
        out.extend_from_slice(&self.volume.bytes.to_le_bytes());
        put_prefixed(&mut out, self.dedup.name.as_bytes());
        out.extend_from_slice(&self.dedup.bytes.to_le_bytes());
        out.extend_from_slice(&self.dedup.hash.0.to_le_bytes());
        put_len(&mut out, self.segments.len());
        for segment in &self.segments {
            segment.encode_into(&mut out);
        }
        frame::wrap(MAGIC, *VERSIONS.end(), &out)
    }

    /// The manifest that a file holds.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are none, or of an older version, which is replaced when its
    /// shard is opened.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match Self::decode_any(bytes)? {
            (manifest, None) => Ok(manifest),
            (_, Some(_)) => {
                Err(DecodeError { offset: 8, what: "it is of an older version, without hashes" })
            }
        }
    }

    /// The manifest that a file of any version holds, and of an older one, whose hashes are not
    /// known, the CRC-32C of each of its files: the dedup file's first.
    pub(crate) fn decode_any(bytes: &[u8]) -> Result<(Self, Option<Vec<u32>>), DecodeError> {
        let (format, payload) = frame::unwrap(MAGIC, VERSIONS, bytes)?;
        let mut checksums = Vec::new();
        let mut reader = Reader::new(payload);
        let version = reader.u64()?;
        let shard = ShardId(reader.u64()?);
        let applied = match reader.u8()? {
            0 => None,
            1 => {
                let index = LogIndex(reader.u64()?);
                Some(Applied { index, position: Bytes::copy_from_slice(reader.prefixed()?) })
            }
            _ => return Err(reader.refuse("an unknown form of the applied position")),
        };
        let phase = Phase::read(&mut reader)?;
        let last_stamp = TimestampNs(reader.i64()?);
        let rows = reader.u64()?;
        let digest = ContentDigest(reader.u128()?);
        let volume = if format >= HASHED_VERSION {
            Volume { blocks: reader.u64()?, bytes: reader.u64()? }
        } else {
            Volume::default()
        };
        let name = read_name(&mut reader)?;
        let dedup = DedupFile {
            name,
            bytes: reader.u64()?,
            hash: read_hash(&mut reader, format, &mut checksums)?,
        };
        let count = reader.count(SEGMENT_BYTES_MIN)?;
        let segments = (0..count).map(|_| SegmentMeta::read(&mut reader, format, &mut checksums));
        let segments = segments.collect::<Result<Vec<_>, _>>()?;
        reader.end()?;
        // Lengths are added up in many places, none of which then has to think of this.
        let lengths = segments.iter().map(|segment| segment.bytes);
        if lengths.chain([dedup.bytes]).try_fold(0, u64::checked_add).is_none() {
            return Err(reader.refuse("files that are together longer than any disk"));
        }
        let manifest = Self {
            version,
            shard,
            applied,
            phase,
            last_stamp,
            rows,
            digest,
            volume,
            dedup,
            segments,
        };
        Ok((manifest, (format < HASHED_VERSION).then_some(checksums)))
    }

    /// Whether the segments add up to what the manifest says.
    pub(crate) fn adds_up(&self) -> bool {
        let mut digest = ContentDigest::EMPTY;
        let mut rows = 0u64;
        for segment in &self.segments {
            digest += segment.digest;
            rows = rows.saturating_add(segment.rows);
        }
        (rows, digest) == (self.rows, self.digest)
    }

    /// The files in the shard's folder that belong to this manifest, beside itself.
    pub(crate) fn files(&self) -> BTreeSet<&str> {
        let segments = self.segments.iter().map(|segment| segment.name.as_str());
        segments.chain([self.dedup.name.as_str()]).collect()
    }
}

impl SegmentMeta {
    fn encode_into(&self, out: &mut Vec<u8>) {
        put_prefixed(out, self.name.as_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&self.digest.0.to_le_bytes());
        out.extend_from_slice(&self.min_time.get().to_le_bytes());
        out.extend_from_slice(&self.max_time.get().to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.hash.0.to_le_bytes());
        out.extend_from_slice(&self.first_index.get().to_le_bytes());
        out.extend_from_slice(&self.last_index.get().to_le_bytes());
        self.hours.encode_into(out);
        out.push(self.class.get());
        out.push(self.stage as u8);
    }

    fn read(
        reader: &mut Reader<'_>,
        format: u16,
        checksums: &mut Vec<u32>,
    ) -> Result<Self, DecodeError> {
        let mut meta = Self {
            name: read_name(reader)?,
            rows: reader.u64()?,
            digest: ContentDigest(reader.u128()?),
            min_time: TimestampNs(reader.i64()?),
            max_time: TimestampNs(reader.i64()?),
            bytes: reader.u64()?,
            hash: read_hash(reader, format, checksums)?,
            first_index: LogIndex(reader.u64()?),
            last_index: LogIndex(reader.u64()?),
            hours: EventHours::read(reader)?,
            class: RetentionClass::default(),
            stage: Stage::default(),
        };
        if format >= STAGED_VERSION {
            meta.class = RetentionClass(reader.u8()?);
            meta.stage = Stage::from_number(reader.u8()?)
                .ok_or_else(|| reader.refuse("an unknown stage of a segment"))?;
        }
        Ok(meta)
    }
}

/// A file's hash; of an older version it is not known, and the checksum is put aside.
fn read_hash(
    reader: &mut Reader<'_>,
    format: u16,
    checksums: &mut Vec<u32>,
) -> Result<FileHash, DecodeError> {
    if format >= HASHED_VERSION {
        return reader.u128().map(FileHash);
    }
    checksums.push(reader.u32()?);
    Ok(FileHash::default())
}

fn read_name(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let name = reader.text()?;
    if files::is_plain_name(name) {
        Ok(name.to_owned())
    } else {
        Err(reader.refuse("a file's name that cannot be"))
    }
}
