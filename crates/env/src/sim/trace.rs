//! The record of what a program did to a simulated disk, and disks as they were in between.
//!
//! A storage crate runs its scenario once, then asks for the disk after each operation, or in the
//! middle of one at any byte, lets it crash, and opens what is left.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;

use super::disk::SimDisk;
use super::state::State;
use super::survival::Survival;

/// Names a file for ever, whatever names it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(super) u64);

/// One thing done to the disk. What failed is not in the record, or only as far as it went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the arguments of the disk's methods")]
pub enum Op {
    /// A directory was made, with those above it.
    CreateDirs { path: PathBuf },
    /// A file was made.
    Create { path: PathBuf },
    /// A file was renamed.
    Rename { from: PathBuf, to: PathBuf },
    /// A file's name was removed.
    Remove { path: PathBuf },
    /// A directory was removed with all in it.
    RemoveDirs { path: PathBuf },
    /// A directory's names were made durable.
    SyncDir { path: PathBuf },
    /// Bytes were written.
    Write { file: FileId, offset: u64, bytes: Bytes },
    /// A file was cut or grown.
    SetLen { file: FileId, bytes: u64 },
    /// Room was reserved, and so the file grown.
    Allocate { file: FileId, bytes: u64 },
    /// A file's data was made durable.
    SyncData { file: FileId },
    /// A sync of a file's data failed.
    FailedSync { file: FileId },
    /// The disk went through a crash.
    Crash { survival: Survival },
    /// The bytes of a file were replaced behind everybody's back.
    Replace { path: PathBuf, bytes: Bytes },
}

/// A disk as it was, and what was done to it since.
#[derive(Clone)]
pub struct Trace {
    base: State,
    ops: Vec<Op>,
}

impl Trace {
    pub(super) const fn new(base: State) -> Self {
        Self { base, ops: Vec::new() }
    }

    pub(super) fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// What was done, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The disk after the first `ops` operations, as running programs saw it: let it
    /// [`SimDisk::crash`] to see what would have been left.
    ///
    /// # Panics
    ///
    /// When there are not so many.
    #[must_use]
    pub fn replay(&self, ops: usize) -> SimDisk {
        self.replay_torn(ops, 0)
    }

    /// As [`Trace::replay`], and of the operation after those, if it is a write, the first
    /// `bytes` bytes: a program killed in the middle.
    ///
    /// # Panics
    ///
    /// When there are not so many operations.
    #[must_use]
    pub fn replay_torn(&self, ops: usize, bytes: usize) -> SimDisk {
        let mut state = self.base.for_replay();
        let torn = match self.ops.get(ops) {
            Some(Op::Write { file, offset, bytes: all }) if bytes > 0 => Some(Op::Write {
                file: *file,
                offset: *offset,
                bytes: all.slice(..bytes.min(all.len())),
            }),
            _ => None,
        };
        for op in self.ops[..ops].iter().chain(&torn) {
            if let Err(error) = state.apply(op) {
                panic!("BUG: {op:?} went well once, and now: {error}");
            }
        }
        SimDisk::from_state(state)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("ops", &self.ops).finish_non_exhaustive()
    }
}
