//! Logs: one that the real log wrote, and scripts for forged ones.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use varve_env::Disk;
use varve_env::sim::{SimDisk, world};
use varve_types::{GroupId, LogIndex};
use varve_wal::{Wal, WalOptions};

use super::chunks;

/// A log of several files, whole; and its last file alone.
pub(super) fn files() -> Vec<Vec<u8>> {
    let disk = SimDisk::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread");
    runtime.block_on(write(&disk));
    let names = disk.list(Path::new("/wal")).expect("lists");
    let mut names: Vec<_> = names.iter().filter_map(|name| name.to_str()).collect();
    names.retain(|name| name.starts_with(|first: char| first.is_ascii_digit()));
    names.sort_unstable();
    let short: Vec<_> = names
        .into_iter()
        .map(|name| shorten(&disk.contents(&Path::new("/wal").join(name)).expect("reads")))
        .collect();
    assert!(short.len() > 1, "the log has one file");
    vec![chunks(short.iter().map(Vec::as_slice)), chunks(short.last().map(Vec::as_slice))]
}

async fn write(disk: &SimDisk) {
    let mut options = WalOptions::new(Arc::new(|message: &str| panic!("{message}")));
    (options.file_bytes, options.reserve_bytes) = (16 << 10, 16 << 10);
    let (wal, _) = Wal::open(&world(1, disk), Path::new("/wal"), options).await.expect("opens");
    let mut next = [0; 3];
    for number in 1..=60u64 {
        let place = (number % 3) as usize;
        let group = wal.group(GroupId::from_number(number % 3 + 1));
        // It is saved also when nobody waits for it.
        drop(group.save_vote(Bytes::from(format!("vote {number}"))));
        let payload = Bytes::from(vec![number as u8; 20 + 20 * (number % 16) as usize]);
        group.append(vec![(LogIndex(next[place]), payload)], |outcome| {
            outcome.expect("is written");
        });
        next[place] += 1;
        group.save_committed(Bytes::from(format!("committed {number}")));
        tokio::time::sleep(Duration::from_millis(4)).await;
        match number {
            15 => drop(group.purge(LogIndex(3), Bytes::from_static(b"log id"))),
            20 => {
                drop(group.truncate_after(Some(LogIndex(5))));
                next[place] = 6;
            }
            31 => drop(group.remove()),
            _ => {}
        }
    }
    wal.shutdown().await.expect("ends well");
}

/// The header, the note, and the records without the zeros at their end.
fn shorten(file: &[u8]) -> Vec<u8> {
    let end = file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    [&file[..60], &file[1024..1036], &file[4096..end.max(4096).next_multiple_of(8)]].concat()
}

/// Honest records of several kinds, and each of the lies once.
pub(super) fn scripts() -> Vec<Vec<u8>> {
    // No lie in the file's header, and no note.
    let file = [0, 0];
    // A group, which of its entries is meant, a payload of two bytes, no lie.
    let of_group = |kind: u8, group: u8| [kind, group, 1, 2, 0xaa, 0xbb, 0];
    let mark = [1, 0];
    let checkpoint = [7, 1, 0, 0, 3, 0, 2, 0, 0];
    let mut honest = file.to_vec();
    for round in 0..4 {
        honest.extend_from_slice(&mark);
        for (kind, group) in [(2, round % 3), (3, 0), (3, 1), (3, 0), (6, 1), (4, 0), (5, 1)] {
            honest.extend_from_slice(&of_group(kind, group));
        }
        if round == 1 {
            // The file ends, at its full length, and another begins.
            honest.extend_from_slice(&[15, 0]);
            honest.extend_from_slice(&file);
            honest.extend_from_slice(&checkpoint);
        }
    }
    let lies = (1..=13).map(|lie| {
        let mut script = honest.clone();
        let at = file.len() + mark.len() + 7 * 4 - 1;
        script.splice(at..=at, [lie, 3, 0, 0, 0, 0, 0, 0, 0]);
        script
    });
    std::iter::once(honest.clone()).chain(lies).collect()
}
