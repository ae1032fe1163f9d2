//! The log's folder: which files it has, and how one comes into use and goes out of it.
//!
//! ```text
//! 00000001.log …   files of the log
//! spare-….log      preallocated or freed, the next to be used
//! reserve.log      preallocated for the day when the disk is full
//! ```
//!
//! A spare becomes a file of the log by a synced header, then its name, then a synced folder;
//! a freed file first loses its name, durably, before anything else happens to it. So a crash
//! between any two steps leaves only whole files and spares. All functions block.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use varve_env::{Disk, DiskFile, OpenMode};

use crate::error::IoFailure;
use crate::format::FileSequence;
use crate::format::file_header::FileHeader;
use crate::options::{SPARES_MAX, WalOptions};

const RESERVE: &str = "reserve.log";

/// A file of the log, open.
pub(crate) struct LogFile {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) header: FileHeader,
}

/// A preallocated file that is not part of the log.
struct Spare {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    bytes: u64,
}

/// The folder and what in it is not part of the log.
pub(crate) struct Folder {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    file_bytes: u64,
    reserve_bytes: u64,
    spares: Vec<Spare>,
    reserve: Option<Spare>,
    /// For names of spares that do not exist yet.
    next_spare: u64,
}

/// The name of a log's file.
pub(crate) fn log_name(sequence: FileSequence) -> String {
    format!("{:08}.log", sequence.0)
}

/// The number in a log file's name.
fn sequence_of(path: &Path) -> Option<FileSequence> {
    let sequence = FileSequence(path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()?);
    (path.file_name()?.to_str()? == log_name(sequence)).then_some(sequence)
}

impl Folder {
    /// Opens or makes the folder, and lists the files of the log in order.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: &WalOptions,
    ) -> Result<(Self, Vec<(FileSequence, PathBuf)>), IoFailure> {
        disk.create_dir_all(dir).map_err(IoFailure::of("make the folder", dir))?;
        if let Some(parent) = dir.parent()
            && parent != Path::new("")
        {
            disk.sync_dir(parent).map_err(IoFailure::of("sync the folder", parent))?;
        }
        let names = disk.list(dir).map_err(IoFailure::of("list the folder", dir))?;
        let mut folder = Self {
            disk,
            dir: dir.to_owned(),
            file_bytes: options.file_bytes,
            reserve_bytes: options.reserve_bytes,
            spares: Vec::new(),
            reserve: None,
            next_spare: 0,
        };
        let mut logs = Vec::new();
        for name in names {
            let path = dir.join(name.file_name().unwrap_or(name.as_os_str()));
            if let Some(sequence) = sequence_of(&path) {
                logs.push((sequence, path));
            } else if let Some(text) = path.file_name().and_then(|name| name.to_str())
                && (text == RESERVE || text.starts_with("spare-"))
            {
                folder.adopt(path.clone(), text == RESERVE)?;
            }
        }
        logs.sort();
        folder.sync()?;
        Ok((folder, logs))
    }

    /// Takes over a spare of an earlier run; one of another length (a crash while it was made,
    /// other options) is removed.
    fn adopt(&mut self, path: PathBuf, is_reserve: bool) -> Result<(), IoFailure> {
        let file = self.disk.open(&path, OpenMode::Write).map_err(IoFailure::of("open", &path))?;
        let bytes = file.len().map_err(IoFailure::of("measure", &path))?;
        let wanted = if is_reserve { self.reserve_bytes } else { self.file_bytes };
        // The length alone does not tell that the room is really there.
        let whole = bytes == wanted && file.allocate(bytes).is_ok();
        if !whole || (!is_reserve && self.spares.len() >= SPARES_MAX) {
            return self.disk.remove(&path).map_err(IoFailure::of("remove", &path));
        }
        let spare = Spare { path, file, bytes };
        if is_reserve {
            self.reserve = Some(spare);
        } else {
            self.spares.push(spare);
        }
        Ok(())
    }

    /// Opens a file of the log that an earlier run left.
    pub(crate) fn open_log(&self, path: &Path) -> Result<Arc<dyn DiskFile>, IoFailure> {
        self.disk.open(path, OpenMode::Write).map_err(IoFailure::of("open", path))
    }

    /// Brings the next file of the log into use: a spare, new room, or at last the reserve. The
    /// header's capacity is set here, to at least what it says.
    pub(crate) fn start_log(&mut self, mut header: FileHeader) -> Result<LogFile, IoFailure> {
        let mut space = match self.spares.pop() {
            Some(spare) => spare,
            None => match self.make_spare() {
                Err(failure) if failure.is_full() => self.reserve.take().ok_or(failure)?,
                made => made?,
            },
        };
        if space.bytes < header.capacity {
            let allocated = space.file.allocate(header.capacity);
            allocated.map_err(IoFailure::of("grow", &space.path))?;
            space.bytes = header.capacity;
        }
        header.capacity = space.bytes;
        let written = space.file.write_all_at(&header.encode(), 0);
        written.map_err(IoFailure::of("write the header of", &space.path))?;
        space.file.sync_data().map_err(IoFailure::of("sync", &space.path))?;
        let path = self.dir.join(log_name(header.sequence));
        self.disk.rename(&space.path, &path).map_err(IoFailure::of("rename", &space.path))?;
        self.sync()?;
        Ok(LogFile { path, file: space.file, header })
    }

    /// Takes a file out of the log: it becomes the reserve or a spare, or goes.
    pub(crate) fn free(&mut self, log: &LogFile) -> Result<(), IoFailure> {
        let bytes = log.header.capacity;
        let path = if self.reserve.is_none() && bytes == self.reserve_bytes {
            self.dir.join(RESERVE)
        } else if self.spares.len() < SPARES_MAX && bytes == self.file_bytes {
            self.spare_path()
        } else {
            self.disk.remove(&log.path).map_err(IoFailure::of("remove", &log.path))?;
            return self.sync();
        };
        self.disk.rename(&log.path, &path).map_err(IoFailure::of("rename", &log.path))?;
        self.sync()?;
        let is_reserve = path.ends_with(RESERVE);
        let spare = Spare { path, file: Arc::clone(&log.file), bytes };
        if is_reserve {
            self.reserve = Some(spare);
        } else {
            self.spares.push(spare);
        }
        Ok(())
    }

    /// Whether both a spare and the reserve are there.
    pub(crate) fn is_ample(&self) -> bool {
        self.reserve.is_some() && !self.spares.is_empty()
    }

    /// Sees to it that a spare and the reserve are there; answers whether they are, that is,
    /// `false` when the disk is full.
    pub(crate) fn replenish(&mut self) -> Result<bool, IoFailure> {
        if self.is_ample() {
            return Ok(true);
        }
        match self.make_missing() {
            Ok(()) => Ok(true),
            Err(failure) if failure.is_full() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    fn make_missing(&mut self) -> Result<(), IoFailure> {
        if self.reserve.is_none() {
            let path = self.dir.join(RESERVE);
            self.reserve = Some(self.allocate(path, self.reserve_bytes)?);
        }
        if self.spares.is_empty() {
            let spare = self.make_spare()?;
            self.spares.push(spare);
        }
        self.sync()
    }

    fn make_spare(&mut self) -> Result<Spare, IoFailure> {
        let path = self.spare_path();
        self.allocate(path, self.file_bytes)
    }

    fn allocate(&self, path: PathBuf, bytes: u64) -> Result<Spare, IoFailure> {
        let opened = self.disk.open(&path, OpenMode::CreateNew);
        let file = opened.map_err(IoFailure::of("create", &path))?;
        let allocated = file.allocate(bytes).and_then(|()| file.sync_data());
        if let Err(error) = allocated {
            self.discard(&path);
            return Err(IoFailure::of("allocate room for", &path)(error));
        }
        Ok(Spare { path, file, bytes })
    }

    /// Removes what a failed allocation left; when that fails too, the next start does it.
    fn discard(&self, path: &Path) {
        if let Err(error) = self.disk.remove(path) {
            tracing::debug!(path = %path.display(), %error, "a half-made spare stays for now");
        }
    }

    fn spare_path(&mut self) -> PathBuf {
        loop {
            let path = self.dir.join(format!("spare-{:08}.log", self.next_spare));
            self.next_spare += 1;
            if !self.disk.exists(&path) {
                return path;
            }
        }
    }

    fn sync(&self) -> Result<(), IoFailure> {
        self.disk.sync_dir(&self.dir).map_err(IoFailure::of("sync the folder", &self.dir))
    }
}

impl LogFile {
    /// Reads exactly `length` bytes at `offset`.
    pub(crate) fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}
