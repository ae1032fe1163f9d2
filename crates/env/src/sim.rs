//! The simulated world: a disk with faults, a clock that a test sets, seeded randomness, work
//! done inline, and turmoil's network.
//!
//! Everything here is deterministic: the same seeds and the same calls give the same bytes.
//!
//! # The disk's fault model
//!
//! - Names point at files by number: a rename does not disturb who has a file open.
//! - A file's unsynced writes are kept as a list over its last synced bytes. In a crash each
//!   survives whole, torn at a byte, in some of its 4 KiB pages, or not at all; a later one may
//!   survive without an earlier one.
//! - A file's length is more orderly, as in a journalling file system: it never grows over a
//!   write that was lost, so no hole of zeros appears where a program wrote. Zeros that
//!   preallocation put there are real, and remain.
//! - Of each directory's changes since its last sync a crash keeps some first ones. A rename
//!   between directories never loses both names.
//! - After a sync that failed, what it should have synced is durable only by chance, even if
//!   later syncs succeed.
//! - A crash shuts out everybody who was there before it, and releases locks.

mod clock;
mod disk;
mod fault;
mod file;
mod image;
mod mount;
mod state;
mod survival;
mod trace;
mod tree;

use std::time::Duration;

pub use clock::{EPOCH, SimClock};
pub use disk::SimDisk;
pub use fault::{Action, Fault};
pub use survival::Survival;
pub use trace::{FileId, Op, Trace};

use crate::{Blocking, Env, Network, Random};

/// How long blocking work takes at most, in virtual time, on a disk that is as fast as usual.
const JOB_MAX: Duration = Duration::from_millis(3);

/// The world of one life of a simulated node, whose clock goes right. See [`world_with_clock`].
#[must_use]
pub fn world(seed: u64, disk: &SimDisk) -> Env {
    world_with_clock(seed, disk, &SimClock::new())
}

/// The world of one life of a simulated node: a mount of its disk, its clock, turmoil's network,
/// and the randomness and the timing of blocking work that the seed gives.
#[must_use]
pub fn world_with_clock(seed: u64, disk: &SimDisk, clock: &SimClock) -> Env {
    let random = Random::seeded(seed);
    let timing = Random::seeded(random.next_u64());
    let slowed = disk.clone();
    let longest = move || slowed.job_max().unwrap_or(JOB_MAX);
    Env {
        disk: disk.mount(),
        network: Network::turmoil(),
        random,
        blocking: Blocking::inline(longest, timing),
        clock: clock.clock(),
    }
}
