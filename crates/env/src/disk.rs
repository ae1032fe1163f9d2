//! Files, as little of them as a log store needs.
//!
//! All calls block: call them inside [`crate::Blocking::run`]. Paths are plain paths; on the
//! simulated disk they name files of one in-memory tree.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Read only; it must exist.
    Read,
    /// Read and write; it must exist.
    Write,
    /// Read and write; made when it is not there.
    Create,
    /// Read and write; it must not exist.
    CreateNew,
}

/// A directory tree on one disk.
///
/// What a crash leaves behind: data of a file up to its last [`DiskFile::sync_data`], and names
/// (creations, renames, removals) up to the last [`Disk::sync_dir`] of their directory. Anything
/// later may be there, be missing, or be torn.
pub trait Disk: Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// As `std::fs::OpenOptions`.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a directory and those above it; one that exists is no error.
    ///
    /// # Errors
    ///
    /// As `std::fs::create_dir_all`.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Names in a directory, sorted, files and directories alike.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such directory.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;

    /// Whether a file or directory has this name.
    fn exists(&self, path: &Path) -> bool;

    /// Renames a file, replacing what had the new name. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    ///
    /// As `std::fs::rename`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    ///
    /// As `std::fs::remove_file`.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with all that is in it.
    ///
    /// # Errors
    ///
    /// As `std::fs::remove_dir_all`.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    ///
    /// As `fsync` of the directory.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Bytes that files may still take on the disk that holds `path`.
    ///
    /// # Errors
    ///
    /// As `statvfs`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;

    /// Takes an exclusive lock on a file, made when it is not there, until the guard is dropped
    /// or the process ends.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;
}

/// An exclusive lock, held until dropped.
pub trait DiskLock: Send + Sync {}

/// An open file. Calls on one file may come from several threads.
pub trait DiskFile: Send + Sync {
    /// Reads exactly `buffer.len()` bytes.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes`, growing the file when needed. Durable after
    /// [`DiskFile::sync_data`].
    ///
    /// # Errors
    ///
    /// `StorageFull` when the disk is full: part of it may then be written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the data written so far durable, and the length when it grew.
    ///
    /// # Errors
    ///
    /// After an error nothing is known of the data: the caller must not try again and must not
    /// go on as if it were there.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts or grows (with zeros) the file.
    ///
    /// # Errors
    ///
    /// As `ftruncate`.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Reserves room for the first `bytes` bytes, so that writing them cannot fail for want of
    /// room, and grows the file with zeros to that length.
    ///
    /// # Errors
    ///
    /// `StorageFull` when there is not that much room.
    fn allocate(&self, bytes: u64) -> io::Result<()>;

    /// The file's length in bytes.
    ///
    /// # Errors
    ///
    /// As `fstat`.
    fn len(&self) -> io::Result<u64>;
}
