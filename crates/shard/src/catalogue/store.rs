//! Where the catalogue's keys and values are: in sled, or in memory.
//!
//! sled 0.34.7 can panic on damaged files, at opening and later, and its errors say little; both
//! come out of here as text. Nothing else of it shows.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{CATALOGUE_VALUE_BYTES_MAX, CatalogueError};

/// sled's default of 1 GiB is for a database; this is a cache of a few thousand records.
const CACHE_BYTES: u64 = 32 << 20;

/// Damaged folders kept beside the good one. More is a disk to be replaced.
const DAMAGED_KEPT_MAX: u32 = 1000;

/// sled unlocks its file in a thread of its own, some time after it was dropped: it is waited for,
/// for two seconds. The data directory's lock keeps other processes away.
const LOCKED_TRIES: u32 = 100;
const LOCKED_PAUSE: Duration = Duration::from_millis(20);

pub(super) type Entry = (Vec<u8>, Vec<u8>);

/// Ordered keys with small values.
pub(super) trait Store: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, CatalogueError>;
    /// Refuses values above [`CATALOGUE_VALUE_BYTES_MAX`].
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), CatalogueError>;
    fn remove(&self, key: &[u8]) -> Result<(), CatalogueError>;
    /// All entries of a kind, by key.
    fn scan(&self, kind: u8) -> Result<Vec<Entry>, CatalogueError>;
    fn flush(&self) -> Result<(), CatalogueError>;
}

fn fits(value: &[u8]) -> Result<(), CatalogueError> {
    if value.len() > CATALOGUE_VALUE_BYTES_MAX {
        return Err(CatalogueError::TooLarge { bytes: value.len() });
    }
    Ok(())
}

pub(super) struct OnDisk {
    db: sled::Db,
    path: PathBuf,
}

impl OnDisk {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        // What is written is flushed by whoever writes it: a node at rest leaves its disk alone.
        let config =
            sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let mut tries = LOCKED_TRIES;
        let db = guarded(|| {
            loop {
                match config.open() {
                    Err(sled::Error::Io(error))
                        if error.kind() == std::io::ErrorKind::WouldBlock && tries > 0 =>
                    {
                        tries -= 1;
                        #[expect(clippy::disallowed_methods, reason = "sled's threads are real")]
                        std::thread::sleep(LOCKED_PAUSE);
                    }
                    opened => return opened,
                }
            }
        })?;
        let store = Self { db, path: path.to_owned() };
        // Damage in its pages shows when they are read, and there are few.
        guarded(|| store.db.iter().try_for_each(|entry| entry.map(|_| ())))?;
        Ok(store)
    }

    fn call<T>(&self, call: impl FnOnce() -> sled::Result<T>) -> Result<T, CatalogueError> {
        guarded(call).map_err(|reason| CatalogueError::Store { path: self.path.clone(), reason })
    }
}

/// Calls sled, with its panics made errors.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("sled panicked: {}", text.unwrap_or("without a text")))
        }
    }
}

impl Store for OnDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, CatalogueError> {
        self.call(|| Ok(self.db.get(key)?.map(|value| value.to_vec())))
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), CatalogueError> {
        fits(value)?;
        self.call(|| self.db.insert(key, value).map(|_| ()))
    }

    fn remove(&self, key: &[u8]) -> Result<(), CatalogueError> {
        self.call(|| self.db.remove(key).map(|_| ()))
    }

    fn scan(&self, kind: u8) -> Result<Vec<Entry>, CatalogueError> {
        self.call(|| {
            let entries = self.db.scan_prefix([kind]);
            entries.map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
        })
    }

    fn flush(&self) -> Result<(), CatalogueError> {
        self.call(|| self.db.flush().map(|_| ()))
    }
}

/// Moves a damaged folder (or file) to the first free name beside it.
pub(super) fn move_aside(path: &Path) -> std::io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 1..=DAMAGED_KEPT_MAX {
        let aside = path.with_file_name(format!("{name}.damaged-{number}"));
        if !aside.exists() {
            #[expect(clippy::disallowed_methods, reason = "sled lives on the real disk only")]
            std::fs::rename(path, &aside)?;
            return Ok(aside);
        }
    }
    Err(std::io::Error::other("too many damaged ones are beside it already"))
}

#[derive(Default)]
pub(super) struct Memory(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Memory {
    fn map(&self) -> std::sync::MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, CatalogueError> {
        Ok(self.map().get(key).cloned())
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), CatalogueError> {
        fits(value)?;
        self.map().insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&self, key: &[u8]) -> Result<(), CatalogueError> {
        self.map().remove(key);
        Ok(())
    }

    fn scan(&self, kind: u8) -> Result<Vec<Entry>, CatalogueError> {
        let map = self.map();
        let of_kind = map.range(vec![kind]..).take_while(|(key, _)| key.first() == Some(&kind));
        Ok(of_kind.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn flush(&self) -> Result<(), CatalogueError> {
        Ok(())
    }
}
