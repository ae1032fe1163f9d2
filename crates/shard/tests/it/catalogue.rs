//! The catalogue cache: it keeps records, survives the loss and the rot of its folder, and says
//! so.

use std::path::Path;

use varve_env::sim::SimDisk;
use varve_shard::{Catalogue, CatalogueError, Origin, ShardRecord};
use varve_types::ShardId;

use crate::world::{self, whole};

fn record() -> ShardRecord {
    let mut shard = world::open(&SimDisk::new().mount(), Origin::First);
    for entry in world::log_of(&[vec![whole(0, 1)]]) {
        world::feed(&mut shard, &entry);
    }
    world::flush(&mut shard).expect("flushes");
    ShardRecord::of(shard.manifest().expect("is there"))
}

fn fill(catalogue: &Catalogue) {
    for shard in [3, 300, 2] {
        catalogue.put_shard(ShardId(shard), &record()).expect("keeps");
    }
    catalogue.put_setting("node", b"7").expect("keeps");
    catalogue.flush().expect("flushes");
}

fn shards(catalogue: &Catalogue) -> Vec<u64> {
    catalogue.shards().expect("reads").into_iter().map(|(shard, _)| shard.get()).collect()
}

fn check(catalogue: &Catalogue) {
    fill(catalogue);
    assert_eq!(shards(catalogue), [2, 3, 300]);
    assert_eq!(catalogue.shard(ShardId(300)).expect("reads"), Some(record()));
    assert_eq!(catalogue.setting("node").expect("reads"), Some(b"7".to_vec()));
    assert_eq!(catalogue.setting("nod").expect("reads"), None);
    let long = vec![0; varve_shard::CATALOGUE_VALUE_BYTES_MAX + 1];
    assert!(matches!(
        catalogue.put_setting("long", &long),
        Err(CatalogueError::TooLarge { bytes: 4097 })
    ));
    catalogue.remove_shard(ShardId(2)).expect("removes");
    let newer = ShardRecord { manifest_version: 9, ..record() };
    let truth = [(ShardId(3), record()), (ShardId(300), newer), (ShardId(4), record())];
    assert_eq!(catalogue.rebuild(truth).expect("rebuilds"), 2);
    assert_eq!(catalogue.rebuild(truth).expect("rebuilds"), 0);
    assert_eq!(catalogue.shards().expect("reads"), {
        let mut sorted = truth;
        sorted.sort_by_key(|(shard, _)| *shard);
        sorted
    });
    catalogue.rebuild([]).expect("rebuilds");
    assert_eq!(shards(catalogue), Vec::<u64>::new());
    assert_eq!(catalogue.setting("node").expect("reads"), Some(b"7".to_vec()), "settings stay");
}

#[test]
fn it_keeps_what_it_is_given_on_disk_and_in_memory() {
    check(&Catalogue::in_memory());
    let dir = tempfile::tempdir().expect("makes");
    let path = dir.path().join("catalogue");
    let (catalogue, damage) = Catalogue::open(&path).expect("opens");
    assert_eq!(damage, None);
    check(&catalogue);
    fill(&catalogue);
    drop(catalogue);
    let (catalogue, damage) = Catalogue::open(&path).expect("opens");
    assert_eq!((damage, shards(&catalogue)), (None, vec![2, 3, 300]));
}

/// Writes nonsense over all of sled's files of a name.
fn spoil(path: &Path, name: &str, spoiled: impl Fn(Vec<u8>) -> Vec<u8>) {
    let file = path.join(name);
    #[expect(clippy::disallowed_methods, reason = "sled lives on the real disk only")]
    let bytes = std::fs::read(&file).expect("reads");
    #[expect(clippy::disallowed_methods, reason = "sled lives on the real disk only")]
    std::fs::write(&file, spoiled(bytes)).expect("writes");
}

#[test]
fn a_damaged_folder_is_moved_aside_and_one_that_is_gone_is_made_anew() {
    let dir = tempfile::tempdir().expect("makes");
    let path = dir.path().join("catalogue");
    let mut moved = 0;
    let mut open = || {
        let (catalogue, damage) = Catalogue::open(&path).expect("opens whatever is there");
        if let Some(damage) = damage {
            moved += 1;
            assert_eq!(damage.moved_to, dir.path().join(format!("catalogue.damaged-{moved}")));
            assert!(damage.moved_to.exists() && !damage.reason.is_empty());
        }
        catalogue
    };
    for round in 0..6u8 {
        // sled may notice the last round's damage only now.
        let catalogue = open();
        fill(&catalogue);
        drop(catalogue);
        match round {
            0 => std::fs::remove_dir_all(&path).expect("removes"),
            1 => spoil(&path, "conf", |_| b"segment_size: nonsense".to_vec()),
            2 => spoil(&path, "db", |bytes| vec![0xa5; bytes.len()]),
            3 => spoil(&path, "db", |bytes| bytes[..bytes.len() / 2].to_vec()),
            4 => spoil(&path, "db", |mut bytes| {
                bytes.iter_mut().step_by(7).for_each(|byte| *byte ^= 0x55);
                bytes
            }),
            _ => spoil(&path, "conf", |_| Vec::new()),
        }
        let catalogue = open();
        fill(&catalogue);
        assert_eq!(shards(&catalogue), [2, 3, 300], "round {round}");
    }
    assert!(moved >= 2, "sled noticed {moved} of five damages");
}
