//! Files of shards between nodes: snapshots that come, copies of closed shards, and whether files
//! are what they were written as.

mod compare;
mod copy;
mod fetch;
mod install;
mod lender;
mod report;
mod scrub;
mod serve;
mod verify;

pub(super) use compare::compare_always;
pub(super) use fetch::fetch_whenever_due;
pub(super) use lender::{CopyError, Lender};
pub(super) use scrub::scrub_always;
pub use verify::VerifyRow;

use super::Host;
use crate::upkeep::{ComparisonStats, RepairStats};

impl Host {
    /// What is copied to this node now, and was since its start.
    #[must_use]
    pub fn repair(&self) -> RepairStats {
        self.inner().upkeep.repairs.stats()
    }

    /// How often the replicas of open shards that are led here were compared, and what that found.
    #[must_use]
    pub fn comparisons(&self) -> ComparisonStats {
        self.inner().upkeep.comparisons.stats()
    }
}
