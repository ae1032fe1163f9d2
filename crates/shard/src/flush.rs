//! Writing a tail out: pure data taken from the owner, work that blocks, and a result that the
//! owner swaps in.
//!
//! The order on disk is what makes it safe: segments and the dedup file are whole and synced, and
//! the folder too, before a manifest names them; the manifest is replaced in one rename. A crash
//! anywhere leaves the old manifest or the new one, and files that no manifest names, which the
//! next opening removes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use varve_env::Disk;

use crate::apply::State;
use crate::dedup::Dedup;
use crate::files::{self, Draft};
use crate::manifest::{Applied, DedupFile, Manifest};
use crate::segment::{SegmentError, SegmentHandle};
use crate::{EventHours, SegmentMeta, ShardOptions, TailBlock, plan};

/// A tail to be written out, as of one index. Taking it costs little; run it where blocking is
/// allowed, and hand the result to [`crate::Shard::finish_flush`].
#[must_use = "the shard waits for its result"]
pub struct FlushJob {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) options: ShardOptions,
    pub(crate) base: Option<Arc<Manifest>>,
    pub(crate) tail: Vec<Arc<TailBlock>>,
    pub(crate) state: State,
    pub(crate) applied: Applied,
}

/// What a flush made durable.
#[derive(Debug)]
pub struct Flushed {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) segments: Vec<Arc<SegmentHandle>>,
    pub(crate) blocks: usize,
}

/// Why a tail was not written out. Nothing is lost: it stays in memory and in the log.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// The disk refused.
    #[error("{action} {path} failed: {source}; {remedy}", path = path.display(), remedy = remedy(source))]
    Disk {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
    /// A segment could not be built, or not be read back.
    #[error("segment {path}: {source}; the tail stays in the log", path = path.display())]
    Segment {
        /// Which segment.
        path: PathBuf,
        /// Why.
        #[source]
        source: SegmentError,
    },
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

fn remedy(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::StorageFull {
        "free room on this disk: it is tried again"
    } else {
        "check this disk"
    }
}

impl FlushError {
    /// Whether the disk is full: then trying later makes sense. After any other failure of a
    /// disk nothing is known of what it holds, and the process should end.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }
}

/// Says what was tried with which file when the disk refuses.
fn disk<T>(action: &'static str, path: &Path, result: io::Result<T>) -> Result<T, FlushError> {
    result.map_err(|source| FlushError::Disk { action, path: path.to_owned(), source })
}

impl FlushJob {
    /// Writes the tail out. Blocks.
    ///
    /// # Errors
    ///
    /// The disk refused, or what was written does not add up. The files written so far are named
    /// by no manifest.
    pub fn run(self) -> Result<Flushed, FlushError> {
        let version = self.base.as_ref().map_or(0, |base| base.version) + 1;
        let mut metas = self.base.as_ref().map_or_else(Vec::new, |base| base.segments.clone());
        let mut segments = Vec::new();
        let runs = plan::cut(&self.tail, &self.options)
            .map_err(|source| FlushError::Segment { path: self.dir.clone(), source })?;
        for blocks in runs {
            let segment = self.write_segment(version, blocks)?;
            metas.push(segment.meta().clone());
            segments.push(Arc::new(segment));
        }
        let manifest = Manifest {
            version,
            shard: self.state.shard,
            applied: Some(self.applied.clone()),
            phase: self.state.phase.clone(),
            last_stamp: self.state.last_stamp,
            rows: self.state.rows,
            digest: self.state.digest,
            dedup: self.write_dedup(version, &self.state.dedup)?,
            segments: metas,
        };
        if !manifest.adds_up() {
            return Err(FlushError::Differs {
                dir: self.dir,
                written: manifest.segments.iter().map(|segment| segment.rows).sum(),
                applied: manifest.rows,
            });
        }
        self.write_manifest(&manifest)?;
        Ok(Flushed { manifest: Arc::new(manifest), segments, blocks: self.tail.len() })
    }

    fn write_segment(
        &self,
        version: u64,
        blocks: &[Arc<TailBlock>],
    ) -> Result<SegmentHandle, FlushError> {
        let first_index = blocks[0].index();
        let name = files::segment_name(first_index, version);
        let path = self.dir.join(&name);
        let refused = |source| FlushError::Segment { path: path.clone(), source };
        let mut draft = disk("creating", &path, Draft::begin(&*self.disk, path.clone()))?;
        let summary = match plan::build(blocks, &mut |bytes| draft.write(bytes)) {
            Err(SegmentError::Build(varve_columnar::SegmentError::Sink(error))) => {
                return disk("writing", &path, Err(error));
            }
            built => built.map_err(refused)?,
        };
        let (min_time, max_time) = summary.times.ok_or_else(|| {
            let what = "number of rows";
            refused(SegmentError::Differs { what })
        })?;
        let mut hours = EventHours::default();
        summary.hours.iter().for_each(|(hour, rows)| hours.add_hour(*hour, *rows));
        let (bytes, checksum) = disk("syncing", &path, draft.finish())?;
        let meta = SegmentMeta {
            name,
            rows: summary.rows,
            digest: summary.digest,
            min_time,
            max_time,
            bytes,
            checksum,
            first_index,
            last_index: blocks[blocks.len() - 1].index(),
            hours,
        };
        SegmentHandle::open(&*self.disk, &self.dir, meta).map_err(refused)
    }

    fn write_dedup(&self, version: u64, dedup: &Dedup) -> Result<DedupFile, FlushError> {
        let name = files::dedup_name(version);
        let path = self.dir.join(&name);
        let encoded = dedup.encode(self.state.last_stamp);
        let written = files::write_whole(&*self.disk, &path, &encoded);
        let (bytes, checksum) = disk("writing", &path, written)?;
        Ok(DedupFile { name, bytes, checksum })
    }

    /// The step that counts. Before it the folder is synced, so that what it names is there.
    fn write_manifest(&self, manifest: &Manifest) -> Result<(), FlushError> {
        let path = self.dir.join(files::MANIFEST);
        disk("syncing", &self.dir, self.disk.sync_dir(&self.dir))?;
        let written = files::write_whole(&*self.disk, &path, &manifest.encode());
        disk("replacing", &path, written)?;
        disk("syncing", &self.dir, self.disk.sync_dir(&self.dir))?;
        if let Err(error) = files::sweep(&*self.disk, &self.dir, |name| manifest.names(name)) {
            // The next opening sweeps again, so this costs room and nothing else.
            tracing::warn!(dir = %self.dir.display(), %error, "files of an older manifest remain");
        }
        Ok(())
    }
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
