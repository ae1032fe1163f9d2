//! Faults that a test plants: what shall fail, where, and how often.

use std::path::PathBuf;

/// What a program asks of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reading from a file.
    Read,
    /// Writing to a file, cutting or growing it.
    Write,
    /// Making a file's data durable. What waited for it is then durable only by chance.
    SyncData,
    /// Making a directory's names durable.
    SyncDir,
    /// Making, opening, renaming or removing a file or directory.
    Name,
}

/// A fault: the next `times` such actions at or below `under` fail with an I/O error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What fails.
    pub action: Action,
    /// The file or directory; `/` for all. A file counts under the name it was opened by.
    pub under: PathBuf,
    /// How often; [`u64::MAX`] is for ever.
    pub times: u64,
}
