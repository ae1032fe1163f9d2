//! Where a shard stands in its life: opened once, sealed once, for ever.

use crate::Successor;
use crate::codec::{DecodeError, Reader};
use crate::command::{put_successors, read_successors};

/// How a shard begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It has no predecessor and takes writes at once.
    First,
    /// It takes no writes before it has inherited.
    Successor,
}

/// What a shard does with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Rejects it: what the predecessors remember is not here yet.
    AwaitingInherit,
    /// Takes it.
    Open,
    /// Rejects it, for ever.
    Sealed {
        /// Who takes the writes.
        successors: Vec<Successor>,
    },
}

impl Phase {
    pub(crate) const fn of(origin: Origin) -> Self {
        match origin {
            Origin::First => Self::Open,
            Origin::Successor => Self::AwaitingInherit,
        }
    }

    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::AwaitingInherit => out.push(0),
            Self::Open => out.push(1),
            Self::Sealed { successors } => {
                out.push(2);
                put_successors(out, successors);
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::AwaitingInherit,
            1 => Self::Open,
            2 => Self::Sealed { successors: read_successors(reader)? },
            _ => return Err(reader.refuse("an unknown phase")),
        })
    }
}
