//! Rot in each byte of each file is found and the file is named.

use std::path::{Path, PathBuf};

use varve_env::sim::SimDisk;
use varve_shard::{OpenError, Origin, Shard};
use varve_types::{LogIndex, ShardId};

use crate::world::{self, whole};

fn written() -> SimDisk {
    let disk = SimDisk::new();
    let mut shard = world::open(&disk.mount(), Origin::First);
    let blocks: Vec<_> = (1..6).map(|n| vec![whole(0, n), whole(1, n)]).collect();
    for entry in world::log_of(&blocks) {
        world::feed(&mut shard, &entry);
    }
    world::flush(&mut shard).expect("flushes");
    disk
}

fn try_open(disk: &SimDisk, shard: ShardId) -> Result<Shard, OpenError> {
    Shard::open(disk.mount(), world::dir(), shard, world::small(), Origin::First)
}

/// The error that says what is wrong with the folder, be it at opening or when all is read.
fn complaint(disk: &SimDisk) -> Option<String> {
    match try_open(disk, world::SHARD) {
        Err(error) => Some(error.to_string()),
        Ok(shard) => {
            let view = shard.view();
            let damaged = view.segments.iter().find_map(|segment| {
                let error = segment.verify().err()?;
                Some(format!("{}: {error}", segment.path().display()))
            });
            damaged
                .or_else(|| shard.require_applied(LogIndex(5)).err().map(|error| error.to_string()))
        }
    }
}

fn files(disk: &SimDisk) -> Vec<PathBuf> {
    let files = disk.mount().list(world::dir()).expect("lists");
    files.iter().map(|path| world::dir().join(path.file_name().expect("a name"))).collect()
}

fn named(complaint: Option<String>, path: &Path) {
    let complaint = complaint.expect("the damage is found");
    assert!(complaint.contains(&path.display().to_string()), "{path:?} is not named: {complaint}");
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_the_file_named() {
    let disk = written();
    assert_eq!(complaint(&disk), None);
    assert!(files(&disk).len() >= 4, "a manifest, a dedup file and two segments");
    for path in files(&disk) {
        let bytes = disk.contents(&path).expect("reads").len();
        for at in 0..bytes {
            let bit = (at % 8) as u8;
            disk.flip_bit(&path, at, bit).expect("flips");
            named(complaint(&disk), &path);
            disk.flip_bit(&path, at, bit).expect("flips back");
        }
    }
    assert_eq!(complaint(&disk), None);
}

#[test]
fn a_missing_cut_or_grown_file_is_found_and_named() {
    for path in files(&written()) {
        let disk = written();
        disk.mount().remove(&path).expect("removes");
        named(complaint(&disk), &path);
        assert_eq!(files(&disk).len() + 1, files(&written()).len(), "nothing else was removed");
        for change in [0, 1, 20] {
            let disk = written();
            let len = disk.contents(&path).expect("reads").len();
            disk.truncate(&path, if change == 0 { 0 } else { len - change }).expect("cuts");
            named(complaint(&disk), &path);
        }
        let disk = written();
        disk.damage(&path, |bytes| bytes.push(0)).expect("grows");
        named(complaint(&disk), &path);
    }
}

#[test]
fn another_shards_folder_is_refused() {
    let error = try_open(&written(), ShardId(8)).expect_err("is refused").to_string();
    expect_test::expect![[r#"
        /data/shard-7/manifest is damaged: it is the manifest of shard 7; stop the node and move the folder /data/shard-7 away: another replica brings the shard back. Where there is none, restore it from a backup"#]]
    .assert_eq(&error);
}
