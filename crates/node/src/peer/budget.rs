//! How many bytes of requests may be under way to one peer on one lane.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use varve_consensus::Lane;

/// Bytes are counted in units of this size, because the semaphore counts to 2^32.
const UNIT_BYTES: usize = 1 << 10;

/// The budget of a lane. Whoever waits for room waits in the order in which they came, so that
/// messages keep theirs.
#[derive(Debug)]
pub(super) struct Budget {
    units: Arc<Semaphore>,
    units_max: u32,
}

impl Budget {
    pub(super) fn of(lane: Lane) -> Self {
        let units_max = match lane {
            // Several of the largest batches of entries, for each of many groups.
            Lane::Raft => 64 << 10,
            // Blocks that are forwarded, and many small questions.
            Lane::Requests => 128 << 10,
            // Enough pieces to fill a link, and no more: files are in no hurry.
            Lane::Files => 16 << 10,
        };
        Self { units: Arc::new(Semaphore::new(units_max as usize)), units_max }
    }

    /// Waits for room. A message larger than the budget takes all of it.
    pub(super) async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let units = u32::try_from(bytes / UNIT_BYTES + 1).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.units).acquire_many_owned(units.min(self.units_max)).await;
        taken.expect("BUG: the budget of a lane was closed")
    }
}
