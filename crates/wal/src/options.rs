//! How a log is set up, and the bounds of that.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::WalError;
use crate::format::RECORDS_START;
use crate::format::file_header::CAPACITY_MAX;
use crate::format::record::RECORD_HEADER_BYTES;

/// What one round writes at most, unless a single record is larger: bounds the memory of a round
/// and how long the next one waits.
pub(crate) const ROUND_BYTES_MAX: usize = 16 << 20;

/// How long nothing must happen until a round says that the last one was synced; and how long a
/// committed position waits at most for a round to ride with.
pub(crate) const IDLE: Duration = Duration::from_millis(10);

/// How often a full log looks whether there is room again.
pub(crate) const FULL_RETRY: Duration = Duration::from_secs(1);

/// Freed files kept for reuse; more are removed, so that a burst gives its room back.
pub(crate) const SPARES_MAX: usize = 2;

/// The smallest file or reserve: a header block and some records.
const FILE_BYTES_MIN: u64 = 16 << 10;

/// Called with a message that names the file and the remedy when the log cannot go on. In
/// production it prints the message and ends the process.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Told how long each round took to write and sync; it must return at once.
pub type OnRound = Arc<dyn Fn(Duration) + Send + Sync>;

/// How a log is set up.
#[derive(Clone)]
pub struct WalOptions {
    /// A file's length in bytes: 16 KiB to 1 GiB. An entry must be smaller than a file.
    pub file_bytes: u64,
    /// What is kept aside for votes, truncations and purges when the disk is full, in bytes:
    /// 16 KiB to 1 GiB.
    pub reserve_bytes: u64,
    /// Recent entries kept in memory, in bytes. Entries that are not synced yet count, but stay.
    pub cache_bytes: usize,
    /// Told when a write or an fsync failed: the process must end, because nobody knows any
    /// longer what is on the disk.
    pub on_fatal: OnFatal,
    /// Told how long each round took.
    pub on_round: OnRound,
}

impl WalOptions {
    /// Files, reserve and cache of 64 MiB each, and nobody told of rounds.
    #[must_use]
    pub fn new(on_fatal: OnFatal) -> Self {
        Self {
            file_bytes: 64 << 20,
            reserve_bytes: 64 << 20,
            cache_bytes: 64 << 20,
            on_fatal,
            on_round: Arc::new(|_| ()),
        }
    }

    /// The largest entry, vote or log id in bytes: what a file holds besides its header and one
    /// mark.
    #[must_use]
    pub const fn payload_bytes_max(&self) -> usize {
        self.file_bytes as usize - RECORDS_START - 4 * RECORD_HEADER_BYTES
    }

    pub(crate) fn check(&self) -> Result<(), WalError> {
        for (name, bytes) in
            [("file_bytes", self.file_bytes), ("reserve_bytes", self.reserve_bytes)]
        {
            if !(FILE_BYTES_MIN..=CAPACITY_MAX).contains(&bytes) || bytes % 8 != 0 {
                return Err(WalError::Options { name, bytes });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for WalOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WalOptions")
            .field("file_bytes", &self.file_bytes)
            .field("reserve_bytes", &self.reserve_bytes)
            .field("cache_bytes", &self.cache_bytes)
            .finish_non_exhaustive()
    }
}
