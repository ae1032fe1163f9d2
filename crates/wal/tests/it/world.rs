//! A log on a simulated disk, and what can be seen of it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use varve_env::Disk;
use varve_env::sim::{SimDisk, world};
use varve_types::{GroupId, LogIndex};
use varve_wal::{GroupState, RecoveryReport, Wal, WalError, WalOptions};

pub(crate) const DIR: &str = "/wal";

/// All that is in a log: per group its state and its entries.
pub(crate) type Contents = BTreeMap<GroupId, Result<Group, WalErrorText>>;

/// Why a group cannot be read, as text.
pub(crate) type WalErrorText = String;

#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) state: GroupState,
    pub(crate) entries: Vec<(LogIndex, Bytes)>,
}

impl fmt::Debug for Group {
    /// Entries as their indexes and the number each begins with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brief = |(index, bytes): &(LogIndex, Bytes)| {
            format!("{index}: {:?} +{}", bytes.get(..8), bytes.len().saturating_sub(8))
        };
        let entries: Vec<_> = self.entries.iter().map(brief).collect();
        write!(f, "{:?} {entries:?}", self.state)
    }
}

/// Runs in virtual time, on one thread.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// Small files, so that a short test sees many; a fatal error fails the test.
pub(crate) fn options() -> WalOptions {
    // Tasks of a machine that crashed die with errors: those are no failure.
    let fatal = |message: &str| assert!(message.contains("has crashed"), "fatal: {message}");
    let mut options = WalOptions::new(Arc::new(fatal));
    options.file_bytes = 16 << 10;
    options.reserve_bytes = 16 << 10;
    options.cache_bytes = 1 << 10;
    options
}

/// As [`options`]; fatal messages are collected.
pub(crate) fn failing_options() -> (WalOptions, Arc<Mutex<Vec<String>>>) {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let mut options = options();
    let told = Arc::clone(&messages);
    options.on_fatal = Arc::new(move |message| told.lock().unwrap().push(message.to_owned()));
    (options, messages)
}

pub(crate) async fn open(seed: u64, disk: &SimDisk) -> (Wal, RecoveryReport) {
    open_with(seed, disk, options()).await
}

pub(crate) async fn open_with(
    seed: u64,
    disk: &SimDisk,
    options: WalOptions,
) -> (Wal, RecoveryReport) {
    Wal::open(&world(seed, disk), Path::new(DIR), options).await.unwrap()
}

/// Appends and waits.
pub(crate) async fn append(
    wal: &Wal,
    group: u64,
    entries: Vec<(u64, Vec<u8>)>,
) -> Result<(), WalError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let entries =
        entries.into_iter().map(|(index, bytes)| (LogIndex(index), Bytes::from(bytes))).collect();
    wal.group(GroupId::from_number(group)).append(entries, |outcome| {
        sender.send(outcome).unwrap();
    });
    receiver.await.unwrap()
}

/// Reads all there is.
pub(crate) async fn contents(wal: &Wal) -> Contents {
    let mut contents = Contents::new();
    for group in wal.groups() {
        let log = wal.group(group);
        let state = log.state();
        let read = log.read(LogIndex(0)..LogIndex(u64::MAX), usize::MAX).await;
        let seen = match (log.check(), read) {
            (Ok(()), Ok(entries)) => Ok(Group { state, entries }),
            (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
        };
        contents.insert(group, seen);
    }
    contents
}

/// What is in a log that nothing has happened to.
pub(crate) async fn whole_contents(wal: &Wal) -> BTreeMap<GroupId, Group> {
    contents(wal).await.into_iter().map(|(group, seen)| (group, seen.unwrap())).collect()
}

/// The log's own files, in order, without spares and reserve.
pub(crate) fn log_files(disk: &SimDisk) -> Vec<PathBuf> {
    let names = disk.list(Path::new(DIR)).unwrap();
    names
        .into_iter()
        .filter(|name| name.to_str().unwrap().starts_with(|first: char| first.is_ascii_digit()))
        .map(|name| Path::new(DIR).join(name))
        .collect()
}
