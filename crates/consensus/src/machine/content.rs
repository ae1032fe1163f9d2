//! What a snapshot consists of: named files with checksums, in memory, open on this disk, or
//! received and not yet taken over.
//!
//! An open file stays readable when its name goes, so a snapshot that is being sent does not
//! hold up what replaces it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use varve_env::{Blocking, Disk, DiskFile, OpenMode};

use super::FileCard;

/// Files, and whether they came from a peer.
#[derive(Clone, Default)]
pub(crate) struct SnapshotContent {
    files: Vec<SnapshotFile>,
    came: bool,
}

/// One file.
#[derive(Clone)]
pub(crate) struct SnapshotFile {
    card: FileCard,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Memory(Bytes),
    Disk { file: Arc<dyn DiskFile>, blocking: Blocking },
}

impl SnapshotContent {
    pub(crate) const fn new(files: Vec<SnapshotFile>) -> Self {
        Self { files, came: false }
    }

    /// Files that came from a peer, verified, ready to be taken over.
    pub(crate) const fn of_peer(files: Vec<SnapshotFile>) -> Self {
        Self { files, came: true }
    }

    pub(crate) fn files(&self) -> &[SnapshotFile] {
        &self.files
    }

    /// What the files are.
    pub(crate) fn cards(&self) -> Vec<FileCard> {
        self.files.iter().map(|file| file.card.clone()).collect()
    }

    /// Whether they came from a peer.
    pub(crate) const fn came(&self) -> bool {
        self.came
    }
}

impl SnapshotFile {
    pub(crate) fn in_memory(name: &str, bytes: Bytes) -> Self {
        Self { card: FileCard::of(name, &bytes), source: Source::Memory(bytes) }
    }

    /// A file whose length and checksum are known. Blocks.
    pub(crate) fn on_disk(
        disk: &dyn Disk,
        blocking: &Blocking,
        path: &Path,
        card: FileCard,
    ) -> io::Result<Self> {
        let file = disk.open(path, OpenMode::Read)?;
        Ok(Self { card, source: Source::Disk { file, blocking: blocking.clone() } })
    }

    pub(crate) const fn card(&self) -> &FileCard {
        &self.card
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
