//! One holder of a lock at a time.

use std::io::ErrorKind;
use std::path::Path;

use varve_env::sim::{SimDisk, Survival};
use varve_env::{Disk, RealDisk};

#[test]
fn a_lock_has_one_holder_until_it_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let sim = SimDisk::new();
    sim.create_dir_all(directory.path()).unwrap();
    for disk in [&RealDisk as &dyn Disk, &sim] {
        let path = directory.path().join("lock");
        let held = disk.lock(&path).unwrap();
        assert_eq!(disk.lock(&path).err().map(|error| error.kind()), Some(ErrorKind::WouldBlock));
        drop(held);
        disk.lock(&path).unwrap();
    }
}

#[test]
fn a_crash_releases_locks_and_the_dead_holder_cannot_release_the_next_ones() {
    let disk = SimDisk::new();
    let path = Path::new("/lock");
    let before = disk.lock(path).unwrap();
    disk.crash(Survival::Everything);
    let _after = disk.lock(path).unwrap();
    drop(before);
    assert!(disk.lock(path).is_err());
}
