//! One shard on one replica, as its one owner holds it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use varve_env::Disk;
use varve_mutants::Mutant;
use varve_types::{ContentDigest, LogIndex, ShardId, TimestampNs};

use crate::apply::State;
use crate::manifest::{Applied, Manifest};
use crate::{
    ClosedSummary, Command, EventHours, FlushError, FlushJob, Flushed, Gap, Outcome, Phase,
    ShardOptions, ShardReader, ShardSummary, ShardView,
};

/// One shard's state on one replica: what the log has come to, in memory and on disk.
///
/// It has one owner, who applies the log in order. Readers take views through [`ShardReader`].
/// Nothing here is async and nothing blocks but [`Shard::open`] and [`FlushJob::run`].
pub struct Shard {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) options: ShardOptions,
    pub(crate) state: State,
    /// What the caller noted with the last entry; `None` until it has.
    pub(crate) position: Option<Bytes>,
    pub(crate) reader: ShardReader,
    pub(crate) manifest: Option<Arc<Manifest>>,
    pub(crate) tail_bytes: u64,
    /// Where the tail is cut, so that it can be written out piece by piece.
    pub(crate) cuts: VecDeque<Cut>,
    /// Whether the last entry is one after which the tail is cut.
    pub(crate) cut_due: bool,
    pub(crate) flush_asked: bool,
    /// Whether work is under way that replaces the manifest: a flush, or the end of a merge.
    pub(crate) replacing: bool,
    /// The last number that was given to work which writes files, successful or not.
    pub(crate) last_number: u64,
}

/// The state as of an entry up to which the tail can be written out. A tail that grows faster than
/// it is written out is freed piece by piece, instead of in ever larger ones.
///
/// Where it is cut the log alone says: wherever the volume passes a multiple of what is written at
/// once. So all replicas write the same pieces, and one can take what another wrote.
pub(crate) struct Cut {
    state: State,
    applied: Applied,
    /// Blocks in the tail before it.
    blocks: usize,
}

impl Shard {
    /// Which shard.
    #[must_use]
    pub const fn shard(&self) -> ShardId {
        self.state.shard
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes one entry: pure memory, deterministic, the same on every replica. Stamps are made
    /// monotonic. Follow it, before the next [`Shard::flush_job`], with [`Shard::note_applied`].
    ///
    /// # Panics
    ///
    /// When the entry was applied before: a bug of the caller.
    pub fn apply(&mut self, index: LogIndex, stamp: TimestampNs, command: &Command) -> Outcome {
        let before = self.state.volume;
        let (outcome, kept) = self.state.apply(index, stamp, command, self.options.dedup_bytes_max);
        self.position = None;
        self.tail_bytes += self.state.volume.bytes - before.bytes;
        self.cut_due = self.options.pieces(self.state.volume) != self.options.pieces(before);
        let state = &self.state;
        self.reader.change(|view| {
            view.applied = state.applied;
            view.rows = state.rows;
            view.digest = state.digest;
            if view.phase != state.phase {
                view.phase = state.phase.clone();
            }
            view.tail.extend(kept.map(Arc::new));
        });
        outcome
    }

    /// Notes what is to be kept with an index: the caller's log id and membership. For entries
    /// that hold no command it also moves the index on.
    ///
    /// # Panics
    ///
    /// When the index is before the last one applied: a bug of the caller.
    pub fn note_applied(&mut self, index: LogIndex, position: Bytes) {
        assert!(
            self.state.applied.is_none_or(|applied| applied <= index),
            "BUG: shard {}: position {index} noted after {:?}",
            self.state.shard,
            self.state.applied
        );
        self.position = Some(position);
        if self.state.applied != Some(index) {
            self.state.applied = Some(index);
            self.reader.change(|view| view.applied = Some(index));
        }
        if std::mem::take(&mut self.cut_due) {
            self.cuts.extend(self.cut());
        }
    }

    /// A cut after the last entry, once its position was noted.
    fn cut(&self) -> Option<Cut> {
        let blocks = self.reader.look(|view| view.tail.len());
        Some(Cut { state: self.state.clone(), applied: self.applied()?, blocks })
    }

    /// Up to where the log is applied, with what was noted last; `None` before the first entry
    /// and between [`Shard::apply`] and [`Shard::note_applied`].
    #[must_use]
    pub fn applied(&self) -> Option<Applied> {
        let (index, position) = (self.state.applied?, self.position.clone()?);
        Some(Applied { index, position })
    }

    /// Rows stored, and their digest: equal on all replicas that applied the same entry.
    #[must_use]
    pub const fn content(&self) -> (u64, ContentDigest) {
        (self.state.rows, self.state.digest)
    }

    /// Up to where the log is durable here: it may be purged up to this.
    #[must_use]
    pub fn durable(&self) -> Option<&Applied> {
        self.manifest.as_ref()?.applied.as_ref()
    }

    /// What is durable here; `None` before the first flush.
    #[must_use]
    pub const fn manifest(&self) -> Option<&Arc<Manifest>> {
        self.manifest.as_ref()
    }

    /// Where the shard stands.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        &self.state.phase
    }

    /// A handle with which any thread takes views.
    #[must_use]
    pub fn reader(&self) -> ShardReader {
        self.reader.clone()
    }

    /// The shard as it is now.
    #[must_use]
    pub fn view(&self) -> ShardView {
        self.reader.view()
    }

    /// What a successor inherits: the dedup table and the last stamp.
    #[must_use]
    pub fn export_dedup(&self) -> Bytes {
        self.state.dedup.encode(self.state.last_stamp).into()
    }

    /// Encoded bytes in the tail.
    #[must_use]
    pub const fn tail_bytes(&self) -> u64 {
        self.tail_bytes
    }

    /// Asks for a flush although the tail is small: a lagging log pins files, or the shard is
    /// sealed, or the process ends.
    pub const fn ask_flush(&mut self) {
        self.flush_asked = true;
    }

    /// Whether the tail should be written out now.
    #[must_use]
    pub fn needs_flush(&self) -> bool {
        let due = self.flush_asked
            || !self.cuts.is_empty()
            || matches!(self.state.phase, Phase::Sealed { .. });
        due && !self.replacing && self.state.applied != self.durable().map(|durable| durable.index)
    }

    /// Whether a flush is under way, or the end of a merge.
    #[must_use]
    pub const fn is_replacing(&self) -> bool {
        self.replacing
    }

    /// What the next flush writes, where other replicas write the same: up to a cut, or to the seal.
    #[must_use]
    pub fn next_gap(&self) -> Option<Gap> {
        let is_sealed = matches!(self.state.phase, Phase::Sealed { .. });
        let state = match self.cuts.front() {
            Some(cut) => &cut.state,
            None if is_sealed && self.needs_flush() => &self.state,
            None => return None,
        };
        Gap::between(self.manifest.as_deref(), state)
    }

    /// Takes the tail to be written out, of a large one the first piece; `None` while other work
    /// replaces the manifest, and when nothing was applied since the last. Applying goes on
    /// meanwhile.
    ///
    /// # Panics
    ///
    /// When no position was noted for the last entry: a bug of the caller.
    pub fn flush_job(&mut self) -> Option<FlushJob> {
        let index = self.state.applied?;
        if self.replacing || self.durable().is_some_and(|durable| durable.index == index) {
            return None;
        }
        let cut = self.cuts.pop_front().or_else(|| {
            // All of it: what was asked for is then done.
            self.flush_asked = false;
            self.cut()
        });
        let Cut { state, applied, blocks } = cut.unwrap_or_else(|| {
            panic!("BUG: shard {}: no position was noted for entry {index}", self.state.shard)
        });
        self.replacing = true;
        Some(FlushJob {
            disk: Arc::clone(&self.disk),
            dir: self.dir.clone(),
            options: self.options.clone(),
            number: self.next_number(),
            base: self.manifest.clone(),
            tail: self.reader.look(|view| view.tail[..blocks].to_vec()),
            state,
            applied,
            borrowed: Vec::new(),
        })
    }

    /// Takes in what a flush came to. In one step its blocks leave the tail and its segments
    /// come, so that a reader sees each row once.
    ///
    /// # Errors
    ///
    /// The flush's own error, after which the tail is as it was and the next
    /// [`Shard::needs_flush`] says so again.
    pub fn finish_flush(&mut self, result: Result<Flushed, FlushError>) -> Result<(), FlushError> {
        self.replacing = false;
        let flushed = result.inspect_err(|_| self.flush_asked = true)?;
        let written = self.reader.change(|view| {
            let mut segments = Vec::clone(&view.segments);
            segments.extend(flushed.segments);
            view.segments = Arc::new(segments);
            let late = Mutant::FlushDropsWhatCame.is_planted() && view.tail.len() > flushed.blocks;
            view.tail
                .drain(..flushed.blocks + usize::from(late))
                .map(|block| block.encoded_bytes())
                .sum::<u64>()
        });
        self.tail_bytes -= written;
        for cut in &mut self.cuts {
            cut.blocks -= flushed.blocks;
        }
        self.manifest = Some(flushed.manifest);
        Ok(())
    }

    /// A number for work that writes files. None is given twice, so that what failed work left
    /// behind is never taken for what later work wrote.
    pub(crate) const fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// What the shard holds.
    #[must_use]
    pub fn summary(&self) -> ShardSummary {
        let mut summary = ShardSummary {
            applied: self.state.applied,
            phase: self.state.phase.clone(),
            rows: self.state.rows,
            digest: self.state.digest,
            times: None,
            segments: 0,
            segment_bytes: 0,
            tail_blocks: 0,
            tail_bytes: self.tail_bytes,
            producers: self.state.dedup.producers(),
            dedup_bytes: self.state.dedup.bytes(),
        };
        self.reader.look(|view| {
            summary.segment_bytes = view.segments.iter().map(|segment| segment.meta().bytes).sum();
            summary.segments = view.segments.len();
            summary.tail_blocks = view.tail.len();
            summary.times = view.times();
        });
        summary
    }

    /// What the shard holds, once it is sealed and all of it is durable here; `None` before.
    #[must_use]
    pub fn closed(&self) -> Option<ClosedSummary> {
        let manifest = self.manifest.as_ref()?;
        if !matches!(manifest.phase, Phase::Sealed { .. }) {
            return None;
        }
        let mut hours = EventHours::default();
        for segment in &manifest.segments {
            hours.merge(&segment.hours);
        }
        Some(ClosedSummary {
            rows: manifest.rows,
            digest: manifest.digest,
            hours: hours.spans(),
            bytes: manifest.segments.iter().map(|segment| segment.bytes).sum(),
        })
    }
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard")
            .field("shard", &self.state.shard)
            .field("applied", &self.state.applied)
            .field("phase", &self.state.phase)
            .finish_non_exhaustive()
    }
}
