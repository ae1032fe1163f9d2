//! The bytes of the log, drawn. Everything is little-endian; nothing here touches a file.
//!
//! A log is a row of files, `00000001.log` and on, each preallocated and later recycled:
//!
//! ```text
//! file     0     file header, 60 bytes, then zeros
//!       1024     note of what is synced, 12 bytes, then zeros
//!       2048     the header again: one flipped bit must not cost a whole file
//!       3072     the note again
//!       4096     records, one after another, each at a multiple of 8
//!        …       whatever the file held before it was recycled, or zeros
//! ```
//!
//! A file gets its name only after its header is synced, so a named file without a readable
//! header is damaged, never half made. See [`file_header`], [`synced_slot`], [`record`]
//! and [`payload`].
//!
//! What was in a recycled file is never taken for a record: each header's checksum also covers
//! the file's random salt and the header's own offset, and its sequence would be below the file's
//! first. The salt also means that nobody can smuggle a record in through a payload.

pub(crate) mod file_header;
pub(crate) mod payload;
pub(crate) mod record;
pub(crate) mod synced_slot;

/// Where the first record stands.
pub(crate) const RECORDS_START: usize = 4096;

/// Where the second copy of the file header stands.
pub(crate) const HEADER_COPY: usize = 2048;

/// The number in a file's name: files are used in this order, each once per number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileSequence(pub(crate) u64);

/// A record's place in the one order of all records of the log, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordSequence(pub(crate) u64);

/// A record's place among its group's records. A group's first record takes its own
/// [`RecordSequence`] as its counter, every next one adds one: so counters never repeat, even
/// when a group is removed and made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Counter(pub(crate) u64);

impl RecordSequence {
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Counter {
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Eight bytes at `at`, which the caller has checked to be there.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// Four bytes at `at`, which the caller has checked to be there.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}
