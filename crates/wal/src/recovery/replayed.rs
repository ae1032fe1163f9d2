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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Agrees,
    /// What was replayed without any gap is something else.
    Contradicts,
    /// Only the checkpoint counts.
    BeginsAnew,
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

    /// Weighs what was replayed against a checkpoint. A group with a gap, of which anything may be
    /// wrong, begins anew with it, and lacks the entries that it lists.
    pub(super) fn reconcile(&mut self, checkpoint: &Checkpoint) -> Verdict {
        let before = self.written.checkpoint();
        let (extent, damage) = match self.suspicion {
            Some(Suspicion { extent, damage }) => (Some(extent), damage),
            None => (None, None),
        };
        if checkpoint.quarantined {
            self.suspicion = Some(Suspicion { extent: Extent::Quarantined, damage });
            return Verdict::Agrees;
        }
        match extent {
            Some(Extent::Quarantined) => Verdict::Agrees,
            None if before == *checkpoint => Verdict::Agrees,
            None if before != Checkpoint::default() => Verdict::Contradicts,
            // Its first record that is left to read: entries of freed files are purged further
            // on, or they are missing.
            None | Some(Extent::All) => {
                let counter = self.written.counter;
                self.written = WrittenGroup::from_checkpoint(counter, checkpoint);
                self.bad.clear();
                self.suspicion = checkpoint.live.map(|(first, last)| {
                    let extent = Extent::Entries(first, last);
                    Suspicion { extent, damage }
                });
                Verdict::BeginsAnew
            }
            Some(Extent::Entries(..)) => {
                match checkpoint.live {
                    Some((first, last)) => self.narrow(first, Some(last)),
                    None => self.suspicion = None,
                }
                Verdict::Agrees
            }
        }
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
