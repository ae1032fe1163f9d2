//! The copies of a shard on this disk: numbered folders, one of which counts.
//!
//! ```text
//! shards/7/current      the number of the folder that counts; missing means 0
//! shards/7/0/           the shard's files
//! shards/7/incoming/    files that are being received
//! shards/7/borrowed/    segments of another replica for the next flush; removed at a start
//! ```
//!
//! A copy that comes from a peer becomes a folder of its own, and `current` is replaced: a crash
//! leaves the old copy or the new one. Everything here blocks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use varve_env::Disk;

use super::incoming::{FOLDER as INCOMING, Incoming};
use super::{FileCard, framed};

const MAGIC: [u8; 8] = *b"VARVECUR";
const CURRENT: &str = "current";

/// Where the copies of one shard are.
#[derive(Clone)]
pub(crate) struct Copies {
    disk: Arc<dyn Disk>,
    root: PathBuf,
}

/// A copy that lies beside the one that counts.
pub(crate) struct NextCopy {
    copies: Copies,
    number: u64,
}

impl Copies {
    pub(crate) const fn new(disk: Arc<dyn Disk>, root: PathBuf) -> Self {
        Self { disk, root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder for files that a peer sends.
    pub(crate) fn incoming(&self) -> Incoming {
        Incoming::new(Arc::clone(&self.disk), &self.root)
    }

    /// The folder for segments that the next flush takes from another replica.
    pub(crate) fn borrowed(&self) -> Incoming {
        Incoming::borrowed(Arc::clone(&self.disk), &self.root)
    }

    /// The folder that counts, whether it is there or not.
    pub(crate) fn current(&self) -> io::Result<PathBuf> {
        Ok(self.folder(self.number()?))
    }

    fn folder(&self, number: u64) -> PathBuf {
        self.root.join(number.to_string())
    }

    fn number(&self) -> io::Result<u64> {
        let Some(file) = framed::read(&*self.disk, &self.root.join(CURRENT))? else {
            return Ok(0);
        };
        let number = framed::unframe(MAGIC, &file).ok();
        number.and_then(|bytes| bytes.as_ref().try_into().ok()).map(u64::from_le_bytes).ok_or_else(
            || io::Error::new(io::ErrorKind::InvalidData, "the file `current` is damaged"),
        )
    }

    /// Makes a copy of files that came, all of which were verified. It does not count yet.
    pub(crate) fn next_of(&self, files: &[FileCard]) -> io::Result<NextCopy> {
        let number = self.number()? + 1;
        self.incoming().move_to(&self.folder(number), files)?;
        Ok(NextCopy { copies: self.clone(), number })
    }

    /// Removes copies that do not count. What is being received stays: it goes on where it was.
    /// What cannot be removed now will be at the next start.
    pub(crate) fn sweep(&self) {
        let Ok(counts) = self.current() else { return };
        for name in self.disk.list(&self.root).unwrap_or_default() {
            let path = self.root.join(name.file_name().unwrap_or_default());
            let is_folder = self.disk.list(&path).is_ok();
            if is_folder && path != counts && !path.ends_with(INCOMING) {
                let _ = self.disk.remove_dir_all(&path);
            }
        }
    }
}

impl NextCopy {
    pub(crate) fn dir(&self) -> PathBuf {
        self.copies.folder(self.number)
    }

    /// Makes it the copy that counts. The one before, and all that came and was not used, goes:
    /// open files stay readable for whoever has them.
    pub(crate) fn count(self) -> io::Result<()> {
        let Self { copies, number } = self;
        let file = framed::frame(MAGIC, &number.to_le_bytes());
        framed::replace(&*copies.disk, &copies.root.join(CURRENT), &file)?;
        let _ = copies.incoming().clear();
        copies.sweep();
        Ok(())
    }
}
