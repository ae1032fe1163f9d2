//! What a file is to be, whoever has it; and what all files of a shard are together.

use varve_shard::{FileHash, Manifest};
use xxhash_rust::xxh3::xxh3_128;

use crate::catalog::FilesDigest;

/// A file by what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileCard {
    /// A plain name.
    pub(crate) name: String,
    /// Its length.
    pub(crate) bytes: u64,
    /// The hash of all of it.
    pub(crate) hash: FileHash,
}

impl FileCard {
    /// Names are put into longer ones while their files come: leaves room for those.
    pub(crate) const NAME_BYTES_MAX: usize = 200;

    /// A file that is these bytes.
    pub(crate) fn of(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.len() as u64, hash: FileHash::of(bytes) }
    }
}

/// The files that a manifest names.
pub(crate) fn cards(manifest: &Manifest) -> Vec<FileCard> {
    let card = |name: &String, bytes, hash| FileCard { name: name.clone(), bytes, hash };
    let dedup = &manifest.dedup;
    let dedup = card(&dedup.name, dedup.bytes, dedup.hash);
    let segments = manifest.segments.iter();
    let segments = segments.map(|meta| card(&meta.name, meta.bytes, meta.hash));
    [dedup].into_iter().chain(segments).collect()
}

/// What the segments of a manifest are, in its order: the same rows, cut and encoded alike, and as
/// far merged.
pub(crate) fn files_digest(manifest: &Manifest) -> FilesDigest {
    let mut all = Vec::with_capacity(41 * manifest.segments.len());
    for segment in &manifest.segments {
        all.extend_from_slice(&segment.bytes.to_le_bytes());
        all.extend_from_slice(&segment.hash.0.to_le_bytes());
        all.extend_from_slice(&segment.digest.0.to_le_bytes());
        all.push(segment.stage as u8);
    }
    FilesDigest(xxh3_128(&all))
}
