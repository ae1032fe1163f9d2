//! What is known of peers: where they are reached, and which of their starts was the last. The
//! catalog says it, or whoever admitted this node, and the peers themselves when they are met.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use varve_consensus::Incarnation;
use varve_types::NodeId;

/// What is known of peers, shared by its clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    addresses: BTreeMap<NodeId, String>,
    starts: BTreeMap<NodeId, Incarnation>,
}

impl Directory {
    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces all addresses.
    pub(crate) fn set_addresses(&self, addresses: BTreeMap<NodeId, String>) {
        self.write().addresses = addresses;
    }

    /// Where a node is, as `host:port`.
    pub(crate) fn address_of(&self, node: NodeId) -> Option<String> {
        self.read().addresses.get(&node).cloned()
    }

    /// Notes a start of a node, which may be an earlier one than is known.
    pub(crate) fn note_start(&self, node: NodeId, start: Incarnation) {
        let mut known = self.write();
        let last = known.starts.entry(node).or_default();
        *last = start.max(*last);
    }

    /// The last start of a node that is known; that of one that never said when none is.
    pub(crate) fn last_start(&self, node: NodeId) -> Incarnation {
        self.read().starts.get(&node).copied().unwrap_or_default()
    }
}
