//! Small files that are replaced whole, with a checksum.
//!
//! ```text
//! file = magic (8 bytes), crc32c of the rest (u32), bytes
//! ```

use std::io;
use std::path::Path;

use bytes::Bytes;
use varve_env::{Disk, OpenMode};

/// Such a file is far smaller; a longer one was not written here.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// The file with these contents.
pub(crate) fn frame(magic: [u8; 8], bytes: &[u8]) -> Bytes {
    let mut file = Vec::with_capacity(12 + bytes.len());
    file.extend_from_slice(&magic);
    file.extend_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
    file.extend_from_slice(bytes);
    Bytes::from(file)
}

/// The contents of such a file.
pub(crate) fn unframe(magic: [u8; 8], file: &Bytes) -> Result<Bytes, &'static str> {
    match file.get(..12) {
        Some(head) if head[..8] == magic => {
            let bytes = file.slice(12..);
            if head[8..] == crc32c::crc32c(&bytes).to_le_bytes() {
                Ok(bytes)
            } else {
                Err("its checksum does not match")
            }
        }
        _ => Err("it does not begin as such a file does"),
    }
}

/// Replaces a file in one step: a crash leaves the old one or the new one. Blocks.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, file: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let open = disk.open(&fresh, OpenMode::Create)?;
    open.set_len(0)?;
    open.write_all_at(file, 0)?;
    open.sync_data()?;
    disk.rename(&fresh, path)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Reads a small file whole, or `None` when there is none. Blocks.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Option<Bytes>> {
    if !disk.exists(path) {
        return Ok(None);
    }
    let file = disk.open(path, OpenMode::Read)?;
    let len = file.len()?;
    if len > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is far too long"));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(Some(bytes.into()))
}
