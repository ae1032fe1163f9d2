//! What a crash may leave: everything synced, and of the rest only what was written.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use varve_env::sim::{Action, Fault, SimDisk, Survival};
use varve_env::{Disk, DiskFile, OpenMode};

use crate::script::{Machine, files, steps};

/// What one file may hold after a crash, told apart from how the disk works it out: for each
/// place the bytes that were there since the last sync, and all lengths since then.
#[derive(Clone, Debug)]
struct Possible {
    now: Vec<u8>,
    bytes: Vec<Vec<u8>>,
    len_min: usize,
    len_max: usize,
}

impl Possible {
    fn empty() -> Self {
        Self { now: Vec::new(), bytes: Vec::new(), len_min: 0, len_max: 0 }
    }

    fn sync(&mut self) {
        self.bytes = self.now.iter().map(|byte| vec![*byte]).collect();
        (self.len_min, self.len_max) = (self.now.len(), self.now.len());
    }

    fn set_len(&mut self, len: usize) {
        let old = self.now.len();
        self.now.resize(len, 0);
        self.bytes.resize(self.bytes.len().max(len), Vec::new());
        for place in old..len {
            self.bytes[place].push(0);
        }
        self.len_min = self.len_min.min(len);
        self.len_max = self.len_max.max(len);
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.now.len() < offset {
            self.set_len(offset);
        }
        let end = offset + bytes.len();
        self.now.resize(self.now.len().max(end), 0);
        self.bytes.resize(self.bytes.len().max(end), Vec::new());
        for (place, byte) in (offset..end).zip(bytes) {
            self.now[place] = *byte;
            self.bytes[place].push(*byte);
        }
        self.len_max = self.len_max.max(end);
    }

    fn allows(&self, found: &[u8]) -> Result<(), String> {
        if found.len() < self.len_min || found.len() > self.len_max {
            return Err(format!("{} bytes, not {}..={}", found.len(), self.len_min, self.len_max));
        }
        for (place, byte) in found.iter().enumerate() {
            if !self.bytes[place].contains(byte) {
                return Err(format!("byte {place} is {byte}, not of {:?}", self.bytes[place]));
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: usize },
    SetLen(usize),
    Allocate(usize),
    Sync,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        6 => (0usize..20_000, 1usize..9_000)
            .prop_map(|(offset, bytes)| Change::Write { offset, bytes }),
        2 => (0usize..20_000).prop_map(Change::SetLen),
        2 => (0usize..20_000).prop_map(Change::Allocate),
        2 => Just(Change::Sync),
    ];
    prop::collection::vec(change, 1..25)
}

fn survival() -> impl Strategy<Value = Survival> {
    prop_oneof![
        1 => Just(Survival::Everything),
        1 => Just(Survival::Synced),
        6 => any::<u64>().prop_map(Survival::Seeded),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_file_keeps_what_was_synced_and_gains_only_what_was_written(
        changes in changes(),
        survival in survival(),
    ) {
        let disk = SimDisk::new();
        let path = Path::new("/file");
        let file = disk.open(path, OpenMode::Create).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let mut possible = Possible::empty();
        let mut synced = Vec::new();
        for (number, change) in changes.iter().enumerate() {
            match change {
                Change::Write { offset, bytes } => {
                    let bytes = vec![u8::try_from(number + 1).unwrap(); *bytes];
                    file.write_all_at(&bytes, *offset as u64).unwrap();
                    possible.write(*offset, &bytes);
                }
                Change::SetLen(len) => {
                    file.set_len(*len as u64).unwrap();
                    possible.set_len(*len);
                }
                Change::Allocate(len) => {
                    file.allocate(*len as u64).unwrap();
                    possible.set_len((*len).max(possible.now.len()));
                }
                Change::Sync => {
                    file.sync_data().unwrap();
                    possible.sync();
                    synced.clone_from(&possible.now);
                }
            }
        }
        disk.crash(survival);
        let found = disk.contents(path).unwrap();
        match survival {
            Survival::Everything => prop_assert_eq!(&found, &possible.now),
            Survival::Synced => prop_assert_eq!(&found, &synced),
            Survival::Seeded(_) => {
                prop_assert_eq!(possible.allows(&found), Ok(()));
            }
        }
        // And what a crash left stays: the next one finds nothing to take.
        disk.crash(Survival::Synced);
        prop_assert_eq!(disk.contents(path).unwrap(), found);
    }

    #[test]
    fn appends_survive_without_holes(
        sizes in prop::collection::vec(1usize..9_000, 1..20),
        seed in any::<u64>(),
    ) {
        let disk = SimDisk::new();
        let file = disk.open(Path::new("/file"), OpenMode::Create).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let mut whole = Vec::new();
        for (number, size) in sizes.iter().enumerate() {
            let bytes = vec![u8::try_from(number + 1).unwrap(); *size];
            file.write_all_at(&bytes, whole.len() as u64).unwrap();
            whole.extend(bytes);
        }
        disk.crash(Survival::Seeded(seed));
        let found = disk.contents(Path::new("/file")).unwrap();
        prop_assert!(whole.starts_with(&found));
    }

    #[test]
    fn a_crash_depends_on_its_seed_alone(steps in steps(60), survival in survival()) {
        let run = || {
            let disk = SimDisk::new();
            let root = Path::new("/data");
            disk.create_dir_all(root).unwrap();
            let mut machine = Machine::new(&disk, root);
            for step in &steps {
                machine.take(step);
            }
            let before = files(&disk, root);
            disk.crash(survival);
            (before, files(&disk, root))
        };
        let (before, after) = run();
        prop_assert_eq!(&after, &run().1);
        if survival == Survival::Everything {
            prop_assert_eq!(after, before);
        }
    }

    #[test]
    fn names_survive_up_to_some_change_of_their_directory(
        renames in prop::collection::vec((0u8..4, 0u8..4), 0..12),
        synced in 0usize..12,
        seed in any::<u64>(),
    ) {
        let disk = SimDisk::new();
        let root = Path::new("/");
        let path = |name: u8| PathBuf::from(format!("/{name}"));
        for name in 0..4 {
            let file = disk.open(&path(name), OpenMode::Create).unwrap();
            file.write_all_at(&[name], 0).unwrap();
            file.sync_data().unwrap();
        }
        disk.sync_dir(root).unwrap();
        let mut possible = vec![files(&disk, root)];
        for (number, (from, to)) in renames.iter().enumerate() {
            if disk.rename(&path(*from), &path(*to)).is_ok() {
                possible.push(files(&disk, root));
            }
            if number == synced {
                disk.sync_dir(root).unwrap();
                possible.drain(..possible.len() - 1);
            }
        }
        disk.crash(Survival::Seeded(seed));
        prop_assert!(possible.contains(&files(&disk, root)));
    }

    #[test]
    fn a_rename_between_directories_never_loses_the_file(
        sync_from in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let disk = SimDisk::new();
        disk.create_dir_all(Path::new("/from")).unwrap();
        disk.create_dir_all(Path::new("/to")).unwrap();
        drop(disk.open(Path::new("/from/x"), OpenMode::Create).unwrap());
        disk.sync_dir(Path::new("/from")).unwrap();
        disk.rename(Path::new("/from/x"), Path::new("/to/x")).unwrap();
        if sync_from {
            disk.sync_dir(Path::new("/from")).unwrap();
        }
        disk.crash(Survival::Seeded(seed));
        let found = [Path::new("/from/x"), Path::new("/to/x")].map(|path| disk.exists(path));
        prop_assert!(found[1] || (found[0] && !sync_from), "{:?}", found);
    }
}

#[test]
fn seeds_reach_every_outcome_of_two_overwrites() {
    let mut outcomes: BTreeMap<(u8, u8), u32> = BTreeMap::new();
    let mut torn = 0;
    for seed in 0..300 {
        let disk = SimDisk::new();
        let file = disk.open(Path::new("/file"), OpenMode::Create).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file.allocate(200).unwrap();
        file.sync_data().unwrap();
        file.write_all_at(&[1; 100], 0).unwrap();
        file.write_all_at(&[2; 100], 100).unwrap();
        disk.crash(Survival::Seeded(seed));
        let found = disk.contents(Path::new("/file")).unwrap();
        assert_eq!(found.len(), 200);
        torn += u32::from(found[0] != found[99]);
        *outcomes.entry((found[99], found[199])).or_default() += 1;
    }
    let reached: Vec<_> = outcomes.keys().copied().collect();
    assert_eq!(reached, [(0, 0), (0, 2), (1, 0), (1, 2)], "{outcomes:?}");
    assert!(torn > 5, "{torn} of 300 first writes were torn");
}

#[test]
fn who_was_there_before_a_crash_is_shut_out() {
    let disk = SimDisk::new();
    let mount = disk.mount();
    let file = mount.open(Path::new("/file"), OpenMode::Create).unwrap();
    disk.crash(Survival::Everything);
    assert!(file.write_all_at(b"late", 0).is_err());
    assert!(file.len().is_err());
    assert!(mount.open(Path::new("/file"), OpenMode::Read).is_err());
    assert!(disk.mount().open(Path::new("/file"), OpenMode::Read).is_ok());
}

#[test]
fn a_failed_sync_is_not_made_good_by_the_next_one() {
    let disk = SimDisk::new();
    let file = disk.open(Path::new("/dir-less"), OpenMode::Create).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.allocate(10).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(b"lost", 0).unwrap();
    disk.inject(Fault { action: Action::SyncData, under: "/".into(), times: 1 });
    assert!(file.sync_data().is_err());
    file.write_all_at(b"kept", 4).unwrap();
    file.sync_data().unwrap();
    assert_eq!(disk.contents(Path::new("/dir-less")).unwrap(), b"lostkept\0\0");
    disk.crash(Survival::Synced);
    assert_eq!(disk.contents(Path::new("/dir-less")).unwrap(), b"\0\0\0\0kept\0\0");
}

#[test]
fn faults_strike_where_and_as_often_as_planted() {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("/a")).unwrap();
    let inside = disk.open(Path::new("/a/file"), OpenMode::Create).unwrap();
    let outside = disk.open(Path::new("/ab"), OpenMode::Create).unwrap();
    disk.inject(Fault { action: Action::Write, under: "/a".into(), times: 2 });
    let outcomes = |file: &dyn DiskFile| [(); 3].map(|()| file.write_all_at(b"x", 0).is_ok());
    assert_eq!(outcomes(&*outside), [true, true, true]);
    assert_eq!(outcomes(&*inside), [false, false, true]);
    assert_eq!(disk.heal(), []);
}

#[test]
fn a_full_disk_takes_what_fits_and_room_comes_back_with_removal() {
    let disk = SimDisk::new();
    disk.set_capacity(Some(100));
    let first = disk.open(Path::new("/first"), OpenMode::Create).unwrap();
    first.allocate(60).unwrap();
    let second = disk.open(Path::new("/second"), OpenMode::Create).unwrap();
    let full = |result: std::io::Result<()>| result.unwrap_err().kind() == ErrorKind::StorageFull;
    assert!(full(second.allocate(41)));
    assert!(full(second.write_all_at(&[1; 50], 0)));
    assert_eq!(second.len().unwrap(), 40);
    first.write_all_at(&[1; 60], 0).unwrap();
    disk.remove(Path::new("/first")).unwrap();
    assert_eq!(disk.free_bytes(Path::new("/")).unwrap(), 0);
    drop(first);
    assert_eq!(disk.free_bytes(Path::new("/")).unwrap(), 60);
}

#[test]
fn after_a_power_cut_nothing_changes_until_the_machine_is_back() {
    let disk = SimDisk::new();
    let file = disk.open(Path::new("/file"), OpenMode::Create).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk.cut_power_after(2);
    file.write_all_at(b"one", 0).unwrap();
    file.sync_data().unwrap();
    assert!(disk.has_lost_power());
    assert!(file.write_all_at(b"two", 0).is_err());
    assert!(disk.remove(Path::new("/file")).is_err());
    disk.crash(Survival::Everything);
    assert_eq!(disk.contents(Path::new("/file")).unwrap(), b"one");
    disk.remove(Path::new("/file")).unwrap();
}
