//! Merging while the shard goes on: rows, digests, classes, views and files.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use varve_env::sim::SimDisk;
use varve_shard::{ClassRule, Classes, Command, MergeError, Origin, Shard, ShardOptions, Stage};
use varve_types::{Level, LogIndex, RetentionClass};

use crate::world::{self, Entry, whole};

/// A log of so many blocks, each with rows of two services.
fn log(blocks: u64) -> Vec<Entry> {
    let blocks: Vec<_> = (1..=blocks).map(|n| vec![whole(0, n), whole(1, n)]).collect();
    world::log_of(&blocks)
}

/// Applies entries, and flushes after each `every` of them.
fn fill(shard: &mut Shard, entries: &[Entry], every: usize) {
    for (at, entry) in entries.iter().enumerate() {
        world::feed(shard, entry);
        if (at + 1) % every == 0 {
            world::flush(shard).expect("flushes");
        }
    }
}

fn files(disk: &SimDisk) -> Vec<PathBuf> {
    disk.mount().list(world::dir()).expect("lists")
}

fn stages(shard: &Shard) -> Vec<Stage> {
    shard.view().segments.iter().map(|segment| segment.meta().stage).collect()
}

#[test]
fn merges_keep_rows_and_digest_and_remove_what_they_replaced() {
    let disk = SimDisk::new();
    let mut shard = world::open(&disk.mount(), Origin::First);
    fill(&mut shard, &log(18), 2);
    let (rows, digest) = (world::rows(&shard.view()), shard.view().digest);
    assert_eq!(shard.view().segments.len(), 9);
    assert!(world::merge_all(&mut shard, false).expect("merges") >= 3);
    assert!(shard.view().segments.len() < 3);
    assert_eq!((world::rows(&shard.view()), shard.view().digest), (rows.clone(), digest));
    // The manifest, the dedup file and the segments: nothing else is left.
    assert_eq!(files(&disk).len(), 2 + shard.view().segments.len());
    let again = world::open(&disk.mount(), Origin::First);
    assert_eq!((world::rows(&again.view()), again.view().digest), (rows, digest));
    for segment in again.view().segments.iter() {
        segment.verify().expect("is whole");
    }
}

#[test]
fn a_closed_shard_is_merged_for_good_once() {
    let disk = SimDisk::new();
    let mut shard = world::open(&disk.mount(), Origin::First);
    let entries = log(5);
    fill(&mut shard, &entries, 2);
    let seal = Command::Seal { successors: Vec::new() };
    let index = LogIndex(entries.len() as u64 + 1);
    world::feed(&mut shard, &Entry { index, command: Some(seal), ..entries[4].clone() });
    world::flush(&mut shard).expect("flushes");
    let closed = shard.closed().expect("is closed");
    assert_eq!(shard.merges_waiting(true), 3);
    assert_eq!(world::merge_all(&mut shard, true).expect("merges"), 1);
    assert_eq!(stages(&shard), [Stage::Final]);
    let after = shard.closed().expect("is closed");
    assert_eq!((after.rows, after.digest, after.hours), (closed.rows, closed.digest, closed.hours));
    let mut again = world::open(&disk.mount(), Origin::First);
    assert_eq!(world::merge_all(&mut again, true).expect("has nothing to do"), 0);
}

#[test]
fn flushes_go_on_during_a_merge_and_their_rows_stay() {
    let disk = SimDisk::new();
    let mut shard = world::open(&disk.mount(), Origin::First);
    let entries = log(12);
    fill(&mut shard, &entries[..6], 2);
    let mut job = shard.merge_job(false, &BTreeSet::new()).expect("begins").expect("is due");
    let mut rest = entries[6..].chunks(2);
    while !job.is_done() {
        job.step().expect("works");
        fill(&mut shard, rest.next().unwrap_or_default(), 2);
    }
    rest.for_each(|entries| fill(&mut shard, entries, 2));
    let rows = world::rows(&shard.view());
    let reader = shard.view();
    let swap = shard.swap_job(job.finish().expect("adds up")).expect("is the shard's");
    assert!(shard.flush_job().is_none(), "nothing else replaces the manifest meanwhile");
    let swapped = swap.run();
    shard.finish_swap(swapped).expect("swaps");
    assert_eq!(shard.view().segments.len(), 4);
    assert_eq!(world::rows(&shard.view()), rows);
    assert_eq!(world::rows(&reader), rows, "a view from before the merge reads on");
    assert_eq!(world::rows(&world::open(&disk.mount(), Origin::First).view()), rows);
}

#[test]
fn segments_that_are_set_aside_are_left_alone() {
    let disk = SimDisk::new();
    let mut shard = world::open(&disk.mount(), Origin::First);
    fill(&mut shard, &log(8), 2);
    let first = shard.view().segments[0].meta().name.clone();
    let set_aside = BTreeSet::from([first.clone()]);
    let job = shard.merge_job(false, &set_aside).expect("begins").expect("is due");
    assert!(!job.input_names().contains(&first));
}

#[test]
fn a_damaged_input_is_named_and_nothing_is_lost() {
    let disk = SimDisk::new();
    let mut shard = world::open(&disk.mount(), Origin::First);
    fill(&mut shard, &log(6), 2);
    let before = files(&disk);
    let damaged = shard.view().segments[1].path().to_owned();
    disk.flip_bit(&damaged, 40, 1).expect("flips");
    let error = world::merge_all(&mut shard, false).expect_err("is refused").to_string();
    assert!(error.contains(&damaged.display().to_string()), "{error}");
    assert_eq!(files(&disk), before, "what was written is removed");
    disk.flip_bit(&damaged, 40, 1).expect("flips back");
    world::merge_all(&mut shard, false).expect("merges");
}

#[test]
fn a_full_disk_leaves_no_files_behind() {
    let disk = SimDisk::new();
    let mut shard = world::open(&disk.mount(), Origin::First);
    fill(&mut shard, &log(6), 2);
    let (before, rows) = (files(&disk), world::rows(&shard.view()));
    let mut refused = 0;
    let taken: usize = before
        .iter()
        .map(|name| disk.contents(&world::dir().join(name)).expect("reads").len())
        .sum();
    for room in (0..).step_by(200) {
        disk.set_capacity(Some((taken + room) as u64));
        match world::merge_all(&mut shard, false) {
            Ok(_) => break,
            Err(error) => assert!(error.is_disk_full() && error.to_string().contains("free room")),
        }
        assert_eq!(files(&disk), before);
        refused += 1;
    }
    assert!(refused > 5, "only {refused} merges were refused");
    assert_eq!(world::rows(&shard.view()), rows);
}

#[test]
fn a_merge_of_files_that_were_replaced_comes_to_nothing() {
    let disk = SimDisk::new();
    let mut shard = world::open(&disk.mount(), Origin::First);
    fill(&mut shard, &log(6), 2);
    let mut job = shard.merge_job(false, &BTreeSet::new()).expect("begins").expect("is due");
    while !job.is_done() {
        job.step().expect("works");
    }
    let merged = job.finish().expect("adds up");
    let mut other = world::open(&disk.mount(), Origin::First);
    world::merge_all(&mut other, false).expect("merges");
    let error = other.swap_job(merged).expect_err("is refused");
    assert!(matches!(error, MergeError::Superseded), "{error}");
}

#[test]
fn segments_hold_one_class_each_before_and_after_merges() {
    let classes = Classes::new(vec![
        ClassRule { level: Some(Level::Error), class: RetentionClass(9), ..ClassRule::default() },
        ClassRule { service: Some("api".into()), class: RetentionClass(2), ..ClassRule::default() },
    ]);
    let options = ShardOptions { classes, ..world::small() };
    let disk: Arc<dyn varve_env::Disk> = SimDisk::new().mount();
    let open = || {
        let (disk, options) = (Arc::clone(&disk), options.clone());
        Shard::open(disk, world::dir(), world::SHARD, options, Origin::First).expect("opens")
    };
    let mut shard = open();
    fill(&mut shard, &log(12), 2);
    let rows = world::rows(&shard.view());
    let class_rows = |shard: &Shard, class: u8| -> u64 {
        let segments = shard.view().segments;
        let of_class = segments.iter().filter(|s| s.meta().class == RetentionClass(class));
        of_class.map(|segment| segment.meta().rows).sum()
    };
    assert_eq!(shard.view().segments.len(), 12);
    assert_eq!((class_rows(&shard, 0), class_rows(&shard, 2)), (48, 48));
    world::merge_all(&mut shard, false).expect("merges");
    let shard = open();
    assert_eq!((class_rows(&shard, 0), class_rows(&shard, 2)), (48, 48));
    assert_eq!(world::rows(&shard.view()), rows);
    for segment in shard.view().segments.iter() {
        let class = segment.meta().class;
        let wanted = if class == RetentionClass(2) { "p0:" } else { "p1:" };
        let texts = world::messages(segment.table());
        assert!(texts.iter().all(|text| text.starts_with(wanted)), "{class}: {texts:?}");
    }
}
