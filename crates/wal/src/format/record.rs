//! One record: a header of fixed size, then its payload, then zeros up to a multiple of 8.
//!
//! ```text
//!  0  4  crc32c of salt (8) ‖ offset in the file (8) ‖ bytes 4..56
//!  4  1  kind, never 0: zeros are no record
//!  5  1  1 when it is the first record of its group, else 0
//!  6  2  zero
//!  8  4  payload length in bytes
//! 12  4  crc32c of the payload
//! 16  8  sequence: one more than the record before it, across files
//! 24  8  synced: every record up to this sequence was synced before this one was written
//! 32  8  group (0 for a mark)
//! 40  8  counter: one more than the group's record before it (for a mark: the round's number)
//! 48  8  index (append: the entry's; truncate: the first to go; purge: the last to go; else 0)
//! 56     payload
//! ```
//!
//! `synced` is in every header, so any record of a later round that can still be read proves that
//! a bad one before it is rot and not a torn write.

use varve_types::GroupId;

use super::{Counter, RecordSequence, u32_at, u64_at};

/// Bytes before the payload.
pub(crate) const RECORD_HEADER_BYTES: usize = 56;

/// What a record does to its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Opens a round; lists the groups of the round before it. Belongs to no group.
    Mark = 1,
    /// The vote, opaque.
    Vote = 2,
    /// An entry.
    Append = 3,
    /// Entries from an index on are gone.
    Truncate = 4,
    /// Entries up to an index are gone; carries the log id of the last of them.
    Purge = 5,
    /// The committed position, opaque.
    Committed = 6,
    /// All of a group's state except its entries: opens each file, so older files can go.
    Checkpoint = 7,
    /// The group is gone.
    Remove = 8,
}

impl Kind {
    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Mark,
            2 => Self::Vote,
            3 => Self::Append,
            4 => Self::Truncate,
            5 => Self::Purge,
            6 => Self::Committed,
            7 => Self::Checkpoint,
            8 => Self::Remove,
            _ => return None,
        })
    }
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: Kind,
    pub(crate) first: bool,
    pub(crate) payload_bytes: u32,
    pub(crate) payload_crc: u32,
    pub(crate) sequence: RecordSequence,
    pub(crate) synced: RecordSequence,
    pub(crate) group: GroupId,
    pub(crate) counter: Counter,
    pub(crate) index: u64,
}

/// What a record with such a payload takes in a file, padding included.
pub(crate) const fn record_bytes(payload_bytes: usize) -> usize {
    (RECORD_HEADER_BYTES + payload_bytes).next_multiple_of(8)
}

impl RecordHeader {
    /// What the record takes in its file, padding included.
    pub(crate) const fn record_bytes(&self) -> usize {
        record_bytes(self.payload_bytes as usize)
    }

    /// Appends header, payload and padding, for a record that will stand at `offset`.
    pub(crate) fn encode(&self, salt: u64, offset: u64, payload: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&[self.kind as u8, u8::from(self.first), 0, 0]);
        out.extend_from_slice(&self.payload_bytes.to_le_bytes());
        out.extend_from_slice(&self.payload_crc.to_le_bytes());
        for field in [self.sequence.0, self.synced.0, self.group.get(), self.counter.0, self.index]
        {
            out.extend_from_slice(&field.to_le_bytes());
        }
        let crc = header_crc(salt, offset, &out[start + 4..start + RECORD_HEADER_BYTES]);
        out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(payload);
        out.resize(start + self.record_bytes(), 0);
    }

    /// Reads the header at `offset` of a file; `None` when there is no whole one.
    pub(crate) fn decode(bytes: &[u8], salt: u64, offset: u64) -> Option<Self> {
        let bytes = bytes.get(..RECORD_HEADER_BYTES)?;
        // Cheap tests first: a search tries every eighth byte of a file.
        let kind = Kind::from_number(bytes[4])?;
        if bytes[5] > 1 || bytes[6] != 0 || bytes[7] != 0 {
            return None;
        }
        if header_crc(salt, offset, &bytes[4..]) != u32_at(bytes, 0) {
            return None;
        }
        Some(Self {
            kind,
            first: bytes[5] == 1,
            payload_bytes: u32_at(bytes, 8),
            payload_crc: u32_at(bytes, 12),
            sequence: RecordSequence(u64_at(bytes, 16)),
            synced: RecordSequence(u64_at(bytes, 24)),
            group: GroupId::from_number(u64_at(bytes, 32)),
            counter: Counter(u64_at(bytes, 40)),
            index: u64_at(bytes, 48),
        })
    }
}

fn header_crc(salt: u64, offset: u64, rest: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&salt.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &offset.to_le_bytes());
    crc32c::crc32c_append(crc, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn comes_back_and_only_at_its_place(
            payload in proptest::collection::vec(any::<u8>(), 0..100),
            numbers in any::<[u64; 5]>(), salt in any::<u64>(), kind in 1u8..=8, first in any::<bool>(),
            flip in 0..RECORD_HEADER_BYTES * 8,
        ) {
            let header = RecordHeader {
                kind: Kind::from_number(kind).unwrap(), first,
                payload_bytes: payload.len() as u32, payload_crc: crc32c::crc32c(&payload),
                sequence: RecordSequence(numbers[0]), synced: RecordSequence(numbers[1]),
                group: GroupId::from_number(numbers[2]), counter: Counter(numbers[3]), index: numbers[4],
            };
            let mut bytes = Vec::new();
            header.encode(salt, 4096, &payload, &mut bytes);
            prop_assert_eq!(bytes.len(), header.record_bytes());
            prop_assert_eq!(bytes.len() % 8, 0);
            prop_assert_eq!(RecordHeader::decode(&bytes, salt, 4096), Some(header));
            prop_assert_eq!(RecordHeader::decode(&bytes, salt, 4104), None);
            prop_assert_eq!(RecordHeader::decode(&bytes, salt ^ 1, 4096), None);
            bytes[flip / 8] ^= 1 << (flip % 8);
            prop_assert_eq!(RecordHeader::decode(&bytes, salt, 4096), None);
        }
    }
}
