//! Power that fails at each change of the disk, and disks that refuse: nothing is lost, nothing
//! is there twice.

use std::sync::Arc;

use varve_env::Disk;
use varve_env::sim::{Action, Fault, SimDisk, Survival};
use varve_shard::{Origin, Shard};
use varve_types::LogIndex;

use crate::world::{self, Entry, recover, same, whole};

const FLUSH_AFTER: [u64; 3] = [3, 4, 8];

fn log() -> Vec<Entry> {
    let blocks: Vec<_> = (0..10u64)
        .map(|n| vec![whole(0, n + 1), whole(1, n / 2 + 1), whole(0, n.max(1))])
        .collect();
    world::log_of(&blocks)
}

/// Applies the log and flushes where it says; answers up to where a flush said "durable", and
/// stops at the first that failed.
fn live(disk: &Arc<dyn Disk>, log: &[Entry]) -> Option<LogIndex> {
    let mut durable = None;
    let Ok(mut shard) =
        Shard::open(Arc::clone(disk), world::dir(), world::SHARD, world::small(), Origin::First)
    else {
        return durable;
    };
    for entry in log {
        world::feed(&mut shard, entry);
        if FLUSH_AFTER.contains(&entry.index.get()) {
            if world::flush(&mut shard).is_err() {
                return durable;
            }
            durable = Some(entry.index);
        }
    }
    durable
}

#[test]
fn power_that_fails_at_any_change_loses_nothing() {
    let log = log();
    let reference = recover(&SimDisk::new(), &log, None);
    assert_eq!(world::rows(&reference.view()).len(), 4 * 15);
    let survivals =
        [Survival::Everything, Survival::Synced].into_iter().chain((0..6).map(Survival::Seeded));
    for survival in survivals {
        let mut struck = true;
        let mut changes = 0;
        while struck {
            let disk = SimDisk::new();
            disk.cut_power_after(changes);
            let promised = live(&disk.mount(), &log);
            struck = disk.has_lost_power();
            disk.crash(survival);
            let mut shard = recover(&disk, &log, promised);
            same(&shard, &reference);
            world::flush(&mut shard).expect("flushes");
            same(&shard, &reference);
            same(&recover(&disk, &log, Some(LogIndex(10))), &reference);
            changes += 1;
        }
        assert!(changes > 40, "only {changes} changes were made");
    }
}

#[test]
fn a_disk_that_refuses_leaves_the_tail_and_the_next_flush_writes_it() {
    let log = log();
    let reference = recover(&SimDisk::new(), &log, None);
    for action in [Action::Write, Action::SyncData, Action::SyncDir, Action::Name] {
        let disk = SimDisk::new();
        let mut shard = recover(&disk, &log, None);
        disk.inject(Fault { action, under: world::dir().into(), times: 1 });
        let error = world::flush(&mut shard).expect_err("is refused");
        assert!(!error.is_disk_full());
        assert!(error.to_string().contains("/data/shard-7"), "{error}");
        assert!(shard.needs_flush());
        same(&shard, &reference);
        world::flush(&mut shard).expect("flushes");
        same(&shard, &reference);
        same(&recover(&disk, &log, Some(LogIndex(10))), &reference);
    }
}

#[test]
fn a_full_disk_is_said_to_be_full() {
    let log = log();
    let disk = SimDisk::new();
    let mut shard = recover(&disk, &log, None);
    disk.set_capacity(Some(3_000));
    let error = world::flush(&mut shard).expect_err("is refused");
    assert!(error.is_disk_full() && error.to_string().contains("free room"), "{error}");
    disk.set_capacity(None);
    world::flush(&mut shard).expect("flushes");
    same(&recover(&disk, &log, Some(LogIndex(10))), &shard);
}

#[test]
fn leftovers_of_flushes_are_swept_and_the_files_of_others_are_not() {
    let log = log();
    let disk = SimDisk::new();
    let mut shard = recover(&disk, &log, None);
    world::flush(&mut shard).expect("flushes");
    let files = disk.mount().list(world::dir()).expect("lists");
    let foreign =
        ["seg-00000000000000000099-0000000009.vseg", "dedup-0000000009.vdup", "x.tmp", "mine"];
    for name in foreign {
        disk.mount().open(&world::dir().join(name), varve_env::OpenMode::Create).expect("makes");
    }
    drop(recover(&disk, &log, Some(LogIndex(10))));
    let mut left = disk.mount().list(world::dir()).expect("lists");
    left.retain(|path| !path.ends_with("mine"));
    assert_eq!(left, files);
    assert_eq!(disk.mount().list(world::dir()).expect("lists").len(), files.len() + 1);
}

#[test]
fn a_reader_goes_on_after_the_names_of_its_files_are_gone() {
    let log = log();
    let disk = SimDisk::new();
    let mut shard = recover(&disk, &log, None);
    world::flush(&mut shard).expect("flushes");
    let reader = shard.reader();
    let view = reader.view();
    let before = world::rows(&view);
    disk.mount().remove_dir_all(world::dir()).expect("removes");
    assert_eq!(world::rows(&view), before);
}
