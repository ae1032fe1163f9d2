//! Files come and go, and the room they take stays the same.

use bytes::Bytes;
use varve_env::Disk;
use varve_env::sim::SimDisk;
use varve_types::{GroupId, LogIndex};

use super::world::{DIR, append, open, run};

#[test]
fn a_log_that_is_purged_keeps_its_size_and_names_who_pins_it() {
    run(async {
        let disk = SimDisk::new();
        let (mut wal, _) = open(1, &disk).await;
        let lagging = 9;
        let mut files_max = 0;
        for index in 0..600u64 {
            append(&wal, 1, vec![(index, vec![index as u8; 700])]).await.unwrap();
            if index % 10 == 9 {
                let upto = LogIndex(index - 5);
                wal.group(GroupId::from_number(1)).purge(upto, Bytes::new()).await.unwrap();
            }
            if index == 300 {
                append(&wal, lagging, vec![(0, b"one entry".to_vec())]).await.unwrap();
            }
            if index == 350 {
                let pin = wal.pinning().unwrap();
                assert_eq!((pin.group, pin.upto), (GroupId::from_number(lagging), LogIndex(0)));
                assert!(pin.held_bytes > 16 << 10);
                assert!(wal.stats().files > 2, "it pins nothing");
                let group = wal.group(GroupId::from_number(lagging));
                group.purge(pin.upto, Bytes::new()).await.unwrap();
            }
            if !(300..360).contains(&index) {
                files_max = files_max.max(wal.stats().files);
                let there = disk.list(std::path::Path::new(DIR)).unwrap().len();
                assert!(there <= files_max + 4, "{there} files at {index}");
            }
            if index % 100 == 99 {
                // Restarts meet recycled files with records of their former lives.
                wal.shutdown().await.unwrap();
                let (again, report) = open(1000 + index, &disk).await;
                assert!(report.damages.is_empty() && report.cut.is_none(), "{report:?}");
                let state = again.group(GroupId::from_number(1)).state();
                assert_eq!(state.last, Some(LogIndex(index)));
                assert_eq!(state.first, Some(LogIndex(index - 4)));
                wal = again;
            }
        }
        assert!(files_max <= 3, "{files_max} files");
    });
}

#[test]
fn what_is_cached_stays_within_its_bound() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(1, &disk).await;
        for index in 0..3000u64 {
            append(&wal, index % 3, vec![(index / 3, vec![1; 40])]).await.unwrap();
            assert!(wal.stats().cached_bytes <= 1024);
            if index % 7 == 0 {
                let upto = LogIndex((index / 3).saturating_sub(2));
                wal.group(GroupId::from_number(index % 3)).purge(upto, Bytes::new()).await.unwrap();
            }
        }
    });
}
