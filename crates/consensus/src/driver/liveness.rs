//! When each node was last heard of. Only the node that drives asks all others, so only there it
//! means something.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use varve_types::NodeId;

/// A node that does not answer is asked again after this long: it would hold up every look.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// When nodes answered last, and who is not asked for a while.
#[derive(Default)]
pub(crate) struct Liveness(Mutex<BTreeMap<NodeId, Heard>>);

#[derive(Clone, Copy)]
struct Heard {
    answered: Instant,
    ask_after: Instant,
}

impl Liveness {
    fn nodes(&self) -> MutexGuard<'_, BTreeMap<NodeId, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins anew: whoever begins to drive knows nothing of the time before.
    pub(crate) fn forget(&self) {
        self.nodes().clear();
    }

    /// Whether a node is worth asking now. One that was never asked counts as heard of now.
    pub(super) fn may_ask(&self, node: NodeId) -> bool {
        let now = Instant::now();
        let heard = Heard { answered: now, ask_after: now };
        self.nodes().entry(node).or_insert(heard).ask_after <= now
    }

    pub(super) fn answered(&self, node: NodeId) {
        let now = Instant::now();
        self.nodes().insert(node, Heard { answered: now, ask_after: now });
    }

    pub(super) fn did_not_answer(&self, node: NodeId) {
        if let Some(heard) = self.nodes().get_mut(&node) {
            heard.ask_after = Instant::now() + ASK_AGAIN;
        }
    }

    /// For how long a node has not been heard of, in ns.
    pub(super) fn silent_ns(&self, node: NodeId) -> u64 {
        let silent = self.nodes().get(&node).map_or(Duration::ZERO, |heard| {
            if heard.ask_after <= heard.answered {
                Duration::ZERO
            } else {
                heard.answered.elapsed()
            }
        });
        u64::try_from(silent.as_nanos()).unwrap_or(u64::MAX)
    }
}
