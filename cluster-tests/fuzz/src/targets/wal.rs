//! Recovery of the write-ahead log: from any bytes, and from records that a script forges. It
//! refuses and names what it refuses, or opens a log: then each entry that it serves lies in a
//! file with right checksums, and the log works.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use varve_env::sim::{SimDisk, Survival, world};
use varve_env::{Disk, OpenMode};
use varve_types::{GroupId, LogIndex};
use varve_wal::{Wal, WalError, WalOptions};

use super::wal_forger::forge;
use crate::formats::wal::{RECORD_HEADER_BYTES, RECORDS_START, expand, header_crc, mend};
use crate::script::Script;
use crate::{Memory, Target};

const DIR: &str = "/wal";
const FILES_MAX: usize = 4;
/// The simulated disk, the files as recovery reads them, and the files of the log that goes on.
const MEMORY: Memory = Memory { bytes: 4 << 20, per_byte: 64 };

/// Files in their short form, each behind its length.
pub(super) const RECOVERY: Target = Target {
    name: "wal_recovery",
    run: |input| {
        let mut script = Script::new(input);
        let mut files = Vec::new();
        while files.len() < FILES_MAX && !script.is_empty() {
            files.push(expand(script.chunk()));
        }
        recover(&files);
    },
    mend: Some(mend_files),
    memory: MEMORY,
};

/// What a script makes of true and false records.
pub(super) const RECORDS: Target = Target {
    name: "wal_records",
    run: |input| recover(&forge(Script::new(input), FILES_MAX)),
    mend: None,
    memory: MEMORY,
};

fn mend_files(mut input: &mut [u8]) {
    while let [low, high, rest @ ..] = input {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (file, after) = rest.split_at_mut(len);
        mend(file);
        input = after;
    }
}

/// An entry of a group.
type Entry = (GroupId, LogIndex, Bytes);

fn recover(files: &[Vec<u8>]) {
    let disk = SimDisk::new();
    for (number, file) in (1..).zip(files) {
        put(&disk, &format!("{number:08}.log"), file);
    }
    let there: BTreeSet<Entry> = files.iter().flat_map(|file| entries_in(file)).collect();
    super::run(async {
        let wal = match open(1, &disk).await {
            Ok(wal) => wal,
            Err(error) => {
                let said = error.to_string();
                return assert!(said.contains(DIR), "a refusal without the file: {said}");
            }
        };
        for group in wal.groups() {
            for (index, payload) in read(&wal, group).await.unwrap_or_default() {
                let entry = (group, index, payload);
                assert!(there.contains(&entry), "nobody wrote {entry:?}");
            }
        }
        let group = wal.groups().last().map_or(0, |group| group.get().wrapping_add(1));
        let group = GroupId::from_number(group);
        for index in 0..3 {
            append(&wal, group, LogIndex(index)).await;
        }
        disk.crash(Survival::Synced);
        drop(wal);
        let wal = open(2, &disk).await.expect("a log that was opened opens again");
        let entries = read(&wal, group).await.expect("what was acknowledged is there");
        assert_eq!(entries.len(), 3, "what was acknowledged is there");
    });
}

fn put(disk: &SimDisk, name: &str, bytes: &[u8]) {
    let write = || {
        disk.create_dir_all(Path::new(DIR))?;
        let file = disk.open(&Path::new(DIR).join(name), OpenMode::Create)?;
        file.write_all_at(bytes, 0)?;
        file.sync_data()
    };
    write().expect("BUG: the simulated disk has no faults");
}

async fn open(seed: u64, disk: &SimDisk) -> Result<Wal, WalError> {
    // The tasks of a machine that crashed die with errors: those are no failure.
    let fatal = |message: &str| assert!(message.contains("has crashed"), "fatal: {message}");
    let mut options = WalOptions::new(Arc::new(fatal));
    options.file_bytes = 16 << 10;
    options.reserve_bytes = 16 << 10;
    options.cache_bytes = 1 << 10;
    Wal::open(&world(seed, disk), Path::new(DIR), options).await.map(|(wal, _)| wal)
}

async fn append(wal: &Wal, group: GroupId, index: LogIndex) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    wal.group(group).append(vec![(index, Bytes::from_static(&[9; 100]))], |outcome| {
        // Nobody waits any longer where the test has failed.
        let _ = sender.send(outcome);
    });
    receiver.await.expect("an answer").expect("the log takes entries");
}

async fn read(wal: &Wal, group: GroupId) -> Result<Vec<(LogIndex, Bytes)>, WalError> {
    wal.group(group).read(LogIndex(0)..LogIndex(u64::MAX), usize::MAX).await
}

/// The entries in a file whose checksums are right, wherever they stand: read without the log's
/// own code.
fn entries_in(file: &[u8]) -> Vec<Entry> {
    let u64_at = |at: usize| file.get(at..at + 8).map(|bytes| bytes.try_into().expect("BUG: 8"));
    let u64_at = |at: usize| u64_at(at).map_or(0, u64::from_le_bytes);
    let salts = [24, 2048 + 24].map(|at| u64_at(at).to_le_bytes());
    let entry = |at: usize| {
        let header = file.get(at..at + RECORD_HEADER_BYTES)?;
        let crc = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("BUG: 4"));
        let sealed = |salt: &[u8; 8]| header_crc(salt, at, &header[4..]) == crc(0);
        if header[4] != 3 || !salts.iter().any(sealed) {
            return None;
        }
        let payload = file.get(at + RECORD_HEADER_BYTES..)?.get(..crc(8) as usize)?;
        (crc32c::crc32c(payload) == crc(12)).then(|| {
            let (group, index) = (GroupId::from_number(u64_at(at + 32)), LogIndex(u64_at(at + 48)));
            (group, index, Bytes::copy_from_slice(payload))
        })
    };
    (RECORDS_START..file.len()).step_by(8).filter_map(entry).collect()
}
