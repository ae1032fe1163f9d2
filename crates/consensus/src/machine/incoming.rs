//! Files on their way from a peer to this disk, until all of them are here.
//!
//! ```text
//! incoming/5eb63bbbe01eeed0…-1048576-seg-…   hash, length and name of what the file is to be
//! ```
//!
//! A file grows from its front. It counts only once its hash was found right; what is not what it
//! claims is removed and comes again. Everything here blocks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use varve_env::{Disk, DiskFile, OpenMode};
use varve_shard::{FileHash, FileHasher};

use super::FileCard;

/// The folder's name.
pub(super) const FOLDER: &str = "incoming";
/// That of the folder for segments of which a flush is made.
const BORROWED: &str = "borrowed";
/// Bytes of a file that are read at once.
const PIECE_BYTES: u64 = 1 << 20;
/// Bytes of a file that are written before they are synced: many at once would keep the
/// write-ahead log's syncs waiting.
const SYNC_BYTES: u64 = 8 << 20;

/// The files that come for one group.
#[derive(Clone)]
pub(crate) struct Incoming {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl Incoming {
    /// Those that are to be taken over into a folder below `root`.
    pub(crate) fn new(disk: Arc<dyn Disk>, root: &Path) -> Self {
        Self { disk, dir: root.join(FOLDER) }
    }

    /// Segments that another replica wrote, on their way here for the next flush.
    pub(crate) fn borrowed(disk: Arc<dyn Disk>, root: &Path) -> Self {
        Self { disk, dir: root.join(BORROWED) }
    }

    /// Where a file is while it comes.
    pub(crate) fn path(&self, file: &FileCard) -> PathBuf {
        self.dir.join(format!("{}-{}-{}", file.hash, file.bytes, file.name))
    }

    /// How many bytes of a file are here, from its front.
    pub(crate) fn held(&self, file: &FileCard) -> io::Result<u64> {
        let path = self.path(file);
        if !self.disk.exists(&path) {
            return Ok(0);
        }
        let len = self.disk.open(&path, OpenMode::Read)?.len()?;
        if len > file.bytes {
            self.disk.remove(&path)?;
            return Ok(0);
        }
        Ok(len)
    }

    /// Writes a piece of a file.
    pub(crate) fn write(&self, file: &FileCard, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if !self.disk.exists(&self.dir) {
            self.disk.create_dir_all(&self.dir)?;
        }
        let open = self.disk.open(&self.path(file), OpenMode::Create)?;
        open.write_all_at(bytes, offset)?;
        let end = offset + bytes.len() as u64;
        if offset / SYNC_BYTES < end / SYNC_BYTES { open.sync_data() } else { Ok(()) }
    }

    /// Copies a file from a folder of this disk, if it is there and is what it is to be.
    pub(crate) fn copy_from(&self, dir: &Path, file: &FileCard) -> io::Result<bool> {
        let path = dir.join(&file.name);
        if !self.disk.exists(&path) {
            return Ok(false);
        }
        let source = self.disk.open(&path, OpenMode::Read)?;
        if source.len()? != file.bytes {
            return Ok(false);
        }
        let copy = |at, piece: &[u8]| self.write(file, at, piece);
        if read_all(&*source, file.bytes, copy)? == file.hash {
            return Ok(true);
        }
        self.remove(file)?;
        Ok(false)
    }

    /// Holds a file against what it is to be, and makes it durable. One that is something else is
    /// removed, so that it comes again.
    pub(crate) fn verify(&self, file: &FileCard) -> io::Result<()> {
        let open = self.disk.open(&self.path(file), OpenMode::Write)?;
        let len = open.len()?;
        if len != file.bytes || read_all(&*open, len, |_, _| Ok(()))? != file.hash {
            self.remove(file)?;
            let what = format!("{} came with another length or hash than its own", file.name);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        open.sync_data()?;
        self.disk.sync_dir(&self.dir)
    }

    /// Gives the files, all of which were verified, their names in a folder, which is made anew.
    /// Durable on return.
    pub(crate) fn move_to(&self, dir: &Path, files: &[FileCard]) -> io::Result<()> {
        if self.disk.exists(dir) {
            self.disk.remove_dir_all(dir)?;
        }
        self.disk.create_dir_all(dir)?;
        for file in files {
            self.disk.rename(&self.path(file), &dir.join(&file.name))?;
        }
        self.disk.sync_dir(dir)?;
        self.disk.sync_dir(dir.parent().unwrap_or(Path::new(".")))
    }

    fn remove(&self, file: &FileCard) -> io::Result<()> {
        self.disk.remove(&self.path(file))
    }

    /// Forgets all that came.
    pub(crate) fn clear(&self) -> io::Result<()> {
        if self.disk.exists(&self.dir) { self.disk.remove_dir_all(&self.dir) } else { Ok(()) }
    }
}

/// Reads a file from its front, hands each piece on, and answers the hash of all of it.
fn read_all(
    file: &dyn DiskFile,
    bytes: u64,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<FileHash> {
    let (mut at, mut hasher) = (0, FileHasher::default());
    while at < bytes {
        let piece = PIECE_BYTES.min(bytes - at);
        let mut buffer = vec![0; usize::try_from(piece).map_err(io::Error::other)?];
        file.read_exact_at(&mut buffer, at)?;
        hasher.update(&buffer);
        each(at, &buffer)?;
        at += piece;
    }
    Ok(hasher.hash())
}
