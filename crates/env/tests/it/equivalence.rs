//! As long as nothing crashes, no program can tell the simulated disk from a real one.

use std::path::Path;

use proptest::prelude::*;
use varve_env::sim::SimDisk;
use varve_env::{Disk, OpenMode, RealDisk};

use crate::script::{Machine, files, steps};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn the_simulated_disk_does_as_the_real_one(steps in steps(60)) {
        let directory = tempfile::tempdir().unwrap();
        let sim = SimDisk::new();
        let sim_root = Path::new("/data");
        sim.create_dir_all(sim_root).unwrap();
        {
            let mut real_machine = Machine::new(&RealDisk, directory.path());
            let mut sim_machine = Machine::new(&sim, sim_root);
            for step in &steps {
                let shown = (sim_machine.take(step), real_machine.take(step));
                prop_assert_eq!(&shown.0, &shown.1, "simulated and real after {:?}", step);
            }
        }
        prop_assert_eq!(files(&sim, sim_root), files(&RealDisk, directory.path()));
    }
}

#[test]
fn no_bytes_are_read_also_past_the_end() {
    let directory = tempfile::tempdir().unwrap();
    for disk in [&RealDisk as &dyn Disk, &SimDisk::new()] {
        disk.create_dir_all(directory.path()).unwrap();
        let file = disk.open(&directory.path().join("a"), OpenMode::Create).unwrap();
        file.read_exact_at(&mut [], 1).unwrap();
        assert!(file.read_exact_at(&mut [0], 0).is_err());
    }
}

#[test]
fn a_directory_is_made_with_all_above_it_and_making_it_again_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    for disk in [&RealDisk as &dyn Disk, &SimDisk::new()] {
        let deep = directory.path().join("x/y/z");
        disk.create_dir_all(&deep).unwrap();
        disk.create_dir_all(&deep).unwrap();
        assert!(disk.exists(&deep));
        assert!(disk.free_bytes(&deep).unwrap() > 0);
    }
}
