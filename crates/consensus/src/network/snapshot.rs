//! A snapshot's way from one replica to another: its files in pieces, then the order to install
//! them, which names every file with its length and checksum.

use bytes::Bytes;

use crate::codec::{CodecError, Position, Reader, Writer, read_vote, write_vote};
use crate::raft_types::Vote;

const VERSION: u8 = 1;

/// A piece of a file.
pub(crate) struct SnapshotPiece {
    /// Which transfer: pieces of two never mix.
    pub(crate) transfer: u64,
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) bytes: Bytes,
}

/// All pieces were sent.
pub(crate) struct SnapshotInstall {
    pub(crate) transfer: u64,
    pub(crate) vote: Vote,
    pub(crate) position: Position,
    /// Name, length and CRC-32C of every file.
    pub(crate) files: Vec<(String, u64, u32)>,
}

impl SnapshotPiece {
    /// How many bytes of a file go in one message.
    pub(crate) const BYTES_MAX: usize = 1 << 20;

    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::with_capacity(VERSION, self.bytes.len() + self.name.len() + 32);
        writer.u64(self.transfer);
        writer.bytes(self.name.as_bytes());
        writer.u64(self.offset);
        writer.raw(&self.bytes);
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("snapshot piece", VERSION, bytes)?;
        let transfer = reader.u64()?;
        let name = read_name(&mut reader)?;
        let offset = reader.u64()?;
        Ok(Self { transfer, name, offset, bytes: reader.rest() })
    }
}

impl SnapshotInstall {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        writer.u64(self.transfer);
        write_vote(&mut writer, &self.vote);
        writer.bytes(&self.position.encode());
        writer.list(&self.files, |writer, (name, bytes, checksum)| {
            writer.bytes(name.as_bytes());
            writer.u64(*bytes);
            writer.u64(u64::from(*checksum));
        });
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("snapshot install", VERSION, bytes)?;
        let transfer = reader.u64()?;
        let vote = read_vote(&mut reader)?;
        let position = Position::decode(reader.bytes()?)?;
        let files = reader.list(|reader| {
            let (name, bytes) = (read_name(reader)?, reader.u64()?);
            let checksum =
                u32::try_from(reader.u64()?).map_err(|_| reader.impossible("checksum"))?;
            Ok((name, bytes, checksum))
        })?;
        reader.end()?;
        Ok(Self { transfer, vote, position, files })
    }
}

/// A plain file name: nothing that a peer sends may name a file elsewhere.
fn read_name(reader: &mut Reader) -> Result<String, CodecError> {
    let name = reader.string("file name")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 255 || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(reader.impossible("file name"));
    }
    Ok(name)
}
