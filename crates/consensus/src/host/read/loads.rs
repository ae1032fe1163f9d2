//! How much this node is asking others for at the moment: who is asked for least is asked first.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use varve_types::NodeId;

/// The shards of which each node is being asked.
#[derive(Default)]
pub(in crate::host) struct Loads(Mutex<BTreeMap<NodeId, usize>>);

/// A question under way; over when dropped.
pub(super) struct UnderWay<'a> {
    loads: &'a Loads,
    node: NodeId,
    shards: usize,
}

impl Loads {
    fn all(&self) -> MutexGuard<'_, BTreeMap<NodeId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a question about so many shards.
    pub(super) fn begin(&self, node: NodeId, shards: usize) -> UnderWay<'_> {
        *self.all().entry(node).or_default() += shards;
        UnderWay { loads: self, node, shards }
    }

    pub(super) fn now(&self) -> BTreeMap<NodeId, usize> {
        self.all().clone()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut all = self.loads.all();
        if let Some(shards) = all.get_mut(&self.node) {
            *shards -= self.shards;
            if *shards == 0 {
                all.remove(&self.node);
            }
        }
    }
}
