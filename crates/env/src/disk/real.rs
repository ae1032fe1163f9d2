//! The machine's own disk, through the standard library and a few system calls it lacks.
//!
//! No cache, no retry, no clean-up of its own: what fails is told to the caller as the system
//! told it, with the path and the operation named.

#![expect(clippy::disallowed_methods, reason = "this is the one place that opens files")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::Errno;

use super::{Disk, DiskFile, DiskLock, OpenMode};

/// Zeros written at a time where the file system cannot reserve room by itself.
const ZEROS_BYTES: usize = 1 << 20;

/// The machine's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

/// A file on it. The path is for messages alone: a rename does not disturb the file.
#[derive(Debug)]
struct RealFile {
    file: File,
    path: PathBuf,
}

/// The lock lasts as long as the open file: the system releases it with the last descriptor.
#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read);
        match mode {
            OpenMode::Read | OpenMode::Write => {}
            OpenMode::Create => _ = options.create(true).truncate(false),
            OpenMode::CreateNew => _ = options.create_new(true),
        }
        let file = options.open(path).map_err(|error| at("open", path, &error))?;
        Ok(Arc::new(RealFile { file, path: path.to_owned() }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.is_dir())
            .collect();
        // An earlier process may have been killed between making a directory and syncing its
        // name, so the deepest one that is there is synced once more; where the one above it
        // may not be read, whoever made it has seen to that.
        let there = path.ancestors().nth(missing.len()).filter(|path| path.is_dir());
        if let Some(there) = there
            && let Err(error) = self.sync_dir(parent(there))
            && error.kind() != io::ErrorKind::PermissionDenied
        {
            return Err(error);
        }
        for directory in missing.into_iter().rev() {
            match std::fs::create_dir(directory) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if !directory.is_dir() {
                        return Err(at("make directory", directory, &error));
                    }
                }
                done => done.map_err(|error| at("make directory", directory, &error))?,
            }
            self.sync_dir(parent(directory))?;
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(path).map_err(|error| at("list", path, &error))?;
        let mut names = entries
            .map(|entry| entry.map(|entry| PathBuf::from(entry.file_name())))
            .collect::<io::Result<Vec<_>>>()
            .map_err(|error| at("list", path, &error))?;
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to).map_err(|error| {
            let what = format!("rename {} to {}: {error}", from.display(), to.display());
            io::Error::new(error.kind(), what)
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path).map_err(|error| at("remove", path, &error))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(path).map_err(|error| at("remove directory", path, &error))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| at("sync directory", path, &error))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)
            .map_err(|errno| at("ask the free room of", path, &errno.into()))?;
        // What an unprivileged process may use, which leaves out root's reserve.
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| at("open", path, &error))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|errno| at("lock", path, &errno.into()))?;
        Ok(Box::new(RealLock { _file: file }))
    }
}

impl DiskLock for RealLock {}

impl RealFile {
    fn fail(&self, what: &str, error: &io::Error) -> io::Error {
        at(what, &self.path, error)
    }

    /// Grows the file with written zeros: for file systems that cannot reserve room.
    fn write_zeros(&self, to: u64) -> io::Result<()> {
        let zeros = vec![0; ZEROS_BYTES];
        let mut offset = self.file.metadata()?.len();
        while offset < to {
            let left = usize::try_from(to - offset).unwrap_or(usize::MAX).min(ZEROS_BYTES);
            self.file.write_all_at(&zeros[..left], offset)?;
            offset += left as u64;
        }
        Ok(())
    }
}

impl DiskFile for RealFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(|error| self.fail("read", &error))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|error| self.fail("write", &error))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data().map_err(|error| self.fail("sync", &error))
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes).map_err(|error| self.fail("set the length of", &error))
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        // A length of zero is an error to the system call, and asks for nothing.
        if bytes == 0 {
            return Ok(());
        }
        let done = loop {
            match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, bytes) {
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => break self.write_zeros(bytes),
                done => break done.map_err(io::Error::from),
            }
        };
        done.map_err(|error| self.fail("reserve room in", &error))
    }

    fn len(&self) -> io::Result<u64> {
        let metadata = self.file.metadata().map_err(|error| self.fail("ask the length of", &error));
        Ok(metadata?.len())
    }
}

/// The directory that holds a name; a bare relative name is held by the current one.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// The same error with its place named. A quota that is used up is a full disk to callers: both
/// want room.
fn at(what: &str, path: &Path, error: &io::Error) -> io::Error {
    let kind = match error.kind() {
        io::ErrorKind::QuotaExceeded => io::ErrorKind::StorageFull,
        kind => kind,
    };
    io::Error::new(kind, format!("{what} {}: {error}", path.display()))
}
