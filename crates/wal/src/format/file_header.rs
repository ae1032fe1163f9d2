//! What a log file says of itself.
//!
//! ```text
//!  0  8  magic "VARVEWAL"
//!  8  4  version
//! 12  4  zero
//! 16  8  file sequence: the number in its name
//! 24  8  salt: random, part of every record header's checksum in this file
//! 32  8  first: the sequence of its first record; all before it were synced when it was made
//! 40  8  capacity: the file's length in bytes
//! 48  8  round: the number of the mark that its first record is
//! 56  4  crc32c of bytes 0..56
//! ```

use super::{Counter, FileSequence, HEADER_COPY, RECORDS_START, RecordSequence, u32_at, u64_at};

const MAGIC: &[u8; 8] = b"VARVEWAL";
const VERSION: u32 = 1;
const BYTES: usize = 60;
const CRC: usize = BYTES - 4;

/// The largest file: it bounds what recovery reads at once.
pub(crate) const CAPACITY_MAX: u64 = 1 << 30;

/// A log file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) sequence: FileSequence,
    pub(crate) salt: u64,
    pub(crate) first: RecordSequence,
    pub(crate) capacity: u64,
    pub(crate) round: Counter,
}

/// Why a file's header cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileHeaderError {
    /// Both copies fail their checksum or make no sense.
    Damaged,
    /// Written by a later version.
    Version(u32),
}

impl FileHeader {
    /// The file's first block: both copies.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(BYTES);
        copy.extend_from_slice(MAGIC);
        copy.extend_from_slice(&VERSION.to_le_bytes());
        copy.extend_from_slice(&[0; 4]);
        for field in [self.sequence.0, self.salt, self.first.0, self.capacity, self.round.0] {
            copy.extend_from_slice(&field.to_le_bytes());
        }
        copy.extend_from_slice(&crc32c::crc32c(&copy).to_le_bytes());
        let mut block = vec![0; RECORDS_START];
        block[..BYTES].copy_from_slice(&copy);
        block[HEADER_COPY..HEADER_COPY + BYTES].copy_from_slice(&copy);
        block
    }

    /// Reads the first block of a file: the first copy that is whole.
    pub(crate) fn decode(block: &[u8]) -> Result<Self, FileHeaderError> {
        [0, HEADER_COPY]
            .into_iter()
            .filter_map(|at| block.get(at..at + BYTES))
            .find_map(Self::decode_copy)
            .unwrap_or(Err(FileHeaderError::Damaged))
    }

    fn decode_copy(copy: &[u8]) -> Option<Result<Self, FileHeaderError>> {
        if &copy[..8] != MAGIC || crc32c::crc32c(&copy[..CRC]) != u32_at(copy, CRC) {
            return None;
        }
        let version = u32_at(copy, 8);
        if version != VERSION {
            return Some(Err(FileHeaderError::Version(version)));
        }
        let header = Self {
            sequence: FileSequence(u64_at(copy, 16)),
            salt: u64_at(copy, 24),
            first: RecordSequence(u64_at(copy, 32)),
            capacity: u64_at(copy, 40),
            round: Counter(u64_at(copy, 48)),
        };
        let sane =
            header.first.0 > 0 && (RECORDS_START as u64..=CAPACITY_MAX).contains(&header.capacity);
        sane.then_some(Ok(header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_copy_is_enough_and_no_flip_is_believed() {
        let header = FileHeader {
            sequence: FileSequence(7),
            salt: 0xfeed,
            first: RecordSequence(99),
            capacity: 1 << 16,
            round: Counter(5),
        };
        let block = header.encode();
        assert_eq!(FileHeader::decode(&block), Ok(header));
        for bit in 0..BYTES * 8 {
            let mut one = block.clone();
            one[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FileHeader::decode(&one), Ok(header));
            one[HEADER_COPY + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FileHeader::decode(&one), Err(FileHeaderError::Damaged));
        }
        assert_eq!(FileHeader::decode(&block[..10]), Err(FileHeaderError::Damaged));
        assert_eq!(FileHeader::decode(&[0; RECORDS_START]), Err(FileHeaderError::Damaged));
    }
}
