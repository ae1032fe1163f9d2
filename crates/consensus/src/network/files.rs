//! What nodes ask one another about the files of a shard: a request comes under the shard's group
//! and is for the node, whatever replica it has.
//!
//! ```text
//! request = version u8, kind u8 (1: listing, 2: piece, 3: read again, 4: recent), fields
//! reply   = version u8, kind u8 (0: refused, others as the request), fields
//! card    = name, length u64, hash u128
//! ```

use bytes::Bytes;
use varve_types::{ContentDigest, LogIndex};

use super::snapshot::{read_card, read_name, write_card};
use crate::catalog::FilesDigest;
use crate::codec::{CodecError, Reader, Writer};
use crate::machine::{Applied, FileCard};

const VERSION: u8 = 2;

/// A question about a shard's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FilesRequest {
    /// Which files are there?
    Listing,
    /// What is in this piece of one of them?
    Piece { name: String, offset: u64, bytes: u32 },
    /// Read all of them again now: are they what they were written as?
    ReadAgain,
    /// What did the replica hold after each of the last entries?
    Recent,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FilesReply {
    Refused(FilesRefusal),
    Listing(Listing),
    Piece(Bytes),
    ReadAgain(CopyCondition),
    Recent(Vec<Applied>),
}

/// Why files are not handed out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilesRefusal {
    /// The node has no copy of the shard that it can vouch for.
    #[error("it has no copy to give: {0}")]
    NotHere(String),
    /// The file is not the shard's, or no longer: ask which are.
    #[error("the file is no longer one of the shard's")]
    Gone,
    /// The disk there refused.
    #[error("its disk refused: {0}")]
    Disk(String),
}

/// What a copy consists of, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Rows that the files hold.
    pub(crate) rows: u64,
    /// Their digest.
    pub(crate) digest: ContentDigest,
    /// What the segments are.
    pub(crate) files: FilesDigest,
    /// The manifest as it is; all others follow by name.
    pub(crate) manifest: Bytes,
    /// The other files.
    pub(crate) cards: Vec<FileCard>,
}

/// How a copy was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopyCondition {
    /// Rows stored.
    pub(crate) rows: u64,
    /// Their digest.
    pub(crate) digest: ContentDigest,
    /// What the segments are.
    pub(crate) files: FilesDigest,
    /// What is wrong with them.
    pub(crate) problem: Option<String>,
}

impl FilesRequest {
    /// How many bytes of a file go in one message.
    pub(crate) const PIECE_BYTES_MAX: u32 = 1 << 20;

    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        match self {
            Self::Listing => writer.u8(1),
            Self::Piece { name, offset, bytes } => {
                writer.u8(2);
                writer.bytes(name.as_bytes());
                writer.u64(*offset);
                writer.u64(u64::from(*bytes));
            }
            Self::ReadAgain => writer.u8(3),
            Self::Recent => writer.u8(4),
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("files request", VERSION, bytes)?;
        let request = match reader.u8()? {
            1 => Self::Listing,
            2 => {
                let (name, offset) = (read_name(&mut reader)?, reader.u64()?);
                let bytes = u32::try_from(reader.u64()?).ok();
                let bytes = bytes.filter(|bytes| *bytes <= Self::PIECE_BYTES_MAX);
                let bytes = bytes.ok_or_else(|| reader.impossible("length of a piece"))?;
                Self::Piece { name, offset, bytes }
            }
            3 => Self::ReadAgain,
            4 => Self::Recent,
            _ => return Err(reader.impossible("kind")),
        };
        reader.end()?;
        Ok(request)
    }
}

impl FilesReply {
    pub(crate) fn encode(&self) -> Bytes {
        let room = match self {
            Self::Piece(bytes) => bytes.len() + 8,
            Self::Listing(listing) => listing.manifest.len() + 64 * listing.cards.len() + 64,
            Self::Recent(states) => 32 * states.len() + 8,
            Self::Refused(_) | Self::ReadAgain(_) => 128,
        };
        let mut writer = Writer::with_capacity(VERSION, room);
        match self {
            Self::Refused(refusal) => {
                writer.u8(0);
                write_refusal(&mut writer, refusal);
            }
            Self::Listing(listing) => {
                writer.u8(1);
                writer.u64(listing.rows);
                writer.u128(listing.digest.0);
                writer.u128(listing.files.0);
                writer.bytes(&listing.manifest);
                writer.list(&listing.cards, write_card);
            }
            Self::Piece(bytes) => {
                writer.u8(2);
                writer.raw(bytes);
            }
            Self::ReadAgain(found) => {
                writer.u8(3);
                writer.u64(found.rows);
                writer.u128(found.digest.0);
                writer.u128(found.files.0);
                writer.option(found.problem.as_ref(), |writer, what| writer.bytes(what.as_bytes()));
            }
            Self::Recent(states) => {
                writer.u8(4);
                writer.list(states, |writer, state| {
                    writer.u64(state.index.get());
                    writer.u64(state.rows);
                    writer.u128(state.digest.0);
                });
            }
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("files reply", VERSION, bytes)?;
        let reply = match reader.u8()? {
            0 => Self::Refused(read_refusal(&mut reader)?),
            1 => Self::Listing(Listing {
                rows: reader.u64()?,
                digest: ContentDigest(reader.u128()?),
                files: FilesDigest(reader.u128()?),
                manifest: reader.bytes()?,
                cards: reader.list(read_card)?,
            }),
            2 => return Ok(Self::Piece(reader.rest())),
            3 => Self::ReadAgain(CopyCondition {
                rows: reader.u64()?,
                digest: ContentDigest(reader.u128()?),
                files: FilesDigest(reader.u128()?),
                problem: reader.option(|reader| reader.string("problem"))?,
            }),
            4 => Self::Recent(reader.list(|reader| {
                let (index, rows) = (LogIndex(reader.u64()?), reader.u64()?);
                Ok(Applied { index, rows, digest: ContentDigest(reader.u128()?) })
            })?),
            _ => return Err(reader.impossible("kind")),
        };
        reader.end()?;
        Ok(reply)
    }
}

fn write_refusal(writer: &mut Writer, refusal: &FilesRefusal) {
    match refusal {
        FilesRefusal::NotHere(why) => {
            writer.u8(1);
            writer.bytes(why.as_bytes());
        }
        FilesRefusal::Gone => writer.u8(2),
        FilesRefusal::Disk(why) => {
            writer.u8(3);
            writer.bytes(why.as_bytes());
        }
    }
}

fn read_refusal(reader: &mut Reader) -> Result<FilesRefusal, CodecError> {
    Ok(match reader.u8()? {
        1 => FilesRefusal::NotHere(reader.string("reason")?),
        2 => FilesRefusal::Gone,
        3 => FilesRefusal::Disk(reader.string("reason")?),
        _ => return Err(reader.impossible("refusal")),
    })
}
