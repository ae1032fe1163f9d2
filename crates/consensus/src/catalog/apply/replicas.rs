//! Replicas that come to a group and leave it: the metadata group's and shards' alike.

use std::collections::{BTreeMap, BTreeSet};

use varve_types::{GroupId, NodeId, ReplicaId};

use super::{Applied, CatalogReply};
use crate::catalog::{Catalog, ShardEntry, ShardState, replica_on, staying};

/// The replicas of one group.
struct Members<'a> {
    replicas: &'a mut BTreeMap<ReplicaId, NodeId>,
    coming: &'a mut BTreeSet<ReplicaId>,
    leaving: &'a mut BTreeSet<ReplicaId>,
}

impl Catalog {
    pub(super) fn add_replica(&mut self, group: GroupId, node: NodeId) -> Applied {
        if !self.nodes.contains_key(&node) {
            return Err(format!("there is no node {node}"));
        }
        self.require_settled(group)?;
        let replica = self.new_replica();
        let members = self.members(group)?;
        if replica_on(members.replicas, node).is_some() {
            return Err(format!("node {node} has a replica of {group} already"));
        }
        members.replicas.insert(replica, node);
        members.coming.insert(replica);
        Ok(CatalogReply::Done)
    }

    pub(super) fn joined(&mut self, group: GroupId, replica: ReplicaId) -> Applied {
        self.members(group)?.coming.remove(&replica);
        Ok(CatalogReply::Done)
    }

    pub(super) fn retire_replica(&mut self, group: GroupId, replica: ReplicaId) -> Applied {
        self.require_settled(group)?;
        let members = self.members(group)?;
        if !members.replicas.contains_key(&replica) {
            return Ok(CatalogReply::Done);
        }
        if staying(members.replicas, members.leaving).all(|(other, _)| other == replica) {
            return Err(format!("replica {replica} is the last one of {group}"));
        }
        members.coming.remove(&replica);
        members.leaving.insert(replica);
        Ok(CatalogReply::Done)
    }

    pub(super) fn remove_replica(&mut self, group: GroupId, replica: ReplicaId) -> Applied {
        let members = self.members(group)?;
        let Some(node) = members.replicas.get(&replica).copied() else {
            return Ok(CatalogReply::Done);
        };
        if !members.leaving.contains(&replica) {
            return Err(format!("replica {replica} of {group} is not on its way out"));
        }
        if let Some(shard) = group.as_shard()
            && let Ok(closed) = self.closed_mut(shard)
        {
            closed.drop_holder(node, shard)?;
        }
        let members = self.members(group)?;
        members.replicas.remove(&replica);
        members.leaving.remove(&replica);
        Ok(CatalogReply::Done)
    }

    fn members(&mut self, group: GroupId) -> Result<Members<'_>, String> {
        let Some(shard) = group.as_shard() else {
            let Self { replicas, coming, leaving, .. } = self;
            return Ok(Members { replicas, coming, leaving });
        };
        let entry = self.shards.get_mut(&shard);
        let entry = entry.ok_or_else(|| format!("there is no shard {shard}"))?;
        let ShardEntry { replicas, coming, leaving, .. } = entry;
        Ok(Members { replicas, coming, leaving })
    }

    /// A group changes its members while it takes writes, or once it is gone: in between, those
    /// who founded it, or who write it out, are left alone.
    fn require_settled(&self, group: GroupId) -> Result<(), String> {
        let Some(shard) = group.as_shard() else { return Ok(()) };
        match self.shards.get(&shard).map(|entry| &entry.state) {
            None => Err(format!("there is no shard {shard}")),
            Some(ShardState::Open | ShardState::Closed(_)) => Ok(()),
            Some(state) => Err(format!("shard {shard} is {state}")),
        }
    }
}
