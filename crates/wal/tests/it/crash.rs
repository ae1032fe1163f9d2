//! Crashes at every point of a recorded life, and in the middle of writes at every byte.
//!
//! After each, the log must be what some first part of the calls made it, that part must hold
//! everything that was answered, and the log must go on working.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use varve_env::sim::{Op, SimDisk, Survival, Trace};
use varve_env::{Disk, OpenMode};
use varve_types::GroupId;

use super::script::{Change, Model, Step, script, single};
use super::world::{append, log_files, open, run, whole_contents};

/// Marks an answer in the trace: a file of this name is made.
fn note(disk: &SimDisk, step: usize) {
    let path = PathBuf::from(format!("/answered-{step}"));
    disk.open(&path, OpenMode::CreateNew).unwrap();
}

/// Runs the steps, waiting for none but letting a few at a time through, and records it.
fn record(seed: u64, steps: &[Step], together: usize) -> Trace {
    let disk = SimDisk::new();
    disk.start_trace();
    run(async {
        let (wal, _) = open(seed, &disk).await;
        let mut model = Model::default();
        let answered = Arc::new(AtomicUsize::new(0));
        for (nth, step) in steps.iter().enumerate() {
            let (disk, count) = (disk.clone(), Arc::clone(&answered));
            let waits = !matches!(step.1, Change::Committed(_));
            model.call(&wal, step, move |outcome| {
                outcome.unwrap();
                if waits {
                    note(&disk, nth);
                }
                count.fetch_add(1, Ordering::Relaxed);
            });
            model.apply(step);
            while nth % together == together - 1 && answered.load(Ordering::Relaxed) <= nth {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            if nth % 17 == 16 {
                tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            }
        }
        wal.shutdown().await.unwrap();
    });
    disk.take_trace()
}

/// The models after each single change, and how many single changes come with the first steps.
struct Expected {
    prefixes: Vec<Model>,
    ends: Vec<usize>,
}

impl Expected {
    fn new(steps: &[Step]) -> Self {
        let mut model = Model::default();
        let mut prefixes = vec![model.clone()];
        let mut ends = Vec::new();
        for step in steps {
            for step in single(std::slice::from_ref(step)) {
                model.apply(&step);
                prefixes.push(model.without_committed());
            }
            ends.push(prefixes.len() - 1);
        }
        Self { prefixes, ends }
    }

    /// Answered steps in the first operations of the trace: single changes that must be there.
    fn owed(&self, ops: &[Op]) -> usize {
        let answered = ops.iter().filter_map(|op| match op {
            Op::Create { path } => path.to_str()?.strip_prefix("/answered-")?.parse().ok(),
            _ => None,
        });
        answered.max().map_or(0, |step: usize| self.ends[step])
    }

    /// Opens what a crash left and compares.
    fn check(&self, disk: &SimDisk, owed: usize, context: &str) {
        run(async {
            let (wal, report) = open(99, disk).await;
            assert!(report.damages.is_empty(), "{context}: {report:?}");
            let found = Model(whole_contents(&wal).await);
            let bare = found.without_committed();
            let matches = self.prefixes[owed..].contains(&bare);
            assert!(matches, "{context}: not what the calls from {owed} on made it: {found:#?}");
            // Opening may have freed files: what was found once is found again.
            disk.crash(Survival::Synced);
            drop(wal);
            let (wal, _) = open(98, disk).await;
            assert_eq!(Model(whole_contents(&wal).await), found, "{context}, at once again");
            // It goes on, also when all old files go.
            append(&wal, 1_000, vec![(0, b"goes on".to_vec())]).await.unwrap();
            disk.crash(Survival::Synced);
            drop(wal);
            let (wal, report) = open(100, disk).await;
            assert!(report.damages.is_empty(), "{context}, again: {report:?}");
            let mut again = Model(whole_contents(&wal).await);
            assert!(again.0.remove(&GroupId::from_number(1_000)).is_some(), "{context}");
            assert_eq!(again, found, "{context}, again");
            let mut kept = BTreeMap::new();
            for (group, found) in found.0 {
                let upto = found.state.last.unwrap_or_default();
                wal.group(group).purge(upto, Bytes::from("all")).await.unwrap();
                kept.insert(group, wal.group(group).state());
            }
            disk.crash(Survival::Synced);
            drop(wal);
            let (wal, report) = open(101, disk).await;
            assert!(report.damages.is_empty(), "{context}, purged: {report:?}");
            for (group, kept) in kept {
                assert_eq!(wal.group(group).state(), kept, "{context}, purged: {group}");
            }
        });
    }
}

/// Crashes after each operation, in every way.
fn crash_everywhere(seed: u64, steps: &[Step], together: usize) {
    let expected = Expected::new(steps);
    let trace = record(seed, steps, together);
    for ops in 0..=trace.ops().len() {
        let owed = expected.owed(&trace.ops()[..ops]);
        let seeds = (0..3).map(|fate| Survival::Seeded(fate + 10 * ops as u64));
        for survival in [Survival::Everything, Survival::Synced].into_iter().chain(seeds) {
            let disk = trace.replay(ops);
            disk.crash(survival);
            let context = format!("seed {seed}, operation {ops}, {survival:?}");
            expected.check(&disk, owed, &context);
        }
    }
}

#[test]
fn after_every_operation_and_any_fate_of_unsynced_bytes() {
    for (seed, steps, bytes_max, together) in [(1, 90, 900, 4), (2, 60, 3000, 9), (3, 120, 60, 20)]
    {
        crash_everywhere(seed, &script(seed, steps, 4, bytes_max), together);
    }
}

#[test]
fn where_no_entry_keeps_old_files() {
    let vote = |number: u8| (GroupId::CATALOG, Change::Vote(Bytes::from(vec![number; 500])));
    let steps: Vec<Step> = (0..80).map(vote).collect();
    crash_everywhere(5, &steps, 1);
}

#[test]
fn in_the_middle_of_a_write_at_every_byte() {
    let steps = script(4, 30, 3, 40);
    let expected = Expected::new(&steps);
    let trace = record(4, &steps, 5);
    for (ops, op) in trace.ops().iter().enumerate() {
        let Op::Write { bytes, .. } = op else { continue };
        let owed = expected.owed(&trace.ops()[..ops]);
        // A file's first block is mostly zeros.
        let cuts = (1..bytes.len()).filter(|cut| bytes.len() != 4096 || cut % 97 == 0);
        for cut in cuts {
            let disk = trace.replay_torn(ops, cut);
            disk.crash(Survival::Everything);
            expected.check(&disk, owed, &format!("operation {ops}, byte {cut}"));
        }
    }
}

#[test]
fn what_a_torn_round_left_is_not_taken_for_newer_records() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(1, &disk).await;
        // Nothing but one round of three records of 256 bytes each; the first of them torn.
        let entries = (0..3).map(|index| (index, vec![index as u8 + 1; 200])).collect();
        append(&wal, 1, entries).await.unwrap();
        disk.crash(Survival::Synced);
        drop(wal);
        let path = log_files(&disk)[0].clone();
        let bytes = disk.contents(&path).unwrap();
        let payload = bytes.windows(200).position(|it| it == [1; 200]).unwrap();
        disk.damage(&path, |bytes| bytes[payload - 56..payload + 200].fill(0)).unwrap();

        let (wal, report) = open(2, &disk).await;
        assert!(report.cut.is_some() && report.damages.is_empty(), "{report:?}");
        assert!(whole_contents(&wal).await.is_empty());
        // A mark and this record end exactly where the third record began.
        append(&wal, 1, vec![(0, vec![9; 400])]).await.unwrap();
        disk.crash(Survival::Synced);
        drop(wal);
        let (wal, report) = open(3, &disk).await;
        assert!(report.damages.is_empty(), "{report:?}");
        let seen = whole_contents(&wal).await;
        assert_eq!(seen[&GroupId::from_number(1)].entries, [(0.into(), vec![9; 400].into())]);
    });
}
