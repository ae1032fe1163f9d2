//! Founding, restarting, and what a damaged disk is answered.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use tokio::time::Instant;
use varve_consensus::{Host, NewDisk, NoPeers, ProposeError};
use varve_env::sim::Survival;
use varve_types::ShardId;

use crate::computer::{Computer, options, virtual_time};
use crate::producer::Producer;

#[test]
fn a_new_node_serves_well_within_a_second() {
    Computer::new().live(Survival::Synced, async |host| {
        let started = Instant::now();
        Producer::default().send_many(&host, 1).await;
        assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
        let shown =
            host.status().into_iter().map(|s| format!("{} {} {:?}\n", s.shard, s.state, s.leader));
        expect![[r#"
            1 open Some(NodeId(1))
        "#]]
        .assert_eq(&shown.collect::<String>());
    });
}

#[test]
fn what_was_acknowledged_is_there_after_each_crash() {
    let computer = Computer::new();
    let mut producer = Producer::default();
    for seed in 0..8 {
        computer.live(Survival::Seeded(seed), async |host| {
            producer.check(&host).await;
            producer.resend(&host).await;
            producer.send_many(&host, 40).await;
        });
    }
    computer.live(Survival::Synced, async |host| {
        producer.check(&host).await;
        let status = &host.status()[0];
        let here = status.here.as_ref().unwrap();
        assert!(here.segments > 0, "the tail was written out on the way: {here:?}");
        assert_eq!(host.catalog().shards.len(), 1);
    });
}

#[test]
fn a_node_without_its_log_does_not_start_as_a_new_one() {
    let computer = Computer::new();
    computer.live(Survival::Synced, async |host| Producer::default().send_many(&host, 3).await);
    let disk = computer.disk.mount();
    disk.remove_dir_all(Path::new("/data/wal")).unwrap();
    let error = computer.try_live(Survival::Synced, async |_| ()).unwrap_err();
    expect!["the write-ahead log of /data is missing or empty, but there are shards that belong to it: restore it from a backup, or move the whole data folder away to start as a new node"]
        .assert_eq(&error.to_string());
}

#[test]
fn a_node_without_its_identity_does_not_start() {
    let computer = Computer::new();
    computer.live(Survival::Synced, async |host| Producer::default().send_many(&host, 3).await);
    computer.disk.mount().remove(Path::new("/data/node")).unwrap();
    let error = computer.try_live(Survival::Synced, async |_| ()).unwrap_err();
    expect!["/data/node is missing, but the write-ahead log has groups: restore the file from a backup, or move the whole data folder away to start as a new node"]
        .assert_eq(&error.to_string());
}

#[test]
fn a_damaged_shard_is_refused_and_the_others_serve() {
    let computer = Computer::new();
    let mut producer = Producer::default();
    computer.live(Survival::Synced, async |host| {
        producer.send_many(&host, 5).await;
        host.roll(ShardId(1)).await.unwrap();
        producer.send_many(&host, 5).await;
    });
    let manifest = Path::new("/data/shards/1/0/manifest");
    computer.disk.flip_bit(manifest, 40, 3).unwrap();
    computer.live(Survival::Synced, async |host| {
        let status = host.status();
        let problem = status[0].problem.clone().unwrap();
        assert!(problem.contains("/data/shards/1/0/manifest is damaged"), "{problem}");
        assert_eq!(status[1].problem, None);
        host.read(ShardId(2)).await.unwrap();
        assert!(host.read_all().await.is_err(), "a read covers everything or fails");
        producer.send_many(&host, 5).await;
    });
}

/// A group that does nothing must not keep the log from being freed for everybody.
#[test]
fn the_log_is_freed_of_groups_that_lag() {
    let computer = Computer::new();
    let runtime = virtual_time();
    runtime.block_on(async {
        let options = options(&computer.disk, "a:1", NewDisk::Found, Arc::new(NoPeers)).await;
        let wal = options.wal.clone();
        let host = Host::start(options).await.unwrap();
        let mut producer = Producer::default();
        producer.send_many(&host, 1).await;
        // The catalog's first entries lie in the first file, and nothing is added to them.
        for _ in 0..8 {
            producer.send_many(&host, 500).await;
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        let held = wal.stats().file_bytes;
        assert!(held <= 4 << 20, "the log holds {held} bytes");
        producer.check(&host).await;
    });
}

#[test]
fn a_full_disk_takes_no_block_and_still_serves() {
    let computer = Computer::new();
    computer.live(Survival::Synced, async |host| {
        let mut producer = Producer::default();
        producer.send_many(&host, 10).await;
        // Less than is to be kept free.
        computer.disk.set_capacity(Some(6 << 20));
        tokio::time::sleep(Duration::from_secs(2)).await;
        let refused = producer.send_one(&host).await.unwrap_err();
        assert!(matches!(refused, ProposeError::DiskFull), "{refused:?}");
        producer.check(&host).await;
        computer.disk.set_capacity(None);
        tokio::time::sleep(Duration::from_secs(2)).await;
        producer.resend(&host).await;
        producer.send_many(&host, 10).await;
        producer.check(&host).await;
    });
}

#[test]
fn the_catalog_goes_on_while_there_is_no_room_to_save_it() {
    let computer = Computer::new();
    computer.live(Survival::Synced, async |host| {
        let mut producer = Producer::default();
        producer.send_many(&host, 10).await;
        computer.disk.set_capacity(Some(0));
        // More changes than may wait to be saved.
        let mut settings = host.catalog().settings.clone();
        for change in 0..300_u32 {
            settings.bucket_bits = Some(u8::from(change % 2 == 0));
            host.change_settings(settings.clone()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!computer.disk.mount().exists(Path::new("/data/catalog/catalog")));
        producer.check(&host).await;
        computer.disk.set_capacity(None);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(computer.disk.mount().exists(Path::new("/data/catalog/catalog")));
        producer.send_many(&host, 10).await;
        producer.check(&host).await;
    });
}

#[test]
fn a_sole_voter_whose_log_is_rotten_refuses_its_shard_and_names_the_file() {
    let computer = Computer::new();
    let mut producer = Producer::default();
    computer.live(Survival::Synced, async |host| {
        producer.send_many(&host, 5).await;
        host.roll(ShardId(1)).await.unwrap();
        producer.send_many(&host, 20).await;
    });
    let disk = computer.disk.mount();
    let files = disk.list(Path::new("/data/wal")).unwrap();
    let log = files.iter().map(|name| Path::new("/data/wal").join(name)).find_map(|path| {
        let bytes = computer.disk.contents(&path).ok()?;
        // The key of a batch that only the open shard has.
        let key = b"producer";
        let at = bytes.windows(key.len()).rposition(|window| window == key)?;
        let earlier = bytes[..at - 2000].windows(key.len()).rposition(|window| window == key)?;
        Some((path, earlier))
    });
    let (path, at) = log.expect("the log has a batch's key in it");
    computer.disk.flip_bit(&path, at, 1).unwrap();
    computer.live(Survival::Synced, async |host| {
        let status = host.status();
        assert_eq!(status[0].problem, None);
        let problem = status[1].problem.clone().unwrap();
        assert!(problem.contains(&path.display().to_string()), "{problem}");
        host.read(ShardId(1)).await.unwrap();
        host.read(ShardId(2)).await.unwrap_err();
        producer.send_one(&host).await.unwrap_err();
    });
}
