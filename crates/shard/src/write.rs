//! Writing files that a manifest is to name, and the one step that makes it name them.
//!
//! The order on disk is what makes it safe: the files are whole and synced, and the folder too,
//! before a manifest names them; the manifest is replaced in one rename. A crash anywhere leaves
//! the old manifest or the new one, and files that no manifest names, which the next opening
//! removes. Work that fails before that step removes its files itself.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use varve_columnar::SegmentSummary;
use varve_env::Disk;
use varve_types::{LogIndex, RetentionClass};

use crate::files::{self, Draft};
use crate::manifest::{Manifest, Stage};
use crate::segment::{SegmentError, SegmentHandle};
use crate::{Borrowed, EventHours, FileHash, SegmentMeta};

/// Why files were not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
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
    #[error("segment {path}: {source}", path = path.display())]
    Segment {
        /// Which segment.
        path: PathBuf,
        /// Why.
        #[source]
        source: SegmentError,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::StorageFull {
        "free room on this disk: it is tried again"
    } else {
        "check this disk"
    }
}

impl WriteError {
    pub(crate) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }
}

/// Says what was tried with which file when the disk refuses.
pub(crate) fn disk<T>(
    action: &'static str,
    path: &Path,
    result: io::Result<T>,
) -> Result<T, WriteError> {
    result.map_err(|source| WriteError::Disk { action, path: path.to_owned(), source })
}

/// What the rows of a segment have in common.
#[derive(Clone, Copy)]
pub(crate) struct Lineage {
    pub(crate) class: RetentionClass,
    pub(crate) stage: Stage,
    pub(crate) first_index: LogIndex,
    pub(crate) last_index: LogIndex,
}

/// The files that one piece of work wrote and no manifest names yet. Dropped so, they are
/// removed.
pub(crate) struct Unpublished {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// The number of the work: what its files are called by.
    number: u64,
    names: Vec<String>,
}

impl Unpublished {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, number: u64) -> Self {
        Self { disk, dir, number, names: Vec::new() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Begins the next segment.
    pub(crate) fn begin_segment(&self, first: LogIndex) -> Result<Draft, WriteError> {
        let path = self.dir.join(files::segment_name(first, self.number, self.names.len()));
        disk("creating", &path, Draft::begin(&self.disk, path.clone()))
    }

    /// Finishes a segment and opens it.
    pub(crate) fn finish_segment(
        &mut self,
        draft: Draft,
        summary: &SegmentSummary,
        lineage: Lineage,
    ) -> Result<Arc<SegmentHandle>, WriteError> {
        let path = draft.path().to_owned();
        let refused = |source| WriteError::Segment { path: path.clone(), source };
        let (min_time, max_time) = summary
            .times
            .ok_or_else(|| refused(SegmentError::Differs { what: "number of rows" }))?;
        let mut hours = EventHours::default();
        summary.hours.iter().for_each(|(hour, rows)| hours.add_hour(*hour, *rows));
        let (bytes, hash) = self.finish("syncing", draft)?;
        let meta = SegmentMeta {
            name: self.names.last().cloned().unwrap_or_default(),
            rows: summary.rows,
            digest: summary.digest,
            min_time,
            max_time,
            bytes,
            hash,
            first_index: lineage.first_index,
            last_index: lineage.last_index,
            hours,
            class: lineage.class,
            stage: lineage.stage,
        };
        SegmentHandle::open(&*self.disk, &self.dir, meta).map(Arc::new).map_err(refused)
    }

    /// Gives a segment that another replica wrote a name of this shard, and opens it.
    pub(crate) fn take_segment(
        &mut self,
        segment: Borrowed,
    ) -> Result<Arc<SegmentHandle>, WriteError> {
        let Borrowed { mut meta, path: from } = segment;
        let name = files::segment_name(meta.first_index, self.number, self.names.len());
        let path = self.dir.join(&name);
        disk("moving", &from, self.disk.rename(&from, &path))?;
        self.names.push(name.clone());
        meta.name = name;
        let opened = SegmentHandle::open(&*self.disk, &self.dir, meta);
        opened.map(Arc::new).map_err(|source| WriteError::Segment { path, source })
    }

    /// Writes a small file whole. Answers its length and hash.
    pub(crate) fn write_whole(
        &mut self,
        name: &str,
        bytes: &[u8],
    ) -> Result<(u64, FileHash), WriteError> {
        let path = self.dir.join(name);
        let mut draft = disk("creating", &path, Draft::begin(&self.disk, path.clone()))?;
        disk("writing", &path, draft.write(bytes))?;
        self.finish("writing", draft)
    }

    fn finish(
        &mut self,
        action: &'static str,
        draft: Draft,
    ) -> Result<(u64, FileHash), WriteError> {
        let path = draft.path().to_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let finished = disk(action, &path, draft.finish())?;
        self.names.push(name);
        Ok(finished)
    }

    /// The step that counts: makes `manifest`, which names these files, take the place of `base`,
    /// and removes the files that only `base` named.
    pub(crate) fn publish(
        mut self,
        manifest: &Manifest,
        base: Option<&Manifest>,
    ) -> Result<(), WriteError> {
        let path = self.dir.join(files::MANIFEST);
        disk("syncing", &self.dir, self.disk.sync_dir(&self.dir))?;
        let mut draft = disk("creating", &path, Draft::begin(&self.disk, path.clone()))?;
        disk("writing", &path, draft.write(&manifest.encode()))?;
        disk("syncing", &path, draft.sync())?;
        // From here on a crash may leave the new manifest, whatever this answers.
        self.names.clear();
        disk("replacing", &path, draft.finish())?;
        disk("syncing", &self.dir, self.disk.sync_dir(&self.dir))?;
        if let Some(base) = base {
            self.remove_replaced(manifest, base);
        }
        Ok(())
    }

    fn remove_replaced(&self, manifest: &Manifest, base: &Manifest) {
        let kept = manifest.files();
        for name in base.files().into_iter().filter(|name| !kept.contains(name)) {
            let path = self.dir.join(name);
            if let Err(error) = self.disk.remove(&path) {
                // The next opening sweeps again, so this costs room and nothing else.
                tracing::warn!(path = %path.display(), %error, "a replaced file remains");
            }
        }
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        for name in &self.names {
            // What cannot be removed now is swept when the shard is opened.
            let _ = self.disk.remove(&self.dir.join(name));
        }
    }
}

/// Sorts what building a segment failed of: its sink is the disk, all else is the segment's.
pub(crate) fn build_error(path: &Path, error: varve_columnar::SegmentError) -> WriteError {
    match error {
        varve_columnar::SegmentError::Sink(source) => {
            WriteError::Disk { action: "writing", path: path.to_owned(), source }
        }
        error => WriteError::Segment { path: path.to_owned(), source: error.into() },
    }
}
