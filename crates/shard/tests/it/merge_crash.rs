//! Power that fails at each change of the disk while segments are merged between flushes, while
//! the shard is sealed and while it is merged for good; and disks that refuse.

use std::collections::BTreeSet;
use std::sync::Arc;

use varve_env::Disk;
use varve_env::sim::{Action, Fault, SimDisk, Survival};
use varve_shard::{Command, MergeError, MergeJob, Origin, Shard};
use varve_types::LogIndex;

use crate::world::{self, Entry, same, whole};

/// Blocks, and the seal.
fn log() -> Vec<Entry> {
    let blocks: Vec<_> = (1..=9u64).map(|n| vec![whole(0, n), whole(1, n / 2 + 1)]).collect();
    let mut log = world::log_of(&blocks);
    let seal = Command::Seal { successors: Vec::new() };
    let last = log[log.len() - 1].clone();
    log.push(Entry { index: last.index.next(), command: Some(seal), ..last });
    log
}

/// Does a step of the merge under way, or begins one; swaps its results in when it is through.
fn merge_a_little(
    shard: &mut Shard,
    under_way: Option<MergeJob>,
    closed: bool,
) -> Result<Option<MergeJob>, MergeError> {
    let job = match under_way {
        Some(job) => Some(job),
        None => shard.merge_job(closed, &BTreeSet::new())?,
    };
    let Some(mut job) = job else { return Ok(None) };
    job.step()?;
    if !job.is_done() {
        return Ok(Some(job));
    }
    let swapped = shard.swap_job(job.finish()?)?.run();
    shard.finish_swap(swapped)?;
    Ok(None)
}

/// Applies the log, flushes after each entry and merges a little in between, then for good;
/// answers up to where a flush said "durable", and stops at the first failure.
fn live(disk: &Arc<dyn Disk>, log: &[Entry]) -> Option<LogIndex> {
    let mut durable = None;
    let opened =
        Shard::open(Arc::clone(disk), world::dir(), world::SHARD, world::small(), Origin::First);
    let Ok(mut shard) = opened else { return durable };
    let mut under_way = None;
    for entry in log {
        world::feed(&mut shard, entry);
        if world::flush(&mut shard).is_err() {
            return durable;
        }
        durable = Some(entry.index);
        match merge_a_little(&mut shard, under_way.take(), false) {
            Ok(job) => under_way = job,
            Err(_) => return durable,
        }
    }
    while shard.merges_waiting(true) > 0 {
        match merge_a_little(&mut shard, under_way.take(), true) {
            Ok(job) => under_way = job,
            Err(_) => return durable,
        }
    }
    durable
}

/// Opens what a crash left, applies the log from there, and looks at each file.
fn recover(disk: &SimDisk, log: &[Entry], promised: Option<LogIndex>) -> Shard {
    let shard = world::recover(disk, log, promised);
    for segment in shard.view().segments.iter() {
        segment.verify().expect("is whole");
    }
    shard
}

/// What is on the disk is what the manifest names, and nothing else.
fn tidy(disk: &SimDisk, shard: &Shard) {
    let files = disk.mount().list(world::dir()).expect("lists");
    let segments = shard.view().segments.len();
    assert_eq!(files.len(), 2 + segments, "{files:?}");
}

#[test]
fn power_that_fails_at_any_change_of_a_merge_loses_nothing() {
    let log = log();
    let last = log.last().map(|entry| entry.index);
    let reference = recover(&SimDisk::new(), &log, None);
    let survivals =
        [Survival::Everything, Survival::Synced].into_iter().chain((0..4).map(Survival::Seeded));
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
            world::merge_all(&mut shard, true).expect("merges");
            assert_eq!(shard.view().segments.len(), 1);
            same(&shard, &reference);
            tidy(&disk, &recover(&disk, &log, last));
            changes += 1;
        }
        assert!(changes > 150, "only {changes} changes were made");
    }
}

/// Merges for good, with a fault planted before the piece of work of that number; `None` when
/// there is none of that number.
fn merge_with_fault(
    shard: &mut Shard,
    at: usize,
    plant: impl Fn(),
) -> Option<Result<(), MergeError>> {
    let mut pieces = 0;
    let mut count = || {
        if pieces == at {
            plant();
        }
        pieces += 1;
        pieces
    };
    let mut merge = || -> Result<(), MergeError> {
        let job = shard.merge_job(true, &BTreeSet::new())?;
        let mut job = job.expect("is due");
        while !job.is_done() {
            count();
            job.step()?;
        }
        count();
        let swapped = shard.swap_job(job.finish()?)?.run();
        shard.finish_swap(swapped)
    };
    let merged = merge();
    (at < pieces).then_some(merged)
}

#[test]
fn a_disk_that_refuses_leaves_the_segments_and_the_next_merge_succeeds() {
    let log = log();
    let reference = recover(&SimDisk::new(), &log, None);
    for action in [Action::Read, Action::Write, Action::SyncData, Action::SyncDir, Action::Name] {
        let mut refused = 0;
        for at in 0.. {
            let disk = SimDisk::new();
            let mut shard = world::open(&disk.mount(), Origin::First);
            for entry in &log {
                world::feed(&mut shard, entry);
                world::flush(&mut shard).expect("flushes");
            }
            let fault = Fault { action, under: world::dir().into(), times: 1 };
            let Some(merged) = merge_with_fault(&mut shard, at, || disk.inject(fault.clone()))
            else {
                break;
            };
            refused += usize::from(merged.is_err());
            disk.heal();
            same(&shard, &reference);
            world::merge_all(&mut shard, true).expect("merges");
            same(&shard, &reference);
            tidy(&disk, &recover(&disk, &log, Some(LogIndex(10))));
        }
        assert!(refused > 0, "{action:?} never failed a merge");
    }
}
