//! A snapshot's way from one replica to another: the offer, which names every file with its
//! length and hash; of what the receiver lacks the pieces; then the order to install them.
//!
//! ```text
//! offer   = version u8, files; answered with how many bytes of each are there, from its front
//! piece   = version u8, file, offset u64, bytes to the end
//! install = version u8, vote, position, files
//! file    = name, length u64, hash u128
//! ```
//!
//! Files of different transfers never mix, because each is known by what it is to be; so a
//! transfer that broke off goes on where it was, even from another leader.

use bytes::Bytes;
use varve_shard::FileHash;

use crate::codec::{CodecError, Position, Reader, Writer, read_vote, write_vote};
use crate::machine::FileCard;
use crate::raft_types::Vote;

const VERSION: u8 = 3;

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SnapshotOffer {
    pub(crate) files: Vec<FileCard>,
}

/// The answer to an offer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SnapshotHeld {
    /// For each file how many of its bytes are there already.
    pub(crate) bytes: Vec<u64>,
}

/// A piece of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SnapshotPiece {
    pub(crate) file: FileCard,
    pub(crate) offset: u64,
    pub(crate) bytes: Bytes,
}

/// All pieces were sent.
pub(crate) struct SnapshotInstall {
    pub(crate) vote: Vote,
    pub(crate) position: Position,
    pub(crate) files: Vec<FileCard>,
}

impl SnapshotOffer {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        writer.list(&self.files, write_card);
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("snapshot offer", VERSION, bytes)?;
        let files = reader.list(read_card)?;
        reader.end()?;
        Ok(Self { files })
    }
}

impl SnapshotHeld {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        writer.list(&self.bytes, |writer, bytes| writer.u64(*bytes));
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("answer to a snapshot offer", VERSION, bytes)?;
        let bytes = reader.list(Reader::u64)?;
        reader.end()?;
        Ok(Self { bytes })
    }
}

impl SnapshotPiece {
    /// How many bytes of a file go in one message.
    pub(crate) const BYTES_MAX: usize = 1 << 20;

    pub(crate) fn encode(&self) -> Bytes {
        let room = self.bytes.len() + self.file.name.len() + 32;
        let mut writer = Writer::with_capacity(VERSION, room);
        write_card(&mut writer, &self.file);
        writer.u64(self.offset);
        writer.raw(&self.bytes);
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("snapshot piece", VERSION, bytes)?;
        let file = read_card(&mut reader)?;
        let offset = reader.u64()?;
        let impossible = reader.impossible("place in its file");
        let bytes = reader.rest();
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > file.bytes) {
            return Err(impossible);
        }
        Ok(Self { file, offset, bytes })
    }
}

impl SnapshotInstall {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        write_vote(&mut writer, &self.vote);
        writer.bytes(&self.position.encode());
        writer.list(&self.files, write_card);
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("snapshot install", VERSION, bytes)?;
        let vote = read_vote(&mut reader)?;
        let position = Position::decode(reader.bytes()?)?;
        let files = reader.list(read_card)?;
        reader.end()?;
        Ok(Self { vote, position, files })
    }
}

pub(super) fn write_card(writer: &mut Writer, card: &FileCard) {
    writer.bytes(card.name.as_bytes());
    writer.u64(card.bytes);
    writer.u128(card.hash.0);
}

pub(super) fn read_card(reader: &mut Reader) -> Result<FileCard, CodecError> {
    let (name, bytes) = (read_name(reader)?, reader.u64()?);
    Ok(FileCard { name, bytes, hash: FileHash(reader.u128()?) })
}

/// A plain file name: nothing that a peer sends may name a file elsewhere.
pub(super) fn read_name(reader: &mut Reader) -> Result<String, CodecError> {
    let name = reader.string("file name")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty()
        || name.len() > FileCard::NAME_BYTES_MAX
        || name.starts_with('.')
        || !name.bytes().all(plain)
    {
        return Err(reader.impossible("file name"));
    }
    Ok(name)
}
