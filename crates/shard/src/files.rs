//! A shard's folder: what its files are called, and how one comes to be there whole or not at
//! all.
//!
//! A file is written under a name of its own with `.tmp` at the end, synced, and renamed; the
//! folder is synced before anything refers to it. So a name without `.tmp` is a whole file.

use std::io;
use std::path::{Path, PathBuf};

use varve_env::{Disk, OpenMode};
use varve_types::LogIndex;

/// The one name that is replaced; all others are used once.
pub(crate) const MANIFEST: &str = "manifest";

const TEMPORARY: &str = ".tmp";
const SEGMENT: &str = ".vseg";
const DEDUP: &str = ".vdup";

/// More would not be read at once: nothing that we write comes near it.
const READ_BYTES_MAX: u64 = 1 << 30;

pub(crate) fn segment_name(first: LogIndex, manifest_version: u64) -> String {
    format!("seg-{:020}-{manifest_version:010}{SEGMENT}", first.get())
}

pub(crate) fn dedup_name(manifest_version: u64) -> String {
    format!("dedup-{manifest_version:010}{DEDUP}")
}

/// Whether a text names a file in the folder itself, and nothing elsewhere.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.bytes().all(plain)
}

pub(crate) fn is_temporary(name: &str) -> bool {
    name.ends_with(TEMPORARY)
}

/// Whether a name is one that a shard gives its files.
pub(crate) fn is_ours(name: &str) -> bool {
    is_temporary(name) || name.ends_with(SEGMENT) || name.ends_with(DEDUP)
}

/// A file that is being written under its temporary name.
pub(crate) struct Draft<'a> {
    disk: &'a dyn Disk,
    file: std::sync::Arc<dyn varve_env::DiskFile>,
    temporary: PathBuf,
    path: PathBuf,
    bytes: u64,
    checksum: u32,
}

impl<'a> Draft<'a> {
    pub(crate) fn begin(disk: &'a dyn Disk, path: PathBuf) -> io::Result<Self> {
        let mut temporary = path.clone().into_os_string();
        temporary.push(TEMPORARY);
        let temporary = PathBuf::from(temporary);
        let file = disk.open(&temporary, OpenMode::Create)?;
        file.set_len(0)?;
        Ok(Self { disk, file, temporary, path, bytes: 0, checksum: 0 })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.bytes)?;
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Makes the file durable and gives it its name, which is durable after the folder's sync.
    /// Answers its length and its CRC-32C.
    pub(crate) fn finish(self) -> io::Result<(u64, u32)> {
        self.file.sync_data()?;
        self.disk.rename(&self.temporary, &self.path)?;
        Ok((self.bytes, self.checksum))
    }
}

/// Makes a folder, and makes the names of it and of the folders above it that were not there
/// durable.
pub(crate) fn make_dir(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let above = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    };
    let missing: Vec<&Path> =
        dir.ancestors().take_while(|path| *path != Path::new("") && !disk.exists(path)).collect();
    disk.create_dir_all(dir)?;
    // Its own name in any case: who made it may not have come to this.
    disk.sync_dir(&above(dir))?;
    missing.iter().skip(1).try_for_each(|path| disk.sync_dir(&above(path)))
}

/// Writes a small file whole.
pub(crate) fn write_whole(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<(u64, u32)> {
    let mut draft = Draft::begin(disk, path.to_owned())?;
    draft.write(bytes)?;
    draft.finish()
}

/// Reads a small file whole.
pub(crate) fn read_whole(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let len = file.len()?;
    if len > READ_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is far too long"));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Removes the files that `keep` does not name, of those that a shard makes. Answers how many.
pub(crate) fn sweep(disk: &dyn Disk, dir: &Path, keep: impl Fn(&str) -> bool) -> io::Result<usize> {
    let mut removed = 0;
    for path in disk.list(dir)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if is_ours(name) && !keep(name) {
            disk.remove(&dir.join(name))?;
            removed += 1;
        }
    }
    if removed > 0 {
        disk.sync_dir(dir)?;
    }
    Ok(removed)
}
