//! What a snapshot consists of: named files with checksums, in memory or open on this disk.
//!
//! An open file stays readable when its name goes, so a snapshot that is being sent does not
//! hold up what replaces it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use varve_env::{Blocking, Disk, DiskFile, OpenMode};

/// Files, and where they are staged when they came from a peer.
#[derive(Clone, Default)]
pub(crate) struct SnapshotContent {
    files: Vec<SnapshotFile>,
    staged: Option<PathBuf>,
}

/// One file.
#[derive(Clone)]
pub(crate) struct SnapshotFile {
    name: String,
    bytes: u64,
    checksum: u32,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Memory(Bytes),
    Disk { file: Arc<dyn DiskFile>, blocking: Blocking },
}

impl SnapshotContent {
    pub(crate) const fn new(files: Vec<SnapshotFile>) -> Self {
        Self { files, staged: None }
    }

    /// Files that lie in a folder of their own, ready to be taken over.
    pub(crate) const fn staged(dir: PathBuf, files: Vec<SnapshotFile>) -> Self {
        Self { files, staged: Some(dir) }
    }

    pub(crate) fn files(&self) -> &[SnapshotFile] {
        &self.files
    }

    pub(crate) fn staged_in(&self) -> Option<&Path> {
        self.staged.as_deref()
    }
}

impl SnapshotFile {
    pub(crate) fn in_memory(name: &str, bytes: Bytes) -> Self {
        Self {
            name: name.to_owned(),
            bytes: bytes.len() as u64,
            checksum: crc32c::crc32c(&bytes),
            source: Source::Memory(bytes),
        }
    }

    /// A file whose length and checksum are known. Blocks.
    pub(crate) fn on_disk(
        disk: &dyn Disk,
        blocking: &Blocking,
        dir: &Path,
        (name, bytes, checksum): (&str, u64, u32),
    ) -> io::Result<Self> {
        let file = disk.open(&dir.join(name), OpenMode::Read)?;
        let source = Source::Disk { file, blocking: blocking.clone() };
        Ok(Self { name: name.to_owned(), bytes, checksum, source })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) const fn checksum(&self) -> u32 {
        self.checksum
    }

    /// Reads a piece that lies within the file.
    pub(crate) async fn read(&self, offset: u64, bytes: usize) -> io::Result<Bytes> {
        match &self.source {
            Source::Memory(all) => {
                let start = usize::try_from(offset).map_err(io::Error::other)?;
                let end = start.checked_add(bytes).filter(|end| *end <= all.len());
                let end = end.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
                Ok(all.slice(start..end))
            }
            Source::Disk { file, blocking } => {
                let file = Arc::clone(file);
                blocking
                    .run(move || {
                        let mut buffer = vec![0; bytes];
                        file.read_exact_at(&mut buffer, offset)?;
                        Ok(buffer.into())
                    })
                    .await
            }
        }
    }
}
