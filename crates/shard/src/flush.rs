//! Writing a tail out: pure data taken from the owner, work that blocks, and a result that the
//! owner swaps in.

use std::path::PathBuf;
use std::sync::Arc;

use varve_columnar::{SegmentBuilder, SegmentOptions};
use varve_env::Disk;
use varve_types::{ContentDigest, LogIndex};

use crate::apply::State;
use crate::dedup::Dedup;
use crate::files;
use crate::manifest::{Applied, DedupFile, Manifest, Stage};
use crate::plan::{self, Run};
use crate::segment::SegmentHandle;
use crate::write::{self, Lineage, Unpublished, WriteError, build_error};
use crate::{SegmentMeta, ShardOptions, TailBlock};

/// A tail to be written out, as of one index. Taking it costs little; run it where blocking is
/// allowed, and hand the result to [`crate::Shard::finish_flush`].
#[must_use = "the shard waits for its result"]
pub struct FlushJob {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) options: ShardOptions,
    /// What its files and its manifest are called by.
    pub(crate) number: u64,
    pub(crate) base: Option<Arc<Manifest>>,
    pub(crate) tail: Vec<Arc<TailBlock>>,
    pub(crate) state: State,
    pub(crate) applied: Applied,
    pub(crate) borrowed: Vec<Borrowed>,
}

/// What a flush is to write: the rows of the entries after one, up to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    after: Option<LogIndex>,
    to: LogIndex,
    /// Rows, and their digest, up to the first and up to the last.
    durable: (u64, ContentDigest),
    applied: (u64, ContentDigest),
}

/// A segment that another replica wrote, and its file on this disk, whole and durable.
#[derive(Debug)]
pub struct Borrowed {
    /// As the other replica's manifest has it.
    pub meta: SegmentMeta,
    /// Where its file is.
    pub path: PathBuf,
}

impl Gap {
    /// `None` when there are no rows in between.
    pub(crate) fn between(durable: Option<&Manifest>, state: &State) -> Option<Self> {
        let gap = Self {
            after: durable.and_then(|manifest| Some(manifest.applied.as_ref()?.index)),
            to: state.applied?,
            durable: durable
                .map_or((0, ContentDigest::EMPTY), |durable| (durable.rows, durable.digest)),
            applied: (state.rows, state.digest),
        };
        (gap.durable != gap.applied).then_some(gap)
    }

    /// The last entry whose rows it has.
    #[must_use]
    pub const fn to(&self) -> LogIndex {
        self.to
    }

    /// The segments of another replica that are just these rows; `None` when no choice of them is.
    #[must_use]
    pub fn find_in(&self, manifest: &Manifest) -> Option<Vec<SegmentMeta>> {
        let within =
            |meta: &&SegmentMeta| Some(meta.first_index) > self.after && meta.last_index <= self.to;
        let metas: Vec<SegmentMeta> = manifest.segments.iter().filter(within).cloned().collect();
        let (mut rows, mut digest) = self.durable;
        for meta in &metas {
            rows = rows.saturating_add(meta.rows);
            digest += meta.digest;
        }
        ((rows, digest) == self.applied).then_some(metas)
    }
}

/// What a flush made durable.
#[derive(Debug)]
pub struct Flushed {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) segments: Vec<Arc<SegmentHandle>>,
    pub(crate) blocks: usize,
    pub(crate) is_borrowed: bool,
}

impl Flushed {
    /// Whether another replica wrote it.
    #[must_use]
    pub const fn is_borrowed(&self) -> bool {
        self.is_borrowed
    }
}

/// Why a tail was not written out. Nothing is lost: it stays in memory and in the log.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// Its files could not be written.
    #[error("{0}; the tail stays in the log")]
    Write(#[from] WriteError),
    /// The rows written are not the rows applied: memory was damaged, or this is a bug.
    #[error(
        "shard folder {dir}: what was to be written differs from what was applied (rows {written} of {applied}, or their digest); restart the node: it applies the log anew",
        dir = dir.display()
    )]
    Differs {
        /// Of which shard.
        dir: PathBuf,
        /// Rows in all segments.
        written: u64,
        /// Rows applied.
        applied: u64,
    },
}

impl FlushError {
    /// Whether the disk is full: then trying later makes sense. After any other failure of a
    /// disk nothing is known of what it holds, and the process should end.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Write(error) if error.is_disk_full())
    }
}

impl FlushJob {
    /// What it writes.
    #[must_use]
    pub fn gap(&self) -> Option<Gap> {
        Gap::between(self.base.as_deref(), &self.state)
    }

    /// Has it take these segments, which must be those of its gap, instead of writing its own. It
    /// writes its own when they cannot be taken.
    pub fn borrow(mut self, segments: Vec<Borrowed>) -> Self {
        self.borrowed = segments;
        self
    }

    /// Writes the tail out. Blocks.
    ///
    /// # Errors
    ///
    /// The disk refused, or what was written does not add up. The files written so far are named
    /// by no manifest, and are removed.
    pub fn run(mut self) -> Result<Flushed, FlushError> {
        if self.base.is_none() {
            write::disk("making the folder", &self.dir, self.disk.create_dir_all(&self.dir))?;
        }
        let taken = self.take_borrowed();
        let is_borrowed = taken.is_some();
        let (mut files, segments) = match taken {
            Some(taken) => taken,
            None => self.write_segments()?,
        };
        let mut metas = self.base.as_ref().map_or_else(Vec::new, |base| base.segments.clone());
        metas.extend(segments.iter().map(|segment| segment.meta().clone()));
        let manifest = Manifest {
            version: self.number,
            shard: self.state.shard,
            applied: Some(self.applied.clone()),
            phase: self.state.phase.clone(),
            last_stamp: self.state.last_stamp,
            rows: self.state.rows,
            digest: self.state.digest,
            volume: self.state.volume,
            dedup: self.write_dedup(&mut files, &self.state.dedup)?,
            segments: metas,
        };
        if !manifest.adds_up() {
            return Err(FlushError::Differs {
                dir: self.dir,
                written: manifest.segments.iter().map(|segment| segment.rows).sum(),
                applied: manifest.rows,
            });
        }
        files.publish(&manifest, self.base.as_deref())?;
        let (manifest, blocks) = (Arc::new(manifest), self.tail.len());
        Ok(Flushed { manifest, segments, blocks, is_borrowed })
    }

    fn unpublished(&self) -> Unpublished {
        Unpublished::new(Arc::clone(&self.disk), self.dir.clone(), self.number)
    }

    /// Makes borrowed segments this shard's; `None` when there are none or one of them is not what
    /// it is to be.
    fn take_borrowed(&mut self) -> Option<(Unpublished, Vec<Arc<SegmentHandle>>)> {
        let borrowed = std::mem::take(&mut self.borrowed);
        let mut files = self.unpublished();
        let taken = borrowed.into_iter().map(|segment| files.take_segment(segment));
        match taken.collect::<Result<Vec<_>, _>>() {
            Ok(segments) if segments.is_empty() => None,
            Ok(segments) => Some((files, segments)),
            Err(error) => {
                tracing::warn!(
                    "{error}; it was written by another node, and is built here instead"
                );
                None
            }
        }
    }

    fn write_segments(&self) -> Result<(Unpublished, Vec<Arc<SegmentHandle>>), FlushError> {
        let mut files = self.unpublished();
        let runs = plan::cut(&self.tail, &self.options)
            .map_err(|source| WriteError::Segment { path: self.dir.clone(), source })?;
        let write = |run| write_segment(&mut files, &run, self.options.flush_zstd_level);
        let segments = runs.into_iter().map(write).collect::<Result<_, _>>()?;
        Ok((files, segments))
    }

    fn write_dedup(&self, files: &mut Unpublished, dedup: &Dedup) -> Result<DedupFile, WriteError> {
        let name = files::dedup_name(self.number);
        let encoded = dedup.encode(self.state.last_stamp);
        let (bytes, hash) = files.write_whole(&name, &encoded)?;
        Ok(DedupFile { name, bytes, hash })
    }
}

/// Builds one segment from the rows of a run.
fn write_segment(
    files: &mut Unpublished,
    run: &Run,
    zstd_level: i32,
) -> Result<Arc<SegmentHandle>, WriteError> {
    let (first_index, last_index) = run.indexes();
    let mut draft = files.begin_segment(first_index)?;
    let path = draft.path().to_owned();
    let failed = |error| build_error(&path, error);
    let mut builder =
        SegmentBuilder::new(SegmentOptions { zstd_level, ..SegmentOptions::default() });
    for piece in &run.pieces {
        let block = &piece.block;
        let added =
            builder.add_block(block.block(), block.index(), block.created_at(), &piece.live);
        added.map_err(failed)?;
    }
    let summary = builder.finish(&mut |bytes| draft.write(bytes)).map_err(failed)?;
    let lineage = Lineage { class: run.class, stage: Stage::Flushed, first_index, last_index };
    files.finish_segment(draft, &summary, lineage)
}

impl std::fmt::Debug for FlushJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlushJob")
            .field("dir", &self.dir)
            .field("applied", &self.applied.index)
            .field("blocks", &self.tail.len())
            .finish_non_exhaustive()
    }
}
