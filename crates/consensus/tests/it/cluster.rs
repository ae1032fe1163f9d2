//! Three hosts in one process, joined by memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;
use varve_consensus::{Host, NewDisk, PeerTransport, ShardState};
use varve_env::sim::SimDisk;
use varve_types::ShardId;

use crate::computer::{options, virtual_time};
use crate::producer::Producer;
use crate::switchboard::{Switchboard, eventually, joiner, leader_of, three};

#[test]
fn three_voters_agree_survive_one_and_close_alike() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let hosts = three(&switchboard).await;
        let mut settings = hosts[0].catalog().settings.clone();
        settings.bucket_bits = Some(0);
        hosts[0].change_settings(settings).await.unwrap();
        let mut producer = Producer::default();
        producer.send_many(&hosts[0], 5).await;
        hosts[0].roll(ShardId(1)).await.unwrap();

        // Shard 2 has a replica on each node.
        let shard = ShardId(2);
        assert_eq!(hosts[0].catalog().shards[&shard].replicas.len(), 3);
        eventually("shard 2 is led", || leader_of(&hosts, shard).is_some()).await;
        let leader = leader_of(&hosts, shard).unwrap();
        producer.send_many(&hosts[leader], 20).await;
        let follower = &hosts[(leader + 1) % 3];
        // Whoever takes a block hands it to the leader.
        producer.send_one(follower).await.unwrap();
        eventually("all applied the same", || {
            let of = |host: &Host| {
                let status = host.status().into_iter().find(|s| s.shard == shard).unwrap();
                status.here.map(|here| (here.rows, here.digest, here.applied))
            };
            of(&hosts[0]).is_some() && hosts.iter().all(|host| of(host) == of(&hosts[0]))
        })
        .await;

        // One follower of the shard, and not the catalog's leader, goes.
        let gone = (0..3).find(|at| *at != leader && *at != 0).unwrap();
        switchboard.unplug(hosts[gone].node());
        producer.send_many(&hosts[leader], 20).await;
        switchboard.plug(&hosts[gone]);
        eventually("the one that was away catches up", || {
            let rows = |host: &Host| {
                let status = host.status().into_iter().find(|s| s.shard == shard).unwrap();
                status.here.map(|here| here.rows)
            };
            rows(&hosts[gone]) == rows(&hosts[leader])
        })
        .await;

        // Closing takes all three, since all can be reached.
        hosts[leader].roll(shard).await.unwrap();
        let catalog = hosts[0].catalog_now().await.unwrap();
        let ShardState::Closed(closed) = &catalog.shards[&shard].state else {
            panic!("{:?}", catalog.shards[&shard].state)
        };
        assert_eq!(closed.holders.len(), 3);
        assert_eq!(closed.rows, 41 * 4);
    });
}

#[test]
fn a_follower_that_missed_what_was_purged_is_sent_a_snapshot() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let hosts = three(&switchboard).await;
        let mut settings = hosts[0].catalog().settings.clone();
        settings.bucket_bits = Some(0);
        hosts[0].change_settings(settings).await.unwrap();
        let mut producer = Producer::default();
        producer.send_many(&hosts[0], 5).await;
        hosts[0].roll(ShardId(1)).await.unwrap();
        let shard = ShardId(2);
        eventually("shard 2 is led", || leader_of(&hosts, shard).is_some()).await;
        let leader = leader_of(&hosts, shard).unwrap();
        let gone = (0..3).find(|at| *at != leader && *at != 0).unwrap();
        switchboard.unplug(hosts[gone].node());
        // Enough for several flushes, each of which lets the log be purged.
        producer.send_many(&hosts[leader], 300).await;
        let segments = |host: &Host| {
            let status = host.status().into_iter().find(|s| s.shard == shard).unwrap();
            status.here.map_or(0, |here| here.segments)
        };
        eventually("the leader wrote segments", || segments(&hosts[leader]) > 1).await;
        assert_eq!(switchboard.installs.load(Ordering::SeqCst), 0);
        switchboard.plug(&hosts[gone]);
        eventually("the one that was away has the same", || {
            let of = |host: &Host| {
                let status = host.status().into_iter().find(|s| s.shard == shard).unwrap();
                status.here.map(|here| (here.rows, here.digest))
            };
            of(&hosts[gone]) == of(&hosts[leader])
        })
        .await;
        assert!(switchboard.installs.load(Ordering::SeqCst) > 0, "no snapshot was sent");
        hosts[leader].roll(shard).await.unwrap();
    });
}

#[test]
fn a_node_that_joins_late_is_sent_the_catalog_whole() {
    virtual_time().block_on(async {
        let switchboard = Switchboard::default();
        let transport: Arc<dyn PeerTransport> = Arc::new(switchboard.clone());
        let founding =
            options(&SimDisk::new(), "n1:1", NewDisk::Found, Arc::clone(&transport)).await;
        let first = Host::start(founding).await.unwrap();
        switchboard.plug(&first);
        for seconds in 0..400 {
            let mut settings = first.catalog().settings.clone();
            settings.window_age_ns = (3600 + seconds) * 1_000_000_000;
            first.change_settings(settings).await.unwrap();
        }
        // Time to save the catalog, which lets its log be purged.
        sleep(Duration::from_secs(3)).await;
        let joining = NewDisk::Join(first.admit(joiner("n2:1")).await.unwrap());
        let disk = SimDisk::new();
        let joining = options(&disk, "n2:1", joining, Arc::clone(&transport)).await;
        let second = Host::start(joining).await.unwrap();
        switchboard.plug(&second);
        eventually("a snapshot is sent", || switchboard.installs.load(Ordering::SeqCst) > 0).await;
        eventually("the catalogs are equal", || second.catalog() == first.catalog()).await;
    });
}
