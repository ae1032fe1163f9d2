//! What several searches of one question share: each finds the keys of its own part, and whoever
//! asked merges them and has only the records of the page read.

use varve_types::{RecordId, TimestampNs};

use crate::explain::Tally;

/// A record's place in the order of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// When it happened.
    pub time: TimestampNs,
    /// Its name, which orders those of equal times.
    pub id: RecordId,
}

/// What a search found in a part of all chunks: as many keys as the page is deep, at most, the
/// first in order, and what it counted.
#[derive(Clone, Debug)]
pub struct Keys {
    pub(crate) keys: Vec<Key>,
    pub(crate) tally: Tally,
}

impl Keys {
    /// The keys, in the order of the search.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
}
