//! What may be done about members and leaders.

use std::fmt;

use varve_types::{NodeId, ReplicaId, ShardId};

use crate::catalog::CatalogCommand;

/// One change. Making it twice, or late, changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Change the catalog.
    Change(CatalogCommand),
    /// Have another replica lead a shard.
    Lead { shard: ShardId, leader: NodeId, to: ReplicaId },
    /// Have another replica lead the metadata group.
    LeadCatalog { to: ReplicaId },
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = match self {
            Self::Lead { shard, leader, to } => {
                return write!(f, "shard {shard}: node {leader} hands over to replica {to}");
            }
            Self::LeadCatalog { to } => return write!(f, "catalog: handed over to replica {to}"),
            Self::Change(change) => change,
        };
        match change {
            CatalogCommand::SetLost { node, lost: true } => {
                write!(f, "node {node} has been gone for long: what it held is replaced")
            }
            CatalogCommand::SetLost { node, lost: false } => write!(f, "node {node} is back"),
            CatalogCommand::AddReplica { group, node } => {
                write!(f, "{group}: node {node} is to hold a replica")
            }
            CatalogCommand::Joined { group, replica } => {
                write!(f, "{group}: replica {replica} has come")
            }
            CatalogCommand::RetireReplica { group, replica } => {
                write!(f, "{group}: replica {replica} is to go")
            }
            CatalogCommand::RemoveReplica { group, replica } => {
                write!(f, "{group}: replica {replica} has gone")
            }
            CatalogCommand::Held { shard, node, .. } => {
                write!(f, "shard {shard}: node {node} holds all of it")
            }
            CatalogCommand::Dropped { shard, node } => {
                write!(f, "shard {shard}: what node {node} held is damaged or gone")
            }
            CatalogCommand::Finished { shard, node, files } => {
                write!(f, "shard {shard}: node {node} made its final files, {files}")
            }
            other => write!(f, "{other:?}"),
        }
    }
}
