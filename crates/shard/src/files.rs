//! A shard's folder: what its files are called, and how one comes to be there whole or not at
//! all.
//!
//! A file is written under a name of its own with `.tmp` at the end, synced, and renamed; the
//! folder is synced before anything refers to it. So a name without `.tmp` is a whole file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use varve_env::{Disk, DiskFile, OpenMode};
use varve_types::LogIndex;

use crate::{FileHash, FileHasher};

/// The one name that is replaced; all others are used once.
pub(crate) const MANIFEST: &str = "manifest";

const TEMPORARY: &str = ".tmp";
const SEGMENT: &str = ".vseg";
const DEDUP: &str = ".vdup";

/// More would not be read at once: nothing that we write comes near it.
const READ_BYTES_MAX: u64 = 1 << 30;

/// The name of a segment, one of several that one piece of work writes. The number of the work
/// is never used twice, so no name is.
pub(crate) fn segment_name(first: LogIndex, number: u64, part: usize) -> String {
    format!("seg-{:020}-{number:010}-{part:03}{SEGMENT}", first.get())
}

pub(crate) fn dedup_name(number: u64) -> String {
    format!("dedup-{number:010}{DEDUP}")
}

/// Whether a text names a file in the folder itself, and nothing elsewhere.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.bytes().all(plain)
}

pub(crate) fn is_temporary(name: &str) -> bool {
    name.ends_with(TEMPORARY)
}

/// Whether a name is one that a shard gives its files.
pub(crate) fn is_ours(name: &str) -> bool {
    is_temporary(name) || name.ends_with(SEGMENT) || name.ends_with(DEDUP)
}

/// Bytes of one file that are written before they are synced: a file of hundreds of MiB synced
/// at once would keep the write-ahead log's syncs waiting.
const SYNC_BYTES: u64 = 8 << 20;

/// A file that is being written under its temporary name. Dropped unfinished, it is gone.
pub(crate) struct Draft {
    disk: Arc<dyn Disk>,
    file: Arc<dyn DiskFile>,
    temporary: PathBuf,
    path: PathBuf,
    bytes: u64,
    synced_bytes: u64,
    hasher: FileHasher,
    finished: bool,
}

impl Draft {
    pub(crate) fn begin(disk: &Arc<dyn Disk>, path: PathBuf) -> io::Result<Self> {
        let mut temporary = path.clone().into_os_string();
        temporary.push(TEMPORARY);
        let temporary = PathBuf::from(temporary);
        let file = disk.open(&temporary, OpenMode::Create)?;
        let draft = Self {
            disk: Arc::clone(disk),
            file,
            temporary,
            path,
            bytes: 0,
            synced_bytes: 0,
            hasher: FileHasher::default(),
            finished: false,
        };
        draft.file.set_len(0)?;
        Ok(draft)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.bytes)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        if self.bytes - self.synced_bytes >= SYNC_BYTES { self.sync() } else { Ok(()) }
    }

    /// Makes what was written durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.synced_bytes < self.bytes {
            self.file.sync_data()?;
            self.synced_bytes = self.bytes;
        }
        Ok(())
    }

    /// Makes the file durable and gives it its name, which is durable after the folder's sync.
    /// Answers its length and its hash.
    pub(crate) fn finish(mut self) -> io::Result<(u64, FileHash)> {
        self.sync()?;
        self.disk.rename(&self.temporary, &self.path)?;
        self.finished = true;
        Ok((self.bytes, self.hasher.hash()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed now is swept when the shard is opened.
            let _ = self.disk.remove(&self.temporary);
        }
    }
}

/// Reads a small file whole.
pub(crate) fn read_whole(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let len = file.len()?;
    if len > READ_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is far too long"));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Removes the files that `keep` does not name, of those that a shard makes. Answers how many.
pub(crate) fn sweep(disk: &dyn Disk, dir: &Path, keep: impl Fn(&str) -> bool) -> io::Result<usize> {
    let mut removed = 0;
    for path in disk.list(dir)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if is_ours(name) && !keep(name) {
            disk.remove(&dir.join(name))?;
            removed += 1;
        }
    }
    if removed > 0 {
        disk.sync_dir(dir)?;
    }
    Ok(removed)
}
