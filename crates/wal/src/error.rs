//! What can go wrong with the log, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use varve_types::{GroupId, LogIndex};

/// Why the log did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WalError {
    /// The disk is full and the reserve is kept for votes and purges.
    #[error("the disk of the write-ahead log is full: free space on it, or add nodes; reads go on")]
    DiskFull,

    /// What was synced can no longer be read back. Never served; the groups must be replicated
    /// anew, or, when this is the only copy, restored.
    #[error(
        "{file} is damaged at byte {offset}: {what}; groups that cannot be proven whole: [{}]. \
         Replicate them anew from another node, or restore them from a backup; keep the file until then",
        list(groups)
    )]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where in it, in bytes from its start.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
        /// Groups whose chain of records cannot be proven because of it.
        groups: Vec<GroupId>,
    },

    /// A write or an fsync failed: the process must end, and find out from the disk what is there.
    #[error("{message}")]
    Failed {
        /// What failed, where, and the remedy.
        message: Arc<str>,
    },

    /// [`crate::Wal::shutdown`] was called, or the log's task is gone.
    #[error("the write-ahead log is shut down")]
    Closed,

    /// Opening the log failed.
    #[error(
        "cannot {action} {file}: {error}; check the disk and the folder's permissions, then start again"
    )]
    Open {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        file: PathBuf,
        /// The system's answer.
        error: Arc<io::Error>,
    },

    /// A later version wrote this file.
    #[error(
        "{file} has format version {version}, which this version cannot read: start the version that wrote it, or a later one"
    )]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u32,
    },

    /// An option is out of bounds.
    #[error(
        "the write-ahead log's {name} is {bytes}: it must be a multiple of 8 between 16 KiB and 1 GiB"
    )]
    Options {
        /// Which option.
        name: &'static str,
        /// Its value.
        bytes: u64,
    },

    /// A payload that no file holds.
    #[error(
        "{group}: {bytes} bytes do not fit into the write-ahead log, which takes {bytes_max} at once: raise its file size"
    )]
    TooLarge {
        /// The group.
        group: GroupId,
        /// The payload's length.
        bytes: usize,
        /// The largest that fits.
        bytes_max: usize,
    },

    /// An entry that does not follow the last one. Nothing was stored.
    #[error("{group}: entry {index} does not follow the log, whose next entry is {expected}")]
    NotContiguous {
        /// The group.
        group: GroupId,
        /// The entry's index.
        index: LogIndex,
        /// What would have followed.
        expected: LogIndex,
    },
}

fn list(groups: &[GroupId]) -> String {
    groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A file operation that failed.
#[derive(Debug)]
pub(crate) struct IoFailure {
    pub(crate) action: &'static str,
    pub(crate) file: PathBuf,
    pub(crate) error: io::Error,
}

impl IoFailure {
    /// For `map_err`.
    pub(crate) fn of(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self { action, file: file.to_owned(), error }
    }

    pub(crate) fn is_full(&self) -> bool {
        matches!(self.error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// The message that ends the process.
    pub(crate) fn fatal(&self) -> Arc<str> {
        let Self { action, file, error } = self;
        let remedy = if self.is_full() {
            "the disk is full and the log's reserve is used up: free space on it, then start again"
        } else {
            "what reached the disk is unknown, so the process must end: check the disk \
             (dmesg, smartctl), replace it if it fails, then start again; \
             what was acknowledged is found again"
        };
        format!("cannot {action} {}: {error}; {remedy}", file.display()).into()
    }
}

impl From<IoFailure> for WalError {
    fn from(failure: IoFailure) -> Self {
        let IoFailure { action, file, error } = failure;
        Self::Open { action, file, error: Arc::new(error) }
    }
}
