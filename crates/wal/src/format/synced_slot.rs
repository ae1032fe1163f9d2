//! A note in a file's first block of how far the log was synced, written when the log falls idle.
//!
//! Records say what was synced before them, so damage is told from a torn write by what stands
//! after it. Where nothing does any longer, because the whole end of the log is gone, the note
//! still knows. There are two alike, apart, so that what takes the end rarely takes both.
//!
//! ```text
//! 0  8  every record up to this sequence is synced
//! 8  4  crc32c of the file's salt (8) ‖ bytes 0..8
//! ```

use super::{RecordSequence, u32_at, u64_at};

/// Where the two stand: between the copies of the header, and after them.
pub(crate) const SLOTS: [usize; 2] = [1024, 3072];

/// Its length.
pub(crate) const BYTES: usize = 12;

/// The note, to be written at each of [`SLOTS`].
pub(crate) fn encode(salt: u64, synced: RecordSequence) -> [u8; BYTES] {
    let mut slot = [0; BYTES];
    slot[..8].copy_from_slice(&synced.0.to_le_bytes());
    let crc = crc(salt, &slot[..8]);
    slot[8..].copy_from_slice(&crc.to_le_bytes());
    slot
}

/// The furthest that the notes in a file say, or `None` when there is none to be read.
pub(crate) fn decode(file: &[u8], salt: u64) -> Option<RecordSequence> {
    let slots = SLOTS.into_iter().filter_map(|at| file.get(at..at + BYTES));
    let whole = slots.filter(|slot| crc(salt, &slot[..8]) == u32_at(slot, 8));
    whole.map(|slot| RecordSequence(u64_at(slot, 0))).max()
}

fn crc(salt: u64, synced: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), synced)
}
