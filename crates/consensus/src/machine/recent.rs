//! What a replica held after each of the last entries, so that replicas which are not at the same
//! entry at the same moment can be compared.

use std::collections::VecDeque;

use varve_types::{ContentDigest, LogIndex};

/// So many entries are remembered: replicas that are asked together are not further apart, unless
/// one lags.
const ENTRIES_MAX: usize = 128;

/// The state after one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) index: LogIndex,
    pub(crate) rows: u64,
    pub(crate) digest: ContentDigest,
}

/// The last states, the newest at the end.
#[derive(Default)]
pub(super) struct Recent(VecDeque<Applied>);

impl Recent {
    pub(super) fn push(&mut self, state: Applied) {
        if self.0.len() == ENTRIES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(state);
    }

    pub(super) fn all(&self) -> Vec<Applied> {
        self.0.iter().copied().collect()
    }
}
