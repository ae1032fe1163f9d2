//! What the log tells of itself to operators and to whoever decides who must flush.

use varve_types::{GroupId, LogIndex};

/// Counters since the log was opened, and how large it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalStats {
    /// Rounds written, each with one fdatasync.
    pub rounds: u64,
    /// Records written.
    pub records: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Files of the log now, spares and reserve not counted.
    pub files: usize,
    /// Their length in bytes.
    pub file_bytes: u64,
    /// Entries present now, of all groups.
    pub entries: usize,
    /// Bytes of entries in memory now.
    pub cached_bytes: usize,
}

/// The counters among [`WalStats`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: u64,
    pub(crate) records: u64,
    pub(crate) written_bytes: u64,
}

/// The group whose entries keep the oldest file from being freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The group.
    pub group: GroupId,
    /// Purging up to this entry releases its hold on the oldest file.
    pub upto: LogIndex,
    /// Bytes of all files but the newest: what a log without lagging groups would not hold.
    pub held_bytes: u64,
}
