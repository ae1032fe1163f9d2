//! Where peers are reached. The catalog says it, or whoever admitted this node.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use varve_types::NodeId;

/// The addresses of peers, shared by its clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses(Arc<RwLock<BTreeMap<NodeId, String>>>);

impl Addresses {
    /// Replaces all of them.
    pub(crate) fn set(&self, addresses: BTreeMap<NodeId, String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    /// Where a node is, as `host:port`.
    pub(crate) fn of(&self, node: NodeId) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&node).cloned()
    }
}
