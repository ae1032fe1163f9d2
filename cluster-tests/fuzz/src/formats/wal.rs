//! The files of the write-ahead log: their checksums, and a short form without the zeros between.
//!
//! ```text
//! short form   file header 60 | what is synced 12 | records, to the end
//! ```
//!
//! `varve_wal`'s format modules draw the bytes.

use super::seal;

pub(crate) const HEADER_BYTES: usize = 60;
pub(crate) const NOTE_BYTES: usize = 12;
pub(crate) const RECORD_HEADER_BYTES: usize = 56;
pub(crate) const RECORDS_START: usize = 4096;
const SALT: std::ops::Range<usize> = 24..32;

/// The whole file of a short form: both copies of the header and of the note, then the records.
pub(crate) fn expand(short: &[u8]) -> Vec<u8> {
    let (header, rest) = short.split_at(HEADER_BYTES.min(short.len()));
    let (note, records) = rest.split_at(NOTE_BYTES.min(rest.len()));
    let mut file = vec![0; RECORDS_START];
    for (at, bytes) in [(0, header), (1024, note), (2048, header), (3072, note)] {
        file[at..at + bytes.len()].copy_from_slice(bytes);
    }
    file.extend_from_slice(records);
    file
}

/// Sets the checksums of a short form right: of the header, of the note and of all records.
pub(crate) fn mend(short: &mut [u8]) {
    seal(short, 0, HEADER_BYTES - 4);
    let Some(salt) = short.get(SALT).map(<[u8]>::to_vec) else { return };
    let records = HEADER_BYTES + NOTE_BYTES;
    if let Some(note) = short.get_mut(HEADER_BYTES..records) {
        let crc = crc32c::crc32c_append(crc32c::crc32c(&salt), &note[..8]);
        note[8..].copy_from_slice(&crc.to_le_bytes());
    }
    let mut at = records;
    while let Some(header) = short.get(at..at + RECORD_HEADER_BYTES) {
        // Zeros are no record; what stands behind may be one.
        if !(1..=8).contains(&header[4]) {
            at += 8;
            continue;
        }
        let len = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let payload = at + RECORD_HEADER_BYTES;
        let Some(end) = payload.checked_add(len) else { return };
        if let Some(bytes) = short.get(payload..end) {
            let crc = crc32c::crc32c(bytes).to_le_bytes();
            short[at + 12..at + 16].copy_from_slice(&crc);
        }
        let offset = RECORDS_START + at - records;
        let header = &mut short[at..at + RECORD_HEADER_BYTES];
        let crc = header_crc(&salt, offset, &header[4..]);
        header[..4].copy_from_slice(&crc.to_le_bytes());
        at = end.next_multiple_of(8);
    }
}

/// The checksum of a record's header, of which `rest` is all but the checksum.
pub(crate) fn header_crc(salt: &[u8], offset: usize, rest: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(salt), &(offset as u64).to_le_bytes());
    crc32c::crc32c_append(crc, rest)
}
