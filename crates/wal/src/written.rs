//! A group as the records written so far make it: what a checkpoint says of it, and in which
//! files its entries are.
//!
//! The writer holds one per group and applies each record as it goes into a round, so it lags
//! behind [`crate::index`], which shows what callers asked for. Files are freed by this one: an
//! entry whose truncation is still queued must survive a crash.

use std::collections::VecDeque;

use bytes::Bytes;
use varve_types::LogIndex;

use crate::format::payload::Checkpoint;
use crate::format::{Counter, FileSequence};

/// Entries of one group that stand in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    file: FileSequence,
    first: LogIndex,
    last: LogIndex,
}

/// A group as its records make it.
#[derive(Debug)]
pub(crate) struct WrittenGroup {
    /// Of the last record.
    pub(crate) counter: Counter,
    /// The chain cannot be proven; stays so until the group is removed.
    pub(crate) quarantined: bool,
    pub(crate) vote: Option<Bytes>,
    pub(crate) committed: Option<Bytes>,
    pub(crate) purged: Option<(LogIndex, Bytes)>,
    /// Ascending in index and in file.
    runs: VecDeque<Run>,
}

impl WrittenGroup {
    pub(crate) const fn new(counter: Counter) -> Self {
        Self {
            counter,
            quarantined: false,
            vote: None,
            committed: None,
            purged: None,
            runs: VecDeque::new(),
        }
    }

    /// As a checkpoint says, with none of the entries it lists.
    pub(crate) fn from_checkpoint(counter: Counter, checkpoint: &Checkpoint) -> Self {
        Self {
            vote: checkpoint.vote.clone(),
            committed: checkpoint.committed.clone(),
            purged: checkpoint.purged.clone(),
            ..Self::new(counter)
        }
    }

    /// First and last entry.
    pub(crate) fn live(&self) -> Option<(LogIndex, LogIndex)> {
        Some((self.runs.front()?.first, self.runs.back()?.last))
    }

    /// The oldest file with an entry, and the last entry there.
    pub(crate) fn oldest(&self) -> Option<(FileSequence, LogIndex)> {
        self.runs.front().map(|run| (run.file, run.last))
    }

    /// Adds an entry; `false` when it does not follow the last one, and then nothing is done.
    #[must_use]
    pub(crate) fn append(&mut self, index: LogIndex, file: FileSequence) -> bool {
        match self.runs.back_mut() {
            Some(run) if run.last.next() != index => return false,
            Some(run) if run.file == file => run.last = index,
            _ => self.runs.push_back(Run { file, first: index, last: index }),
        }
        true
    }

    /// Drops entries from `from` on.
    pub(crate) fn truncate(&mut self, from: LogIndex) {
        while let Some(run) = self.runs.back_mut() {
            if run.first < from {
                run.last = run.last.min(LogIndex(from.get() - 1));
                return;
            }
            self.runs.pop_back();
        }
    }

    /// Drops entries up to `upto`.
    pub(crate) fn purge(&mut self, upto: LogIndex, log_id: Bytes) {
        while let Some(run) = self.runs.front_mut() {
            if run.last > upto {
                run.first = run.first.max(upto.next());
                break;
            }
            self.runs.pop_front();
        }
        if self.purged.as_ref().is_none_or(|(purged, _)| *purged <= upto) {
            self.purged = Some((upto, log_id));
        }
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            quarantined: self.quarantined,
            vote: self.vote.clone(),
            committed: self.committed.clone(),
            purged: self.purged.clone(),
            live: self.live(),
        }
    }
}
