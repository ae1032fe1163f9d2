//! The seam between a node and its world: network, disk, randomness, blocking work and the wall
//! clock, each real or simulated.
//!
//! Everything above this crate meets the world only through [`Env`], and time only through
//! `tokio::time`; so a whole node runs unmodified in a simulation that a seed replays bit for
//! bit. This crate knows nothing of logs.

mod blocking;
mod clock;
pub mod disk;
pub mod network;
mod random;
#[cfg(feature = "sim")]
pub mod sim;

use std::fmt;
use std::sync::Arc;

pub use blocking::Blocking;
pub use clock::Clock;
pub use disk::{Disk, DiskFile, DiskLock, OpenMode, RealDisk};
pub use network::Network;
pub use random::Random;

/// One node's world. Cloning shares it.
#[derive(Clone)]
pub struct Env {
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Connections.
    pub network: Network,
    /// Unpredictable numbers.
    pub random: Random,
    /// Work that would block the runtime.
    pub blocking: Blocking,
    /// What time it is.
    pub clock: Clock,
}

impl Env {
    /// The machine: its files, sockets, threads, entropy and clock.
    #[must_use]
    pub fn real() -> Self {
        Self {
            disk: Arc::new(RealDisk),
            network: Network::sockets(),
            random: Random::from_os(),
            blocking: Blocking::threads(),
            clock: Clock::system(),
        }
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("network", &self.network)
            .field("blocking", &self.blocking)
            .finish_non_exhaustive()
    }
}
