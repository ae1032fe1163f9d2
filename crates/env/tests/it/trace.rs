//! A recorded run can be stopped anywhere.

use std::path::Path;

use proptest::prelude::*;
use varve_env::sim::{Op, SimDisk, Survival};
use varve_env::{Disk, OpenMode};

use crate::script::{Machine, files, steps};

proptest! {
    #[test]
    fn a_replayed_run_ends_as_the_run_did(before in steps(20), after in steps(60), seed in any::<u64>()) {
        let disk = SimDisk::new();
        let root = Path::new("/data");
        disk.create_dir_all(root).unwrap();
        let mut machine = Machine::new(&disk, root);
        for step in &before {
            machine.take(step);
        }
        disk.start_trace();
        for step in &after {
            machine.take(step);
        }
        let trace = disk.take_trace();
        let replayed = trace.replay(trace.ops().len());
        prop_assert_eq!(files(&replayed, root), files(&disk, root));
        replayed.crash(Survival::Seeded(seed));
        disk.crash(Survival::Seeded(seed));
        prop_assert_eq!(files(&replayed, root), files(&disk, root));
    }
}

#[test]
fn a_run_can_be_stopped_in_the_middle_of_a_write() {
    let disk = SimDisk::new();
    disk.start_trace();
    let file = disk.open(Path::new("/file"), OpenMode::Create).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.write_all_at(b"first", 0).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(b"second", 5).unwrap();
    let trace = disk.take_trace();
    let write = trace.ops().iter().rposition(|op| matches!(op, Op::Write { .. })).unwrap();
    let left = |bytes, survival| {
        let disk = trace.replay_torn(write, bytes);
        disk.crash(survival);
        String::from_utf8(disk.contents(Path::new("/file")).unwrap()).unwrap()
    };
    assert_eq!(left(0, Survival::Everything), "first");
    assert_eq!(left(3, Survival::Everything), "firstsec");
    assert_eq!(left(3, Survival::Synced), "first");
    assert_eq!(left(99, Survival::Everything), "firstsecond");
}
