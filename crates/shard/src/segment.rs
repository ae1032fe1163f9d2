//! A segment on this replica's disk: immutable, opened footer-first, read page by page.
//!
//! A handle keeps its file open, so a reader that has one goes on reading after the file's name
//! is gone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use varve_columnar::{FormatError, PageSource, Segment, Table};
use varve_env::{Disk, DiskFile, OpenMode};

use crate::{FileHasher, SegmentMeta};

/// Bytes read at once when a whole file is checked.
const VERIFY_CHUNK_BYTES: u64 = 1 << 20;

/// An open segment.
pub struct SegmentHandle {
    segment: Segment,
    path: PathBuf,
    meta: SegmentMeta,
    file: Arc<dyn DiskFile>,
}

/// Why a segment's file is not what its manifest says.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Disk(#[from] io::Error),
    /// Its bytes are not a segment's.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Its rows could not be put together.
    #[error(transparent)]
    Build(#[from] varve_columnar::SegmentError),
    /// It is another file than the manifest means.
    #[error("its {what} differs from the manifest's")]
    Differs {
        /// What differs.
        what: &'static str,
    },
}

impl SegmentHandle {
    /// Opens a segment and holds it against its description: length, footer, rows and digest.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        meta: SegmentMeta,
    ) -> Result<Self, SegmentError> {
        let path = dir.join(&meta.name);
        let file = disk.open(&path, OpenMode::Read)?;
        if file.len()? != meta.bytes {
            return Err(SegmentError::Differs { what: "length" });
        }
        let source = DiskSource {
            file: Arc::clone(&file),
            bytes: meta.bytes,
            name: path.display().to_string(),
        };
        let segment = Segment::open(Arc::new(source))?;
        let table = segment.table();
        if table.rows() != meta.rows {
            return Err(SegmentError::Differs { what: "number of rows" });
        }
        if table.content_digest() != meta.digest {
            return Err(SegmentError::Differs { what: "content digest" });
        }
        Ok(Self { segment, path, meta, file })
    }

    /// The rows.
    #[must_use]
    pub const fn table(&self) -> &Table {
        self.segment.table()
    }

    /// The rows as what segments are merged from.
    #[must_use]
    pub const fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Where the file is, or was.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the manifest says of it.
    #[must_use]
    pub const fn meta(&self) -> &SegmentMeta {
        &self.meta
    }

    /// Reads all of the file and checks every byte and every row. Blocks for as long as that
    /// takes.
    ///
    /// # Errors
    ///
    /// Says what is damaged.
    pub fn verify(&self) -> Result<(), SegmentError> {
        let mut hasher = FileHasher::default();
        let mut at = 0;
        while at < self.meta.bytes {
            let len = VERIFY_CHUNK_BYTES.min(self.meta.bytes - at);
            let mut chunk = vec![0; usize::try_from(len).map_err(io::Error::other)?];
            self.file.read_exact_at(&mut chunk, at)?;
            hasher.update(&chunk);
            at += len;
        }
        if hasher.hash() != self.meta.hash {
            return Err(SegmentError::Differs { what: "hash" });
        }
        Ok(self.segment.verify()?)
    }
}

impl std::fmt::Debug for SegmentHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentHandle").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A file as pages are read from it.
struct DiskSource {
    file: Arc<dyn DiskFile>,
    bytes: u64,
    name: String,
}

impl PageSource for DiskSource {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let end = offset.checked_add(len as u64);
        if end.is_none_or(|end| end > self.bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }

    fn name(&self) -> &str {
        &self.name
    }
}
