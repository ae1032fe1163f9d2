//! Bytes that change after they were synced: never served, and blamed on nobody else's groups.

use std::collections::BTreeMap;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use varve_env::Disk;
use varve_env::sim::{Op, SimDisk, Survival};
use varve_types::GroupId;
use varve_wal::{RecoveryReport, WalError};

use super::script::{Model, script};
use super::world::{DIR, Group, append, contents, log_files, open, run, whole_contents};

/// A log of several files, synced and marked; what is in it; and the same disk, again and again.
struct Healthy {
    files: Vec<(std::path::PathBuf, Vec<u8>)>,
    contents: BTreeMap<GroupId, Group>,
}

impl Healthy {
    fn new(seed: u64, steps: usize, bytes_max: usize) -> Self {
        let disk = SimDisk::new();
        let contents = run(async {
            let (wal, _) = open(seed, &disk).await;
            let mut model = Model::default();
            for step in script(seed, steps, 6, bytes_max) {
                model.call(&wal, &step, |_| ());
                model.apply(&step);
                tokio::time::sleep(std::time::Duration::from_millis(3)).await;
            }
            wal.shutdown().await.unwrap();
            whole_contents(&wal).await
        });
        let names = disk.list(Path::new(DIR)).unwrap();
        let files = names
            .iter()
            .map(|name| Path::new(DIR).join(name.file_name().unwrap()))
            .map(|path| (path.clone(), disk.contents(&path).unwrap()))
            .collect();
        Self { files, contents }
    }

    fn disk(&self) -> SimDisk {
        let disk = SimDisk::new();
        disk.create_dir_all(Path::new(DIR)).unwrap();
        for (path, bytes) in &self.files {
            let file = disk.open(path, varve_env::OpenMode::CreateNew).unwrap();
            file.write_all_at(bytes, 0).unwrap();
            file.sync_data().unwrap();
        }
        disk.sync_dir(Path::new(DIR)).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk
    }

    /// Opens a damaged copy, twice: what is served is right, what is not is said.
    fn check(&self, disk: &SimDisk, context: &str) -> RecoveryReport {
        run(async {
            let (wal, report) = open(77, disk).await;
            let seen = contents(&wal).await;
            for (group, expected) in &self.contents {
                match seen.get(group) {
                    Some(Ok(found)) => assert_eq!(found, expected, "{context}: {group}"),
                    Some(Err(error)) => {
                        assert!(report.quarantined.contains_key(group), "{context}: {error}");
                    }
                    None => assert!(report.groups_may_be_missing, "{context}: {group} is gone"),
                }
            }
            for (group, found) in &seen {
                let invented = !self.contents.contains_key(group) && found.is_ok();
                assert!(!invented, "{context}: {group} was removed, and is there: {found:?}");
            }
            // The others go on, and after a new file, with all old ones read again, nothing
            // that was doubtful has become certain.
            for index in 0..30 {
                append(&wal, 500, vec![(index, vec![7; 600])]).await.unwrap();
            }
            disk.crash(Survival::Synced);
            drop(wal);
            let (wal, again) = open(78, disk).await;
            for (group, found) in contents(&wal).await {
                let Ok(found) = found else { continue };
                if let Some(expected) = self.contents.get(&group) {
                    assert_eq!(&found, expected, "{context}, again: {group}");
                }
            }
            for group in report.quarantined.keys() {
                assert!(again.quarantined.contains_key(group), "{context}: {group} came back");
                // The way out.
                wal.group(*group).remove().await.unwrap();
                append(&wal, group.get(), vec![(0, b"anew".to_vec())]).await.unwrap();
            }
            wal.shutdown().await.unwrap();
            let (_, cured) = open(79, disk).await;
            assert!(cured.quarantined.is_empty(), "{context}: not cured: {cured:?}");
            report
        })
    }
}

#[test]
fn every_flipped_byte_is_found_or_harmless() {
    for (seed, steps, bytes_max) in [(11, 120, 200), (12, 60, 900)] {
        let healthy = Healthy::new(seed, steps, bytes_max);
        let mut random = StdRng::seed_from_u64(seed);
        let mut found = 0;
        for path in log_files(&healthy.disk()) {
            let bytes = healthy.files.iter().find(|(name, _)| *name == path).unwrap().1.len();
            // Headers' first bytes and a dense sample of the rest.
            let mut offset = 0;
            while offset < bytes {
                let disk = healthy.disk();
                disk.flip_bit(&path, offset, random.random_range(0..8)).unwrap();
                let context = format!("{}, byte {offset}", path.display());
                let report = healthy.check(&disk, &context);
                found += usize::from(!report.quarantined.is_empty());
                assert!(report.quarantined.len() <= 1, "{context}: {report:#?}");
                assert!(!report.groups_may_be_missing, "{context}: {report:#?}");
                for (group, error) in &report.quarantined {
                    let WalError::Corrupt { file, groups, .. } = error else { panic!("{error}") };
                    assert_eq!(file, &path);
                    assert!(groups.contains(group));
                }
                offset += random.random_range(1..20);
            }
        }
        assert!(found > 20, "only {found} flips hurt anything: the test tests nothing");
    }
}

#[test]
fn larger_damage_is_found_too() {
    for (seed, bytes_max) in [(13, 700), (400, 900), (401, 450), (402, 225), (403, 112), (404, 56)]
    {
        damage_at_random(seed, bytes_max);
    }
}

fn damage_at_random(seed: u64, bytes_max: usize) {
    let healthy = Healthy::new(seed, 150, bytes_max);
    let mut random = StdRng::seed_from_u64(seed);
    let files = log_files(&healthy.disk());
    assert!(files.len() > 1, "a log of several files is meant");
    for round in 0..300 {
        let disk = healthy.disk();
        let file = &files[random.random_range(0..files.len())];
        let other = healthy.files[random.random_range(0..healthy.files.len())].1.clone();
        let start = random.random_range(0..16 << 10);
        let end = (start + random.random_range(1..6000)).min(16 << 10);
        let kind = random.random_range(0..6);
        let context = format!(
            "seed {seed}, round {round}, damage {kind}, {}, {start}..{end}",
            file.display()
        );
        match kind {
            0 => disk.truncate(file, start).unwrap(),
            1 => disk.damage(file, |bytes| bytes[start..end].fill(0)).unwrap(),
            2 => disk.damage(file, |bytes| random.fill(&mut bytes[start..end])).unwrap(),
            // A write that went elsewhere.
            3 => disk
                .damage(file, |bytes| bytes[start..end].copy_from_slice(&other[start..end]))
                .unwrap(),
            4 => disk
                .damage(file, |bytes| {
                    let length = (end - start).min(start);
                    bytes.copy_within(start - length..start, end - length);
                })
                .unwrap(),
            // A name that was lost: of the last file nothing can tell.
            _ if *file == files[files.len() - 1] => continue,
            _ => disk.remove(file).unwrap(),
        }
        healthy.check(&disk, &context);
    }
}

#[test]
fn damage_while_running_is_not_served() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(14, &disk).await;
        for index in 0..20 {
            append(&wal, 1, vec![(index, vec![index as u8; 400])]).await.unwrap();
        }
        let path = log_files(&disk)[0].clone();
        let at = disk.contents(&path).unwrap().windows(400).position(|it| it == [3; 400]).unwrap();
        disk.flip_bit(&path, at + 100, 3).unwrap();
        let log = wal.group(GroupId::from_number(1));
        let read = |first: u64, end: u64| {
            let log = log.clone();
            async move { log.read(first.into()..end.into(), usize::MAX).await }
        };
        assert_eq!(read(0, 3).await.unwrap().len(), 3);
        assert_eq!(read(4, 20).await.unwrap().len(), 16);
        let error = read(0, 20).await.unwrap_err();
        assert!(matches!(&error, WalError::Corrupt { file, .. } if *file == path), "{error}");
    });
}

#[test]
fn a_file_cut_short_is_noticed_even_when_nothing_followed() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(16, &disk).await;
        append(&wal, 1, vec![(0, vec![1; 100])]).await.unwrap();
        // No idle round yet, and no note.
        disk.crash(Survival::Synced);
        drop(wal);
        let path = log_files(&disk)[0].clone();
        disk.truncate(&path, 4096).unwrap();
        let (_, report) = open(17, &disk).await;
        assert!(!report.damages.is_empty() && report.groups_may_be_missing, "{report:?}");
    });
}

#[test]
fn a_crash_while_quarantining_brings_nobody_back() {
    let healthy = Healthy::new(15, 150, 300);
    let mut random = StdRng::seed_from_u64(15);
    let file = log_files(&healthy.disk()).pop().unwrap();
    let end = healthy.files.iter().find(|(name, _)| *name == file).unwrap().1.len();
    let mut quarantined = 0;
    for round in 0..60 {
        let disk = healthy.disk();
        let start = random.random_range(4096..end);
        let length = random.random_range(1..3000).min(end - start);
        disk.damage(&file, |bytes| bytes[start..start + length].fill(0)).unwrap();
        disk.start_trace();
        let first = run(async {
            let (wal, report) = open(80, &disk).await;
            append(&wal, 500, vec![(0, vec![7; 50])]).await.unwrap();
            report
        });
        quarantined += first.quarantined.len();
        let trace = disk.take_trace();
        for (ops, op) in trace.ops().iter().enumerate() {
            let Op::Write { bytes, .. } = op else { continue };
            for cut in (1..=bytes.len()).step_by(5) {
                let disk = trace.replay_torn(ops, cut);
                disk.crash(Survival::Everything);
                run(async {
                    let (_, again) = open(81, &disk).await;
                    for group in first.quarantined.keys() {
                        let kept = again.quarantined.contains_key(group);
                        assert!(kept, "round {round}, operation {ops}, byte {cut}: {group}");
                    }
                });
            }
        }
    }
    assert!(quarantined > 30, "only {quarantined} groups were hurt: the test tests nothing");
}
