//! One group under reconstruction: what its records came to, and what may be wrong with that.

use std::collections::BTreeMap;

use varve_types::LogIndex;

use crate::format::payload::Checkpoint;
use crate::format::{Counter, RecordSequence};
use crate::written::WrittenGroup;

/// What may be wrong with a group whose chain has a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Anything.
    All,
    /// The entries from the first to the second; a checkpoint has vouched for the rest.
    Entries(LogIndex, LogIndex),
    /// It was quarantined before: only removal ends that.
    Quarantined,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Suspicion {
    extent: Extent,
    /// Which damage, as a place in the list; `None` when that file is long gone.
    damage: Option<usize>,
}

/// A group under reconstruction.
pub(crate) struct Replayed {
    pub(crate) written: WrittenGroup,
    pub(super) suspicion: Option<Suspicion>,
    /// Entries with damaged payloads, and which damage it was.
    pub(super) bad: BTreeMap<LogIndex, usize>,
    /// When a record or a mark last fitted the chain.
    pub(super) proven: RecordSequence,
}

/// What follows from a checkpoint for the group in memory.
pub(super) struct Verdict {
    /// It contradicts what was replayed without any gap.
    pub(super) doubtful: bool,
    /// There were no entries: what was replayed of them is wrong.
    pub(super) forgets_entries: bool,
}

impl Replayed {
    pub(super) fn new(counter: Counter) -> Self {
        Self {
            written: WrittenGroup::new(counter),
            suspicion: None,
            bad: BTreeMap::new(),
            proven: RecordSequence(0),
        }
    }

    /// Takes hard state from a checkpoint, and weighs what was replayed against it.
    pub(super) fn reconcile(&mut self, checkpoint: &Checkpoint) -> Verdict {
        let before = self.written.checkpoint();
        let damage = self.suspicion.and_then(|suspicion| suspicion.damage);
        self.written.vote.clone_from(&checkpoint.vote);
        self.written.committed.clone_from(&checkpoint.committed);
        if let Some((index, log_id)) = checkpoint.purged.clone() {
            self.written.purge(index, log_id);
        }
        let mut verdict = Verdict { doubtful: false, forgets_entries: false };
        if checkpoint.quarantined {
            self.suspicion = Some(Suspicion { extent: Extent::Quarantined, damage });
            return verdict;
        }
        match self.suspicion.map(|suspicion| suspicion.extent) {
            Some(Extent::Quarantined) => {}
            None if before == *checkpoint => {}
            // The first of this group that is left to read: entries of freed files are purged
            // further on, or they are missing.
            None if before == Checkpoint::default() => {
                self.suspicion = checkpoint.live.map(|(first, last)| {
                    let extent = Extent::Entries(first, last);
                    Suspicion { extent, damage }
                });
            }
            None => verdict.doubtful = true,
            Some(Extent::All | Extent::Entries(..)) => match checkpoint.live {
                None => {
                    self.written.truncate(LogIndex(0));
                    self.suspicion = None;
                    verdict.forgets_entries = true;
                }
                Some((first, last)) => {
                    if let Some(Suspicion { extent: extent @ Extent::All, .. }) =
                        &mut self.suspicion
                    {
                        *extent = Extent::Entries(first, last);
                    }
                    self.narrow(first, Some(last));
                }
            },
        }
        verdict
    }

    /// From now on anything may be wrong with it, because of this damage.
    pub(super) fn suspect(&mut self, damage: Option<usize>) {
        if self.suspicion.is_none_or(|it| it.extent != Extent::Quarantined) {
            self.suspicion = Some(Suspicion { extent: Extent::All, damage });
        }
    }

    /// Whether it must not be served, and the damage that is to blame, if it is still there.
    #[expect(clippy::option_option, reason = "the outer one: is it; the inner: because of which")]
    pub(super) fn blame(&self) -> Option<Option<usize>> {
        match (self.suspicion, self.bad.values().next()) {
            (Some(suspicion), _) => Some(suspicion.damage),
            (None, Some(damage)) => Some(Some(*damage)),
            (None, None) => None,
        }
    }

    /// Entries outside this range are gone, so nothing about them can be wrong.
    pub(super) fn narrow(&mut self, first: LogIndex, last: Option<LogIndex>) {
        if let Some(Suspicion { extent: Extent::Entries(from, to), .. }) = &mut self.suspicion {
            *from = first.max(*from);
            match last.map(|last| last.min(*to)) {
                Some(last) if last >= *from => *to = last,
                _ => self.suspicion = None,
            }
        }
    }
}
