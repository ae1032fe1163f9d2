//! Random changes with restarts and crashes in between, against the model.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use varve_env::sim::{SimDisk, Survival};
use varve_types::{GroupId, LogIndex};

use super::script::{Model, script};
use super::world::{contents, open, run, whole_contents};

#[test]
fn what_nobody_waits_for_is_written_all_the_same() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(1, &disk).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let log = wal.group(GroupId::CATALOG);
        let rounds = wal.stats().rounds;
        for position in 0..100u8 {
            log.save_committed(Bytes::from(vec![position]));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        // One round brings the last of them, one marks it.
        assert_eq!(wal.stats().rounds, rounds + 2);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(wal.stats().rounds, rounds + 2, "an idle log writes nothing");
        disk.crash(Survival::Synced);
        let (wal, _) = open(2, &disk).await;
        let state = wal.group(GroupId::CATALOG).state();
        assert_eq!(state.committed, Some(Bytes::from(vec![99])));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_log_is_what_its_calls_made_it(
        seed in any::<u64>(), bytes_max in 1usize..1500, lives in 2u64..6,
    ) {
        run(async {
            let disk = SimDisk::new();
            let mut model = Model::default();
            for life in 0..lives {
                let (wal, report) = open(seed ^ life, &disk).await;
                assert!(report.damages.is_empty(), "{report:?}");
                assert_eq!(whole_contents(&wal).await, model.0, "after restart {life}");
                for step in script(seed ^ (life << 32), 60, 5, bytes_max) {
                    let (sender, receiver) = tokio::sync::oneshot::channel();
                    model.call(&wal, &step, |outcome| drop(sender.send(outcome)));
                    model.apply(&step);
                    // Visible at once, in memory and without waiting.
                    if let Some(group) = model.0.get(&step.0) {
                        assert_eq!(wal.group(step.0).state(), group.state);
                    }
                    if life % 2 == 0 {
                        receiver.await.unwrap().unwrap();
                    }
                }
                assert_eq!(whole_contents(&wal).await, model.0, "in life {life}");
                // Idle long enough, even what nobody waits for is safe.
                tokio::time::sleep(Duration::from_millis(200)).await;
                if seed % 2 == 0 {
                    wal.shutdown().await.unwrap();
                }
                disk.crash(Survival::Synced);
            }
        });
    }

    #[test]
    fn a_range_is_read_in_order_and_within_its_bytes(
        seed in any::<u64>(), start in 0u64..60, count in 0u64..60, bytes_max in 0usize..3000,
    ) {
        run(async {
            let disk = SimDisk::new();
            let (wal, _) = open(seed, &disk).await;
            let mut model = Model::default();
            for step in script(seed, 60, 1, 300) {
                model.call(&wal, &step, |_| ());
                model.apply(&step);
            }
            for (group, seen) in contents(&wal).await {
                let entries = seen.unwrap().entries;
                let range = LogIndex(start)..LogIndex(start + count);
                let read = wal.group(group).read(range.clone(), bytes_max).await.unwrap();
                let mut bytes = 0;
                let expected: Vec<_> = entries
                    .into_iter()
                    .filter(|(index, _)| range.contains(index))
                    .enumerate()
                    .take_while(|(nth, (_, entry))| {
                        bytes += entry.len();
                        *nth == 0 || bytes <= bytes_max
                    })
                    .map(|(_, entry)| entry)
                    .collect();
                assert_eq!(read, expected);
            }
        });
    }
}
