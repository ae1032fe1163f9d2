//! A disk without room: appends are refused, the rest goes through, and it ends by itself.

use std::time::Duration;

use bytes::Bytes;
use varve_env::Disk;
use varve_env::sim::SimDisk;
use varve_types::{GroupId, LogIndex};
use varve_wal::{Wal, WalError};

use super::world::{append, failing_options, open, open_with, run, whole_contents};

/// Appends until the disk is full; answers how many entries were taken.
async fn fill(wal: &Wal) -> u64 {
    for index in 0.. {
        match append(wal, 1, vec![(index, vec![1; 1000])]).await {
            Ok(()) => {}
            Err(WalError::DiskFull) => return index,
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!()
}

#[test]
fn only_appends_are_refused_and_purging_or_room_ends_it() {
    run(async {
        let disk = SimDisk::new();
        disk.set_capacity(Some(80 << 10));
        let (wal, report) = open(1, &disk).await;
        assert!(!report.full);
        let taken = fill(&wal).await;
        assert!(wal.is_full());
        assert!(taken > 20, "only {taken}");

        // Enough to need the reserve file.
        let log = wal.group(GroupId::from_number(1));
        for vote in 0..25u64 {
            log.save_vote(Bytes::from(vec![vote as u8; 50])).await.unwrap();
            log.save_committed(Bytes::from(vote.to_le_bytes().to_vec()));
            wal.group(GroupId::from_number(2)).save_vote(Bytes::from("v")).await.unwrap();
        }
        log.truncate_after(Some(LogIndex(taken - 2))).await.unwrap();
        assert!(matches!(
            append(&wal, 1, vec![(taken - 1, vec![1; 10])]).await,
            Err(WalError::DiskFull)
        ));
        let before = whole_contents(&wal).await;
        wal.shutdown().await.unwrap();

        // A full log opens, and says so.
        let (wal, report) = open(2, &disk).await;
        assert!(report.full && wal.is_full());
        assert_eq!(whole_contents(&wal).await, before);

        // Purging gives files back.
        let log = wal.group(GroupId::from_number(1));
        log.purge(LogIndex(taken - 2), Bytes::from("id")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(!wal.is_full(), "{:?}", wal.stats());
        append(&wal, 1, vec![(taken - 1, vec![1; 1000])]).await.unwrap();
    });
}

#[test]
fn room_on_the_disk_ends_it_within_seconds() {
    run(async {
        let disk = SimDisk::new();
        disk.set_capacity(Some(70 << 10));
        let (wal, _) = open(1, &disk).await;
        let taken = fill(&wal).await;
        disk.set_capacity(Some(1 << 20));
        tokio::time::sleep(Duration::from_secs(3)).await;
        append(&wal, 1, vec![(taken, vec![1; 1000])]).await.unwrap();
        assert_eq!(wal.group(GroupId::from_number(1)).state().last, Some(LogIndex(taken)));
    });
}

#[test]
fn a_reserve_used_up_ends_the_process_and_loses_nothing() {
    run(async {
        let disk = SimDisk::new();
        disk.set_capacity(Some(70 << 10));
        let (options, messages) = failing_options();
        let (wal, _) = open_with(1, &disk, options).await;
        let taken = fill(&wal).await;
        let log = wal.group(GroupId::from_number(1));
        let mut saved = 0u64;
        let error = loop {
            let vote = Bytes::from(vec![saved as u8; 500]);
            match log.save_vote(vote).await {
                Ok(()) => saved += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, WalError::Failed { .. }));
        let message = messages.lock().unwrap().concat();
        assert!(message.contains("free space") && message.contains("/wal/"), "{message}");

        // There is no room to start with either; then there is.
        disk.set_capacity(Some(1 << 20));
        let (wal, _) = open(2, &disk).await;
        let state = wal.group(GroupId::from_number(1)).state();
        assert_eq!(state.vote, Some(Bytes::from(vec![(saved - 1) as u8; 500])));
        assert_eq!(state.last, Some(LogIndex(taken - 1)));
        assert!(disk.free_bytes(std::path::Path::new("/")).unwrap() > 0);
    });
}
