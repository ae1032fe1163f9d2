//! The simulated disk as one life of a node has it: dead after the next crash.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{SimDisk, crashed};
use crate::disk::{Disk, DiskFile, DiskLock, OpenMode};

/// The disk in one life of its node.
pub(super) struct Mount {
    disk: SimDisk,
    epoch: u64,
}

impl Mount {
    pub(super) const fn new(disk: SimDisk, epoch: u64) -> Self {
        Self { disk, epoch }
    }

    fn alive(&self) -> io::Result<&SimDisk> {
        if self.disk.lock_state().epoch() == self.epoch { Ok(&self.disk) } else { Err(crashed()) }
    }
}

impl Disk for Mount {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.alive()?.open(path, mode)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.alive()?.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.alive()?.list(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.alive().is_ok_and(|disk| disk.exists(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.alive()?.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.alive()?.remove(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.alive()?.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.alive()?.sync_dir(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.alive()?.free_bytes(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        self.alive()?.lock(path)
    }
}
