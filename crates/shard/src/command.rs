//! What a shard's log carries, and its bytes.
//!
//! ```text
//! command  version u8 (1) | kind u8 | body
//! block    kind 1: the block's bytes, to the end
//! seal     kind 2: count | (successor shard | range)…
//! inherit  kind 3: count | (length | exported table)…
//! ```
//!
//! The leader's stamp travels beside the command, in the entry; terms and memberships are not
//! known here.

use bytes::Bytes;
use varve_types::{HashRange, ShardId};

use crate::codec::{DecodeError, Reader, put_len, put_prefixed, put_range, put_varint};

const VERSION: u8 = 1;
const KIND_BLOCK: u8 = 1;
const KIND_SEAL: u8 = 2;
const KIND_INHERIT: u8 = 3;

/// One entry of a shard's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Rows to store: an encoded block, which the leader has verified.
    Block(Bytes),
    /// The last entry that counts: later ones are rejected, naming the successors.
    Seal {
        /// Who takes the writes from now on.
        successors: Vec<Successor>,
    },
    /// What makes a successor take writes.
    Inherit {
        /// The exported dedup table of each predecessor ([`crate::Shard::export_dedup`]).
        tables: Vec<Bytes>,
    },
}

/// A shard that takes over a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Successor {
    /// Which shard.
    pub shard: ShardId,
    /// What it takes.
    pub range: HashRange,
}

impl Command {
    /// The command as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.encoded_bytes_about());
        self.encode_into(&mut out);
        out.into()
    }

    /// Room that [`Self::encode_into`] needs, in bytes; at most a few more for long lists.
    #[must_use]
    pub fn encoded_bytes_about(&self) -> usize {
        2 + match self {
            Self::Block(bytes) => bytes.len(),
            Self::Seal { successors } => 10 + 20 * successors.len(),
            Self::Inherit { tables } => {
                tables.iter().map(|table| 10 + table.len()).sum::<usize>() + 10
            }
        }
    }

    /// Appends the command's bytes: an entry's envelope and its command take one buffer.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        match self {
            Self::Block(bytes) => {
                out.push(KIND_BLOCK);
                out.extend_from_slice(bytes);
            }
            Self::Seal { successors } => {
                out.push(KIND_SEAL);
                put_successors(out, successors);
            }
            Self::Inherit { tables } => {
                out.push(KIND_INHERIT);
                put_len(out, tables.len());
                for table in tables {
                    put_prefixed(out, table);
                }
            }
        }
    }

    /// The command in these bytes; a block shares them.
    ///
    /// # Errors
    ///
    /// Says where the bytes are no command. A block's own bytes are not looked at.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError { offset: 0, what: "a command of an unknown version" });
        }
        let command = match reader.u8()? {
            KIND_BLOCK => return Ok(Self::Block(bytes.slice(reader.offset()..))),
            KIND_SEAL => Self::Seal { successors: read_successors(&mut reader)? },
            KIND_INHERIT => {
                let count = reader.count(1)?;
                let mut tables = Vec::with_capacity(count);
                for _ in 0..count {
                    tables.push(bytes.slice_ref(reader.prefixed()?));
                }
                Self::Inherit { tables }
            }
            _ => return Err(DecodeError { offset: 1, what: "a command of an unknown kind" }),
        };
        reader.end()?;
        Ok(command)
    }
}

pub(crate) fn put_successors(out: &mut Vec<u8>, successors: &[Successor]) {
    put_len(out, successors.len());
    for successor in successors {
        put_varint(out, successor.shard.get());
        put_range(out, successor.range);
    }
}

pub(crate) fn read_successors(reader: &mut Reader<'_>) -> Result<Vec<Successor>, DecodeError> {
    let count = reader.count(3)?;
    let mut successors = Vec::with_capacity(count);
    for _ in 0..count {
        let shard = ShardId(reader.varint()?);
        successors.push(Successor { shard, range: reader.range()? });
    }
    Ok(successors)
}
