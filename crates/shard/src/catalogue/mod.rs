//! The node's catalogue cache: a short record of each shard, and the node's settings, in sled.
//!
//! It answers "what is on this disk" without opening every shard. It is never the truth: sled's
//! flush is not an fsync, so whatever is here can be rebuilt from manifests, and a record only
//! counts when it names the version of the manifest that is there. A folder that sled cannot open
//! is moved aside and an empty one takes its place.
//!
//! Keys are a kind byte and a big-endian number or a name; values take at most 4 KiB.

mod record;
mod store;

use std::path::{Path, PathBuf};

use varve_types::ShardId;

pub use record::ShardRecord;
use store::{Memory, OnDisk, Store};

/// Larger values go to files that sled never syncs.
pub const CATALOGUE_VALUE_BYTES_MAX: usize = 4096;

const KIND_SHARD: u8 = 1;
const KIND_SETTING: u8 = 2;

/// A cache of what is on this node's disk.
pub struct Catalogue(Box<dyn Store>);

/// A catalogue that could not be opened and was replaced by an empty one: fill it with
/// [`Catalogue::rebuild`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueDamage {
    /// Where the damaged folder is now.
    pub moved_to: PathBuf,
    /// What sled said.
    pub reason: String,
}

/// Why the catalogue did not answer. A cache that fails is done without.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// sled failed.
    #[error("catalogue cache {path}: {reason}; it holds nothing that cannot be rebuilt: stop the node, remove the folder and start again", path = path.display())]
    Store {
        /// The folder.
        path: PathBuf,
        /// What sled said.
        reason: String,
    },
    /// The damaged folder could not be moved aside.
    #[error("catalogue cache {path} is damaged ({reason}) and cannot be moved aside: {error}; remove the folder and start again", path = path.display())]
    MoveAside {
        /// The folder.
        path: PathBuf,
        /// What sled said.
        reason: String,
        /// What the disk said.
        #[source]
        error: std::io::Error,
    },
    /// A value that sled would not keep safely.
    #[error("catalogue value of {bytes} bytes: at most {CATALOGUE_VALUE_BYTES_MAX} are kept")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
}

impl Catalogue {
    /// Opens the catalogue in a folder of the real disk. One that sled cannot open, or that makes
    /// it panic, is moved to `<folder>.damaged-<n>`; the answer then says so. Blocks.
    ///
    /// # Errors
    ///
    /// A new one cannot be made either.
    pub fn open(path: &Path) -> Result<(Self, Option<CatalogueDamage>), CatalogueError> {
        let reason = match OnDisk::open(path) {
            Ok(store) => return Ok((Self(Box::new(store)), None)),
            Err(reason) => reason,
        };
        let moved_to = store::move_aside(path).map_err(|error| CatalogueError::MoveAside {
            path: path.to_owned(),
            reason: reason.clone(),
            error,
        })?;
        tracing::warn!(
            path = %path.display(), moved_to = %moved_to.display(), reason,
            "the catalogue cache was damaged: it is rebuilt from the shards' manifests"
        );
        let store = OnDisk::open(path)
            .map_err(|reason| CatalogueError::Store { path: path.to_owned(), reason })?;
        Ok((Self(Box::new(store)), Some(CatalogueDamage { moved_to, reason })))
    }

    /// A catalogue that is gone with the process: the simulation's.
    #[must_use]
    pub fn in_memory() -> Self {
        Self(Box::<Memory>::default())
    }

    /// Keeps a shard's record.
    ///
    /// # Errors
    ///
    /// sled failed.
    pub fn put_shard(&self, shard: ShardId, record: &ShardRecord) -> Result<(), CatalogueError> {
        self.0.put(&shard_key(shard), &record.encode())
    }

    /// A shard's record; `None` when there is none, and when it is damaged: it is a cache.
    ///
    /// # Errors
    ///
    /// sled failed.
    pub fn shard(&self, shard: ShardId) -> Result<Option<ShardRecord>, CatalogueError> {
        let value = self.0.get(&shard_key(shard))?;
        Ok(value.and_then(|bytes| ShardRecord::decode(&bytes).ok()))
    }

    /// All records that can be read, by shard.
    ///
    /// # Errors
    ///
    /// sled failed.
    pub fn shards(&self) -> Result<Vec<(ShardId, ShardRecord)>, CatalogueError> {
        let entries = self.0.scan(KIND_SHARD)?;
        let read = entries.iter().filter_map(|(key, value)| {
            let number = key.get(1..)?.try_into().ok()?;
            let record = ShardRecord::decode(value).ok()?;
            Some((ShardId(u64::from_be_bytes(number)), record))
        });
        Ok(read.collect())
    }

    /// Forgets a shard.
    ///
    /// # Errors
    ///
    /// sled failed.
    pub fn remove_shard(&self, shard: ShardId) -> Result<(), CatalogueError> {
        self.0.remove(&shard_key(shard))
    }

    /// Makes the shards' records these and no others, as they were read from manifests. Answers
    /// how many were not so before.
    ///
    /// # Errors
    ///
    /// sled failed.
    pub fn rebuild(
        &self,
        records: impl IntoIterator<Item = (ShardId, ShardRecord)>,
    ) -> Result<usize, CatalogueError> {
        let mut changed = 0;
        let mut stale: std::collections::BTreeMap<Vec<u8>, Vec<u8>> =
            self.0.scan(KIND_SHARD)?.into_iter().collect();
        for (shard, record) in records {
            let (key, value) = (shard_key(shard), record.encode());
            if stale.remove(&key).as_ref() != Some(&value) {
                self.0.put(&key, &value)?;
                changed += 1;
            }
        }
        for key in stale.keys() {
            self.0.remove(key)?;
            changed += 1;
        }
        Ok(changed)
    }

    /// Keeps a setting of the node.
    ///
    /// # Errors
    ///
    /// [`CatalogueError::TooLarge`], or sled failed.
    pub fn put_setting(&self, name: &str, value: &[u8]) -> Result<(), CatalogueError> {
        self.0.put(&setting_key(name), value)
    }

    /// A setting of the node.
    ///
    /// # Errors
    ///
    /// sled failed.
    pub fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, CatalogueError> {
        self.0.get(&setting_key(name))
    }

    /// Writes what is cached to sled's file. Blocks. What it holds may still be lost with the
    /// machine, and is rebuilt then.
    ///
    /// # Errors
    ///
    /// sled failed.
    pub fn flush(&self) -> Result<(), CatalogueError> {
        self.0.flush()
    }
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Catalogue")
    }
}

fn shard_key(shard: ShardId) -> Vec<u8> {
    let mut key = vec![KIND_SHARD];
    key.extend_from_slice(&shard.get().to_be_bytes());
    key
}

fn setting_key(name: &str) -> Vec<u8> {
    let mut key = vec![KIND_SETTING];
    key.extend_from_slice(name.as_bytes());
    key
}
