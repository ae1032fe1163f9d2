//! Why a batch was not stored, and what the sender can do about it.

use std::time::Duration;

use varve_types::{BatchKey, Sequence};

/// Why a batch was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The key was used for other content.
    #[error("batch {key} was stored before with other content")]
    Conflict {
        /// The key of both.
        key: BatchKey,
    },
    /// The sequence is older than what is remembered, so whether it was stored cannot be told.
    #[error(
        "batch {key} is too old to tell whether it was stored: the lowest sequence remembered is {lowest}"
    )]
    Forgotten {
        /// The key sent.
        key: BatchKey,
        /// The lowest sequence of the producer that can still be resent.
        lowest: Sequence,
    },
    /// More waits to be stored than the node's budget for it.
    #[error("more than {budget_bytes} bytes wait to be stored")]
    Overloaded {
        /// `queue_size`, in bytes.
        budget_bytes: usize,
    },
    /// Shards hold more than the node's budget for it, and have not written it out in time.
    /// Nothing of the batch was stored.
    #[error(
        "blocks in memory take more than `tail_memory` of this node and are not written out in time"
    )]
    TailsFull,
    /// The request alone is larger than the node's budget.
    #[error(
        "the request takes {bytes} bytes, more than `queue_size` of this node, {budget_bytes} bytes"
    )]
    OverBudget {
        /// What the request takes.
        bytes: usize,
        /// `queue_size`, in bytes.
        budget_bytes: usize,
    },
    /// The shard remembers as many producers as its memory allows.
    #[error(
        "too many producers are remembered; a new one cannot be taken until others have been idle for 7 days"
    )]
    TooManyProducers,
    /// The disk has no room for more.
    #[error("the disk is full: this node takes no more logs until there is room")]
    DiskFull,
    /// No block takes the batch, though its protocol let it pass. Nothing of this part was stored.
    #[error("the batch was refused by its shard: {why}")]
    Refused {
        /// What is wrong with it.
        why: String,
    },
    /// What became of the batch is not known: it may or may not be stored.
    #[error("the batch was not confirmed in time: {why}")]
    Unconfirmed {
        /// The key under which sending it again is safe.
        key: BatchKey,
        /// What was waited for.
        why: String,
        /// Which of the request's records the key is for, when the request was cut into several
        /// batches: those before are stored, those after are not.
        records: Option<std::ops::Range<usize>>,
    },
}

impl AppendError {
    /// What the sender can do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Conflict { .. } => {
                "use a new sequence for new content; resend a batch exactly as it was".to_owned()
            }
            Self::Forgotten { .. } => {
                "a producer that keeps at most 64 batches in flight had this one acknowledged \
                 long ago; start a new epoch when in doubt"
                    .to_owned()
            }
            Self::Overloaded { .. } | Self::TailsFull => {
                "send it again after the delay, or send more slowly".to_owned()
            }
            Self::OverBudget { .. } => {
                "send smaller requests, or raise `queue_size` on the node".to_owned()
            }
            Self::TooManyProducers => {
                "reuse producer ids across restarts instead of making new ones".to_owned()
            }
            Self::DiskFull => {
                "free room on the disk of the data directory, or lower `disk_free_min`; searches \
                 still work"
                    .to_owned()
            }
            Self::Refused { .. } => {
                "this is a fault of the server; please report it with the message".to_owned()
            }
            Self::Unconfirmed { records: None, .. } => {
                "send the same batch again under this idempotency key: it is stored once".to_owned()
            }
            Self::Unconfirmed { records: Some(range), .. } => format!(
                "records 0 to {} are stored; send records {} to {} again under this idempotency \
                 key, and those after without it",
                range.start, range.start, range.end
            ),
        }
    }

    /// A word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::Forgotten { .. } => "forgotten",
            Self::Overloaded { .. } | Self::TailsFull => "overloaded",
            Self::OverBudget { .. } => "too_large",
            Self::TooManyProducers => "too_many_producers",
            Self::DiskFull => "disk_full",
            Self::Refused { .. } => "refused",
            Self::Unconfirmed { .. } => "unconfirmed",
        }
    }

    /// How long to wait before sending it again, where that may help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded { .. } | Self::TailsFull | Self::Unconfirmed { .. } => {
                Some(Duration::from_secs(1))
            }
            Self::DiskFull => Some(Duration::from_secs(10)),
            Self::TooManyProducers => Some(Duration::from_secs(60)),
            Self::Conflict { .. }
            | Self::Forgotten { .. }
            | Self::OverBudget { .. }
            | Self::Refused { .. } => None,
        }
    }

    /// All that [`Self::shed_by`] answers.
    pub(crate) const BUDGETS: [&str; 4] =
        ["queue_size", "tail_memory", "disk_free_min", "producers"];

    /// Which budget sent the batch away, where one did.
    #[must_use]
    pub const fn shed_by(&self) -> Option<&'static str> {
        match self {
            Self::Overloaded { .. } => Some("queue_size"),
            Self::TailsFull => Some("tail_memory"),
            Self::DiskFull => Some("disk_free_min"),
            Self::TooManyProducers => Some("producers"),
            Self::Conflict { .. }
            | Self::Forgotten { .. }
            | Self::OverBudget { .. }
            | Self::Refused { .. }
            | Self::Unconfirmed { .. } => None,
        }
    }

    /// The key under which sending the batch again is safe, where the sender may need it.
    #[must_use]
    pub const fn resend_key(&self) -> Option<&BatchKey> {
        match self {
            Self::Unconfirmed { key, .. } => Some(key),
            _ => None,
        }
    }
}
