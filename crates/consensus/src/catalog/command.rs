//! What can be asked of the catalog. Every command names the state it expects, so that one that
//! comes twice, or late, changes nothing.

use bytes::Bytes;
use varve_types::{GroupId, HashRange, NodeId, ReplicaId, ShardId};

use super::codec::{
    STARTS_VERSION, VERSION, read_closed, read_range, read_settings, write_closed, write_range,
    write_settings,
};
use super::{Closed, ClusterId, DiskId, FilesDigest, Settings, Starts};
use crate::codec::{CodecError, Reader, Writer};

/// One change of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CatalogCommand {
    /// Founds the cluster: its first node and the shards of its first window, which are open.
    Found { cluster: ClusterId, node: NodeCard, bits: u8 },
    /// Takes in a node. The same disk twice is the same node. `instead_of` is the node that had
    /// the address and is no longer found there.
    AddNode { node: NodeCard, instead_of: Option<NodeId> },
    /// A node says where it is now, what it runs, and which of its starts this is.
    Announce { id: NodeId, node: NodeCard, starts: Starts },
    /// Says whether a node is to be emptied.
    SetDraining { node: NodeId, draining: bool },
    /// Says whether a node counts as gone for good.
    SetLost { node: NodeId, lost: bool },
    /// Takes out a node that holds nothing any more.
    RemoveNode { node: NodeId },
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
    /// A node is to hold a replica of a group.
    AddReplica { group: GroupId, node: NodeId },
    /// A replica has all of its group and is counted from now on.
    Joined { group: GroupId, replica: ReplicaId },
    /// A replica is to go, once the others suffice.
    RetireReplica { group: GroupId, replica: ReplicaId },
    /// A replica that was to go has gone from its group.
    RemoveReplica { group: GroupId, replica: ReplicaId },
    /// A node holds all of a closed shard, and of its final files if it says which.
    Held { shard: ShardId, node: NodeId, files: Option<FilesDigest> },
    /// What a node held of a closed shard is damaged or gone.
    Dropped { shard: ShardId, node: NodeId },
    /// A node has made the final files of a closed shard.
    Finished { shard: ShardId, node: NodeId, files: FilesDigest },
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeCard {
    pub(crate) disk: DiskId,
    pub(crate) address: String,
    pub(crate) zone: String,
    pub(crate) version: String,
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
            Self::Found { cluster, node, bits } => {
                writer.u8(1);
                writer.u128(cluster.0);
                node.write(&mut writer);
                writer.u8(*bits);
            }
            Self::AddNode { node, instead_of } => {
                writer.u8(2);
                node.write(&mut writer);
                writer.option(*instead_of, |writer, node| writer.u64(node.get()));
            }
            Self::SetDraining { node, draining } => {
                write_ids(&mut writer, 3, &[node.get()]);
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
            Self::Sealed { shard } => write_ids(&mut writer, 6, &[shard.get()]),
            Self::Opened { shard } => write_ids(&mut writer, 7, &[shard.get()]),
            Self::Closed { shard, closed } => {
                write_ids(&mut writer, 8, &[shard.get()]);
                write_closed(&mut writer, closed);
            }
            Self::Announce { id, node, starts } => {
                write_ids(&mut writer, 9, &[id.get()]);
                node.write(&mut writer);
                starts.write(&mut writer);
            }
            Self::SetLost { node, lost } => {
                write_ids(&mut writer, 10, &[node.get()]);
                writer.bool(*lost);
            }
            Self::RemoveNode { node } => write_ids(&mut writer, 11, &[node.get()]),
            Self::AddReplica { group, node } => {
                write_ids(&mut writer, 12, &[group.get(), node.get()]);
            }
            Self::RetireReplica { group, replica } => {
                write_ids(&mut writer, 13, &[group.get(), replica.get()]);
            }
            Self::RemoveReplica { group, replica } => {
                write_ids(&mut writer, 14, &[group.get(), replica.get()]);
            }
            Self::Held { shard, node, files } => {
                write_ids(&mut writer, 15, &[shard.get(), node.get()]);
                writer.option(*files, |writer, files| writer.u128(files.0));
            }
            Self::Dropped { shard, node } => {
                write_ids(&mut writer, 16, &[shard.get(), node.get()]);
            }
            Self::Finished { shard, node, files } => {
                write_ids(&mut writer, 17, &[shard.get(), node.get()]);
                writer.u128(files.0);
            }
            Self::Joined { group, replica } => {
                write_ids(&mut writer, 18, &[group.get(), replica.get()]);
            }
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("catalog command", VERSION, bytes)?;
        let command = Self::read(&mut reader)?;
        reader.end()?;
        Ok(command)
    }

    fn read(reader: &mut Reader) -> Result<Self, CodecError> {
        Ok(match reader.u8()? {
            1 => Self::Found {
                cluster: ClusterId(reader.u128()?),
                node: NodeCard::read(reader)?,
                bits: reader.u8()?,
            },
            2 => Self::AddNode {
                node: NodeCard::read(reader)?,
                instead_of: if reader.version() == 1 {
                    None
                } else {
                    reader.option(|reader| reader.u64().map(NodeId))?
                },
            },
            3 => Self::SetDraining { node: node(reader)?, draining: reader.bool("draining")? },
            4 => Self::Set(read_settings(reader)?),
            5 => Self::Prepare {
                predecessors: reader.list(shard)?,
                successors: reader.list(|reader| {
                    let range = read_range(reader)?;
                    Ok(SuccessorPlan { range, nodes: reader.list(node)? })
                })?,
            },
            6 => Self::Sealed { shard: shard(reader)? },
            7 => Self::Opened { shard: shard(reader)? },
            8 => Self::Closed { shard: shard(reader)?, closed: read_closed(reader)? },
            9 => Self::Announce {
                id: node(reader)?,
                node: NodeCard::read(reader)?,
                starts: if reader.version() < STARTS_VERSION {
                    Starts::default()
                } else {
                    Starts::read(reader)?
                },
            },
            10 => Self::SetLost { node: node(reader)?, lost: reader.bool("lost")? },
            11 => Self::RemoveNode { node: node(reader)? },
            12 => Self::AddReplica { group: group(reader)?, node: node(reader)? },
            13 => Self::RetireReplica { group: group(reader)?, replica: replica(reader)? },
            14 => Self::RemoveReplica { group: group(reader)?, replica: replica(reader)? },
            15 => Self::Held {
                shard: shard(reader)?,
                node: node(reader)?,
                files: reader.option(files)?,
            },
            16 => Self::Dropped { shard: shard(reader)?, node: node(reader)? },
            17 => {
                Self::Finished { shard: shard(reader)?, node: node(reader)?, files: files(reader)? }
            }
            18 => Self::Joined { group: group(reader)?, replica: replica(reader)? },
            _ => return Err(reader.impossible("kind")),
        })
    }
}

fn write_ids(writer: &mut Writer, kind: u8, ids: &[u64]) {
    writer.u8(kind);
    ids.iter().for_each(|id| writer.u64(*id));
}

fn node(reader: &mut Reader) -> Result<NodeId, CodecError> {
    reader.u64().map(NodeId)
}

fn shard(reader: &mut Reader) -> Result<ShardId, CodecError> {
    reader.u64().map(ShardId)
}

fn group(reader: &mut Reader) -> Result<GroupId, CodecError> {
    reader.u64().map(GroupId::from_number)
}

fn replica(reader: &mut Reader) -> Result<ReplicaId, CodecError> {
    reader.u64().map(ReplicaId)
}

fn files(reader: &mut Reader) -> Result<FilesDigest, CodecError> {
    reader.u128().map(FilesDigest)
}

impl NodeCard {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.address.as_bytes());
        writer.bytes(self.zone.as_bytes());
        writer.bytes(self.version.as_bytes());
        writer.u128(self.disk.0);
    }

    /// Version 1 of what carries it had neither the software's version nor the disk.
    pub(crate) fn read(reader: &mut Reader) -> Result<Self, CodecError> {
        let (address, zone) = (reader.string("address")?, reader.string("zone")?);
        if reader.version() == 1 {
            return Ok(Self { address, zone, ..Self::default() });
        }
        let version = reader.string("version")?;
        Ok(Self { disk: DiskId(reader.u128()?), address, zone, version })
    }
}
