//! Replicas write the same pieces wherever they begin, and one takes what another wrote.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use varve_env::OpenMode;
use varve_env::sim::SimDisk;
use varve_shard::{Borrowed, Manifest, Origin, Shard, ShardOptions};

use crate::world;

fn open(disk: &SimDisk) -> Shard {
    let options = ShardOptions { flush_bytes: 3_000, flush_blocks: 7, ..world::small() };
    Shard::open(disk.mount(), world::dir(), world::SHARD, options, Origin::First).expect("opens")
}

fn bring(from: &SimDisk, to: &SimDisk, name: &str) -> PathBuf {
    let path = Path::new("/data/incoming").join(name);
    let bytes = from.contents(&world::dir().join(name)).expect("is there");
    let disk = to.mount();
    disk.create_dir_all(Path::new("/data/incoming")).expect("a folder");
    let file = disk.open(&path, OpenMode::Create).expect("opens");
    file.write_all_at(&bytes, 0).expect("writes");
    path
}

/// Writes a piece out with the lender's segments where it has just these rows. Answers whether they
/// were taken.
fn flush(shard: &mut Shard, disk: &SimDisk, lender: &Manifest, lenders_disk: &SimDisk) -> bool {
    let found = shard.next_gap().and_then(|gap| gap.find_in(lender));
    let Some(job) = shard.flush_job() else { return false };
    let job = match found {
        Some(metas) => {
            let borrowed = |meta: varve_shard::SegmentMeta| Borrowed {
                path: bring(lenders_disk, disk, &meta.name),
                meta,
            };
            job.borrow(metas.into_iter().map(borrowed).collect())
        }
        None => job,
    };
    let result = job.run();
    let is_borrowed = result.as_ref().expect("flushes").is_borrowed();
    shard.finish_flush(result).expect("adds up");
    is_borrowed
}

proptest! {
    #[test]
    fn what_one_replica_wrote_another_takes(
        sizes in proptest::collection::vec(1u64..4, 30..60),
        asked in proptest::collection::btree_set(1u64..60, 0..4),
        restarted in 1u64..60,
    ) {
        let mut next = 0;
        let blocks: Vec<Vec<_>> = sizes
            .iter()
            .map(|size| {
                next += size;
                (next - size..next).map(|n| world::whole(0, n + 1)).collect()
            })
            .collect();
        let log = world::log_of(&blocks);
        let (lenders_disk, disk) = (SimDisk::new(), SimDisk::new());
        let mut lender = open(&lenders_disk);
        for entry in &log {
            world::feed(&mut lender, entry);
            while lender.needs_flush() {
                world::flush(&mut lender).expect("flushes");
            }
        }
        let manifest = lender.manifest().expect("it flushed").clone();
        let mut shard = open(&disk);
        let mut taken = 0;
        for entry in &log {
            world::feed(&mut shard, entry);
            if asked.contains(&entry.index.get()) {
                shard.ask_flush();
            }
            while shard.needs_flush() {
                taken += usize::from(flush(&mut shard, &disk, &manifest, &lenders_disk));
            }
            if entry.index.get() == restarted {
                shard = open(&disk);
                let durable = shard.durable().map(|durable| durable.index);
                let after = |old: &&world::Entry| Some(old.index) > durable && old.index <= entry.index;
                for old in log.iter().filter(after) {
                    world::feed(&mut shard, old);
                }
            }
        }
        // What was asked for and a restart each cost one piece at most, which is then cut otherwise.
        let pieces = lender.manifest().expect("it flushed").version as usize;
        prop_assert!(taken + asked.len() >= pieces, "{taken} of {pieces}");
        world::same(&shard, &lender);
        let again = open(&disk);
        prop_assert_eq!(again.durable(), shard.durable());
        prop_assert_eq!(again.content().0, shard.manifest().map_or(0, |manifest| manifest.rows));
    }
}

#[test]
fn a_borrowed_segment_that_is_not_there_is_built() {
    let blocks: Vec<_> = (1..=20).map(|n| vec![world::whole(0, n), world::whole(1, n)]).collect();
    let log = world::log_of(&blocks);
    let (lenders_disk, disk) = (SimDisk::new(), SimDisk::new());
    let (mut lender, mut shard) = (open(&lenders_disk), open(&disk));
    for entry in &log {
        world::feed(&mut lender, entry);
        world::feed(&mut shard, entry);
    }
    world::flush(&mut lender).expect("flushes");
    let gap = shard.next_gap().expect("it is cut");
    let metas = gap.find_in(lender.manifest().expect("it flushed")).expect("the same piece");
    let job = shard.flush_job().expect("it is cut");
    let nowhere = |meta| Borrowed { path: "/data/incoming/nothing".into(), meta };
    let result = job.borrow(metas.into_iter().map(nowhere).collect()).run();
    assert!(!result.as_ref().expect("flushes").is_borrowed());
    shard.finish_flush(result).expect("adds up");
    world::same(&shard, &lender);
}
