//! When somebody last wrote or read, or a leader had something to be kept: merges make room for them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For so long after a proposal, an append or a read the node counts as busy.
const BUSY: Duration = Duration::from_millis(100);

/// The last proposal, append or read.
#[derive(Default)]
pub(crate) struct Activity(Mutex<Option<Instant>>);

impl Activity {
    pub(crate) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(crate) fn is_busy(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < BUSY)
    }
}
