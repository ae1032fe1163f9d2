//! What was logged about peers already, so that trying again is not logged again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use varve_types::NodeId;

/// So many different things are remembered; after that all may be said once more.
const REMEMBERED_MAX: usize = 1024;

/// What was said about which peer.
#[derive(Debug)]
pub(super) struct Said<T>(Mutex<BTreeSet<(NodeId, T)>>);

impl<T> Default for Said<T> {
    fn default() -> Self {
        Self(Mutex::new(BTreeSet::new()))
    }
}

impl<T: Ord> Said<T> {
    /// Whether this is to be said now: it was not since the peer was last [`Said::forget`]ten.
    pub(super) fn is_news(&self, peer: NodeId, what: T) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= REMEMBERED_MAX {
            said.clear();
        }
        said.insert((peer, what))
    }

    /// All is well with the peer. Answers whether something had been said about it.
    pub(super) fn forget(&self, peer: NodeId) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = said.len();
        said.retain(|(other, _)| *other != peer);
        said.len() < before
    }
}
