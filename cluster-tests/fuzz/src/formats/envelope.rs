//! Checksums around small files.
//!
//! ```text
//! of shards      magic 8 | version u16 | payload length u64 | payload | crc32c of all before
//! of the catalog magic 8 | crc32c of the rest | the rest
//! text           lines | "crc32c " | 8 hexadecimal digits of all lines before | line end
//! ```

use super::seal;

/// A file of a shard, with a right length and a right checksum; and anything else that ends with
/// the checksum of all before.
pub(crate) fn mend_shard_file(file: &mut [u8]) {
    let Some(end) = file.len().checked_sub(4) else { return };
    if let Some(payload) = end.checked_sub(18) {
        file[10..18].copy_from_slice(&(payload as u64).to_le_bytes());
    }
    seal(file, 0, end);
}

/// Bytes that end with their checksum.
pub(crate) fn mend_tail(bytes: &mut [u8]) {
    if let Some(end) = bytes.len().checked_sub(4) {
        seal(bytes, 0, end);
    }
}

/// The file that the catalog is saved in.
pub(crate) fn mend_catalog_file(file: &mut [u8]) {
    if let Some(rest) = file.get(12..) {
        let crc = crc32c::crc32c(rest).to_le_bytes();
        file[8..12].copy_from_slice(&crc);
    }
}

/// A file of lines.
pub(crate) fn mend_text_file(file: &mut [u8]) {
    const SEAL_BYTES: usize = "crc32c 00000000\n".len();
    if let Some(end) = file.len().checked_sub(SEAL_BYTES) {
        let seal = format!("crc32c {:08x}\n", crc32c::crc32c(&file[..end]));
        file[end..].copy_from_slice(seal.as_bytes());
    }
}
