//! Bugs planted on purpose, so that the harness proves that it catches them.
//!
//! Each breaks one promise of the store in the place where a careless change would. A place asks
//! [`Mutant::is_planted`]. Without the feature `plant`, which only the tests of whole clusters turn
//! on, that is a constant and the bug is not in the binary; with it, a process has none until it
//! plants one.

#[cfg(feature = "plant")]
mod plant;

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mutant {
    /// A round of the log is answered before it is synced.
    AckBeforeSync = 1,
    /// A follower that does not answer counts as one that has all entries.
    CommitOnMinority,
    /// A shard that is opened from its files, after a restart or a snapshot, knows no producers.
    DedupForgottenBySnapshot,
    /// Rot in the middle of the log is taken for its torn end: what follows is dropped.
    TruncationInTheMiddle,
    /// Whoever thinks that it leads answers reads without asking a quorum.
    StaleLeaseRead,
    /// A sealed shard goes on to take writes.
    SealWithoutFence,
    /// Records are stamped by the clock of the node that applies them.
    ApplyByTheClock,
    /// A batch with a sequence below the highest known one counts as stored.
    DedupByHighestSequence,
    /// A read takes the answer of a round of read indexes that was the last to begin before it came.
    JoinsEarlierRound,
    /// A successor opens without what its predecessors know of producers.
    InheritSkipped,
    /// A flush drops blocks from the tail that came while it wrote.
    FlushDropsWhatCame,
    /// A replica answers before it applied what a read is to show.
    ReadBeforeApplied,
    /// A read that finds a shard sealed does not look at its successors.
    SuccessorsNotFollowed,
    /// A search answers without the shards that nobody could read, and does not say so.
    UnreadShardLeftOut,
    /// A log is purged up to what was applied instead of what is in files.
    PurgeAheadOfFlush,
    /// A batch is acknowledged when its time is over.
    TimeoutAcknowledged,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::AckBeforeSync,
        Self::CommitOnMinority,
        Self::DedupForgottenBySnapshot,
        Self::TruncationInTheMiddle,
        Self::StaleLeaseRead,
        Self::SealWithoutFence,
        Self::ApplyByTheClock,
        Self::DedupByHighestSequence,
        Self::JoinsEarlierRound,
        Self::InheritSkipped,
        Self::FlushDropsWhatCame,
        Self::ReadBeforeApplied,
        Self::SuccessorsNotFollowed,
        Self::UnreadShardLeftOut,
        Self::PurgeAheadOfFlush,
        Self::TimeoutAcknowledged,
    ];

    /// Whether this process has the bug.
    #[cfg(not(feature = "plant"))]
    #[must_use]
    #[inline]
    pub const fn is_planted(self) -> bool {
        false
    }
}
