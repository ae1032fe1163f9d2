//! The envelope of every small file of a shard: what it is, which version, and a checksum.
//!
//! ```text
//! magic 8 | version u16 | payload length u64 | payload … | crc32c u32 of all before
//! ```

use std::ops::RangeInclusive;

use crate::codec::{DecodeError, Reader};

const HEADER_BYTES: usize = 8 + 2 + 8;
const CHECKSUM_BYTES: usize = 4;

/// Puts a payload into its envelope.
pub(crate) fn wrap(magic: &[u8; 8], version: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len() + CHECKSUM_BYTES);
    out.extend_from_slice(magic);
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    out.extend_from_slice(payload);
    let checksum = crc32c::crc32c(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// Takes a payload out of its envelope, checked, and says of which version it is. Others than
/// `versions` are refused.
pub(crate) fn unwrap<'a>(
    magic: &[u8; 8],
    versions: RangeInclusive<u16>,
    bytes: &'a [u8],
) -> Result<(u16, &'a [u8]), DecodeError> {
    let mut reader = Reader::new(bytes);
    if reader.take(8)? != magic {
        return Err(DecodeError { offset: 0, what: "it does not begin as this kind of file does" });
    }
    let version = reader.u16()?;
    let len = reader.u64()?;
    let payload = usize::try_from(len)
        .map_err(|_| reader.refuse("it ends too early"))
        .and_then(|len| reader.take(len))?;
    let checked = reader.offset();
    let stored = reader.u32()?;
    reader.end()?;
    if stored != crc32c::crc32c(&bytes[..checked]) {
        return Err(DecodeError { offset: checked, what: "its checksum does not match" });
    }
    if !versions.contains(&version) {
        return Err(DecodeError {
            offset: 8,
            what: "its format version is unknown: a newer release wrote it",
        });
    }
    Ok((version, payload))
}
