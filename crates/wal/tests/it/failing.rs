//! A disk that answers with errors: nothing is tried again, everybody is told.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use varve_env::sim::{Action, Fault, SimDisk, Survival};
use varve_types::{GroupId, LogIndex};
use varve_wal::WalError;

use super::world::{append, failing_options, open, open_with, run, whole_contents};

#[test]
fn a_failed_write_or_sync_ends_the_log() {
    for action in [Action::SyncData, Action::Write] {
        run(async {
            let disk = SimDisk::new();
            let (options, messages) = failing_options();
            let (wal, _) = open_with(1, &disk, options).await;
            append(&wal, 1, vec![(0, b"safe".to_vec())]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;

            // Once only: a second try would succeed, and must not be made.
            disk.inject(Fault { action, under: PathBuf::from("/wal"), times: 1 });
            let answers = Arc::new(Mutex::new(Vec::new()));
            for index in 1..4 {
                let answers = Arc::clone(&answers);
                let entry = (LogIndex(index), Bytes::from("lost"));
                wal.group(GroupId::from_number(1)).append(vec![entry], move |outcome| {
                    answers.lock().unwrap().push((index, outcome.is_err()));
                });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(*answers.lock().unwrap(), [(1, true), (2, true), (3, true)]);
            assert!(disk.heal().is_empty(), "the fault was not met");

            let message = messages.lock().unwrap().clone();
            assert_eq!(message.len(), 1, "told once: {message:?}");
            assert!(message[0].contains("/wal/00000001.log"), "{message:?}");
            let later = wal.group(GroupId::from_number(2)).save_vote(Bytes::new()).await;
            assert!(matches!(later, Err(WalError::Failed { .. })), "{later:?}");
            let read = wal.group(GroupId::from_number(1)).read(0.into()..9.into(), 9).await;
            assert!(matches!(read, Err(WalError::Failed { .. })), "{read:?}");
            assert!(matches!(wal.shutdown().await, Err(WalError::Failed { .. })));

            disk.crash(Survival::Synced);
            let (wal, report) = open(2, &disk).await;
            assert!(report.damages.is_empty());
            let seen = whole_contents(&wal).await;
            let entries = &seen[&GroupId::from_number(1)].entries;
            assert_eq!(entries[0], (LogIndex(0), Bytes::from("safe")));
        });
    }
}

#[test]
fn after_shutdown_calls_are_answered() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(1, &disk).await;
        let log = wal.group(GroupId::CATALOG);
        let vote = log.save_vote(Bytes::from("queued"));
        wal.shutdown().await.unwrap();
        vote.await.unwrap();
        assert!(matches!(log.save_vote(Bytes::new()).await, Err(WalError::Closed)));
        assert!(matches!(append(&wal, 0, vec![]).await, Err(WalError::Closed)));
        wal.shutdown().await.unwrap();
    });
}

#[test]
fn wrong_calls_are_refused_and_change_nothing() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(1, &disk).await;
        append(&wal, 1, vec![(5, b"a".to_vec()), (6, b"b".to_vec())]).await.unwrap();
        append(&wal, 1, vec![]).await.unwrap();
        let before = whole_contents(&wal).await;
        for (entries, contiguous) in [
            (vec![(8, vec![])], false),
            (vec![(6, vec![])], false),
            (vec![(7, vec![]), (7, vec![])], false),
            (vec![(7, vec![]), (8, vec![0; 20_000])], true),
        ] {
            match append(&wal, 1, entries).await {
                Err(WalError::NotContiguous { .. }) => assert!(!contiguous),
                Err(WalError::TooLarge { .. }) => assert!(contiguous),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(whole_contents(&wal).await, before);
    });
}
