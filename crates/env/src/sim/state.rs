//! The whole of a simulated disk as plain data: every change goes through [`State::apply`], so
//! that what was recorded can be replayed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use super::fault::{Action, Fault};
use super::file::FileState;
use super::survival::{Judge, Survival};
use super::trace::{FileId, Op, Trace};
use super::tree::{Entry, Tree};

/// What a disk without a set capacity answers as its free room, in bytes.
const ROOMY_BYTES: u64 = 1 << 40;

#[derive(Clone)]
pub(super) struct State {
    tree: Tree,
    files: BTreeMap<FileId, FileState>,
    files_made: u64,
    /// Counts crashes: who came before the last one is shut out.
    epoch: u64,
    pub(super) capacity_bytes: Option<u64>,
    /// How long each job of blocking work takes at most, if not as long as usual.
    pub(super) job_max: Option<Duration>,
    pub(super) faults: Vec<Fault>,
    /// Syncs of data are answered, and not done.
    pub(super) lies: bool,
    /// Changes until the power fails.
    pub(super) fuse: Option<u64>,
    pub(super) locks: BTreeSet<FileId>,
    pub(super) trace: Option<Box<Trace>>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            tree: Tree::new(),
            files: BTreeMap::new(),
            files_made: 0,
            epoch: 0,
            capacity_bytes: None,
            job_max: None,
            faults: Vec::new(),
            lies: false,
            fuse: None,
            locks: BTreeSet::new(),
            trace: None,
        }
    }

    /// The contents alone: without limits, faults, locks and a record.
    pub(super) fn for_replay(&self) -> Self {
        Self {
            tree: self.tree.clone(),
            files: self.files.clone(),
            files_made: self.files_made,
            epoch: self.epoch,
            ..Self::new()
        }
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Does one thing for a program, as long as there is power, and records it.
    pub(super) fn perform(&mut self, op: Op) -> io::Result<()> {
        self.burn_fuse()?;
        self.record(op)
    }

    /// Does one thing, and records it when it went well.
    pub(super) fn record(&mut self, op: Op) -> io::Result<()> {
        self.apply(&op)?;
        if let Some(trace) = &mut self.trace {
            trace.push(op);
        }
        Ok(())
    }

    /// Does one thing, whatever the limits and faults.
    pub(super) fn apply(&mut self, op: &Op) -> io::Result<()> {
        match op {
            Op::CreateDirs { path } => self.tree.create_dirs(path),
            Op::Create { path } => {
                let file = FileId(self.files_made + 1);
                self.tree.add(path, file)?;
                self.files_made += 1;
                self.files.insert(file, FileState::named());
                Ok(())
            }
            Op::Rename { from, to } => {
                let replaced = self.tree.rename(from, to)?;
                self.unlink(replaced);
                Ok(())
            }
            Op::Remove { path } => {
                let file = self.tree.remove(path)?;
                self.unlink([file]);
                Ok(())
            }
            Op::RemoveDirs { path } => {
                let files = self.tree.remove_dirs(path)?;
                self.unlink(files);
                Ok(())
            }
            Op::SyncDir { path } => self.tree.sync_dir(path),
            Op::Write { file, offset, bytes } => {
                self.file_mut(*file).write(bytes, *offset);
                Ok(())
            }
            Op::SetLen { file, bytes } => {
                self.file_mut(*file).set_len(*bytes);
                Ok(())
            }
            Op::Allocate { file, bytes } => {
                let file = self.file_mut(*file);
                if *bytes > file.now().len() {
                    file.set_len(*bytes);
                }
                Ok(())
            }
            Op::SyncData { file } => {
                self.file_mut(*file).sync();
                Ok(())
            }
            Op::FailedSync { file } => {
                self.file_mut(*file).doom();
                Ok(())
            }
            Op::Crash { survival } => {
                self.crash(*survival);
                Ok(())
            }
            Op::Replace { path, bytes } => {
                let file = self.find(path)?;
                self.file_mut(file).replace(bytes);
                Ok(())
            }
        }
    }

    fn crash(&mut self, survival: Survival) {
        let mut judge = Judge::new(survival);
        self.tree.crash(&mut judge);
        let named = self.tree.sweep();
        self.files.retain(|id, _| named.contains(id));
        for file in self.files.values_mut() {
            file.crash(&mut judge);
            file.links = 0;
        }
        for (id, links) in self.tree.links() {
            self.file_mut(id).links = links;
        }
        self.locks.clear();
        self.fuse = None;
        self.epoch += 1;
    }

    /// Forgets files that no name leads to, not even after a crash, and that nobody has open.
    pub(super) fn sweep(&mut self) {
        // A record may still speak of them.
        if self.trace.is_none() && self.files.values().any(|file| file.links == 0) {
            let named = self.tree.sweep();
            self.files.retain(|id, file| file.handles > 0 || named.contains(id));
        }
    }

    /// The file that has this name.
    pub(super) fn find(&self, path: &Path) -> io::Result<FileId> {
        match self.tree.entry(path)? {
            Entry::File(file) => Ok(file),
            Entry::Dir(_) => {
                let what = format!("{}: is a directory", path.display());
                Err(io::Error::new(io::ErrorKind::IsADirectory, what))
            }
        }
    }

    pub(super) fn file(&self, id: FileId) -> &FileState {
        self.files.get(&id).expect("BUG: a file is gone that has a name or is open")
    }

    pub(super) fn file_mut(&mut self, id: FileId) -> &mut FileState {
        self.files.get_mut(&id).expect("BUG: a file is gone that has a name or is open")
    }

    fn unlink(&mut self, files: impl IntoIterator<Item = FileId>) {
        for file in files {
            self.file_mut(file).links -= 1;
        }
    }

    /// Bytes that files may still grow by.
    pub(super) fn free_bytes(&self) -> u64 {
        let Some(capacity) = self.capacity_bytes else { return ROOMY_BYTES };
        let alive = self.files.values().filter(|file| file.links > 0 || file.handles > 0);
        capacity.saturating_sub(alive.map(|file| file.now().len()).sum())
    }

    /// Writes as much as there is room for.
    pub(super) fn write(&mut self, file: FileId, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let len = self.file(file).now().len();
        let room = (len + self.free_bytes()).saturating_sub(offset);
        let fits = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let fits =
            if offset.saturating_add(bytes.len() as u64) <= len { bytes.len() } else { fits };
        let written = Bytes::copy_from_slice(&bytes[..fits]);
        self.perform(Op::Write { file, offset, bytes: written })?;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// Fails when the file would grow beyond the room there is.
    pub(super) fn check_room(&self, file: FileId, len: u64) -> io::Result<()> {
        if len.saturating_sub(self.file(file).now().len()) > self.free_bytes() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Fails when a fault was planted here.
    pub(super) fn trip(&mut self, action: Action, path: &Path) -> io::Result<()> {
        let path = rooted(path);
        let hit = |fault: &&mut Fault| {
            fault.action == action && fault.times > 0 && path.starts_with(rooted(&fault.under))
        };
        if let Some(fault) = self.faults.iter_mut().find(hit) {
            if fault.times != u64::MAX {
                fault.times -= 1;
            }
            let what = format!("{}: planted fault: {action:?} failed", path.display());
            return Err(io::Error::other(what));
        }
        Ok(())
    }

    fn burn_fuse(&mut self) -> io::Result<()> {
        match &mut self.fuse {
            Some(0) => Err(io::Error::other("the simulated disk has no power")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn rooted(path: &Path) -> PathBuf {
    Path::new("/").join(path)
}
