//! What can be asked of the catalog. Every command names the state it expects, so that one that
//! comes twice, or late, changes nothing.

use bytes::Bytes;
use varve_types::{HashRange, NodeId, ShardId};

use super::codec::{
    read_closed, read_range, read_settings, write_closed, write_range, write_settings,
};
use super::{Closed, ClusterId, Settings};
use crate::codec::{CodecError, Reader, Writer};

const VERSION: u8 = 1;

/// One change of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CatalogCommand {
    /// Founds the cluster: its first node and the shards of its first window, which are open.
    Found { cluster: ClusterId, address: String, zone: String, bits: u8 },
    /// Takes in a node. The same address twice is the same node.
    AddNode { address: String, zone: String },
    /// Says whether a node is to be emptied.
    SetDraining { node: NodeId, draining: bool },
    /// Replaces the settings.
    Set(Settings),
    /// Makes successors for shards that are open and have none.
    Prepare { predecessors: Vec<ShardId>, successors: Vec<SuccessorPlan> },
    /// The shard has committed its seal.
    Sealed { shard: ShardId },
    /// The shard has inherited: it takes writes.
    Opened { shard: ShardId },
    /// A quorum reported the same content.
    Closed { shard: ShardId, closed: Closed },
}

/// A successor to be made: its range, and the nodes of its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SuccessorPlan {
    pub(crate) range: HashRange,
    pub(crate) nodes: Vec<NodeId>,
}

impl CatalogCommand {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        match self {
            Self::Found { cluster, address, zone, bits } => {
                writer.u8(1);
                writer.u128(cluster.0);
                writer.bytes(address.as_bytes());
                writer.bytes(zone.as_bytes());
                writer.u8(*bits);
            }
            Self::AddNode { address, zone } => {
                writer.u8(2);
                writer.bytes(address.as_bytes());
                writer.bytes(zone.as_bytes());
            }
            Self::SetDraining { node, draining } => {
                writer.u8(3);
                writer.u64(node.get());
                writer.bool(*draining);
            }
            Self::Set(settings) => {
                writer.u8(4);
                write_settings(&mut writer, settings);
            }
            Self::Prepare { predecessors, successors } => {
                writer.u8(5);
                writer.list(predecessors, |writer, shard| writer.u64(shard.get()));
                writer.list(successors, |writer, successor| {
                    write_range(writer, successor.range);
                    writer.list(&successor.nodes, |writer, node| writer.u64(node.get()));
                });
            }
            Self::Sealed { shard } => {
                writer.u8(6);
                writer.u64(shard.get());
            }
            Self::Opened { shard } => {
                writer.u8(7);
                writer.u64(shard.get());
            }
            Self::Closed { shard, closed } => {
                writer.u8(8);
                writer.u64(shard.get());
                write_closed(&mut writer, closed);
            }
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("catalog command", VERSION, bytes)?;
        let command = match reader.u8()? {
            1 => Self::Found {
                cluster: ClusterId(reader.u128()?),
                address: reader.string("address")?,
                zone: reader.string("zone")?,
                bits: reader.u8()?,
            },
            2 => Self::AddNode { address: reader.string("address")?, zone: reader.string("zone")? },
            3 => Self::SetDraining {
                node: NodeId(reader.u64()?),
                draining: reader.bool("draining")?,
            },
            4 => Self::Set(read_settings(&mut reader)?),
            5 => Self::Prepare {
                predecessors: reader.list(|reader| reader.u64().map(ShardId))?,
                successors: reader.list(|reader| {
                    let range = read_range(reader)?;
                    let nodes = reader.list(|reader| reader.u64().map(NodeId))?;
                    Ok(SuccessorPlan { range, nodes })
                })?,
            },
            6 => Self::Sealed { shard: ShardId(reader.u64()?) },
            7 => Self::Opened { shard: ShardId(reader.u64()?) },
            8 => Self::Closed { shard: ShardId(reader.u64()?), closed: read_closed(&mut reader)? },
            _ => return Err(reader.impossible("kind")),
        };
        reader.end()?;
        Ok(command)
    }
}
