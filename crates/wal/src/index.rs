//! A group in memory, as its callers see it: everything they asked for, synced or not.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use varve_types::{GroupId, LogIndex};

use crate::error::WalError;
use crate::format::FileSequence;
use crate::format::payload::Checkpoint;

/// Names one append, so that a late completion does not touch an entry that has since been
/// truncated and written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WriteId(pub(crate) u64);

/// Where an entry's record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) file: FileSequence,
    pub(crate) offset: u64,
    pub(crate) payload_bytes: u32,
}

/// One entry: in memory, in a file, or both; never neither.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) write: WriteId,
    pub(crate) bytes: Option<Bytes>,
    pub(crate) location: Option<Location>,
}

/// What a group's log says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    /// The last vote saved.
    pub vote: Option<Bytes>,
    /// The last committed position saved.
    pub committed: Option<Bytes>,
    /// The last entry purged, and its log id.
    pub purged: Option<(LogIndex, Bytes)>,
    /// The last entry present.
    pub last: Option<LogIndex>,
    /// The first entry present.
    pub first: Option<LogIndex>,
}

/// A group in memory.
#[derive(Debug, Default)]
pub(crate) struct GroupLog {
    pub(crate) vote: Option<Bytes>,
    pub(crate) committed: Option<Bytes>,
    pub(crate) purged: Option<(LogIndex, Bytes)>,
    /// Why nothing of this group is served.
    pub(crate) quarantine: Option<WalError>,
    first: LogIndex,
    slots: VecDeque<Slot>,
}

impl GroupLog {
    /// As a checkpoint says, with none of the entries it lists.
    pub(crate) fn from_checkpoint(checkpoint: Checkpoint) -> Self {
        let Checkpoint { vote, committed, purged, .. } = checkpoint;
        Self { vote, committed, purged, ..Self::default() }
    }

    pub(crate) fn state(&self) -> GroupState {
        GroupState {
            vote: self.vote.clone(),
            committed: self.committed.clone(),
            purged: self.purged.clone(),
            last: self.last(),
            first: (!self.slots.is_empty()).then_some(self.first),
        }
    }

    pub(crate) fn entries(&self) -> usize {
        self.slots.len()
    }

    fn last(&self) -> Option<LogIndex> {
        let more = self.slots.len().checked_sub(1)?;
        Some(LogIndex(self.first.get() + more as u64))
    }

    /// The entry that would follow; `None` when any may.
    pub(crate) fn next(&self) -> Option<LogIndex> {
        let last = self.last().or(self.purged.as_ref().map(|(index, _)| *index))?;
        Some(LogIndex(last.get().saturating_add(1)))
    }

    /// Adds the next entry: the caller has checked that it is.
    pub(crate) fn push(&mut self, index: LogIndex, slot: Slot) {
        if self.slots.is_empty() {
            self.first = index;
        }
        self.slots.push_back(slot);
    }

    /// Drops entries from `from` on; answers how many bytes of them were in memory.
    pub(crate) fn truncate(&mut self, from: LogIndex) -> usize {
        let keep = from.get().saturating_sub(self.first.get());
        let keep = usize::try_from(keep).unwrap_or(usize::MAX).min(self.slots.len());
        in_memory(self.slots.drain(keep..))
    }

    /// Drops entries up to `upto`; answers how many bytes of them were in memory.
    pub(crate) fn purge(&mut self, upto: LogIndex, log_id: Bytes) -> usize {
        if self.purged.as_ref().is_none_or(|(purged, _)| *purged <= upto) {
            self.purged = Some((upto, log_id));
        }
        if self.slots.is_empty() || upto < self.first {
            return 0;
        }
        let gone = (upto.get() - self.first.get()).saturating_add(1);
        let gone = usize::try_from(gone).unwrap_or(usize::MAX).min(self.slots.len());
        self.first = LogIndex(self.first.get() + gone as u64);
        in_memory(self.slots.drain(..gone))
    }

    /// The entry at `index`, if it is still the one that `write` wrote.
    pub(crate) fn slot(&self, index: LogIndex, write: WriteId) -> Option<&Slot> {
        let at = index.get().checked_sub(self.first.get())?;
        self.slots.get(usize::try_from(at).ok()?).filter(|slot| slot.write == write)
    }

    /// As [`Self::slot`].
    pub(crate) fn slot_mut(&mut self, index: LogIndex, write: WriteId) -> Option<&mut Slot> {
        let at = index.get().checked_sub(self.first.get())?;
        self.slots.get_mut(usize::try_from(at).ok()?).filter(|slot| slot.write == write)
    }

    /// The entries in a range, in order.
    pub(crate) fn range(&self, range: &Range<LogIndex>) -> impl Iterator<Item = (LogIndex, &Slot)> {
        let at = |index: LogIndex| {
            let at = index.get().saturating_sub(self.first.get());
            usize::try_from(at).unwrap_or(usize::MAX).min(self.slots.len())
        };
        let (start, end) = (at(range.start), at(range.end));
        let slots = self.slots.range(start.min(end)..end);
        slots
            .enumerate()
            .map(move |(nth, slot)| (LogIndex(self.first.get() + (start + nth) as u64), slot))
    }

    /// Drops all entries; answers how many bytes of them were in memory.
    pub(crate) fn clear(&mut self) -> usize {
        in_memory(self.slots.drain(..))
    }
}

/// Why a group is not served, as its callers are told.
pub(crate) fn check_served(group: GroupId, log: Option<&GroupLog>) -> Result<(), WalError> {
    match log.and_then(|log| log.quarantine.clone()) {
        None => Ok(()),
        Some(WalError::Corrupt { file, offset, what, .. }) => {
            Err(WalError::Corrupt { file, offset, what, groups: vec![group] })
        }
        Some(error) => Err(error),
    }
}

fn in_memory(slots: impl Iterator<Item = Slot>) -> usize {
    slots.map(|slot| slot.bytes.map_or(0, |bytes| bytes.len())).sum()
}
