//! What the driver asks of a shard's replica, and what it answers.

use bytes::Bytes;
use varve_shard::Outcome;
use varve_types::ReplicaId;

use crate::codec::{CodecError, Reader, Writer};

const VERSION: u8 = 1;

/// A request of the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ControlRequest {
    /// Propose a command in the shard that this node leads.
    Propose(Bytes),
    /// What a sealed shard remembers of producers.
    ExportDedup,
    /// Have this other replica lead, if you do.
    HandOver(ReplicaId),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ControlReply {
    Proposed(Outcome),
    Dedup(Bytes),
    Done,
}

impl ControlRequest {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        match self {
            Self::Propose(command) => {
                writer.u8(2);
                writer.bytes(command);
            }
            Self::ExportDedup => writer.u8(3),
            Self::HandOver(to) => {
                writer.u8(4);
                writer.u64(to.get());
            }
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("control request", VERSION, bytes)?;
        let request = match reader.u8()? {
            2 => Self::Propose(reader.bytes()?),
            3 => Self::ExportDedup,
            4 => Self::HandOver(ReplicaId(reader.u64()?)),
            _ => return Err(reader.impossible("kind")),
        };
        reader.end()?;
        Ok(request)
    }
}

impl ControlReply {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        match self {
            Self::Proposed(outcome) => {
                writer.u8(2);
                writer.bytes(&outcome.encode());
            }
            Self::Dedup(table) => {
                writer.u8(3);
                writer.bytes(table);
            }
            Self::Done => writer.u8(4),
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("control reply", VERSION, bytes)?;
        let reply = match reader.u8()? {
            2 => {
                let outcome = Outcome::decode(&reader.bytes()?);
                Self::Proposed(outcome.map_err(|_| reader.impossible("outcome"))?)
            }
            3 => Self::Dedup(reader.bytes()?),
            4 => Self::Done,
            _ => return Err(reader.impossible("kind")),
        };
        reader.end()?;
        Ok(reply)
    }
}
