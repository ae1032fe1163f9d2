//! What a file is, as a number: the XXH3-128 of all its bytes.
//!
//! Files of two replicas that have one hash are taken to be the same, so a checksum would not do.
//! A CRC is the worst choice of all: files that end with their own CRC all have the same one, and
//! pages that are followed by theirs cancel out.

use std::fmt;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

/// The XXH3-128 of a whole file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileHash(pub u128);

impl FileHash {
    /// That of a file with these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(xxh3_128(bytes))
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Hashes a file piece by piece, from its front.
#[derive(Clone, Default)]
pub struct FileHasher(Box<Xxh3Default>);

impl FileHasher {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all pieces so far.
    #[must_use]
    pub fn hash(&self) -> FileHash {
        FileHash(self.0.digest128())
    }
}

impl fmt::Debug for FileHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileHasher")
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_hash_as_the_whole(pieces in vec(vec(any::<u8>(), 0..700), 0..6)) {
            let mut hasher = FileHasher::default();
            pieces.iter().for_each(|piece| hasher.update(piece));
            prop_assert_eq!(hasher.hash(), FileHash::of(&pieces.concat()));
        }
    }

    /// Dedup files and manifests end with their CRC, and many have the same length.
    #[test]
    fn files_that_end_with_their_checksum_are_told_apart() {
        let file = |payload: &[u8]| crate::frame::wrap(b"VARVEDUP", 1, payload);
        let (one, other) = (file(b"one of them"), file(b"the other's"));
        assert_eq!(crc32c::crc32c(&one), crc32c::crc32c(&other), "what a CRC says of them");
        assert_ne!(FileHash::of(&one), FileHash::of(&other));
    }
}
