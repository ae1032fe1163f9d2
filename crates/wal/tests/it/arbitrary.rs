//! Recovery from any bytes: it answers, uses no more memory than the files justify, and the log
//! it opens works.

use std::path::Path;

use proptest::prelude::*;
use varve_env::sim::{SimDisk, Survival};
use varve_env::{Disk, OpenMode};

use super::script::{Model, script};
use super::world::{DIR, append, contents, log_files, open, run};

fn put(disk: &SimDisk, name: &str, bytes: &[u8]) {
    disk.create_dir_all(Path::new(DIR)).unwrap();
    let file = disk.open(&Path::new(DIR).join(name), OpenMode::Create).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync_data().unwrap();
}

/// Opens, uses, opens again.
fn opens_and_works(disk: &SimDisk) {
    run(async {
        let (wal, _) = open(5, disk).await;
        contents(&wal).await;
        let group = wal.groups().last().map_or(0, |group| group.get().wrapping_add(1));
        for index in 0..3 {
            append(&wal, group, vec![(index, vec![9; 100])]).await.unwrap();
        }
        disk.crash(Survival::Synced);
        drop(wal);
        let (wal, _) = open(6, disk).await;
        let group = wal.group(varve_types::GroupId::from_number(group));
        assert_eq!(group.read(0.into()..9.into(), usize::MAX).await.unwrap().len(), 3);
    });
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("00000001.log".to_owned()),
        Just("00000002.log".to_owned()),
        Just("00000007.log".to_owned()),
        Just("reserve.log".to_owned()),
        Just("spare-00000000.log".to_owned()),
        Just("99999999999.log".to_owned()),
        "[0-9a-z.-]{1,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn files_of_noise(
        files in proptest::collection::vec((name(), proptest::collection::vec(any::<u8>(), 0..20_000)), 0..4),
    ) {
        let disk = SimDisk::new();
        for (name, bytes) in &files {
            if name != "." && name != ".." {
                put(&disk, name, bytes);
            }
        }
        opens_and_works(&disk);
    }

    #[test]
    fn a_log_with_pieces_moved_about(
        seed in 0u64..4,
        moves in proptest::collection::vec((any::<[u16; 4]>(), any::<u8>()), 1..12),
    ) {
        let disk = SimDisk::new();
        run(async {
            let (wal, _) = open(seed, &disk).await;
            let mut model = Model::default();
            for step in script(seed, 80, 4, 900) {
                model.call(&wal, &step, |_| ());
                model.apply(&step);
                tokio::time::sleep(std::time::Duration::from_millis(4)).await;
            }
            wal.shutdown().await.unwrap();
        });
        let files = log_files(&disk);
        for ([from, to, length, file], kind) in moves {
            let source = disk.contents(&files[file as usize % files.len()]).unwrap();
            let target = &files[kind as usize / 4 % files.len()];
            disk.damage(target, |bytes| {
                let round = |number: u16| if kind % 2 == 0 { number / 8 * 8 } else { number };
                let from = round(from) as usize % source.len().max(1);
                let to = round(to) as usize % bytes.len().max(1);
                let length = (length as usize % 5000).min(source.len() - from);
                let length = length.min(bytes.len() - to);
                bytes[to..to + length].copy_from_slice(&source[from..from + length]);
                if kind % 4 == 3 {
                    bytes.truncate(to + length);
                }
            }).unwrap();
        }
        opens_and_works(&disk);
    }
}
