//! The simulated disk: the traits of [`crate::disk`] over an in-memory state, and the levers that
//! a test pulls.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::fault::{Action, Fault};
use super::mount::Mount;
use super::state::State;
use super::survival::Survival;
use super::trace::{FileId, Op, Trace};
use crate::disk::{Disk, DiskFile, DiskLock, OpenMode};

/// An in-memory disk. Clones are the same disk.
///
/// As a [`Disk`] it always shows what is there now; what a node gets is its [`SimDisk::mount`],
/// which dies with the node.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimDisk {
    /// An empty disk without limits.
    #[must_use]
    pub fn new() -> Self {
        Self::from_state(State::new())
    }

    pub(super) fn from_state(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The disk for one life of a node: after the next crash all calls on it fail, so that what
    /// dying tasks still do in their destructors changes nothing.
    #[must_use]
    pub fn mount(&self) -> Arc<dyn Disk> {
        Arc::new(Mount::new(self.clone(), self.lock_state().epoch()))
    }

    /// Crashes: unsynced things survive as told, locks are released, open files and mounts answer
    /// errors from now on.
    ///
    /// Call it *before* the tasks of the node are dropped.
    pub fn crash(&self, survival: Survival) {
        let mut state = self.lock_state();
        state.record(Op::Crash { survival }).expect("BUG: a crash cannot fail");
    }

    /// Lets the power fail after so many more changes: those that follow fail, until
    /// [`SimDisk::crash`]. Reads go on.
    pub fn cut_power_after(&self, changes: u64) {
        self.lock_state().fuse = Some(changes);
    }

    /// Whether [`SimDisk::cut_power_after`] has struck.
    #[must_use]
    pub fn has_lost_power(&self) -> bool {
        self.lock_state().fuse == Some(0)
    }

    /// Limits the disk to so many bytes, counted by the lengths of its files; `None` lifts the
    /// limit. Files that are larger already stay, and cannot grow.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock_state().capacity_bytes = bytes;
    }

    /// Lets each job of blocking work of the node take up to so long; `None` for as long as usual.
    pub fn slow_down(&self, job_max: Option<Duration>) {
        self.lock_state().job_max = job_max;
    }

    pub(super) fn job_max(&self) -> Option<Duration> {
        self.lock_state().job_max
    }

    /// Plants a fault.
    pub fn inject(&self, fault: Fault) {
        self.lock_state().faults.push(fault);
    }

    /// Takes all planted faults away; answers those that have not struck as often as they should.
    pub fn heal(&self) -> Vec<Fault> {
        let faults = std::mem::take(&mut self.lock_state().faults);
        faults.into_iter().filter(|fault| fault.times > 0).collect()
    }

    /// Lets the disk lie: it answers that data is synced, and it is not. For tests of tests: they
    /// must find out.
    pub fn lie_about_syncs(&self) {
        self.lock_state().lies = true;
    }

    /// Changes a file on the platter, behind everybody's back: rot, truncation, misdirected and
    /// lost writes. Open files see the change.
    ///
    /// # Errors
    ///
    /// `NotFound` and the like.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut state = self.lock_state();
        let file = state.find(path)?;
        let mut bytes = state.file(file).now().bytes();
        change(&mut bytes);
        state.record(Op::Replace { path: path.to_owned(), bytes: bytes.into() })
    }

    /// Flips one bit of a file.
    ///
    /// # Errors
    ///
    /// As [`SimDisk::damage`].
    ///
    /// # Panics
    ///
    /// When the file has no such byte, or a byte no such bit.
    pub fn flip_bit(&self, path: &Path, offset: usize, bit: u8) -> io::Result<()> {
        assert!(bit < 8, "a byte has the bits 0 to 7, not {bit}");
        self.damage(path, |bytes| bytes[offset] ^= 1 << bit)
    }

    /// Cuts a file.
    ///
    /// # Errors
    ///
    /// As [`SimDisk::damage`].
    pub fn truncate(&self, path: &Path, len: usize) -> io::Result<()> {
        self.damage(path, |bytes| bytes.truncate(len))
    }

    /// All bytes of a file, as programs see them.
    ///
    /// # Errors
    ///
    /// `NotFound` and the like.
    pub fn contents(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.lock_state();
        Ok(state.file(state.find(path)?).now().bytes())
    }

    /// Begins a new record of what is done to the disk.
    pub fn start_trace(&self) {
        let mut state = self.lock_state();
        state.trace = None;
        state.trace = Some(Box::new(Trace::new(state.for_replay())));
    }

    /// What was done since [`SimDisk::start_trace`]; the record ends.
    ///
    /// # Panics
    ///
    /// When there is no record.
    #[must_use]
    pub fn take_trace(&self) -> Trace {
        let trace = self.lock_state().trace.take();
        *trace.expect("start_trace comes before take_trace")
    }

    pub(super) fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_file(&self, path: &Path, mode: OpenMode) -> io::Result<SimFile> {
        let mut state = self.lock_state();
        state.trip(Action::Name, path)?;
        let file = match (state.find(path), mode) {
            (Ok(_), OpenMode::CreateNew) => {
                let what = format!("{}: is there already", path.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
            }
            (Err(error), OpenMode::Create | OpenMode::CreateNew)
                if error.kind() == io::ErrorKind::NotFound =>
            {
                state.perform(Op::Create { path: path.to_owned() })?;
                state.find(path)?
            }
            (found, _) => found?,
        };
        state.file_mut(file).handles += 1;
        Ok(SimFile {
            disk: self.clone(),
            epoch: state.epoch(),
            file,
            path: path.to_owned(),
            writable: mode != OpenMode::Read,
        })
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(self.open_file(path, mode)?))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        state.trip(Action::Name, path)?;
        state.perform(Op::CreateDirs { path: path.to_owned() })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.lock_state().tree().list(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.lock_state().tree().entry(path).is_ok()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        state.trip(Action::Name, from)?;
        state.perform(Op::Rename { from: from.to_owned(), to: to.to_owned() })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        state.trip(Action::Name, path)?;
        state.perform(Op::Remove { path: path.to_owned() })
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        state.trip(Action::Name, path)?;
        state.perform(Op::RemoveDirs { path: path.to_owned() })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        state.trip(Action::SyncDir, path)?;
        state.perform(Op::SyncDir { path: path.to_owned() })?;
        state.sweep();
        Ok(())
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let state = self.lock_state();
        state.tree().entry(path)?;
        Ok(state.free_bytes())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let file = self.open_file(path, OpenMode::Create)?;
        if !self.lock_state().locks.insert(file.file) {
            let what = format!("{}: another holds the lock", path.display());
            return Err(io::Error::new(io::ErrorKind::WouldBlock, what));
        }
        Ok(Box::new(SimLock { file }))
    }
}

/// An open file: the file itself, whatever becomes of its name.
struct SimFile {
    disk: SimDisk,
    epoch: u64,
    file: FileId,
    /// The name it was opened by, for faults and messages.
    path: PathBuf,
    writable: bool,
}

impl SimFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock_state();
        if state.epoch() == self.epoch { Ok(state) } else { Err(crashed()) }
    }

    fn writable_state(&self) -> io::Result<MutexGuard<'_, State>> {
        if !self.writable {
            let what = format!("{}: was opened for reading only", self.path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let mut state = self.state()?;
        state.trip(Action::Write, &self.path)?;
        Ok(state)
    }
}

impl DiskFile for SimFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.state()?;
        state.trip(Action::Read, &self.path)?;
        if state.file(self.file).now().read(buffer, offset) {
            return Ok(());
        }
        let what =
            format!("{}: ends before {} bytes at {offset}", self.path.display(), buffer.len());
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.writable_state()?.write(self.file, offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state()?;
        if let Err(error) = state.trip(Action::SyncData, &self.path) {
            state.perform(Op::FailedSync { file: self.file })?;
            return Err(error);
        }
        if state.lies {
            return Ok(());
        }
        state.perform(Op::SyncData { file: self.file })
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.writable_state()?;
        state.check_room(self.file, bytes)?;
        state.perform(Op::SetLen { file: self.file, bytes })
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.writable_state()?;
        state.check_room(self.file, bytes)?;
        state.perform(Op::Allocate { file: self.file, bytes })
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.file(self.file).now().len())
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.disk.lock_state();
        if state.epoch() == self.epoch {
            state.file_mut(self.file).handles -= 1;
        }
    }
}

struct SimLock {
    file: SimFile,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.file.disk.lock_state();
        if state.epoch() == self.file.epoch {
            state.locks.remove(&self.file.file);
        }
    }
}

pub(super) fn crashed() -> io::Error {
    io::Error::other("the simulated machine has crashed since this was opened")
}
