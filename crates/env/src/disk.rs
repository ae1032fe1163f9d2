//! Files, as little of them as a log store needs.
//!
//! All calls block: call them inside [`crate::Blocking::run`]. Paths are plain paths; on the
//! simulated disk they name files of one in-memory tree.
//!
//! The traits say only what both disks keep; whoever relies on more (on the order in which
//! unsynced writes reach the disk, say) is found out by the simulated one.

mod real;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use real::RealDisk;

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

    /// Makes a directory and those above it; one that exists is no error. Durable on return,
    /// without a [`Disk::sync_dir`]: directories are made seldom, and one that is lost takes all
    /// synced files in it along.
    ///
    /// # Errors
    ///
    /// As `std::fs::create_dir_all`, and as `fsync` of the directories above.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Names in a directory, sorted, files and directories alike. They are bare names: join them
    /// to `path` to open one.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such directory, `NotADirectory` when it is a file.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;

    /// Whether a file or directory has this name.
    fn exists(&self, path: &Path) -> bool;

    /// Renames a file, never a directory, replacing the file that had the new name. Open files
    /// stay what they were. Durable after [`Disk::sync_dir`] of the directory that holds the new
    /// name; the contents are durable only after their own [`DiskFile::sync_data`], so sync them
    /// first.
    ///
    /// # Errors
    ///
    /// As `std::fs::rename`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name; its room is free once nobody has it open. Durable after
    /// [`Disk::sync_dir`]: until then a crash may bring the file back.
    ///
    /// # Errors
    ///
    /// As `std::fs::remove_file`.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with all that is in it. Durable after [`Disk::sync_dir`] of the one
    /// above; a crash before may leave any part of it.
    ///
    /// # Errors
    ///
    /// As `std::fs::remove_dir_all`.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable: creations, renames and removals so far.
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
    /// or the process ends. It holds between two callers of one process as well.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when another holds it, at once: it never waits.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;
}

/// An exclusive lock, held until dropped.
pub trait DiskLock: Send + Sync {}

/// An open file. Calls on one file may come from several threads.
#[expect(clippy::len_without_is_empty, reason = "asking may fail, and nobody asks for that")]
pub trait DiskFile: Send + Sync {
    /// Reads exactly `buffer.len()` bytes: what was last written, synced or not.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the file ends before; the buffer may then be partly filled. Reading no
    /// bytes goes well wherever the file ends.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes`, growing the file when needed. Durable after
    /// [`DiskFile::sync_data`]; a crash before may keep any part of it, and may keep a later
    /// write without an earlier one. A gap between the old end and `offset` reads as zeros.
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

    /// Cuts or grows (with zeros) the file. Durable after [`DiskFile::sync_data`].
    ///
    /// # Errors
    ///
    /// As `ftruncate`.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Reserves room for the first `bytes` bytes, so that writing them cannot fail for want of
    /// room, and grows the file with zeros to that length. A file that is longer stays as long.
    /// Where the file system cannot reserve, zeros are written. Durable after
    /// [`DiskFile::sync_data`].
    ///
    /// # Errors
    ///
    /// `StorageFull` when there is not that much room; some may then be taken.
    fn allocate(&self, bytes: u64) -> io::Result<()>;

    /// The file's length in bytes.
    ///
    /// # Errors
    ///
    /// As `fstat`.
    fn len(&self) -> io::Result<u64>;
}
