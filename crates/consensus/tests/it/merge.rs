//! Segments merged in the background: while a shard takes writes, after it was closed, across
//! restarts, crashes and disks that refuse.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use varve_consensus::{Host, HostOptions, NewDisk, NoPeers, ReplicaStatus, ShardState};
use varve_env::sim::{Action, Fault, SimDisk, Survival};
use varve_shard::MergeOptions;
use varve_types::ShardId;

use crate::computer::{Computer, options, virtual_time};
use crate::producer::Producer;

const FIRST: ShardId = ShardId(1);

/// Options under which a few batches make a segment and a few segments are merged.
async fn merging(disk: &SimDisk) -> HostOptions {
    let mut options = options(disk, "a:1", NewDisk::Found, Arc::new(NoPeers)).await;
    options.settings.shard.flush_bytes = 4 << 10;
    options.settings.shard.merge = MergeOptions { fan_in: 3, ..MergeOptions::default() };
    options
}

fn run<T>(disk: &SimDisk, life: impl AsyncFnOnce(Host) -> T) -> T {
    virtual_time().block_on(async {
        let host = Host::start(merging(disk).await).await.unwrap();
        let lived = life(host.clone()).await;
        host.shutdown().await;
        lived
    })
}

fn here(host: &Host, shard: ShardId) -> ReplicaStatus {
    let status = host.status().into_iter().find(|status| status.shard == shard).unwrap();
    status.here.unwrap()
}

async fn merged(host: &Host) {
    for _ in 0..10_000 {
        if host.stats().merges.segments_waiting == 0 && host.stats().merges.running == 0 {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("still to be merged: {:?}", host.stats());
}

fn files(disk: &SimDisk, shard: ShardId) -> Vec<PathBuf> {
    let dir = PathBuf::from(format!("/data/shards/{shard}/0"));
    let names = disk.mount().list(&dir).unwrap();
    names.into_iter().map(|name| dir.join(name)).collect()
}

#[test]
fn segments_stay_few_while_writes_go_on_and_become_one_when_all_is_closed() {
    let disk = SimDisk::new();
    let mut producer = Producer::default();
    run(&disk, async |host| {
        producer.send_many(&host, 400).await;
        merged(&host).await;
        let stats = host.stats();
        assert!(stats.flushes.done > 30, "{stats:?}");
        assert!(stats.merges.done > 5 && stats.merges.failed == 0, "{stats:?}");
        assert!(stats.merges.bytes_in > 0 && stats.merges.bytes_out > 0, "{stats:?}");
        assert!(stats.segments <= 6 && stats.segment_bytes > 0, "{stats:?}");
        assert_eq!(stats.apply_lag, 0);
        producer.check(&host).await;
        let before = here(&host, FIRST);
        host.roll(FIRST).await.unwrap();
        merged(&host).await;
        let after = here(&host, FIRST);
        assert_eq!((after.segments, after.unmerged_segments), (1, 0));
        assert_eq!((after.rows, after.digest), (before.rows, before.digest));
        // The manifest, the dedup file and the segment.
        assert_eq!(files(&disk, FIRST).len(), 3);
        producer.check(&host).await;
        producer.resend(&host).await;
    });
}

#[test]
fn a_shard_that_was_closed_before_a_restart_is_merged_after_it() {
    let computer = Computer::new();
    let mut producer = Producer::default();
    // A host that has no time to merge: it writes one byte a second.
    virtual_time().block_on(async {
        let mut options = merging(&computer.disk).await;
        options.settings.merge_bytes_per_s = 1;
        let host = Host::start(options).await.unwrap();
        producer.send_many(&host, 50).await;
        host.roll(FIRST).await.unwrap();
        assert!(here(&host, FIRST).unmerged_segments > 1);
        assert_eq!(host.stats().merges.running, 1);
        assert!(here(&host, FIRST).merging);
    });
    computer.disk.crash(Survival::Seeded(3));
    run(&computer.disk, async |host| {
        assert!(matches!(host.catalog().shards[&FIRST].state, ShardState::Closed(_)));
        merged(&host).await;
        assert_eq!((here(&host, FIRST).segments, here(&host, FIRST).unmerged_segments), (1, 0));
        producer.check(&host).await;
    });
}

#[test]
fn merges_write_no_more_than_they_may() {
    let disk = SimDisk::new();
    let mut producer = Producer::default();
    virtual_time().block_on(async {
        let mut options = merging(&disk).await;
        options.settings.merge_bytes_per_s = 1000;
        let host = Host::start(options).await.unwrap();
        producer.send_many(&host, 60).await;
        let began = Instant::now();
        host.roll(FIRST).await.unwrap();
        merged(&host).await;
        let written = host.stats().merges.bytes_out;
        // What was merged before the roll took its time as well.
        let least = Duration::from_millis(here(&host, FIRST).disk_bytes);
        assert!(began.elapsed() >= least, "{written} bytes in {:?}", began.elapsed());
        host.shutdown().await;
    });
}

#[test]
fn a_host_stops_in_the_middle_of_a_merge_and_leaves_nothing_of_it() {
    let disk = SimDisk::new();
    let mut producer = Producer::default();
    virtual_time().block_on(async {
        let mut options = merging(&disk).await;
        options.settings.merge_bytes_per_s = 1000;
        let host = Host::start(options).await.unwrap();
        producer.send_many(&host, 60).await;
        while host.stats().merges.running == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_millis(30)).await;
        host.shutdown().await;
        let left = files(&disk, FIRST);
        assert!(left.iter().all(|file| file.extension().is_none_or(|e| e != "tmp")), "{left:?}");
    });
    run(&disk, async |host| producer.check(&host).await);
}

#[test]
fn a_damaged_segment_is_left_alone_and_tried_again() {
    let disk = SimDisk::new();
    let mut producer = Producer::default();
    run(&disk, async |host| {
        while host.stats().flushes.done == 0 {
            producer.send_many(&host, 1).await;
            sleep(Duration::from_millis(5)).await;
        }
        let damaged = files(&disk, FIRST);
        let damaged = damaged.iter().find(|file| file.extension().is_some_and(|e| e == "vseg"));
        let damaged = damaged.unwrap();
        disk.flip_bit(damaged, 40, 1).unwrap();
        producer.send_many(&host, 100).await;
        merged_but(&host, damaged).await;
        let stats = host.stats();
        assert!(stats.merges.failed >= 1 && stats.merges.failed < 4, "no hot loop: {stats:?}");
        assert!(stats.merges.done > 0, "the others are merged: {stats:?}");
        // Repaired, as from a backup, it takes part again.
        disk.flip_bit(damaged, 40, 1).unwrap();
        sleep(Duration::from_secs(700)).await;
        host.roll(FIRST).await.unwrap();
        merged(&host).await;
        assert_eq!((here(&host, FIRST).segments, here(&host, FIRST).merge_problem), (1, None));
        producer.check(&host).await;
    });
}

/// Waits until nothing is merged any more, and the file is there still.
async fn merged_but(host: &Host, file: &Path) {
    let mut before = host.stats();
    loop {
        sleep(Duration::from_secs(5)).await;
        let now = host.stats();
        if now == before {
            break;
        }
        before = now;
    }
    let manifests = host.manifests();
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(manifests[0].1.segments.iter().any(|segment| segment.name == name));
}

#[test]
fn a_full_disk_stops_merges_and_nothing_else_until_there_is_room() {
    let disk = SimDisk::new();
    let mut producer = Producer::default();
    run(&disk, async |host| {
        producer.send_many(&host, 30).await;
        merged(&host).await;
        let fault = Fault { action: Action::Write, under: "/data/shards".into(), times: u64::MAX };
        disk.inject(fault);
        producer.send_many(&host, 10).await;
        disk.heal();
        // Room for the log, and not for a merge beside what is kept.
        let used = 4 << 20;
        disk.set_capacity(Some(used));
        host.roll(FIRST).await.unwrap_or_default();
        sleep(Duration::from_secs(60)).await;
        let stats = host.stats();
        assert!((1..12).contains(&stats.merges.failed), "{stats:?}");
        let problem = here(&host, FIRST).merge_problem.unwrap();
        assert!(problem.contains("free room on this disk"), "{problem}");
        disk.set_capacity(None);
        sleep(Duration::from_secs(300)).await;
        merged(&host).await;
        assert_eq!(here(&host, FIRST).merge_problem, None);
        producer.resend(&host).await;
        producer.check(&host).await;
    });
}

#[test]
fn power_that_fails_during_merges_and_snapshots_loses_nothing() {
    let mut struck = 0;
    for changes in (5..600).step_by(11) {
        let computer = Computer::new();
        let mut producer = Producer::default();
        virtual_time().block_on(async {
            let host = Host::start(merging(&computer.disk).await).await.unwrap();
            producer.send_many(&host, 20).await;
            computer.disk.cut_power_after(changes);
            for batch in 0..80 {
                if producer.send_one(&host).await.is_err() {
                    break;
                }
                if batch == 40 {
                    let rolling = host.clone();
                    tokio::spawn(async move { rolling.roll(FIRST).await });
                }
            }
            // The log's writer is not told apart from the shards': all of it may still go on.
            sleep(Duration::from_secs(2)).await;
        });
        struck += usize::from(computer.disk.has_lost_power());
        computer.disk.crash(Survival::Seeded(changes));
        run(&computer.disk, async |host| {
            producer.check(&host).await;
            producer.resend(&host).await;
            host.seal_all().await.unwrap();
            merged(&host).await;
            producer.check(&host).await;
        });
    }
    assert!(struck > 20, "only {struck} runs lost power");
}
