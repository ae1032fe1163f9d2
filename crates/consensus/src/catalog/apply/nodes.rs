//! Nodes that come, move and go.

use varve_types::NodeId;

use super::{Applied, CatalogReply};
use crate::catalog::{Catalog, Incarnation, Node, NodeCard, Starts};

impl Catalog {
    pub(super) fn add_node(&mut self, card: &NodeCard, instead_of: Option<NodeId>) -> Applied {
        let of_disk = self.nodes.iter().find(|(_, node)| node.disk == card.disk).map(|(id, _)| *id);
        if let Some(id) = of_disk {
            return self.announce(id, card, Starts::default()).map(|_| CatalogReply::Node(id));
        }
        self.take_address(&card.address, None, instead_of)?;
        self.next.node += 1;
        let id = NodeId(self.next.node);
        let NodeCard { disk, address, zone, version } = card.clone();
        let incarnation = Incarnation::default();
        let (draining, lost) = (false, false);
        let node = Node { address, zone, version, disk, incarnation, draining, lost };
        self.nodes.insert(id, node);
        Ok(CatalogReply::Node(id))
    }

    /// A start that the node cannot have gone on to changes nothing: it is that of another disk with
    /// its number.
    pub(super) fn announce(&mut self, id: NodeId, card: &NodeCard, starts: Starts) -> Applied {
        if !starts.continues(self.node(id)?.incarnation) {
            return Err(format!(
                "node {id} has been started since on another disk: this data directory is a copy \
                 of what it was, and must not be used"
            ));
        }
        self.take_address(&card.address, Some(id), None)?;
        let node = self.node(id)?;
        node.incarnation = node.incarnation.max(starts.this);
        node.address.clone_from(&card.address);
        node.zone.clone_from(&card.zone);
        node.version.clone_from(&card.version);
        Ok(CatalogReply::Done)
    }

    /// Makes sure that nobody else has an address. A node that is no longer found there loses it,
    /// and with it its place among those that are given something to hold.
    fn take_address(
        &mut self,
        address: &str,
        taker: Option<NodeId>,
        instead_of: Option<NodeId>,
    ) -> Result<(), String> {
        let other =
            self.nodes.iter_mut().find(|(id, node)| node.address == address && Some(**id) != taker);
        match other {
            None => Ok(()),
            Some((id, node)) if instead_of == Some(*id) => {
                node.address.clear();
                node.lost = true;
                Ok(())
            }
            Some((id, _)) => Err(format!(
                "the address {address} is that of node {id}: advertise another one \
                 (--advertise-peer), or stop node {id} first if this disk is to take its place"
            )),
        }
    }

    /// Decided here and not by whoever asks, who may not know of another drain that is on its way.
    ///
    /// Entries from before this was so were checked when they were proposed, so that only one of
    /// two that crossed each other would have been refused: where such a one is applied anew, the
    /// node is not emptied, which is what its operator was to be told.
    pub(super) fn set_draining(&mut self, node: NodeId, draining: bool) -> Applied {
        if draining && !self.node(node)?.draining {
            self.require_enough_without(node)?;
        }
        self.node(node)?.draining = draining;
        Ok(CatalogReply::Done)
    }

    /// Whether enough nodes are left without one of them to hold everything as often as it is to be
    /// held; if not, says what to do.
    pub(crate) fn require_enough_without(&self, node: NodeId) -> Result<(), String> {
        let others = self.nodes.iter().filter(|(id, other)| **id != node && other.is_usable());
        let (left, wanted) = (others.count(), self.settings.replicas);
        if left >= usize::try_from(wanted).unwrap_or(usize::MAX) {
            return Ok(());
        }
        Err(format!(
            "without node {node} there would be {left} nodes, and everything is to be held {wanted} \
             times: add a node first"
        ))
    }

    pub(super) fn set_lost(&mut self, node: NodeId, lost: bool) -> Applied {
        let entry = self.node(node)?;
        if !lost && entry.address.is_empty() {
            return Err(format!("node {node} has no address: another disk serves there now"));
        }
        entry.lost = lost;
        Ok(CatalogReply::Done)
    }

    pub(super) fn remove_node(&mut self, node: NodeId) -> Applied {
        if !self.nodes.contains_key(&node) {
            // Ids are never given twice, so it was removed before.
            return Ok(CatalogReply::Done);
        }
        if self.replicas.values().any(|holder| *holder == node) {
            return Err(format!("node {node} is still a member of the metadata group: drain it"));
        }
        let held = self.shards.values().filter(|shard| shard.replica_on(node).is_some()).count();
        if held > 0 {
            return Err(format!("node {node} still holds {held} shards: drain it first"));
        }
        self.nodes.remove(&node);
        Ok(CatalogReply::Done)
    }

    fn node(&mut self, id: NodeId) -> Result<&mut Node, String> {
        self.nodes.get_mut(&id).ok_or_else(|| format!("there is no node {id}"))
    }
}

#[cfg(test)]
mod tests;
